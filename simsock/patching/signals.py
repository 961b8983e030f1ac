"""Signals in a world: what stands in for ``_signal``, ``os.kill`` and ``_thread.interrupt_main``.

Owns which of these are replaced by what, and who is a process of this world: this one, and those that were forked in it. Does not know how signals are
simulated. Law: what would reach another process is behind the fence.
"""

from __future__ import annotations

import _thread
import os
import sys
from importlib import import_module
from typing import Any

from simsock.kernel.identity import PROCESS, own_numbers
from simsock.patching import fence, late
from simsock.stdlib import signal as sim_signal
from simsock.stdlib._descriptors import world_of

_signal: Any = import_module("_signal")
_getpgrp = os.getpgrp
_pidfd_open: Any = getattr(os, "pidfd_open", None)


def _killing() -> Any:
    """What kills processes of a world; None while no world has had any but this one: it comes with the first fork."""
    return sys.modules.get("simsock.processes.killing")


def _kill(pid: int, signal: int, /) -> None:
    """Send a signal to this process, to one that it has forked, or to a group of them."""
    if (killing := _killing()) is not None and killing.is_known(pid):
        killing.kill(int(pid), int(signal))
        return
    if pid not in (0, *own_numbers(), -PROCESS, -_getpgrp()):
        fence.refuse("os.kill", (pid, signal))
    sim_signal.send(int(signal))


def _killpg(pgid: int, signal: int, /) -> None:
    """Send a signal to a group of processes."""
    if (killing := _killing()) is not None and killing.is_known(-pgid):
        killing.kill(-int(pgid), int(signal))
        return
    if pgid not in (0, PROCESS, _getpgrp()):
        fence.refuse("os.killpg", (pgid, signal))
    sim_signal.send(int(signal))


def pidfd_open(pid: int, flags: int = 0) -> int:
    """A descriptor of a process: of one of this world, or of a real one."""
    pidfd: Any = sys.modules.get("simsock.processes.pidfd")  # as above
    found = pidfd.open_known(pid, flags) if pidfd is not None else None
    return found if found is not None else int(_pidfd_open(own_numbers()[1] if pid == PROCESS else pid, flags))


def _pidfd_send_signal(fd: int, signal: int, siginfo: Any = None, flags: int = 0, /) -> None:
    if world_of(fd) is None:
        fence.refuse("signal.pidfd_send_signal", (fd, signal))
    late.import_module("simsock.processes.pidfd").send(fd, int(signal))


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [(getattr(_signal, name), getattr(sim_signal, name)) for name in sim_signal.REPLACED if hasattr(_signal, name)]
    if hasattr(_signal, "pidfd_send_signal"):
        found.append((_signal.pidfd_send_signal, _pidfd_send_signal))
    if _pidfd_open is not None:
        found.append((_pidfd_open, pidfd_open))
    return [*found, (os.kill, _kill), (os.killpg, _killpg), (_thread.interrupt_main, sim_signal.interrupt_main)]
