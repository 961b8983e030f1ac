"""Stand-in for ``fcntl``: flags of simulated descriptors.

Owns F_GETFD, F_SETFD, F_GETFL, F_SETFL and F_DUPFD of descriptors of the world. Everything else is the real module's.
"""

from __future__ import annotations

import fcntl as _real
import os
from typing import Any

from simsock.errors import Unsupported
from simsock.stdlib._files import descriptor_of
from simsock.stdlib.os import _file_of, _world_of

_fcntl = _real.fcntl


def __getattr__(name: str) -> Any:
    return getattr(_real, name)


def fcntl(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
    """fcntl(2)."""
    number = descriptor_of(fd)
    kernel = _world_of(number)
    if kernel is None:
        return _fcntl(fd, cmd, arg)
    file = _file_of(number)
    process = kernel.process
    if cmd == _real.F_GETFL:
        return os.O_RDWR | (os.O_NONBLOCK if file.nonblocking else 0)
    if cmd == _real.F_SETFL:
        file.nonblocking = bool(arg & os.O_NONBLOCK)
        return 0
    if cmd == _real.F_GETFD:
        return 0 if number in process.inheritable else _real.FD_CLOEXEC
    if cmd == _real.F_SETFD:
        process.set_inheritable(number, not arg & _real.FD_CLOEXEC)
        return 0
    if cmd in (_real.F_DUPFD, _real.F_DUPFD_CLOEXEC):
        new = process.open(file)
        process.set_inheritable(new, cmd == _real.F_DUPFD)
        return new
    raise Unsupported(f"fcntl: command {cmd} on the simulated descriptor {number} is not simulated")
