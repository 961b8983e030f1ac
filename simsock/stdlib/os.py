"""Stand-in for ``os``: the real module, but for processes and for simulated descriptors.

Owns the difference: what programs do to descriptors of sockets knows the world's, what else is done to one is an error that names it, and
so is everything that would start, end or wait for a process. Everything else is the real module's. Law: a simulated descriptor never reaches the
real system, where its number may mean something else.
"""

from __future__ import annotations

import errno
import os as _real
import sys
from operator import index
from stat import S_IFIFO, S_IFSOCK, S_ISREG
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR, bad_descriptor
from simsock.kernel.handler_places import uninterruptible
from simsock.kernel.identity import own_numbers
from simsock.kernel.units import NS
from simsock.net.pipes import EventCounter, Pipe, PipeEnd
from simsock.net.sockets import Socket, os_error
from simsock.stdlib import _descriptors, _rawfile
from simsock.stdlib import time as _time
from simsock.stdlib._buffers import FAILURES, bytes_view, shed, writable_view
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._descriptors import file_of, world_of
from simsock.stdlib._file_calls import CALLS as _CALLS
from simsock.stdlib._file_calls import refuse_name, told
from simsock.stdlib._room import meet
from simsock.stdlib._waiting import looked, sought

if TYPE_CHECKING:
    from collections.abc import Callable

# A patched world replaces the names in ``os`` by those of this module; these are the system's.
_close, _dup, _read, _fstat, _isatty = _real.close, _real.dup, _real.read, _real.fstat, _real.isatty
_get_blocking, _set_blocking = _real.get_blocking, _real.set_blocking
_get_inheritable, _set_inheritable = _real.get_inheritable, _real.set_inheritable
_readv, _dup2, _closerange, _stat, _lstat = _real.readv, _real.dup2, _real.closerange, _real.stat, _real.lstat
_write: Callable[..., int] = _CALLS["write"]
_writev: Callable[..., int] = _CALLS["writev"]
_chmod, _fchmod = _CALLS["chmod"], _CALLS["fchmod"]
_sendfile: Callable[..., int] = _CALLS["sendfile"]
_listdir: Callable[..., list[Any]] = _real.listdir
_CHUNK_BYTES = 1 << 18
_DESCRIPTORS_OF_PROCESS = frozenset(("/dev/fd", "/proc/self/fd"))

_PROCESSES = frozenset(
    (
        "execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg popen posix_spawn posix_spawnp register_at_fork "
        "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system wait wait3 wait4 waitid waitpid"
    ).split()
)
_OF_DESCRIPTOR = frozenset(
    ("chown device_encoding fchown fpathconf fstatvfs getxattr listxattr lockf pathconf removexattr setxattr statvfs statx utime").split()
)
"""Functions whose first argument is a descriptor, or may be one, and that are not simulated."""
_OF_TWO_DESCRIPTORS = frozenset(("copy_file_range", "splice"))
_REFUSED_AS_ON_LINUX = {
    **dict.fromkeys("lseek pread preadv pwrite pwritev posix_fadvise posix_fallocate".split(), errno.ESPIPE),
    **dict.fromkeys("fdatasync fsync ftruncate".split(), errno.EINVAL),
    **dict.fromkeys("get_terminal_size tcgetpgrp tcsetpgrp ttyname".split(), errno.ENOTTY),
    **dict.fromkeys("chdir fchdir scandir".split(), errno.ENOTDIR),
    "truncate": errno.EINVAL,
}
"""Functions that make no sense for sockets and pipes, and what Linux says of them."""
_OF_COUNTERS = frozenset(("lseek", "posix_fadvise", "posix_fallocate"))
"""Those of which it says something else for counters."""
_WHENCES = 5
"""SEEK_SET, SEEK_CUR, SEEK_END, SEEK_DATA and SEEK_HOLE."""
_SIMULATED = frozenset("_exit fork kill killpg popen posix_spawn posix_spawnp wait wait3 wait4 waitid waitpid".split())
"""Those of processes, and what they begin, end and wait by, that a patched world simulates."""
_HOW_PROGRAMS_START = "it is not simulated; Python programs that subprocess or os.posix_spawn starts in a patched world are"
_WAITS = frozenset("wait wait3 wait4 waitid waitpid".split())
_OUTRIGHT = {
    **dict.fromkeys(("_exit", "abort"), "it would end the process in which the world runs, the tests and all; sys.exit ends the program"),
    **dict.fromkeys("login_tty openpty posix_openpt".split(), "terminals are not simulated: who reads from a real one would wait in real time"),
    "timerfd_create": "a real timer would count real time; threading.Timer and signal.setitimer are simulated",
}
"""Functions that are refused whatever their arguments are, and why."""


