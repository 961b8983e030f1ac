"""Stand-in for ``os``: the real module, but for processes, for simulated descriptors and for the paths of simulated Unix sockets.

Owns the difference: what programs do to descriptors of sockets knows the world's, what else is done to one is an error that names it, and
so is everything that would start, end or wait for a process. Everything else is the real module's. Law: a simulated descriptor never reaches the
real system, where its number may mean something else.
"""

from __future__ import annotations

import errno
import os as _real
from contextlib import contextmanager
from stat import S_IFSOCK, S_ISREG
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR, bad_descriptor
from simsock.net.sockets import Socket, os_error
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._socketobject import socket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simsock.kernel.core import Kernel

# A patched world replaces the names in ``os`` by those of this module; these are the system's.
_close, _dup, _read, _write, _sendfile, _fstat, _isatty = _real.close, _real.dup, _real.read, _real.write, _real.sendfile, _real.fstat, _real.isatty
_get_blocking, _set_blocking = _real.get_blocking, _real.set_blocking
_get_inheritable, _set_inheritable = _real.get_inheritable, _real.set_inheritable
_unlink, _remove, _exists = _real.unlink, _real.remove, _real.path.exists
_CHUNK_BYTES = 1 << 18

_PROCESSES = frozenset(
    (
        "_exit abort execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg popen posix_spawn posix_spawnp register_at_fork "
        "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system wait wait3 wait4 waitid waitpid"
    ).split()
)
_OF_DESCRIPTOR = frozenset(
    (
        "dup2 fchdir fchmod fchown fdatasync fdopen fpathconf fstatvfs fsync ftruncate get_terminal_size "
        "lockf lseek posix_fadvise posix_fallocate pread preadv pwrite pwritev readv tcgetpgrp tcsetpgrp ttyname "
        "writev"
    ).split()
)
"""Functions whose first argument is a descriptor."""
_OF_TWO_DESCRIPTORS = frozenset(("copy_file_range", "splice"))


def __getattr__(name: str) -> Any:
    real = getattr(_real, name)  # its AttributeError says what is wrong
    if name in _PROCESSES:
        return _refusing(name)
    if name in _OF_DESCRIPTOR:
        return _checking(name, real, 1)
    if name in _OF_TWO_DESCRIPTORS:
        return _checking(name, real, 2)
    return real


def __dir__() -> list[str]:
    return dir(_real)


