"""Packages that are imported anew inside each world: ``fresh=["package"]``.

Owns which modules of a named package are put aside for a world's length, and the names elsewhere that hold what they had made. Does not know how an import
is simulated: see ``imports``. Laws:

* a world finds the modules that were loaded before it, made anew by its own first task, in the order in which they were; after it, and whenever it stands
  still, the old ones are in place, by identity. Modules in C stay what they are: CPython does not make them twice;
* what modules of the program and the test hold from the package is exchanged for the world's; what cannot be is an error that names it;
* a plain value (a port, a path) is exchanged only where it is held by the name that the package has for it.
"""

from __future__ import annotations

import enum
import sys
from functools import partial
from importlib import import_module
from importlib.machinery import ExtensionFileLoader
from importlib.util import find_spec
from types import CellType, FrameType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.harness import is_harness
from simsock.kernel.program_lines import is_library, is_simsock
from simsock.patching.module_names import space_of
from simsock.patching.room import Room, belongs
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simsock.kernel import Kernel, Task

_MISSING: Any = object()
_bootstrap: Any = import_module("importlib._bootstrap")
"""Where ``import_module`` goes, by names of the program's only: see ``check_packages``."""
_PLAIN = (int, float, complex, str, bytes, bool, type(None), tuple, frozenset)
_CONTAINERS = (list, dict, tuple, set, frozenset)
_ITEMS_MAX = 1_000
"""Of a container that is looked into: tables of data are longer."""
_TOLD_MAX = 5


class _Spot(NamedTuple):
    """Where something from the package is held, what it was and what it is in the world. ``kind``: "item", "attribute", or "cell"."""

    kind: str
    box: Any
    key: Any
    old: Any
    new: Any

    def put(self, expected: Any, value: Any) -> None:
        """Put ``value`` there, unless somebody has put something else there since."""
        if self.kind == "item":
            if self._now() is expected:
                self.box[self.key] = value
        elif self.kind == "cell":
            if self._now() is expected:
                self.box.cell_contents = value
        elif self._now() is expected:
            setattr(self.box, self.key, value)

    def _now(self) -> Any:
        try:
            if self.kind == "item":
                return self.box[self.key]
            if self.kind == "cell":
                return self.box.cell_contents
            return vars(self.box).get(self.key, _MISSING) if isinstance(self.box, type) else getattr(self.box, self.key, _MISSING)
        except (LookupError, ValueError):
            return _MISSING


def _is_module(value: Any) -> bool:
    """By its class: a proxy says that it is one."""
    return issubclass(type(value), ModuleType)


def _put_all(entries: list[tuple[dict[str, Any], str, Any]]) -> None:
    for space, name, value in entries:
        if value is _MISSING:
            space.pop(name, None)
        else:
            space[name] = value