def __getattr__(name: str) -> Any:
    real = _CALLS.get(name) or getattr(_real, name)  # its AttributeError says what is wrong
    if name in _SIMULATED and session.active is not None and session.active.thread_state is not None:
        return real  # what stands there in a patched world
    if name in _PROCESSES:
        return _refusing(name, "processes are simulated in patched worlds only" if name in _SIMULATED else _HOW_PROGRAMS_START)
    if name in _OUTRIGHT:
        return _refusing(name, _OUTRIGHT[name])
    if name in _OF_DESCRIPTOR:
        return _checking(name, real, 1)
    if name in _OF_TWO_DESCRIPTORS:
        return _checking(name, real, 2)
    if name in _REFUSED_AS_ON_LINUX:
        return _failing(name, real, _REFUSED_AS_ON_LINUX[name])
    return real


def __dir__() -> list[str]:
    return dir(_real)


def _refusing(name: str, why: str) -> Any:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise Unsupported(f"os.{name}: {why}")

    refuse.__name__ = refuse.__qualname__ = name
    return refuse


def waiting(name: str) -> Any:
    """One of those that wait for a process, for patched worlds: there are real ones, started before the world, and whoever only looks is let through."""
    real = getattr(_real, name)

    def wait(*args: Any, **kwargs: Any) -> Any:
        options = [number for number in (*args[-1:], kwargs.get("options")) if isinstance(number, int)] if name != "wait" else []
        if not any(number & _real.WNOHANG for number in options):
            raise Unsupported(f"os.{name}: it would wait for a real process, in real time; with os.WNOHANG it only looks, at processes from before the world")
        return real(*args, **kwargs)

    wait.__name__ = wait.__qualname__ = name
    return wait


def _descriptors_in(args: tuple[Any, ...], kwargs: dict[str, Any]) -> list[Any]:
    return [*args, *(kwargs[name] for name in ("fd", "path", "src", "dst") if name in kwargs)]


def _checking(name: str, real: Any, count: int) -> Any:
    def checked(*args: Any, **kwargs: Any) -> Any:
        for fd in _descriptors_in(args[:count], kwargs):
            if world_of(fd) is not None:
                raise Unsupported(f"os.{name} of the simulated descriptor {fd}: that is not simulated")
        return real(*args, **kwargs)

    checked.__name__ = checked.__qualname__ = name
    return checked


def _failing(name: str, real: Any, number: int) -> Any:
    def fail(*args: Any, **kwargs: Any) -> Any:
        for fd in _descriptors_in(args[:1], kwargs):
            if world_of(fd) is not None:
                if type(file_of(fd)) is not EventCounter or name not in _OF_COUNTERS:
                    raise os_error(number)
                return _of_counter(name, args)
        return real(*args, **kwargs)

    fail.__name__ = fail.__qualname__ = name
    return fail


def _of_counter(name: str, args: tuple[Any, ...]) -> int | None:
    """What Linux says where a counter of ``eventfd`` is no pipe: it has a place, which is always 0, and no room that could be reserved."""
    if name == "posix_fallocate":
        raise os_error(errno.ENODEV)
    if name == "lseek" and len(args) > 2 and args[2] not in range(_WHENCES):
        raise os_error(errno.EINVAL)
    return 0 if name == "lseek" else None


@uninterruptible
def close(fd: int) -> None:
    """Close a descriptor, simulated or real."""
    kernel = world_of(fd)
    if kernel is None:
        _close(fd)
        return
    if not (kernel.ending and kernel.current is kernel.first):  # else it is a finalizer, of what the world leaves to the collection at its end
        kernel.point()
    close_descriptor(kernel, fd)


