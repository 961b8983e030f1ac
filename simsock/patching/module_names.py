"""Where the process keeps what a world replaces: the names of modules.

Owns the search for names: a function such as ``time.sleep`` is found under every name by which a module holds it, because programs write
``from time import sleep``. Does not know what anything is replaced with. Laws: only identity counts; a module of the harness is passed
over, but for Hypothesis's, which go on reading the real clock when they draw inside a world; the search looks at each module once and again
only when it may have changed.
"""

from __future__ import annotations

import sys
import time
import types
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from simsock.harness import is_harness
from simsock.patching.referrers import addresses

_REAL_CLOCK = ModuleType("time")
"""The module ``time`` as it is outside worlds; a part of the harness by its name."""
vars(_REAL_CLOCK).update(vars(time), __name__="simsock.time")
LAZY: Any = getattr(types, "LazyImportType", None)
space_of: Any = ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]  # not the attribute of an instance, which a lazy module may compute


Place = tuple[dict[str, Any], str, Any, Any]
"""(namespace, name, the original, its replacement)."""


class Names:
    """The places where originals are held, found once and kept up to date."""

    def __init__(self, replacements: dict[int, tuple[Any, Any]]) -> None:
        self.replacements = replacements
        self.resident: frozenset[int] = frozenset()
        """Keys of the pairs whose replacements are there to stay: see ``Hybrids``."""
        self._ids = frozenset(replacements)
        self._usual: dict[str, list[tuple[Any, Any]]] = {}
        for pair in replacements.values():
            self._usual.setdefault(getattr(pair[0], "__name__", ""), []).append(pair)
        self._modules: list[Any] = []
        self._spaces: list[dict[str, Any]] = []
        self._sizes: list[int] = []
        """Of each namespace: how many names it had."""
        self._lazy: list[tuple[dict[str, Any], str]] = []
        """Names that stand for an import yet to come (3.15): they may come to hold an original, or what is in its place, at any moment."""
        self._seen: dict[int, tuple[Any, int, list[Place], list[str]]] = {}
        """By identity of the module: the module, how many names it had, its places, and its names of imports yet to come."""
        self._places: list[Place] = []

    def places(self) -> tuple[list[Place], bool]:
        """Every place known now, and whether any module is new or has more names than before."""
        modules = list(sys.modules.values())
        if modules != self._modules:
            return self._look_around(modules), True
        if list(map(len, self._spaces)) != self._sizes:
            return self._look_around(modules), True
        if self._lazy and any(True for _ in self._come()):
            return self._look_around(modules), True
        return self._places, False

    def forget(self, spaces: list[dict[str, Any]]) -> None:
        """Names in these namespaces are not what they were: they are looked at anew, although there are as many as before."""
        ids = set(map(id, spaces))
        self._seen = {key: entry for key, entry in self._seen.items() if id(space_of(entry[0])) not in ids}
        self._modules = []

    def lacking(self, spaces: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of these namespaces that have an original under a name that is not known for a place."""
        if not spaces:
            return []
        known = {(id(space), key, id(original)) for space, key, original, _ in self._places}
        ids = self._ids
        return [
            space
            for space in spaces
            if any(id(value) in ids and (id(space), key, id(value)) not in known for key, value in list(space.items()))
            and not is_harness(str(space.get("__name__", "")))
        ]

    def _come(self) -> Iterator[dict[str, Any]]:
        """Namespaces in which an import has come that was yet to come at the last look."""
        return (space for space, key in self._lazy if type(space.get(key)) is not LAZY)

    def _look_around(self, modules: list[Any]) -> list[Place]:
        seen: dict[int, tuple[Any, int, list[Place], list[str]]] = {}
        come = set(map(id, self._come()))
        self._places = []
        self._spaces = []
        self._sizes = []
        self._lazy = []
        for module in modules:
            if not issubclass(type(module), ModuleType) or id(module) in seen:
                continue
            space = space_of(module)
            known = self._seen.get(id(module))
            if known is not None and known[0] is module and known[1] == len(space) and id(space) not in come:
                entry = known
            else:
                lazy = [] if LAZY is None else [key for key, value in list(space.items()) if type(value) is LAZY]
                entry = (module, len(space), self.look(space), lazy)
            seen[id(module)] = entry
            self._places += entry[2]
            self._lazy += [(space, key) for key in entry[3]]
            self._spaces.append(space)
            self._sizes.append(entry[1])
        self._modules = modules
        self._seen = seen
        return self._places

    def look(self, space: dict[str, Any]) -> list[Place]:
        """The places in one namespace; names that an original usually has are places too, although a mock may be there now."""
        name = str(space.get("__name__", ""))
        if name.startswith("hypothesis.") and space.get("time") is time:
            return [(space, "time", time, _REAL_CLOCK)]
        if is_harness(name) or (self._ids.isdisjoint(addresses(space.values())) and self._usual.keys().isdisjoint(space)):
            return []
        found: list[Place] = []
        for key, value in list(space.items()):
            pair = self.replacements.get(id(value))
            if pair is not None and pair[0] is value:
                found.append((space, key, value, pair[1]))
            elif key in self._usual and not isinstance(value, ModuleType):
                found += [(space, key, original, replacement) for original, replacement in self._usual[key]]
        return found

    def restore(self, spaces: list[dict[str, Any]]) -> None:
        """Put the originals back in namespaces whose modules were imported in the patched state."""
        if not spaces:
            return
        back = {id(replacement): original for key, (original, replacement) in self.replacements.items() if key not in self.resident}
        ids = frozenset(back)
        for space in spaces:
            if str(space.get("__name__", "")).startswith("simsock.patching"):
                continue  # the replacements' own home
            if not ids.isdisjoint(addresses(space.values())):
                for key, value in list(space.items()):
                    if id(value) in ids:
                        space[key] = back[id(value)]

    def unseen(self) -> list[dict[str, Any]]:
        """The namespaces of modules that came, or got more names, or whose lazy imports came, since the last look."""
        sizes = list(map(len, self._spaces))
        found = [] if sizes == self._sizes else [space for space, size, now in zip(self._spaces, self._sizes, sizes, strict=True) if size != now]
        found += self._come()
        modules = list(sys.modules.values())
        if modules != self._modules:
            known = set(map(id, self._modules))
            found += [space_of(module) for module in modules if id(module) not in known and issubclass(type(module), ModuleType)]
        return found
