"""Stand-in for ``termios``: a simulated descriptor is no terminal.

Owns what its functions say of one. Real descriptors, and everything else, are the real module's.
"""

from __future__ import annotations

import errno
import os
import termios as _real
from typing import Any

from simsock.stdlib._descriptors import file_of, world_of
from simsock.stdlib._files import descriptor_of


def _make(name: str) -> Any:
    real = getattr(_real, name)

    def of_terminal(fd: Any, /, *args: Any) -> Any:
        number = descriptor_of(fd)
        if world_of(number) is None:
            return real(fd, *args)
        file_of(number)
        raise _real.error(errno.ENOTTY, os.strerror(errno.ENOTTY))

    of_terminal.__name__ = of_terminal.__qualname__ = name
    return of_terminal


_made = {name: _make(name) for name in dir(_real) if name.startswith("tc")}


def __getattr__(name: str) -> Any:
    return _made[name] if name in _made else getattr(_real, name)
