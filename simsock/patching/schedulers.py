"""Other people's schedulers of greenlets (gevent's, eventlet's) are refused by name inside a world: they wait in real time, behind its back.

Owns the methods by which one begins, while a world is live. Does not know greenlets. Laws: nothing is imported for it; outside a world all is as ever. In
a world none is there already: each thread has one of its own, and a world's tasks are new threads.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import Any

from simsock.kernel import session
from simsock.patching import fence

_CLASSES: tuple[tuple[str, str], ...] = (("gevent.hub", "Hub"), ("eventlet.hubs.hub", "BaseHub"))
"""(module, the class of a scheduler)."""
CALLS: tuple[tuple[str, str], ...] = (
    ("gevent.monkey", "patch_all"),
    ("gevent.monkey", "patch_socket"),
    ("gevent.monkey", "patch_thread"),
    ("gevent.monkey", "patch_time"),
    ("eventlet", "monkey_patch"),
    ("eventlet.patcher", "monkey_patch"),
)
"""(module, function that puts them under the standard modules)."""
_applied: list[tuple[type, Any, Any]] = []


def refusing(call: str) -> Any:
    """A function that is refused by name in a world."""
    whose = call.partition(".")[0]

    def refuse(*args: Any, **kwargs: Any) -> Any:
        fence.refuse(call, (), f"{whose} switches between greenlets of its own and waits in real time; use threads or asyncio in a world")

    return refuse


def _asking(method: Any, call: str) -> Any:
    refuse = refusing(call)

    def begin(self: Any, *args: Any, **kwargs: Any) -> Any:
        kernel = session.active
        if kernel is not None and kernel.thread == get_ident():
            refuse()
        return method(self, *args, **kwargs)

    return begin


def enter() -> None:
    """A world begins, or goes on after an import."""
    for module, name in _CLASSES:
        if module in sys.modules:
            cls = getattr(sys.modules[module], name, None)
            if isinstance(cls, type) and "__init__" in vars(cls) and not any(cls is known for known, _, _ in _applied):
                method = vars(cls)["__init__"]
                ours = _asking(method, f"{module}.{name}")
                _applied.append((cls, method, ours))
                cls.__init__ = ours  # type: ignore[misc]  # it is what is to be


def leave() -> None:
    """The world is over."""
    while _applied:
        cls, method, ours = _applied[-1]
        if vars(cls).get("__init__") is ours:
            cls.__init__ = method  # type: ignore[misc]  # as it was
        _applied.pop()


__all__ = ["CALLS", "enter", "leave", "refusing"]
