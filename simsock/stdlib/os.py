"""Stand-in for ``os``: the real module, but for processes and for simulated descriptors.

Owns the difference: ``close`` and ``dup`` know the world's descriptors, what else is done to one is an error that names it, and so is
everything that would start, end or wait for a process. Everything else is the real module's. Law: a simulated descriptor never reaches the
real system, where its number may mean something else.
"""

from __future__ import annotations

import os as _real
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel

_PROCESSES = frozenset(
    (
        "_exit abort execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg popen posix_spawn posix_spawnp register_at_fork "
        "spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system wait wait3 wait4 waitid waitpid"
    ).split()
)
_OF_DESCRIPTOR = frozenset(
    (
        "dup2 fchdir fchmod fchown fdatasync fdopen fpathconf fstat fstatvfs fsync ftruncate get_blocking get_inheritable get_terminal_size isatty "
        "lockf lseek posix_fadvise posix_fallocate pread preadv pwrite pwritev read readv set_blocking set_inheritable tcgetpgrp tcsetpgrp ttyname "
        "write writev"
    ).split()
)
"""Functions whose first argument is a descriptor."""
_OF_TWO_DESCRIPTORS = frozenset(("copy_file_range", "sendfile", "splice"))


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
                raise Unsupported(f"os.{name} of the simulated descriptor {fd}: only os.close and os.dup are simulated")
        return real(*args, **kwargs)

    checked.__name__ = checked.__qualname__ = name
    return checked


def _world_of(fd: Any) -> Kernel | None:
    """The world that a descriptor belongs to; None when it is a real one, or no descriptor."""
    if not isinstance(fd, int) or fd < FIRST_DESCRIPTOR:
        return None
    kernel = session.active
    return kernel if kernel is not None and fd in kernel.files else None


def close(fd: int) -> None:
    """Close a descriptor, simulated or real."""
    kernel = _world_of(fd)
    if kernel is None:
        _real.close(fd)
        return
    kernel.point()
    kernel.process.close(fd)


def dup(fd: int, /) -> int:
    """Another descriptor for what a descriptor, simulated or real, refers to."""
    kernel = _world_of(fd)
    if kernel is None:
        return _real.dup(fd)
    kernel.point()
    return kernel.process.dup(fd)