def dup(fd: int, /) -> int:
    """Another descriptor for what a descriptor, simulated or real, refers to."""
    kernel = world_of(fd)
    if kernel is None:
        return _dup(fd)
    kernel.point()
    return kernel.process.dup(fd)


def dup2(fd: int, fd2: int, inheritable: bool = True) -> int:
    """Have ``fd2`` refer to what ``fd`` does. One of the world does not become a real one's number, nor the reverse."""
    kernel = session.active
    if kernel is None or (world_of(fd) is None and fd2 < FIRST_DESCRIPTOR):
        return _dup2(fd, fd2, inheritable)
    if world_of(fd) is None:
        if fd >= FIRST_DESCRIPTOR or fd < 0:
            raise bad_descriptor()
        raise Unsupported(f"os.dup2({fd}, {fd2}): a real descriptor cannot take the place of a simulated one")
    if fd2 < FIRST_DESCRIPTOR:
        raise Unsupported(f"os.dup2({fd}, {fd2}): what is simulated cannot take the place of a real descriptor, such as standard output")
    if fd == fd2:
        if not inheritable:
            raise os_error(errno.EINVAL)  # dup3(2)
        file_of(fd)
        return fd2
    file = file_of(fd)
    if fd2 in kernel.files:
        close_descriptor(kernel, fd2)
    kernel.process.dup_to(file, fd2)
    kernel.process.set_inheritable(fd2, bool(inheritable))
    return fd2


@uninterruptible
def closerange(fd_low: int, fd_high: int, /) -> None:
    """Close every descriptor from ``fd_low`` up to, and without, ``fd_high``; those that are not open are passed over."""
    kernel = session.active
    if kernel is None:
        _closerange(fd_low, fd_high)
        return
    kernel.point()
    for fd in [fd for fd in sorted(kernel.files) if fd_low <= fd < fd_high]:
        close_descriptor(kernel, fd)
    _closerange(fd_low, min(fd_high, FIRST_DESCRIPTOR))


def _meet(call: str, fd: Any) -> None:
    """A call on a real descriptor: a patched world lets nobody wait at one, nor talk to anybody outside."""
    kernel = session.active
    if kernel is not None:
        meet(kernel, call, fd)


def read(fd: int, length: int, /) -> bytes:
    """Read from a descriptor; from a simulated socket as ``recv``."""
    if world_of(fd) is None:
        _meet("os.read", fd)
        return _read(fd, length)
    if length < 0:
        raise os_error(errno.EINVAL)
    return _descriptors.read(fd, length)


def write(fd: int, data: Any, /) -> int:
    """Write to a descriptor; to a simulated socket as ``send``."""
    if world_of(fd) is None:
        _meet("os.write", fd)
        return _write(fd, data)
    try:
        return _descriptors.write(fd, bytes_view(data))
    except FAILURES as error:
        del data
        shed(error)
        raise


def readv(fd: int, buffers: Any, /) -> int:
    """Read into one buffer after the other; returns the number of bytes."""
    if world_of(fd) is None:
        _meet("os.readv", fd)
        return _readv(fd, buffers)
    views: list[memoryview] = []
    try:
        views = [writable_view(buffer, "readv") for buffer in buffers]
        data = _descriptors.read(fd, sum(map(len, views)))
    except FAILURES as error:
        del buffers, views
        shed(error)
        raise
    place = 0
    for view in views:
        part = data[place : place + len(view)]
        view[: len(part)] = part
        place += len(part)
    return len(data)


if sys.version_info >= (3, 14):
    _readinto = _real.readinto

    def readinto(fd: int, buffer: Any, /) -> int:
        """Read into a buffer; returns the number of bytes."""
        if world_of(fd) is not None:
            return readv(fd, (buffer,))
        _meet("os.readinto", fd)
        return _readinto(fd, buffer)


def writev(fd: int, buffers: Any, /) -> int:
    """Write one buffer after the other, as one call; returns the number of bytes."""
    if world_of(fd) is None:
        _meet("os.writev", fd)
        return _writev(fd, buffers)
    try:
        return _descriptors.write(fd, b"".join(bytes(bytes_view(buffer)) for buffer in buffers))
    except FAILURES as error:
        del buffers
        shed(error)
        raise


