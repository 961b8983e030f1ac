"""Where the process keeps what a world replaces.

Owns the search for names: a function such as ``time.sleep`` is found under every name by which a module holds it, because programs write
``from time import sleep``. Does not know what anything is replaced with. Laws: only identity counts; a module of the harness is passed
over; the search looks at each module once and again only when it may have changed.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

HARNESS = (
    "simsock",
    "pytest_simsock",
    "_pytest",
    "pytest",
    "py",
    "pluggy",
    "hypothesis",
    "coverage",
    "execnet",
    "xdist",
    "greenlet",
    "faulthandler",
    "__mp_main__",
)
"""Top-level packages that run worlds and do not live in them; every ``pytest_*`` package is one as well."""


def is_harness(name: str, extra: tuple[str, ...] = ()) -> bool:
    """Whether a module belongs to the harness."""
    top = name.partition(".")[0]
    return top in HARNESS or top.startswith("pytest_") or top in extra


Place = tuple[dict[str, Any], str, Any, Any]
"""(namespace, name, the original, its replacement)."""


class Names:
    """The places where originals are held, found once and kept up to date."""

    def __init__(self, replacements: dict[int, tuple[Any, Any]], harness: tuple[str, ...] = ()) -> None:
        self._replacements = replacements
        self._harness = harness
        self._seen: dict[str, tuple[ModuleType, int]] = {}
        self._places: dict[str, list[Place]] = {}

    def places(self) -> list[Place]:
        """Every place known now, after a look at modules that are new or have more names than before."""
        modules = sys.modules
        for name, module in list(modules.items()):
            space = getattr(module, "__dict__", None)  # programs put other things than modules there
            if type(space) is not dict:
                continue
            seen = self._seen.get(name)
            if seen is not None and seen[0] is module and seen[1] == len(space):
                continue
            self._seen[name] = (module, len(space))
            self._places[name] = [] if is_harness(name, self._harness) else self._look(space)
        for name in [name for name in self._seen if name not in modules]:
            del self._seen[name], self._places[name]
        return [place for places in self._places.values() for place in places]

    def _look(self, space: dict[str, Any]) -> list[Place]:
        replacements = self._replacements
        found: list[Place] = []
        for key, value in list(space.items()):
            pair = replacements.get(id(value))
            if pair is not None and pair[0] is value:
                found.append((space, key, value, pair[1]))
        return found
