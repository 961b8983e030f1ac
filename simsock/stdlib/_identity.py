"""Who the process is to a program in a patched world: its number, its parent's, its group's, and the name of the machine.

Owns the functions that tell it. Does not know signals, nor what it stands in for. Law: what is asked of the real system by the world's number is answered
for this process, or refused by name.
"""

from __future__ import annotations

import os as _os
from typing import Any

from simsock.kernel.identity import PARENT, PROCESS, own_numbers
from simsock.stdlib._names import gethostname

_real: dict[str, Any] = {name: getattr(_os, name) for name in ("getpid", "getppid", "getpgrp", "getpgid", "getsid", "uname") if hasattr(_os, name)}
_OF_PROCESS = ("sched_getaffinity", "sched_setaffinity", "sched_getscheduler", "sched_getparam", "sched_rr_get_interval")
"""Functions of ``os`` whose first argument is a process; 0 is the caller."""


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


def uname() -> Any:
    """The machine: the host on which the task runs."""
    found = _real["uname"]()
    return type(found)((found[0], gethostname(), *found[2:]))


def _of_process(real: Any) -> Any:
    def call(pid: int, *args: Any) -> Any:
        return real(0 if pid == PROCESS else pid, *args)

    return call


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [(original, globals()[name]) for name, original in _real.items()]
    return [*found, *((getattr(_os, name), _of_process(getattr(_os, name))) for name in _OF_PROCESS if hasattr(_os, name))]


__all__ = ["getpgid", "getpgrp", "getpid", "getppid", "getsid", "pairs", "uname"]
