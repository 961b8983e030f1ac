"""Other people's schedulers of greenlets (gevent's, eventlet's) are refused by name inside a world: they wait in real time, behind its back.

Owns the methods by which one begins and by which one waits in it, while a world is live, and the one that the world's OS thread has from before, which is put
aside for so long. Does not know greenlets. Laws: nothing is imported for it; outside a world all is as ever.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from collections.abc import Callable
from functools import partial
from typing import Any

from simsock.kernel import session
from simsock.patching import fence

_CLASSES: tuple[tuple[str, str], ...] = (("gevent.hub", "Hub"), ("eventlet.hubs.hub", "BaseHub"))
"""(module, the class of a scheduler)."""
_METHODS = ("__init__", "switch")
"""One begins, and somebody waits in one that may be from before."""
CALLS: tuple[tuple[str, str, str], ...] = (
    *(("gevent.monkey", name, f"gevent.monkey.{name}") for name in ("patch_all", "patch_socket", "patch_thread", "patch_time")),
    # What all of the like come to before they change anything: a program may have imported those by name.
    *(("gevent.monkey", name, "gevent.monkey.patch_all") for name in ("_check_repatching", "_patch_module")),
    ("gevent.monkey._patch_thread_common", "_patch_module", "gevent.monkey.patch_thread"),
    *((module, "monkey_patch", "eventlet.monkey_patch") for module in ("eventlet", "eventlet.patcher")),
)
"""(module, function that puts them under the standard modules, what people call it)."""
_applied: list[tuple[type, str, Any, Any]] = []
"""(class, method, its own before or None, ours)."""
_aside: list[Callable[[], Any]] = []
"""What puts back the scheduler of the world's OS thread."""


def refusing(call: str) -> Any:
    """A function that is refused by name in a world."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        fence.refuse(call, (), fence.SCHEDULER_HINT.format(call.partition(".")[0]))

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
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type):
            for called in _METHODS:
                if hasattr(cls, called) and not any(cls is known and called == method for known, method, _, _ in _applied):
                    ours = _asking(getattr(cls, called), f"{module}.{name}" + ("" if called == "__init__" else f".{called}"))
                    _applied.append((cls, called, vars(cls).get(called), ours))
                    setattr(cls, called, ours)
    _put_aside()


def _put_aside() -> None:
    """Each OS thread has a scheduler of its own, which a world's tasks would share with what was there before."""
    gevents: Any = sys.modules.get("gevent._hub_local")
    hub = gevents.get_hub_if_exists() if hasattr(gevents, "get_hub_if_exists") else None
    if hub is not None:
        gevents.set_hub(None)
        _aside.append(partial(gevents.set_hub, hub))
    eventlets: Any = getattr(sys.modules.get("eventlet.hubs"), "_threadlocal", None)
    if hasattr(eventlets, "hub"):
        _aside.append(partial(setattr, eventlets, "hub", eventlets.hub))
        del eventlets.hub


def leave() -> None:
    """The world is over."""
    while _applied:
        cls, called, own, ours = _applied[-1]
        if vars(cls).get(called) is ours:
            if own is None:
                delattr(cls, called)
            else:
                setattr(cls, called, own)
        _applied.pop()
    while _aside:
        _aside[-1]()
        _aside.pop()


__all__ = ["CALLS", "enter", "leave", "refusing"]
