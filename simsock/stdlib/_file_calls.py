"""What programs do to real files, and what time those have for it: the world's.

Owns the calls that make, change, move and remove files, each of which is the system's and then says so to the world's ``FileTimes``, and what ``os.stat``
and its kin tell. Knows nothing of simulated descriptors, which never come here. Laws: the system's call comes first, with its own errors; nothing here is a
scheduling point, waits or is recorded; outside every world each function is the system's.
"""

from __future__ import annotations

import os as _real
import re
from contextlib import suppress
from stat import S_ISSOCK
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.file_times import CHANGED, READ, WRITTEN, FileTimes
from simsock.kernel.identity import only_in_world
from simsock.kernel.units import NS
from simsock.net.fabric import fabric_of
from simsock.net.pipes import EventCounter, PipeEnd
from simsock.net.sockets import Socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel

# A patched world replaces these names in ``os``; these are the system's.
_stat, _fstat, _open, _utime, _dirname, _fspath = _real.stat, _real.fstat, _real.open, _real.utime, _real.path.dirname, _real.fspath
_fsdecode, _fsencode, _abspath, _join, _readlink = _real.fsdecode, _real.fsencode, _real.path.abspath, _real.path.join, _real.readlink
_mkdir, _mknod, _link, _symlink, _truncate = _real.mkdir, _real.mknod, _real.link, _real.symlink, _real.truncate
_NAMES = ("st_atime", "st_mtime", "st_ctime")
_NOT_THERE: Any = None
_NAMES_OF_DESCRIPTORS = re.compile(r"(?:/dev/fd|/proc/(?:self|thread-self|\d+)/fd)/(\d{5,7})")