def fdopen(fd: int, mode: str = "r", buffering: int = -1, encoding: Any = None, *args: Any, **kwargs: Any) -> Any:
    """A file object of a descriptor."""
    if not isinstance(fd, int):
        raise TypeError(f"invalid fd type ({type(fd)}, expected integer)")
    return _rawfile.open(fd, mode, buffering, encoding, *args, **kwargs)


# -- pipes and event counters ----------------------------------------------------------------------------------------------------------------


def pipe() -> tuple[int, int]:
    """(descriptor to read from, descriptor to write to)."""
    return pipe2(_real.O_CLOEXEC)


def pipe2(flags: int, /) -> tuple[int, int]:
    """As ``pipe``; with ``O_NONBLOCK`` neither end waits."""
    kernel = session.kernel()
    kernel.point()
    if flags & ~(_real.O_CLOEXEC | _real.O_NONBLOCK):
        if flags & getattr(_real, "O_DIRECT", 0):
            raise Unsupported("os.pipe2: O_DIRECT, a pipe of packets, is not simulated; O_CLOEXEC and O_NONBLOCK are")
        raise os_error(errno.EINVAL)
    made = Pipe(kernel)
    made.reader.nonblocking = made.writer.nonblocking = bool(flags & _real.O_NONBLOCK)
    made.writer.references += 1  # no end may look abandoned between the two
    reading = kernel.process.open(made.reader)
    writing = kernel.process.open(made.writer)
    made.writer.references -= 1
    made.title = f"pipe {reading}->{writing}"
    for fd in (reading, writing):
        kernel.process.set_inheritable(fd, not flags & _real.O_CLOEXEC)
    return reading, writing


def eventfd(initval: int, flags: int = getattr(_real, "EFD_CLOEXEC", 0)) -> int:
    """A descriptor of a new counter."""
    kernel = session.kernel()
    kernel.point()
    initval = index(initval)
    if not 0 <= initval <= 0xFFFF_FFFF:
        raise OverflowError("unsigned int is greater than maximum" if initval > 0 else "can't convert negative value to unsigned int")
    if flags & ~(_real.EFD_CLOEXEC | _real.EFD_NONBLOCK | _real.EFD_SEMAPHORE):
        raise os_error(errno.EINVAL)
    counter = EventCounter(kernel, initval, bool(flags & _real.EFD_SEMAPHORE))
    counter.nonblocking = bool(flags & _real.EFD_NONBLOCK)
    fd = kernel.process.open(counter)
    kernel.process.set_inheritable(fd, not flags & _real.EFD_CLOEXEC)
    return fd


def eventfd_read(fd: int) -> int:
    """Take a counter's value."""
    return int.from_bytes(read(fd, 8), "little")


def eventfd_write(fd: int, value: int) -> None:
    """Add to a counter."""
    if not 0 <= value < 1 << 64:
        raise OverflowError("int too big to convert" if value > 0 else "can't convert negative int to unsigned")
    write(fd, value.to_bytes(8, "little"))


def mkfifo(path: Any, mode: int = 0o666, *, dir_fd: int | None = None) -> None:
    """Refused: a named pipe would be a real one, whose readers and writers wait in real time."""
    session.kernel().point()
    raise Unsupported(f"os.mkfifo({path!r}): named pipes are not simulated; os.pipe, socket.socketpair and Unix sockets are")


def times() -> Any:
    """What the process has used, of the virtual clock: all of it its own, none of it the system's."""
    used = _time.process_time()
    return _real.times_result((used, 0.0, 0.0, 0.0, _time.MONOTONIC_START_NS / NS + used))


def sched_yield() -> None:
    """Let the others run."""
    session.kernel().sleep(0)


