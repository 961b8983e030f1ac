"""Methods that were bound before any world: ``recv = sock.recv``, ``now = datetime.now``, ``submit = pool.submit``.

Owns which of them a world has something else for. Does not know where they are kept. Of a class whose methods are exchanged in it while the patched state
lasts, one that was bound before is still the method as it was: who calls it goes past the world. Law: no code of the program runs, and nothing is kept alive.
"""

from __future__ import annotations

import _socket
from types import MethodType, ModuleType
from typing import Any

from simsock.patching import clocks, outsiders, polls, sockets
from simsock.patching.heap import METHODS_OF_C


def methods_by_function() -> dict[int, Any]:
    """By the identity of each function of a class that is exchanged in it: what stands in for it. To be asked as long as they are not exchanged."""
    return {id(method): now for method, now in (*outsiders.methods(), *polls.methods(), *sockets.methods())}


def is_bound(found: Any, methods: dict[int, Any]) -> bool:
    """Whether a world has something else for this method, which is bound to an object or a class."""
    if type(found) is MethodType:
        return id(found.__func__) in methods
    return type(found) in METHODS_OF_C and _in_c(found) is not None


def stand_in(found: Any, methods: dict[int, Any]) -> Any:
    """What comes in its place while the patched state lasts; None when there is nothing any more."""
    if type(found) is MethodType:
        function = methods.get(id(found.__func__))
        return None if function is None else MethodType(function, found.__self__)
    return _in_c(found)


def _in_c(found: Any) -> Any:
    thing, name = found.__self__, found.__name__
    kind = type(thing)
    if kind is ModuleType:
        return None  # nearly all
    if issubclass(kind, type):
        return clocks.bound(thing, name) if clocks.is_clock(thing, name) else None
    if issubclass(kind, _socket.socket):
        method = sockets.method_of(thing, name)
    else:
        method = outsiders.method_of_poller(thing, name)
    return None if method is None else MethodType(method, thing)


__all__ = ["is_bound", "methods_by_function", "stand_in"]
