"""Imports inside a world.

Owns ``importlib``'s way from a name to a module while a world is live. Laws:

* a module that is imported in a world is imported as if before it: its code runs with real time, real locks and real chance, at no step of
  the world and without a draw, so that the first world to need it and the second are the same;
* nobody else runs meanwhile, so no task ever sees a half-made module; real threads wait for each other as ever, on importlib's own locks;
* what it captured is a stand-in that works as the original outside worlds, and is put right at the patched state's end; the harness's
  modules are put right at once.
"""

from __future__ import annotations

import random
from _thread import get_ident
from importlib import import_module
from typing import TYPE_CHECKING, Any

from simsock.harness import is_harness
from simsock.kernel import session
from simsock.patching import fence, foreign, locks
from simsock.patching.room import Room

if TYPE_CHECKING:
    from simsock.patching.module_names import Names

bootstrap: Any = import_module("importlib._bootstrap")
_original: Any = bootstrap._find_and_load
_names: Names | None = None


def _find_and_load(name: str, import_: Any, **options: Any) -> Any:
    kernel = session.active
    if kernel is None or kernel.thread != get_ident():
        return _original(name, import_, **options)
    drawn = random.getstate() if kernel.room(Room).draws_from_world else None
    session.active = None
    kernel.atomic += 1
    fence.importing += 1
    try:
        return _original(name, import_, **options)
    finally:
        fence.importing -= 1
        kernel.atomic -= 1
        session.active = kernel
        if drawn is not None:
            random.setstate(drawn)
        foreign.enter(kernel)
        locks.mark_once()
        if _names is not None:
            _names.restore([space for space in _names.unseen() if is_harness(str(space.get("__name__", "")))])


def apply(names: Names) -> None:
    """The patched state begins."""
    global _names
    _names = names
    bootstrap._find_and_load = _find_and_load


def remove() -> None:
    """The patched state ends."""
    global _names
    _names = None
    if bootstrap._find_and_load is _find_and_load:
        bootstrap._find_and_load = _original
