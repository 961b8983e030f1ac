"""How many references there are to each original, and who holds them: whether something new has captured one is then a matter of counting.

Owns the count. Does not know what becomes of what is found, nor where else to look. Laws: a reference that is not accounted for is news, so nothing that was
captured is missed; what cannot be followed is said to be unsure; nothing of the program is kept alive for it, and none of its code runs.

Of every holder it is known how many references it has. One that has died, or has let go, has fewer, and by so many the count must have fallen: so
an original that one holder let go and another one captured is news as well, although its count is what it was.
"""

from __future__ import annotations

import gc
import sys
from sys import getrefcount
from types import (
    BuiltinFunctionType,
    CellType,
    ClassMethodDescriptorType,
    FrameType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import TYPE_CHECKING, Any
from weakref import getweakrefcount, ref

from simsock.patching.hashed import Mark
from simsock.patching.heap import holders_of, is_box
from simsock.patching.referrers import referrers_of
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_IMMUTABLE = 1 << 8
"""``Py_TPFLAGS_IMMUTABLETYPE``."""
_DESCRIPTORS = frozenset((ClassMethodDescriptorType, GetSetDescriptorType, MemberDescriptorType, MethodDescriptorType, WrapperDescriptorType))
"""What a class in C is made of: they live as long as it does, and are what they are."""
_STEADY = frozenset((frozenset, ModuleType))
"""What holds the same as long as it lives; a class, too, has the same bases."""
_OF_C = frozenset((BuiltinFunctionType, CellType, FrameType, staticmethod))
_ATOMS = frozenset((int, str, bytes, float, bool, complex, type(None), ModuleType))
_class_dict: Any = type.__dict__["__dict__"]
_flags_of: Any = type.__dict__["__flags__"].__get__  # descriptors of C: a metaclass of the program may have its own
_name_of: Any = type.__dict__["__name__"].__get__  # likewise
_weak_offset_of: Any = type.__dict__["__weakrefoffset__"].__get__  # likewise
_space_of: Any = ModuleType.__dict__["__dict__"].__get__  # type: ignore[index]  # not the attribute of an instance, which a lazy module may compute
_HEAP = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``."""
_OF_STATIC = 2
"""References, at most, that nobody sees to a class of C that is no object of the heap: its own, and one of its module."""
_FEW = 8
"""How long a container may be that is looked through for whether it keeps anything alive."""
_probe = object()
_OVERHEAD = next(map(getrefcount, (_probe,))) - 2
"""References to each object that are those of the counting itself."""


class Stranger(NamedTuple):
    """A holder that was not there at the last count, or has got one reference more."""

    owner: Any
    held: Any


class Kept(NamedTuple):
    """What cannot change and keeps nothing of the program alive. A class of its own, by which it is told from a tuple of the program's."""

    owner: Any
    number: int
    times: int


class Taken(NamedTuple):
    """What a count has shown: who holds something now and did not at the last count; all who refer to it; and who refers to those of them that are boxes."""

    strangers: list[Stranger]
    owners: list[Any]
    above: dict[int, list[Any]]


class Census:
    """The count of references to ``watched``. ``ours``: what stands in for them, which lives as long as they do."""

    def __init__(self, watched: list[Any], ours: Iterable[Any] = ()) -> None:
        self._watched = tuple(watched)
        self._ours = frozenset(map(id, ours))
        functions = [found for found in ours if type(found) is FunctionType]
        self._parts = frozenset(id(part) for found in functions for part in (*(found.__closure__ or ()), vars(found)))
        """What stand-ins are made of: cells and attributes."""
        self._number = {id(found): number for number, found in enumerate(watched)}
        self._functions = tuple(found for found in watched if not isinstance(found, type))
        self._counts = [-1] * len(watched)
        self._names: list[tuple[dict[str, Any], str, int]] = []
        """(namespace, name, number of what it is there): kept alive, being those of modules and the like."""
        self._cells: list[tuple[CellType, int]] = []
        self._instances: list[tuple[Any, int]] = []
        """(weak reference to an instance, number of its class), or to something else that has one reference as long as it lives."""
        self._others: list[tuple[Any, int, int, int]] = []
        """(weak reference to a holder, 0 or the identity of the container through which it holds, number of what it holds, how many times)."""
        self._kept: list[Kept] = []
        """What it holds is told by its number, and how many times it does."""
        self.unsure: set[int] = set()
        """Numbers of those to which there are references that cannot be followed."""

    def news(self, marks: Iterable[Mark] = ()) -> dict[int, int]:
        """Numbers of those whose references are not as many as they should be, and how many more there are. ``marks``: all that there are."""
        watched = self._watched
        counts = list(map(getrefcount, watched))  # in one go, before another OS thread can do anything
        lost = [entry for entry in self._names if entry[0].get(entry[1]) is not watched[entry[2]]]
        if lost:  # and not only for now: a name that comes to be the original once more is news
            self._names = [entry for entry in self._names if entry[0].get(entry[1]) is watched[entry[2]]]
            for _, _, number in lost:
                self._counts[number] -= 1
        expected = list(self._counts)
        for cell, number in self._cells:
            if _content(cell) is not watched[number]:
                expected[number] -= 1
        for instance, number in self._instances:
            if instance() is None:
                expected[number] -= 1
        for holder, way, number, times in self._others:
            expected[number] -= max(0, times - _times(holder(), way, watched[number]))  # one that has more is news
        for mark in marks:
            if (number := self._number.get(id(mark.value), -1)) >= 0:
                expected[number] += 1
        if counts == expected:
            return {}
        return {number: count - expected[number] for number, count in enumerate(counts) if count != expected[number]}

    def numbers_of(self, watched: Iterable[Any]) -> set[int]:
        """Those that are counted, by their numbers."""
        return {self._number[id(found)] for found in watched if id(found) in self._number}

    def follow(self, places: Iterable[tuple[dict[str, Any], str, Any, Any]]) -> None:
        """What modules have under these names is accounted for, if it was not, and so are these notes, which nobody changes."""
        names = {(id(space), name) for space, name, _ in self._names}
        notes = {id(owner) for owner, _, _ in self._kept}
        for place in places:
            space, name, original, _ = place
            number = self._number.get(id(original))
            if number is None:
                continue
            if id(place) not in notes:
                self._kept.append(Kept(place, number, 1))
                self._counts[number] += 1
            if (id(space), name) not in names and space.get(name) is original:
                self._names.append((space, name, number))
                self._counts[number] += 1

    def count_functions(self) -> list[int]:
        """References to each of those that have no instances."""
        return list(map(getrefcount, self._functions))

    def count_weakly(self) -> list[int]:
        """Weak references to each of those."""
        return list(map(getweakrefcount, self._functions))

    def take(self, numbers: set[int] | None = None, others: list[Any] | None = None) -> Taken:
        """Count anew, those with these numbers or all. Who refers to ``others`` is asked in the same go: passing over the heap is what takes the time."""
        asked = [found for number, found in enumerate(self._watched) if numbers is None or number in numbers]
        ids = frozenset(map(id, asked))
        known = self._forget(ids)
        for found, count in zip(asked, list(map(getrefcount, asked)), strict=True):
            self._counts[self._number[id(found)]] = count - 1  # not that of this list
        everything = [*asked, *(others or ())]
        owners = referrers_of(everything, asked, others)
        del everything
        above = holders_of([owner for owner in owners if self._is_inner(owner) or (numbers is None and is_box(owner))], owners)
        explained = dict.fromkeys((self._number[key] for key in ids), _OVERHEAD)
        strangers = []
        for owner in owners:
            if type(owner) is not FrameType:
                for found, times in _held(owner, ids).values():
                    number = self._number[id(found)]
                    if type(owner) is Mark:
                        self._counts[number] -= times
                        continue
                    if self._follow(owner, number, times, [holder for holder in above.get(id(owner), ()) if type(holder) not in (list, tuple)]):
                        explained[number] += times
                    if times > known.get((id(owner), number), 0):
                        strangers.append(Stranger(owner, found))
        for number, times in explained.items():
            unseen = self._counts[number] - times
            is_sure = 0 < unseen <= _OF_STATIC if isinstance(watched := self._watched[number], type) and not is_of_heap(watched) else unseen == 0
            (self.unsure.discard if is_sure else self.unsure.add)(number)
        return Taken(strangers, owners, above)

    def _forget(self, ids: frozenset[int]) -> dict[tuple[int, int], int]:
        """Who held these at the last count and may do so still: (holder by identity, number of what it holds), and how many times."""
        known: dict[tuple[int, int], int] = {}
        numbers = {self._number[key] for key in ids}
        for holder, number, times in self._holders():
            if number in numbers:
                known[holder, number] = known.get((holder, number), 0) + times
        self._names = [entry for entry in self._names if entry[2] not in numbers]
        self._cells = [entry for entry in self._cells if entry[1] not in numbers]
        self._instances = [entry for entry in self._instances if entry[1] not in numbers]
        self._others = [entry for entry in self._others if entry[2] not in numbers]
        self._kept = [entry for entry in self._kept if entry[1] not in numbers]
        return known

    def _holders(self) -> list[tuple[int, int, int]]:
        """(identity of the holder, number of what it holds, how many times), as far as they are alive."""
        watched = self._watched
        found = [(id(space), number, 1) for space, name, number in self._names if space.get(name) is watched[number]]
        found += [(id(cell), number, 1) for cell, number in self._cells]
        found += [(id(alive), number, 1) for instance, number in self._instances if (alive := instance()) is not None]
        for weak, way, number, times in self._others:
            holder = weak()
            if holder is not None and _times(holder, way, watched[number]) == times:
                found.append((way or id(holder), number, times))
        return found + [(id(kept), number, times) for kept, number, times in self._kept]

    def _follow(self, owner: Any, number: int, times: int, above: Any) -> bool:
        """From now on it is seen when this holder lets go; False where that cannot be."""
        kind, found = type(owner), self._watched[number]
        if self._is_fixed(owner, found):
            self._kept.append(Kept(owner, number, times))
        elif kind is CellType:
            self._cells.append((owner, number))
        elif kind is list and self._is_light(owner):
            self._others.append((lambda: owner, 0, number, times))
        elif kind is dict and (_is_namespace(owner) or self._is_light(owner.values()) or _is_standard(owner, found, above)):
            names = [name for name, value in owner.items() if value is found]
            if len(names) != times or not all(type(name) is str for name in names):
                if not self._is_light(owner.values()):
                    return False
                self._others.append((lambda: owner, 0, number, times))  # by it, a class, as tables of what is done about classes are
                return True
            self._names += [(owner, name, number) for name in names]
        elif not _weak_offset_of(kind) and (_name_of(kind) == "_ThreadHandle" or self._is_record(owner) or any(map(_is_namespace, above))):
            self._others.append((lambda: owner, 0, number, times))  # a thread's handle that nobody else has is one of a thread that nobody can join
        elif (kind is found or kind in _STEADY or issubclass(kind, type)) and times == 1:
            return _weak(self._instances, owner, number)
        elif not _weak_offset_of(kind):
            return any(_weak(self._others, holder, id(owner), number, times) for holder in above)
        else:
            return _weak(self._others, owner, 0, number, times)
        return True

    def _is_fixed(self, owner: Any, found: Any) -> bool:
        """Whether this does not change and keeps nothing alive that would not live anyway."""
        kind = type(owner)
        if id(owner) in self._parts:
            return True
        if kind is tuple:
            return owner is self._watched or owner is self._functions or self._is_light(owner)
        return kind in _DESCRIPTORS or kind is staticmethod or (kind is BuiltinFunctionType and owner.__self__ is found)

    def _is_inner(self, owner: Any) -> bool:
        """Whether this can only be followed by way of its holders."""
        kind = type(owner)
        if kind is dict:
            return not (_is_namespace(owner) or self._is_light(owner.values()))
        if kind is tuple or kind is list:
            return owner is not self._watched and owner is not self._functions and not self._is_light(owner)
        return kind not in _DESCRIPTORS and kind not in _OF_C and not _weak_offset_of(kind)

    def _is_record(self, owner: Any) -> bool:
        """Whether this is an object with a few slots and of a class of some module, which keeps nothing alive and does nothing when it dies."""
        kind = type(owner)
        attributes = _class_dict.__get__(kind)
        return (
            _is_named(kind, _module_of(kind), _name_of(kind))
            and "__slots__" in attributes
            and "__del__" not in attributes
            and self._is_light([inner for inner in gc.get_referents(owner) if inner is not kind])
        )

    def _is_light(self, values: Any) -> bool:
        """Whether a container of these keeps nothing alive that would not live anyway."""
        return len(values) <= _FEW and all(self._is_light_value(value) for value in values)

    def _is_light_value(self, value: Any) -> bool:
        kind = type(value)
        if kind in _ATOMS or id(value) in self._number or id(value) in self._ours:
            return True
        if kind is dict:
            return _is_namespace(value)
        if kind is BuiltinFunctionType:
            return type(value.__self__) is ModuleType or value.__self__ is None
        if kind is FunctionType:
            return _is_named(value, str(value.__module__), value.__name__)
        return issubclass(kind, type) and (bool(_flags_of(value) & _IMMUTABLE) or _is_named(value, _module_of(value), _name_of(value)))


def _is_standard(space: dict[Any, Any], found: Any, holders: Any) -> bool:
    """Whether this is the namespace of a class or function of the standard library, or of ours: it is there to stay."""
    home = getattr(found, "__objclass__", None)
    if home is not None and space.keys() == vars(home).keys():
        return True  # a class in C, which the garbage collector does not know, or our copy
    for holder in holders:
        if type(holder) is dict and str(holder.get("__name__", "")).startswith("simsock."):
            return True
        kind = type(holder)
        module = _module_of(holder) if issubclass(kind, type) else str(holder.__module__) if kind is FunctionType else ""
        if module.partition(".")[0] in sys.stdlib_module_names or module.startswith("simsock."):
            return True
    return False


def is_of_heap(cls: type) -> bool:
    """Whether the garbage collector knows this class."""
    return bool(_flags_of(cls) & _HEAP)


def _is_named(found: Any, module_name: str, name: str) -> bool:
    """Whether a module has this function or class under its own name: it is there to stay."""
    module = sys.modules.get(module_name)
    return issubclass(type(module), ModuleType) and _space_of(module).get(name) is found


def _module_of(cls: type) -> str:
    return str(_class_dict.__get__(cls).get("__module__", ""))


def _is_namespace(space: Any) -> bool:
    return type(space) is dict and "__name__" in space and ("__spec__" in space or "__package__" in space)


def _held(owner: Any, ids: frozenset[int]) -> dict[int, tuple[Any, int]]:
    """Which of these it refers to, and how many times."""
    held: dict[int, tuple[Any, int]] = {}
    for inner in gc.get_referents(owner):
        if id(inner) in ids:
            held[id(inner)] = inner, held.get(id(inner), (None, 0))[1] + 1
    return held


def _weak(entries: list[Any], holder: Any, *more: Any) -> bool:
    try:
        entries.append((ref(holder), *more))
    except TypeError:
        return False
    return True


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _times(holder: Any, way: int, found: Any) -> int:
    """How many times a holder refers to it now, itself or by way of a container of its own."""
    if holder is None:
        return 0
    boxes = gc.get_referents(holder) if way else (holder,)
    return sum(inner is found for box in boxes if not way or id(box) == way for inner in gc.get_referents(box))


__all__ = ["Census", "Stranger", "Taken"]