def told(found: Any) -> Any:
    """A result of ``os.stat`` as the world tells it."""
    kernel = session.active
    if kernel is None:
        return found
    stamps = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    new = kernel.room(FileTimes).tell(kernel, found.st_dev, found.st_ino, stamps)
    kind, (visible, hidden) = found.__reduce__()
    hidden = dict(hidden)
    for name, ns in zip(_NAMES, new, strict=True):
        seconds, rest = divmod(ns, NS)
        hidden[name], hidden[f"{name}_ns"] = seconds + 1e-9 * rest, ns  # in floats as CPython adds them up
    return kind((*visible[:7], *(ns // NS for ns in new)), hidden)


def note_descriptor(fd: int, *which: int) -> None:
    """What a real descriptor leads to has been written, or so."""
    with suppress(OSError):
        _note(_fstat(fd), which)


def _note(found: Any, which: tuple[int, ...]) -> None:
    kernel = session.active
    if kernel is not None:
        stamps = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
        kernel.room(FileTimes).note(kernel, found.st_dev, found.st_ino, stamps, *which)


def _look(path: Any, dir_fd: int | None = None, follow_symlinks: bool = True) -> Any:
    try:
        return _fstat(path) if isinstance(path, int) else _stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    except (OSError, TypeError, ValueError):
        return _NOT_THERE


def note_path(path: Any, *which: int, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
    """The same of what a path leads to."""
    if session.active is not None and (found := _look(path, dir_fd, follow_symlinks)) is not _NOT_THERE:
        _note(found, which)


def _note_directory(path: Any, dir_fd: int | None = None) -> None:
    """The directory of a name has another entry, or one fewer."""
    text = _fspath(path)
    slash, here = (b"/", b".") if isinstance(text, bytes) else ("/", ".")
    note_path(_dirname(text.rstrip(slash)) or here, WRITTEN, CHANGED, dir_fd=dir_fd)


def note_made(path: Any, dir_fd: int | None = None) -> None:
    """There is a new file, or whatever it is."""
    if session.active is not None:
        note_path(path, READ, WRITTEN, CHANGED, dir_fd=dir_fd, follow_symlinks=False)
        _note_directory(path, dir_fd)


class Opening:
    """A file that is about to be opened by its name: whether that makes it, or empties it."""

    __slots__ = ("_dir_fd", "_path", "_was_there")

    def __init__(self, path: Any, dir_fd: int | None = None) -> None:
        self._path, self._dir_fd = path, dir_fd
        self._was_there = _look(path, dir_fd) is not _NOT_THERE

    def done(self, fd: int, empties: bool) -> None:
        """It is open."""
        if not self._was_there:
            note_descriptor(fd, READ, WRITTEN, CHANGED)
            _note_directory(self._path, self._dir_fd)
        elif empties:
            note_descriptor(fd, WRITTEN, CHANGED)


def open(path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:  # os's name
    """open(2)."""
    if session.active is None or not flags & (_real.O_CREAT | _real.O_TRUNC | _real.O_TMPFILE):
        try:
            return _open(path, flags, mode, dir_fd=dir_fd)
        except FileNotFoundError:
            refuse_name("os.open", path)
            raise
    if flags & _real.O_TMPFILE == _real.O_TMPFILE:
        fd = _open(path, flags, mode, dir_fd=dir_fd)
        note_descriptor(fd, READ, WRITTEN, CHANGED)
        return fd
    opening = Opening(path, dir_fd)
    fd = _open(path, flags, mode, dir_fd=dir_fd)
    opening.done(fd, bool(flags & _real.O_TRUNC))
    return fd


def refuse_name(call: str, path: Any) -> None:
    """There is no such file: perhaps since it is the name of a descriptor of the world, which the system does not know."""
    kernel = session.active
    if kernel is not None and kernel.thread_state is not None and (words := only_in_world(path)):
        raise Unsupported(f"{call}({_fsdecode(path)!r}): {words}")
    found = _NAMES_OF_DESCRIPTORS.fullmatch(_fsdecode(path)) if kernel is not None else None
    if found is not None and kernel is not None and int(found[1]) in kernel.files:
        raise Unsupported(
            f"{call}({_fsdecode(path)!r}): that is a simulated descriptor, which has no name in the real file system; open({found[1]}) takes its number"
        )


def readlink(path: Any, *, dir_fd: int | None = None) -> Any:
    """readlink(2): of the name of a simulated descriptor, what Linux shows for one of its kind."""
    try:
        return _readlink(path, dir_fd=dir_fd)
    except FileNotFoundError:
        kernel = session.active
        found = _NAMES_OF_DESCRIPTORS.fullmatch(_fsdecode(path)) if kernel is not None else None
        if found is None or kernel is None or int(found[1]) not in kernel.files:
            refuse_name("os.readlink", path)
            raise
        text = _shown(int(found[1]), kernel.files[int(found[1])])
        return _fsencode(text) if isinstance(_fspath(path), bytes) else text


def _shown(fd: int, file: Any) -> str:
    if isinstance(file, PipeEnd):
        return f"pipe:[{fd}]"  # its inode as os.fstat tells it
    return f"socket:[{fd}]" if isinstance(file, Socket) else f"anon_inode:[{'eventfd' if isinstance(file, EventCounter) else 'eventpoll'}]"


def mkdir(path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
    """mkdir(2)."""
    _mkdir(path, mode, dir_fd=dir_fd)
    note_made(path, dir_fd)


def mknod(path: Any, mode: int = 0o600, device: int = 0, *, dir_fd: int | None = None) -> None:
    """mknod(2)."""
    _mknod(path, mode, device, dir_fd=dir_fd)
    note_made(path, dir_fd)
    kernel = session.active
    if kernel is not None and S_ISSOCK(mode):
        found = _stat(path, dir_fd=dir_fd, follow_symlinks=False)
        folder = b"" if dir_fd is None else _readlink(b"/proc/self/fd/%d" % dir_fd)
        goes_with_world(kernel, found.st_dev, found.st_ino, _abspath(_join(folder, _fsencode(path))))


def goes_with_world(kernel: Kernel, device: int, inode: int, path: bytes) -> None:
    """A file of the kind socket has been made: it is removed when the world is over, as those of sockets are."""
    fabric_of(kernel).socket_files.adopt((device, inode), path)


def symlink(src: Any, dst: Any, target_is_directory: bool = False, *, dir_fd: int | None = None) -> None:
    """symlink(2)."""
    _symlink(src, dst, target_is_directory, dir_fd=dir_fd)
    note_made(dst, dir_fd)


def link(src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None, **options: Any) -> None:
    """link(2)."""
    _link(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, **options)
    note_path(dst, CHANGED, dir_fd=dst_dir_fd, follow_symlinks=False)
    _note_directory(dst, dst_dir_fd)


def _moving(name: str) -> Any:
    real = getattr(_real, name)

    def move(src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        """rename(2)."""
        real(src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        note_path(dst, CHANGED, dir_fd=dst_dir_fd, follow_symlinks=False)
        _note_directory(src, src_dir_fd)
        _note_directory(dst, dst_dir_fd)

    return _named(move, name)


def _removing(name: str) -> Any:
    real = getattr(_real, name)

    def remove(path: Any, *, dir_fd: int | None = None) -> None:
        """unlink(2) or rmdir(2)."""
        real(path, dir_fd=dir_fd)
        _note_directory(path, dir_fd)

    return _named(remove, name)


def truncate(path: Any, length: int) -> None:
    """truncate(2)."""
    _truncate(path, length)
    note_path(path, WRITTEN, CHANGED)


def utime(path: Any, times: Any = None, *, dir_fd: int | None = None, follow_symlinks: bool = True, **ns: Any) -> None:
    """utimensat(2): without times, now."""
    _utime(path, times, dir_fd=dir_fd, follow_symlinks=follow_symlinks, **ns)
    kernel = session.active
    found = _look(path, dir_fd, follow_symlinks)
    if kernel is None or found is _NOT_THERE:
        return
    if times is None and not ns:
        _note(found, (READ, WRITTEN, CHANGED))
        return
    stamps = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    kernel.room(FileTimes).note_as_set(kernel, found.st_dev, found.st_ino, stamps)


def _changing(name: str, follows: bool = True) -> Any:
    """Of modes, owners and attributes."""
    real = getattr(_real, name)

    def change(*args: Any, **options: Any) -> None:
        real(*args, **options)
        path = args[0] if args else options.get("path", options.get("fd"))
        note_path(path, CHANGED, dir_fd=options.get("dir_fd"), follow_symlinks=options.get("follow_symlinks", follows))

    return _named(change, name)


def _writing(name: str, place: int = 0, keyword: str = "fd") -> Any:
    """Of what writes to a descriptor, which is the argument at this place or of this keyword."""
    real = getattr(_real, name)

    def write(*args: Any, **keywords: Any) -> Any:
        written = real(*args, **keywords)
        note_descriptor(args[place] if len(args) > place else keywords[keyword], WRITTEN, CHANGED)
        return written

    return _named(write, name)


def _named(function: Any, name: str) -> Any:
    function.__name__ = function.__qualname__ = name
    return function


def _calls() -> Iterator[Any]:
    yield from (open, readlink, mkdir, mknod, symlink, link, truncate, utime)
    yield from map(_moving, ("rename", "replace"))
    yield from map(_removing, ("unlink", "remove", "rmdir"))
    yield from map(_changing, ("chmod", "chown", "fchmod", "fchown", "setxattr", "removexattr"))
    yield _changing("lchown", follows=False)
    yield from map(_writing, "ftruncate posix_fallocate pwrite pwritev write writev".split())
    yield from (_writing("copy_file_range", 1, "dst"), _writing("splice", 1, "dst"), _writing("sendfile", 0, "out_fd"))


CALLS = {call.__name__: call for call in _calls()}
"""By their names in ``os``."""
__all__ = ["CALLS", "Opening", "goes_with_world", "note_descriptor", "note_made", "note_path", "told"]
