"""Putting the stand-ins into the process, and taking them out again.

Owns the order in which that happens. ``Patching.apply`` and ``remove`` frame a session, ``enter`` and ``leave`` each world in it. Law: after
``remove`` no module attribute holds a stand-in, by identity.
"""

from __future__ import annotations

import selectors
from typing import Any

from simsock.kernel import Kernel
from simsock.patching import fence, sockets, table
from simsock.patching.carry import Carrier
from simsock.patching.chance import Chance
from simsock.patching.slots import Names
from simsock.patching.threads import Registry

_names: Names | None = None
_by_original: dict[int, tuple[Any, Any]] = {}


def _known_names() -> Names:
    global _names
    if _names is None:
        for original, replacement in table.make_pairs():
            _by_original[id(original)] = (original, replacement)
        _names = Names(_by_original)
    return _names


def _captured_in_classes() -> list[tuple[Any, str]]:
    """Class attributes of the standard library that hold an original."""
    return [
        (selectors.SelectSelector, "_select"),
        (selectors.PollSelector, "_selector_cls"),
        (selectors.EpollSelector, "_selector_cls"),
    ]


class Patching:
    """The patched state of the process."""

    def __init__(self, entropy: str = "tape") -> None:
        self._entropy = entropy
        self._chance = Chance()
        self._carrier = Carrier()
        self._registry = Registry()
        self._places: list[Any] = []
        self._classes: list[tuple[Any, str, Any]] = []

    def prepare(self) -> None:
        """Called before collection is switched off: find the names."""
        _known_names()

    def apply(self) -> None:
        """The patched state begins."""
        self._places = _known_names().places()
        for space, key, original, replacement in self._places:
            if space.get(key) is original:
                space[key] = replacement
        for cls, name in _captured_in_classes():
            original = vars(cls).get(name)
            plain = getattr(original, "__func__", original)
            pair = _by_original.get(id(plain))
            if pair is not None:
                self._classes.append((cls, name, original))
                setattr(cls, name, staticmethod(pair[1]))
        sockets.apply()
        self._chance.apply()

    def remove(self) -> None:
        """The patched state ends; the stand-ins come out, by identity, also from modules that were imported meanwhile."""
        self._chance.remove()
        sockets.remove()
        for cls, name, original in self._classes:
            setattr(cls, name, original)
        self._classes.clear()
        for space, key, original, replacement in self._places:
            if space.get(key) is replacement:
                space[key] = original
        self._places = []
        _take_out_of_new_modules()

    def enter(self, kernel: Kernel) -> None:
        """A world begins."""
        self._registry.enter()
        if self._entropy == "tape":
            self._chance.enter(kernel, kernel.state["seed"])
        self._carrier.enter(kernel)
        fence.put_up()

    def leave(self) -> None:
        """The world is over."""
        fence.take_down()
        self._carrier.leave()
        self._chance.leave()
        self._registry.leave()


def make_patching(options: Any) -> Patching | None:
    """What a world or a search with these options needs: None when nothing is to be patched."""
    return Patching(options.entropy) if options.patch else None


def _take_out_of_new_modules() -> None:
    """A module imported in the patched state took the replacements for originals."""
    import sys

    assert _names is not None
    originals = {id(replacement): (replacement, original) for original, replacement in _by_original.values()}
    for name, module in list(sys.modules.items()):
        if name in _names._seen:
            continue
        space = getattr(module, "__dict__", None)
        if space is None:
            continue
        for key, value in list(space.items()):
            pair = originals.get(id(value))
            if pair is not None and pair[0] is value:
                space[key] = pair[1]
