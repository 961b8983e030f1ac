"""Who the process is to a program in a patched world: its number, its parent's, its group's, and the name of the machine.

Owns the functions that tell it. Does not know signals, nor what it stands in for. Law: what is asked of the real system by the world's number is answered
for this process, or refused by name.
"""

from __future__ import annotations

import errno
import os as _os
from typing import Any

from simsock.kernel.identity import PARENT, PROCESS, own_numbers
from simsock.net.sockets import os_error
from simsock.stdlib._names import gethostname

try:
    import resource as _resource
except ImportError:  # where there are no such limits
    _resource = None  # type: ignore[assignment]  # likewise

_NAMES = ("getpid", "getppid", "getpgrp", "getpgid", "getsid", "setpgid", "setpgrp", "setsid", "uname")
_OF_GROUPS = ("getpgid", "getsid", "setpgid", "setsid")
"""For a world of one process; whoever knows of more asks here while there are none."""
_real: dict[str, Any] = {name: getattr(_os, name) for name in _NAMES if hasattr(_os, name)}
_SCHEDULING = "getaffinity", "setaffinity", "getscheduler", "setscheduler", "getparam", "setparam", "rr_get_interval"
_OF_PROCESS = tuple((_os, f"sched_{name}") for name in _SCHEDULING)
"""Functions whose first argument is a process; 0 is the caller."""
if _resource is not None:
    _OF_PROCESS += ((_resource, "prlimit"),)


def getpid() -> int:
    """The process: a world has one."""
    return PROCESS


def getppid() -> int:
    """Its parent, which is not there."""
    return PARENT


def getpgrp() -> int:
    """Its group, in which it is alone."""
    return PROCESS


def getpgid(pid: int, /) -> int:
    """The group of a process."""
    return PROCESS if pid in (0, *own_numbers()) else int(_real["getpgid"](pid))


def getsid(pid: int, /) -> int:
    """The session of a process."""
    return PROCESS if pid in (0, *own_numbers()) else int(_real["getsid"](pid))


def setpgid(pid: int, group: int, /) -> None:
    """Put the process into its own group, where it is; there is no other."""
    own = 0, *own_numbers()
    if pid not in own:
        raise os_error(errno.ESRCH)
    if group not in own:
        raise os_error(errno.EPERM)


def setpgrp() -> None:
    """The same."""


def setsid() -> None:
    """Begin a session: not for one that leads its group."""
    raise os_error(errno.EPERM)


def uname() -> Any:
    """The machine: the host on which the task runs."""
    found = _real["uname"]()
    return type(found)((found[0], gethostname(), *found[2:]))


def _of_process(real: Any) -> Any:
    def call(pid: int, *args: Any) -> Any:
        return real(0 if pid == PROCESS else pid, *args)

    return call


def _of_priority(real: Any) -> Any:
    def call(which: int, who: int, *args: Any) -> Any:
        return real(which, 0 if who == PROCESS else who, *args)

    return call


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [(original, globals()[name]) for name, original in _real.items() if name not in _OF_GROUPS]
    kinds = [(_of_process, _OF_PROCESS), (_of_priority, ((_os, "getpriority"), (_os, "setpriority")))]
    return [*found, *((getattr(module, name), make(getattr(module, name))) for make, names in kinds for module, name in names if hasattr(module, name))]


__all__ = ["getpgid", "getpgrp", "getpid", "getppid", "getsid", "pairs", "setpgid", "setpgrp", "setsid", "uname"]
