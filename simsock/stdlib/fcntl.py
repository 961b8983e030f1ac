"""Stand-in for ``fcntl``: flags and requests of simulated descriptors.

Owns F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD, the size of pipes, how ``ioctl`` takes its argument, and how one waits for a lock of a file.
Everything else is the real module's.
"""

from __future__ import annotations

import errno
import fcntl as _real
import os
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.files import bad_descriptor
from simsock.net.pipes import PAGE_BYTES, PipeEnd, WriteEnd
from simsock.stdlib import _ioctl
from simsock.stdlib._descriptors import file_of, world_of
from simsock.stdlib._files import descriptor_of

if TYPE_CHECKING:
    from collections.abc import Callable

_fcntl, _request = _real.fcntl, _real.ioctl
_F_SETPIPE_SZ, _F_GETPIPE_SZ = 1031, 1032
_ARGUMENT_BYTES_MAX = 1024
_flock, _lockf = _real.flock, _real.lockf
_LOOK_AGAIN_NS = 1_000_000
"""How long who waits for a lock of a file stands still between two looks."""


def __getattr__(name: str) -> Any:
    return getattr(_real, name)


def fcntl(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
    """fcntl(2)."""
    number = descriptor_of(fd)
    kernel = world_of(number)
    if kernel is None:
        return _fcntl(fd, cmd, arg)
    file = file_of(number)
    process = kernel.process
    if cmd == _real.F_GETFL:
        access = os.O_RDWR if not isinstance(file, PipeEnd) else os.O_WRONLY if isinstance(file, WriteEnd) else os.O_RDONLY
        return access | (os.O_NONBLOCK if file.nonblocking else 0)
    if cmd == _real.F_SETFL:
        file.nonblocking = bool(arg & os.O_NONBLOCK)
        return 0
    if cmd == _real.F_GETFD:
        return 0 if number in process.inheritable else _real.FD_CLOEXEC
    if cmd == _real.F_SETFD:
        process.set_inheritable(number, not arg & _real.FD_CLOEXEC)
        return 0
    if cmd in (_real.F_DUPFD, _real.F_DUPFD_CLOEXEC):
        new = process.open_from(file, arg)
        process.set_inheritable(new, cmd == _real.F_DUPFD)
        return new
    if isinstance(file, PipeEnd) and cmd == _F_GETPIPE_SZ:
        return file.pipe.pages_max * PAGE_BYTES
    if isinstance(file, PipeEnd) and cmd == _F_SETPIPE_SZ:
        return file.pipe.resize(arg)
    if cmd in (_F_GETPIPE_SZ, _F_SETPIPE_SZ):
        raise bad_descriptor()  # as Linux says of what is no pipe
    raise Unsupported(f"fcntl: command {cmd} on the simulated descriptor {number} is not simulated")


def ioctl(fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True, /) -> Any:
    """ioctl(2): bytes come back as bytes, a buffer that can be written to is changed in place."""
    number = descriptor_of(fd)
    if world_of(number) is None:
        return _request(fd, request, arg, mutate_flag)
    file = file_of(number)
    if isinstance(arg, int):
        if request & 0xFFFF_FFFF in (_ioctl.FIOCLEX, _ioctl.FIONCLEX):
            file.kernel.process.set_inheritable(number, request == _ioctl.FIONCLEX)
            return 0
        _ioctl.answer(file, number, request, b"")  # an error of its own, if there is one
        raise os_error(errno.EFAULT)
    data = arg.encode() if isinstance(arg, str) else bytes(arg)
    if len(data) > _ARGUMENT_BYTES_MAX and not (mutate_flag and isinstance(arg, (bytearray, memoryview))):
        raise ValueError("ioctl string arg too long")
    found = _ioctl.answer(file, number, request, data)
    if isinstance(arg, (str, bytes)) or memoryview(arg).readonly or not mutate_flag:
        return found[: len(data)]
    memoryview(arg).cast("B")[: len(data)] = found[: len(data)]
    return 0


def flock(fd: Any, operation: int, /) -> None:
    """flock(2). Who waits does so in virtual time, and looks every millisecond: the lock itself is the system's, which tells nobody."""
    _lock("flock", fd, operation, lambda now: _flock(fd, now))


def lockf(fd: Any, cmd: int, len: int = 0, start: int = 0, whence: int = 0, /) -> None:
    """lockf(3), as ``flock``."""
    _lock("lockf", fd, cmd, lambda now: _lockf(fd, now, len, start, whence))


def _lock(name: str, fd: Any, operation: int, do: Callable[[int], None]) -> None:
    number = descriptor_of(fd)
    if world_of(number) is not None:
        raise Unsupported(f"fcntl.{name} of the simulated descriptor {number}: that is not simulated")
    kernel = session.kernel()
    kernel.point()
    waits = not operation & (_real.LOCK_NB | _real.LOCK_UN)
    while True:
        try:
            do(operation | _real.LOCK_NB if waits else operation)
            return
        except OSError as error:
            if not waits or error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
        kernel.sleep(_LOOK_AGAIN_NS)