class Renewed:
    """The packages of one world."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self._packages = packages
        self._old: dict[str, Any] = {}
        self._new: dict[str, Any] = {}
        self._spots: list[_Spot] = []
        self._outside: list[tuple[dict[str, Any], str, Any]] = []
        """What packages that stay have by the names of these, while the world is not in place: it may have made another object of that name."""
        self._inside: list[tuple[dict[str, Any], str, Any]] = []
        self._is_in = False
        self._begun: frozenset[int] = frozenset()
        """Tasks that importing them has started."""

    # -- out and in --------------------------------------------------------------------------------------------------------------------

    def _take(self) -> dict[str, Any]:
        """What is loaded of the packages, taken out."""
        names = [name for name in list(sys.modules) if belongs(name, self._packages)]
        return {name: sys.modules.pop(name) for name in names}

    def show(self) -> None:
        """The world goes on: its modules are in place."""
        if self._is_in or not self._packages:
            return
        self._old = self._take()
        self._outside = self._above()
        sys.modules.update(self._new)
        for spot in self._spots:
            spot.put(spot.old, spot.new)
        _put_all(self._inside)
        self._is_in = True

    def hide(self) -> None:
        """It stands still, or is over: the old ones are. Safe to call again."""
        if not self._is_in:
            return
        self._new = self._take()
        self._inside = self._above()
        sys.modules.update(self._old)
        for spot in self._spots:
            spot.put(spot.new, spot.old)
        _put_all(self._outside)
        self._is_in = False

    def _above(self) -> list[tuple[dict[str, Any], str, Any]]:
        """(namespace, name, value): what packages around these have by their names."""
        found = []
        for package in self._packages:
            parent, _, child = package.rpartition(".")
            if _is_module(module := sys.modules.get(parent)):
                space = space_of(module)
                found.append((space, child, space.get(child, _MISSING)))
        return found

    def outlives_tests(self, task: Task) -> bool:
        """Whether a task is of a thread that lives as long as the package does: one that its import has started, or of a pool that a module of it has."""
        if task.serial in self._begun:
            return True
        thread = getattr(task.fn, "__self__", None)
        if thread is None:
            return False
        values = [value for module in self._take_stock() for value in list(space_of(module).values())]
        return any(isinstance(threads := getattr(value, "_threads", None), set) and thread in threads for value in values)

    def _take_stock(self) -> list[ModuleType]:
        return [module for name, module in list(sys.modules.items()) if belongs(name, self._packages) and _is_module(module)]

    # -- the beginning -----------------------------------------------------------------------------------------------------------------

    def begin(self, kernel: Kernel, holders: Iterable[tuple[str, dict[str, Any]]], frame: FrameType | None) -> None:
        """Import anew what was loaded, in the world, and exchange what is held from it: by modules, by ``holders`` (words, namespace), by the frame."""
        self._old = self._take()
        self._outside = self._above()
        self._is_in = True
        for name, module in self._old.items():
            if _stays(name, module):
                sys.modules[name] = module
        in_parents = self._in_parents()
        for name, module in self._old.items():
            if name not in sys.modules and not name.endswith("__main__"):
                try:
                    self._import(name, module)
                finally:
                    for space, child, value in in_parents:
                        space[child] = value
        self._begun = frozenset(kernel.tasks)
        wrong = _Exchange(self._packages, self._old, self._spots).everywhere(holders, frame)
        for spot in self._spots:
            spot.put(spot.old, spot.new)
        if wrong:
            more = f", and {len(wrong) - _TOLD_MAX} more" if len(wrong) > _TOLD_MAX else ""
            raise UsageError(
                f"fresh={list(self._packages)!r}: what was taken from the package before the world cannot be exchanged everywhere: "
                f"{'; '.join(wrong[:_TOLD_MAX])}{more}. Import it inside the test (or make it in a fixture that asks for `sim`)"
            )

    def _import(self, name: str, module: Any) -> None:
        try:
            _bootstrap._gcd_import(name)
        except ModuleNotFoundError as error:
            if error.name != name or (_is_module(module) and getattr(module.__spec__, "name", "") == name):
                error.add_note(f"fresh={list(self._packages)!r}: {name} was being imported anew inside the world")
                raise
        except BaseException as error:
            error.add_note(f"fresh={list(self._packages)!r}: {name} was being imported anew inside the world")
            raise

    def _in_parents(self) -> list[tuple[dict[str, Any], str, Any]]:
        """What packages that stay have by the names of submodules that do not: an import puts the new one there, whatever that is."""
        found = []
        for name in self._old:
            parent, _, child = name.rpartition(".")
            if _is_module(module := sys.modules.get(parent)) and child in (space := space_of(module)):
                found.append((space, child, space[child]))
        return found


def _stays(name: str, module: Any) -> bool:
    """Whether a module cannot be made twice: one in C, or one that somebody has made by hand."""
    if not _is_module(module):
        return False
    spec = getattr(module, "__spec__", None)
    return spec is None or isinstance(spec.loader, ExtensionFileLoader)


class _Exchange:
    """The search for what is held from the old modules. No code of the program runs."""

    def __init__(self, packages: tuple[str, ...], old: dict[str, Any], spots: list[_Spot]) -> None:
        self._packages = packages
        self._spots = spots
        self._wrong: list[str] = []
        self._seen: set[int] = set()
        self._new: dict[int, tuple[Any, Any, str]] = {}
        """By identity: what the old modules had, what the new ones have there, and its name."""
        self._plain: dict[str, list[tuple[Any, Any]]] = {}
        for name, module in old.items():
            now = sys.modules.get(name, _MISSING)
            if module is not now:
                self._new[id(module)] = module, now, name
            if _is_module(module):
                self._learn(name, space_of(module), space_of(now) if _is_module(now) else {})

    def _learn(self, name: str, old: dict[str, Any], new: dict[str, Any]) -> None:
        if old is new:
            return
        for key, value in list(old.items()):
            now = new.get(key, _MISSING)
            if key.startswith("__") or now is value:
                continue
            if type(value) in _PLAIN:
                if now is not _MISSING:
                    self._plain.setdefault(key, []).append((value, now))
            elif not _is_module(value) and (id(value) not in self._new or getattr(value, "__module__", None) == name):
                self._new[id(value)] = value, now, f"{name}.{key}"

    def everywhere(self, holders: Iterable[tuple[str, dict[str, Any]]], frame: FrameType | None) -> list[str]:
        """Find all places; what cannot be exchanged is returned in words."""
        for name, module in list(sys.modules.items()):
            if issubclass(type(module), ModuleType) and not belongs(name, self._packages) and not is_harness(name):
                space = space_of(module)
                file = str(space.get("__file__") or "<>")
                if not is_simsock(file):
                    self._names(name, space, is_program=not is_library(file) or name == "__main__")
        for words, space in holders:
            self._names(words, space, is_program=True)
        if frame is not None and frame.f_locals is not frame.f_globals and not is_library(frame.f_code.co_filename):
            for key, value in list(frame.f_locals.items()):
                if (known := self._of(value)) is not None:
                    self._wrong.append(f"{known} is a local variable of {frame.f_code.co_qualname} ({key})")
        return self._wrong

    def _of(self, value: Any) -> str | None:
        """The name of something that the old modules had, or of what an instance is one of."""
        known = self._new.get(id(value))
        if known is not None:
            return known[2]
        known = self._new.get(id(type(value)))
        return None if known is None else f"an object of {known[2]}"

    def _names(self, words: str, space: dict[str, Any], is_program: bool) -> None:
        if id(space) in self._seen:
            return
        self._seen.add(id(space))
        if not is_program and self._new.keys().isdisjoint(map(id, space.values())):
            return
        stem = words if words.endswith(" ") else f"{words}."
        for key, value in list(space.items()):
            if not self._put("item", space, key, value, f"{stem}{key}", tell=is_program) and is_program and not key.startswith("__"):
                for before, now in self._plain.get(key, ()) if type(value) in _PLAIN else ():
                    if value is before and now != before:
                        self._spots.append(_Spot("item", space, key, value, now))
                        break
                else:
                    self._look_into(value, f"{stem}{key}", str(space.get("__name__", "")), 0)

    def _put(self, kind: str, box: Any, key: Any, value: Any, words: str, tell: bool = True) -> bool:
        """Whether something from the old modules is there; if so it is exchanged, or told."""
        known = self._new.get(id(value))
        new = _MISSING if known is None else known[1]
        if known is None:
            cls = self._new.get(id(type(value)))
            if cls is None:
                return False
            if isinstance(value, enum.Enum) and isinstance(cls[1], type) and value.name in getattr(cls[1], "__members__", ()):
                new = cls[1][value.name]  # type: ignore[index]  # an Enum
        if new is not _MISSING:
            self._spots.append(_Spot(kind, box, key, value, new))
        elif tell:
            self._wrong.append(f"{self._of(value)} is held by {words}")
        return True

    def _look_into(self, value: Any, words: str, home: str, depth: int) -> None:
        if id(value) in self._seen or depth > 3:
            return
        if type(value) in _CONTAINERS and len(value) > _ITEMS_MAX:
            return
        if type(value) in (FunctionType, partial, *_CONTAINERS) or isinstance(value, type):
            self._seen.add(id(value))
            for kind, box, key, held, how in _held(value, home):
                told = f"{words}{how}"
                if kind == "fixed":
                    if (known := self._of(held)) is not None:
                        self._wrong.append(f"{known} is held by {told}")
                        continue
                elif self._put(kind, box, key, held, told):
                    continue
                self._look_into(held, told, home, depth + 1)


def _held(value: Any, home: str) -> list[tuple[str, Any, Any, Any, str]]:
    """What an object holds: (kind of place or "fixed", box, key, what, how that is said)."""
    if isinstance(value, dict):
        return [("item", value, key, held, f"[{key!r:.40}]") for key, held in list(value.items())]
    if isinstance(value, list):
        return [("item", value, place, held, f"[{place}]") for place, held in enumerate(value)]
    if isinstance(value, (tuple, set, frozenset)):
        return [("fixed", None, None, held, f" (a {type(value).__name__})") for held in value]
    if isinstance(value, partial):
        return [("fixed", None, None, held, " (a partial)") for held in (value.func, *value.args, *value.keywords.values())]
    if isinstance(value, FunctionType):
        cells = [("cell", cell, None, cell.cell_contents, " (its closure)") for cell in value.__closure__ or () if _is_full(cell)]
        defaults = [("item", value.__kwdefaults__, key, held, f" (argument {key})") for key, held in (value.__kwdefaults__ or {}).items()]
        return [*cells, *defaults, *(("fixed", None, None, held, " (a default argument)") for held in value.__defaults__ or ())]
    if vars(type)["__module__"].__get__(value) != home:
        return []  # a class of somebody else's
    bases = [("fixed", None, None, base, " (a base of the class)") for base in value.__mro__[1:-1]]
    return [*bases, *(("attribute", value, key, held, f".{key}") for key, held in list(vars(value).items()) if not key.startswith("__"))]


def _is_full(cell: CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def check_packages(packages: tuple[str, ...]) -> None:
    """Raises ``UsageError`` for a name that is no package, or one that a world cannot import anew."""
    for name in packages:
        top = name.partition(".")[0]
        if is_harness(name) or top in sys.stdlib_module_names:
            whose = "runs the tests" if is_harness(name) else "is the standard library's, which is the world's in any case"
            raise UsageError(f"fresh: {name!r} {whose}: expected packages of the program, or installed ones")
        if name not in sys.modules:
            try:
                found = find_spec(name) is not None
            except (ImportError, ValueError, AttributeError):
                found = False
            if not found:
                raise UsageError(f"fresh: no package or module called {name!r} can be found")


def begin(kernel: Kernel, packages: tuple[str, ...], holders: Iterable[tuple[str, dict[str, Any]]], frame: FrameType | None) -> None:
    """A world has begun, and this is its first task."""
    room = kernel.room(Room)
    room.renewed = Renewed(packages)
    room.renewed.begin(kernel, holders, frame)


def outlives_tests(kernel: Kernel, task: Task) -> bool:
    """Whether it is no leak that a task runs at the world's end: its package lives on, as far as the program knows."""
    renewed = kernel.room(Room).renewed
    return renewed is not None and bool(renewed.outlives_tests(task))


__all__ = ["Renewed", "begin", "check_packages", "outlives_tests"]
