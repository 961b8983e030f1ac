"""Signals in a world: who may set a handler.

Owns ``_signal``'s functions that depend on the thread. Laws: only the world's first task counts as the main thread, and only if the world was
entered there; a descriptor to wake up is one of the world's and never reaches the process; waiting for a signal is not simulated.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor
from simsock.patching.room import Room

_signal: Any = import_module("_signal")
_WAITS = "pause sigwait sigwaitinfo sigtimedwait".split()


def _in_first_task(what: str) -> Any:
    kernel = session.kernel()
    if kernel.current is not kernel.first:
        raise ValueError(what)
    return kernel


def _set_handler(signalnum: int, handler: Any, /) -> Any:
    _in_first_task("signal only works in main thread of the main interpreter")
    return _signal_signal(signalnum, handler)


def _set_wakeup_fd(fd: int, /, *, warn_on_full_buffer: bool = True) -> int:
    kernel = _in_first_task("set_wakeup_fd only works in main thread of the main interpreter")
    if fd != -1 and fd not in kernel.files:
        raise bad_descriptor()
    room = kernel.room(Room)
    before, room.wakeup_fd = room.wakeup_fd, fd
    return int(before)


def _no_wait(name: str) -> Any:
    def wait(*args: Any) -> Any:
        raise Unsupported(f"signal.{name} in a world would wait for a real signal: it is not simulated")

    return wait


_signal_signal: Any = _signal.signal


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    found = [(_signal.signal, _set_handler), (_signal.set_wakeup_fd, _set_wakeup_fd)]
    return found + [(getattr(_signal, name), _no_wait(name)) for name in _WAITS if hasattr(_signal, name)]