def sendfile(out_fd: int, in_fd: int, offset: int | None, count: int, *more: Any, **keywords: Any) -> int:
    """sendfile(2) from a real regular file to a descriptor, simulated or real."""
    if world_of(out_fd) is None and world_of(in_fd) is None:
        _meet("os.sendfile", out_fd)
        return _sendfile(out_fd, in_fd, offset, count, *more, **keywords)
    if world_of(in_fd) is not None:
        file_of(in_fd)
        raise os_error(errno.EINVAL if offset is None else errno.ESPIPE)
    if not S_ISREG(_fstat(in_fd).st_mode):
        raise os_error(errno.EINVAL)
    place = _real.lseek(in_fd, 0, _real.SEEK_CUR) if offset is None else offset
    sent = 0
    while sent < count:
        data = _real.pread(in_fd, min(count - sent, _CHUNK_BYTES), place + sent)
        if not data:
            break
        try:
            taken = _descriptors.write(out_fd, data)
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
    """Status of a descriptor; of a simulated one little more than its kind. Programs spin on it."""
    kernel = session.active
    if kernel is None or world_of(fd) is None:
        found = told(_fstat(fd))
        if kernel is not None and not kernel.atomic:
            looked(kernel)
        return found
    file = file_of(fd)
    looked(kernel)
    kind = S_IFSOCK | file.mode if isinstance(file, Socket) else S_IFIFO | 0o600 if isinstance(file, PipeEnd) else 0o600
    return _real.stat_result((kind, fd, 0, 1, 0, 0, 0, 0, 0, 0))


def stat(path: Any, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> Any:
    """Status of a path, or of a descriptor."""
    if isinstance(path, int) and world_of(path) is not None:
        return fstat(path)
    try:
        return told(_stat(path, dir_fd=dir_fd, follow_symlinks=follow_symlinks))
    except FileNotFoundError:
        refuse_name("os.stat", path)
        sought(_real.fspath(path))
        raise


def lstat(path: Any, *, dir_fd: int | None = None) -> Any:
    """Status of a path itself, also if it is a symbolic link."""
    try:
        return told(_lstat(path, dir_fd=dir_fd))
    except FileNotFoundError:
        refuse_name("os.lstat", path)
        raise


def fchmod(fd: int, mode: int) -> None:
    """Change a mode; of a simulated socket that of its own inode, as sockfs has it."""
    if world_of(fd) is None:
        _fchmod(fd, mode)
        return
    file = file_of(fd)
    if not isinstance(file, Socket):
        raise Unsupported(f"os.fchmod of the simulated descriptor {fd}: that is not simulated")
    file.mode = mode & 0o7777


def chmod(path: Any, mode: int, *, dir_fd: int | None = None, follow_symlinks: bool = True) -> None:
    """Change the mode of a path, or of what a descriptor refers to."""
    if world_of(path) is None:
        _chmod(path, mode, dir_fd=dir_fd, follow_symlinks=follow_symlinks)
    else:
        fchmod(path, mode)


def listdir(path: Any = None) -> list[Any]:
    """The names in a directory. In that of the process's descriptors are those of the world, and the standard ones."""
    kernel = session.active
    if kernel is None or path is None:
        return _listdir(path)
    if world_of(path) is not None:
        raise os_error(errno.ENOTDIR)
    text = _real.fspath(path) if isinstance(path, _real.PathLike) else path
    folder = text.rstrip("/") if type(text) is str else ""
    if folder in _DESCRIPTORS_OF_PROCESS or folder == f"/proc/{own_numbers()[1]}/fd":  # the latter is what psutil asks for
        kernel.point()
        return [str(fd) for fd in (0, 1, 2, *sorted(kernel.files))]
    return _listdir(path)


def isatty(fd: int, /) -> bool:
    """Whether a descriptor is a terminal; no simulated one is."""
    return False if fd in getattr(session.active, "files", ()) else _isatty(fd)


def get_blocking(fd: int, /) -> bool:
    """Whether calls on the open file may wait."""
    return _get_blocking(fd) if world_of(fd) is None else not file_of(fd).nonblocking


def set_blocking(fd: int, blocking: bool, /) -> None:
    """Clear or set O_NONBLOCK, which all descriptors of an open file share."""
    if world_of(fd) is None:
        _set_blocking(fd, blocking)
    else:
        file_of(fd).nonblocking = not blocking


def get_inheritable(fd: int, /) -> bool:
    """Whether a child process would get the descriptor."""
    kernel = world_of(fd)
    return _get_inheritable(fd) if kernel is None else fd in kernel.process.inheritable


def set_inheritable(fd: int, inheritable: bool, /) -> None:
    """For simulated descriptors: whether programs that are started in a patched world get it."""
    kernel = world_of(fd)
    if kernel is None:
        _set_inheritable(fd, inheritable)
    else:
        kernel.process.set_inheritable(fd, bool(inheritable))