def _refusing(name: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Unsupported(f"os.{name}: processes inside a world come later")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def _checking(name: str, real: Any, count: int) -> Any:
    def checked(*args: Any, **kwargs: Any) -> Any:
        for fd in (*args[:count], *kwargs.values()):
            if _world_of(fd) is not None:
                raise Unsupported(f"os.{name} of the simulated descriptor {fd}: that is not simulated")
        return real(*args, **kwargs)

    checked.__name__ = checked.__qualname__ = name
    return checked


def _world_of(fd: Any) -> Kernel | None:
    """The world that a descriptor belongs to; None when it is a real one, or no descriptor."""
    if not isinstance(fd, int) or fd < FIRST_DESCRIPTOR:
        return None
    kernel = session.active
    return kernel if kernel is not None and fd in kernel.files else None


def _file_of(fd: int) -> Any:
    """The open file of a simulated descriptor, at a scheduling point."""
    kernel = session.kernel()
    kernel.point()
    try:
        return kernel.files[fd]
    except KeyError:
        raise bad_descriptor() from None


@contextmanager
def _socket_of(fd: int) -> Iterator[Any]:
    """A socket object that borrows a simulated descriptor, and blocks as the open file says."""
    file = _file_of(fd)
    if not isinstance(file, Socket):
        raise Unsupported(f"os: descriptor {fd} is of kind {file.kind!r}, which cannot be read or written here")
    sock = socket.__new__(socket)
    sock._kernel, sock._fd, sock._io_refs, sock._closed = file.kernel, fd, 0, False
    sock._sim_family, sock._sim_type, sock._sim_proto = file.family, file.type, file.protocol
    sock._wait_ns = 0 if file.nonblocking else None
    try:
        yield sock
    finally:
        sock._fd = -1


def close(fd: int) -> None:
    """Close a descriptor, simulated or real."""
    kernel = _world_of(fd)
    if kernel is None:
        _close(fd)
        return
    kernel.point()
    close_descriptor(kernel, fd)


def dup(fd: int, /) -> int:
    """Another descriptor for what a descriptor, simulated or real, refers to."""
    kernel = _world_of(fd)
    if kernel is None:
        return _dup(fd)
    kernel.point()
    return kernel.process.dup(fd)


def read(fd: int, length: int, /) -> bytes:
    """Read from a descriptor; from a simulated socket as ``recv``."""
    if _world_of(fd) is None:
        return _read(fd, length)
    with _socket_of(fd) as sock:
        return sock.recv(length)  # type: ignore[no-any-return]  # bytes


def write(fd: int, data: Any, /) -> int:
    """Write to a descriptor; to a simulated socket as ``send``."""
    if _world_of(fd) is None:
        return _write(fd, data)
    with _socket_of(fd) as sock:
        return sock.send(data)  # type: ignore[no-any-return]  # a number


def sendfile(out_fd: int, in_fd: int, offset: int | None, count: int, *more: Any, **keywords: Any) -> int:
    """sendfile(2) from a real regular file to a descriptor, simulated or real."""
    if _world_of(out_fd) is None and _world_of(in_fd) is None:
        return _sendfile(out_fd, in_fd, offset, count, *more, **keywords)
    if _world_of(in_fd) is not None:
        with _socket_of(in_fd):
            raise os_error(errno.EINVAL)
    if not S_ISREG(_fstat(in_fd).st_mode):
        raise os_error(errno.EINVAL)
    place = _real.lseek(in_fd, 0, _real.SEEK_CUR) if offset is None else offset
    sent = 0
    with _socket_of(out_fd) as sock:
        while sent < count:
            data = _real.pread(in_fd, min(count - sent, _CHUNK_BYTES), place + sent)
            if not data:
                break
            try:
                taken = sock.send(data)
            except BlockingIOError:
                if not sent:
                    raise
                break
            sent += taken
            if taken < len(data):
                break
    if offset is None:
        _real.lseek(in_fd, place + sent, _real.SEEK_SET)
    return sent


def fstat(fd: int) -> Any:
    """Status of a descriptor; of a simulated one little more than its kind."""
    if _world_of(fd) is None:
        return _fstat(fd)
    with _socket_of(fd):
        return _real.stat_result((S_IFSOCK | 0o777, fd, 0, 1, 0, 0, 0, 0, 0, 0))


def isatty(fd: int, /) -> bool:
    """Whether a descriptor is a terminal; no simulated one is."""
    return _isatty(fd) if _world_of(fd) is None else False


def get_blocking(fd: int, /) -> bool:
    """Whether calls on the open file may wait."""
    return _get_blocking(fd) if _world_of(fd) is None else not _file_of(fd).nonblocking


def set_blocking(fd: int, blocking: bool, /) -> None:
    """Clear or set O_NONBLOCK, which all descriptors of an open file share."""
    if _world_of(fd) is None:
        _set_blocking(fd, blocking)
    else:
        _file_of(fd).nonblocking = not blocking


def get_inheritable(fd: int, /) -> bool:
    """Whether a child process would get the descriptor."""
    kernel = _world_of(fd)
    return _get_inheritable(fd) if kernel is None else fd in kernel.process.inheritable


def set_inheritable(fd: int, inheritable: bool, /) -> None:
    """Stored and read back for simulated descriptors: a world has one process."""
    kernel = _world_of(fd)
    if kernel is None:
        _set_inheritable(fd, inheritable)
    else:
        kernel.process.set_inheritable(fd, bool(inheritable))


# -- paths of Unix sockets -----------------------------------------------------------------------------------------------------------------


def unlink(path: Any, *, dir_fd: int | None = None) -> None:
    """Remove a file, or the name of a simulated Unix socket."""
    if dir_fd is not None or not _free_name(path):
        _unlink(path, dir_fd=dir_fd)


def remove(path: Any, *, dir_fd: int | None = None) -> None:
    """Remove a file, or the name of a simulated Unix socket."""
    if dir_fd is not None or not _free_name(path):
        _remove(path, dir_fd=dir_fd)


def _free_name(path: Any) -> bool:
    host = _host()
    return host is not None and isinstance(path, (str, bytes, _real.PathLike)) and host.unix.unlink(_real.fsencode(path))


def exists(path: Any) -> bool:
    """``os.path.exists``, which knows the names of simulated Unix sockets as well."""
    host = _host()
    known = host is not None and isinstance(path, (str, bytes, _real.PathLike)) and host.unix.taken(_real.fsencode(path))
    return known or _exists(path)


def _host() -> Any:
    kernel = session.active
    return None if kernel is None else kernel.current.host
