"""What the process holds that a world has to replace, beyond the names of modules.

Owns two things that one search of the heap finds: real locks, queues and ``threading.local`` objects from before, which are adopted once and
for good (a hybrid is a real lock to everybody outside a world); and originals that were captured in a table, a class, a default argument, a
closure or a partial, which are swapped while the patched state lasts. Laws: the harness's own are left alone; the search is made anew only when
something new holds something: a look at the young objects shows that, and where new ones may no longer be young, or an import may have put something into old
ones, the count of references (``census``) and of locks.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from sys import getrefcount
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any
from weakref import KeyedRef, ReferenceType, WeakSet, ref

from simsock.harness import is_harness
from simsock.kernel import session
from simsock.patching import bound, hashed, heap, locks, sockets, task_locals
from simsock.patching.census import Census, is_of_heap
from simsock.patching.hashed import Mark
from simsock.patching.module_names import Place, space_of
from simsock.patching.referrers import addresses, common_kinds, of_kinds
from simsock.tuples import NamedTuple

LOCKS = frozenset((locks.real_lock, locks.real_rlock, locks.real_queue))
_ALONE_S = 0.5
"""About as long as the search of a large process takes. A thread that computes all the time comes in once all the same, and stays in for as long."""
_BREATH_S = 1e-6
_HYBRIDS = frozenset((locks.Lock, locks.RLock, locks.SimpleQueue, *locks.OTHERS))
_base_of: Any = type.__dict__["__base__"].__get__  # a descriptor of C: a metaclass of the program may have its own
KEPT = frozenset(("_tstate_lock", "_shutdown_locks", "_active_limbo_lock", "_shutdown_locks_lock"))
"""Attributes of ``threading`` whose locks C code releases at a thread's end: real threads only, and waiting for one is waiting for real. And those of
its tables, which no task holds while another runs."""


class _Swapped(NamedTuple):
    """Where, what was there, what is there now; the tuple or frozenset that had to be made anew for it, before and now; and what was ``marked`` before."""

    spot: heap.Spot
    before: Any
    now: Any
    whole: Any
    whole_now: Any
    marked: list[Any]


class _Ages(NamedTuple):
    """How many collections there were of all objects, and how many events after which what is new is no longer among the young objects: collections of
    these, and what sessions do to keep them away from such."""

    collections: int
    moves: int


class Holds:
    """The holders of one process. ``pairs``: by identity, (original, replacement)."""

    def __init__(self, pairs: dict[int, tuple[Any, Any]]) -> None:
        self.pairs = pairs
        self._ids = frozenset(pairs)
        self._replacements = frozenset(id(replacement) for _, replacement in pairs.values())
        self._functions = frozenset(key for key, (original, _) in pairs.items() if type(original) is BuiltinFunctionType)
        self._weak_counts: list[int] = []
        """How many weak references there were to each original that is no class, to which its bases have some."""
        self._captured: list[tuple[heap.Spot, int]] = []
        """With the pairs' keys: the originals themselves would look like something captured."""
        self._marks: list[Mark] = []
        """Ours, by which it is known what there is in sets: they have it, too."""
        self._swapped: list[_Swapped] = []
        self._hidden: list[_Swapped] = []
        """Those of them that are as they were for a while."""
        self._methods: dict[int, Any] = {}
        """See ``bound.methods_by_function``: as they were at the last search, since who changes them imports something."""
        self._bound: list[tuple[heap.Spot, Any]] = []
        """With weak references: where a method is that was bound before, see ``bound``."""
        self._known_bound: dict[int, Any] = {}
        """By identity, weakly: those that the last search has found."""
        self._bound_counts: dict[int, int] = {}
        """How many references there were to each after that."""
        self._kept: list[str] = []
        """What the last search has found where nothing else can be put, in words."""
        self._told: set[str] = set()
        self._left: WeakSet[Any] = WeakSet()
        """Locks and locals that nothing could be done about, or that are the harness's."""
        self._census = Census([original for original, _ in pairs.values()], [replacement for _, replacement in pairs.values()])
        self._is_whole = False
        """Whether the last search, or count, came to its end."""
        self._is_told = True
        """Whether a patched state has begun with the names in all namespaces that were returned: not if it was interrupted first."""
        self._numbers_of_locks = self._census.numbers_of({*LOCKS, task_locals.real_local})
        self._ages = _Ages(-1, -1)
        self._locks = 0
        """What ``_count_locks`` said when the last patched state had ended."""

    def refresh(self, places: list[Place] | None) -> list[dict[str, Any]]:
        """Search, if there may be something new. ``places``: where modules have originals, if some modules are new or have more names than before.
        Returned are namespaces of modules in which a name that was there before has come to be an original."""
        if not (self._is_whole and self._is_told):
            self._search(True)
            return [space_of(module) for module in list(sys.modules.values()) if issubclass(type(module), ModuleType)]
        if places is not None and bound.methods_by_function() != self._methods:
            return self._search(True)
        if places is not None:
            self._census.follow(places)
        ages = _ages()
        if ages.collections != self._ages.collections:
            return self._recount({*self._census.news(self._marks), *self._census.unsure}, self._has_lost())
        locks_, captured = self._stirred(places or ())
        if captured:
            return self._search(True)
        if places is not None or ages != self._ages:  # an import may have put something in an old place, or what is new is among the old by now
            locks_ = locks_ or self._count_locks() != self._locks
            if news := self._census.news(self._marks).keys() - self._numbers_of_locks:
                return self._recount(news, self._has_lost(), locks_)
            if self._census.count_weakly() != self._weak_counts or (places is not None and self._has_new_bound()):
                return self._search(True)  # to look for methods is to pass over the heap: not for every world that comes after a collection
        return self._search(False) if locks_ else []

    def count(self) -> list[int]:
        """References to each original that is a function: while the stand-ins are in place nobody comes by another one."""
        return self._census.count_functions()

    def _has_new(self, owners: list[Any], classes_of_locals: list[type]) -> bool:
        """Whether a local of a class of the program's has come to be: that one is gone meanwhile hides it from who counts references to the class."""
        found = of_kinds(owners, classes_of_locals)
        return any(made not in self._left and made not in task_locals.registered for made in found)

    def _is_known(self, method: Any) -> bool:
        known = self._known_bound.get(id(method))
        return known is not None and known() is method

    def _count_bound(self) -> dict[int, int]:
        return {key: getrefcount(method) for key, known in self._known_bound.items() if (method := known()) is not None}

    def _has_new_bound(self) -> bool:
        """Whether somebody has bound a method since, of which a world has another one, or keeps such a one in another place."""
        if self._count_bound() != self._bound_counts:
            return True
        methods = self._methods
        found = common_kinds(gc.get_objects(), {*heap.METHODS_OF_C, MethodType})
        return any(bound.is_bound(method, methods) and not self._is_known(method) for method in found)

    def _count_locks(self) -> int:
        """A number that is another one when there are more or fewer locks and locals that are neither in a hybrid nor left: one of those may end while a new
        one comes to be."""
        real = (*LOCKS, task_locals.real_local, *_classes_of_locals())
        return sum(map(getrefcount, real)) - sum(map(getrefcount, _HYBRIDS)) - len(self._left)

    def _has_lost(self) -> bool:
        """Whether an original is no longer where it was captured: a holder that lives may have it in another place, and as many references as it had."""
        return any(_plain(spot.get()) is not self.pairs[key][0] and not spot.is_gone() for spot, key in self._captured)

    def news_of_kept(self) -> list[str]:
        """In words, what the program keeps where nothing else can be put, of which nobody was told yet."""
        found = sorted(set(self._kept) - self._told)
        self._told.update(found)
        return found

    def settle(self) -> None:
        """The patched state ends: what comes to be from now on is new."""
        self._is_told = True
        self._ages = _ages()
        self._locks = self._count_locks()

    def _recount(self, numbers: set[int], lost: bool, new: bool = False) -> list[dict[str, Any]]:
        """Who holds these? If somebody new does, or one is ``lost``, search; for locks and locals only, if any of those are ``new``."""
        self._is_whole = False
        with _alone():
            classes_of_locals = _classes_of_locals()
            strangers, owners, _ = self._census.take(numbers, classes_of_locals)
            new = new or self._has_new(owners, classes_of_locals)
            del owners
            locks_ = [owner for owner, held in strangers if type(owner) is held and (held in LOCKS or held is task_locals.real_local)]
            others = [owner for owner, held in strangers if type(owner) is not held]
            spaces = [owner for owner in others if type(owner) is dict and _is_module(owner)]
            strange = lost or len(spaces) < len(others)
            del strangers, others
            strange = strange or self._has_new_bound() or self._census.count_weakly() != self._weak_counts
        self._is_told = self._is_told and not spaces
        if strange:
            spaces += self._search(True)
        elif new or (locks_ and not self._are_known(locks_)):
            self._search(False)
        self._is_whole = True
        return spaces

    def _are_known(self, found: list[Any]) -> bool:
        """Whether each of these locks and locals is in a hybrid, or has been looked at."""
        inside = {id(getattr(hybrid, "_real", None)) for hybrid in gc.get_objects() if type(hybrid) in _HYBRIDS}
        return all(id(lock) in inside or lock in self._left or (type(lock) is task_locals.real_local and lock in task_locals.registered) for lock in found)

    def _stirred(self, places: Collection[Place]) -> tuple[bool, bool]:
        """Among the objects that came to be since the last patched state: are there new locks, and does one hold an original? But for ``places``."""
        young = gc.get_objects(0) + gc.get_objects(1)
        ids, functions = self._ids, self._functions
        if self._known_bound and (alive := self._count_bound()):
            ids, functions = ids.union(alive), functions.union(alive)
        inside: set[int] | None = None
        new = False
        lists: list[Any] = []
        tuples: list[Any] = []
        dicts: list[Any] = []
        methods = self._methods
        weakly = False
        for found in young:
            kind = type(found)
            if kind is tuple:
                tuples.append(found)
            elif kind is dict:
                dicts.append(found)
            elif kind is list or kind is set or kind is frozenset:
                lists.append(found)
            elif kind is MethodType or kind in heap.METHODS_OF_C:
                if bound.is_bound(found, methods) and not self._is_known(found):
                    return True, True
            elif kind is FunctionType:
                if found.__defaults__ is not None and not ids.isdisjoint(map(id, found.__defaults__)) and not is_harness(found.__module__ or ""):
                    return True, True
            elif kind in LOCKS or kind is task_locals.real_local:
                if inside is None:
                    inside = {id(getattr(hybrid, "_real", None)) for hybrid in young if type(hybrid) in _HYBRIDS}
                if id(found) not in inside and found not in self._left and found not in task_locals.registered:
                    new = True
            elif kind is CellType:
                try:
                    if id(found.cell_contents) in ids:
                        return True, True
                except ValueError:
                    pass
            elif kind is partial:
                if id(found.func) in ids or not ids.isdisjoint(map(id, found.args)):
                    return True, True
            elif kind is ReferenceType or kind is KeyedRef:
                weakly = True
            elif (base := _base_of(kind)) is tuple:
                tuples.append(found)
            elif base is dict:
                dicts.append(found)
        # Not by going over them: one that is being made, as by ``tuple`` of a generator, has places that are empty, and Python takes something from each.
        captured = not functions.isdisjoint(addresses(gc.get_referents(*tuples)))
        if captured and places:
            ours = set(map(id, places))
            captured = any(not functions.isdisjoint(addresses(gc.get_referents(found))) for found in tuples if id(found) not in ours)
        if not captured and not ids.isdisjoint(addresses(gc.get_referents(*lists, *dicts))):
            holders = [found for found in (*lists, *dicts) if not ids.isdisjoint(addresses(gc.get_referents(found)))]
            captured = any(not (type(found) is dict and _is_module(found)) for found in holders)
        return new, captured or (weakly and self._census.count_weakly() != self._weak_counts)

    def _search(self, originals: bool) -> list[dict[str, Any]]:
        """Adopt locks and locals; with ``originals``, see where those are captured. Returned is what ``refresh`` returns."""
        self._is_whole = False  # until it is through: one that is interrupted is made again
        with _alone():
            spaces = self._search_alone(originals)
            self._bound_counts = self._count_bound()
        self._is_told = self._is_told and not spaces
        self._is_whole = True
        return spaces

    def _search_alone(self, originals: bool) -> list[dict[str, Any]]:
        spaces: list[dict[str, Any]] = []
        if originals:
            self._captured, self._marks, self._bound, self._known_bound, self._kept = [], [], [], {}, []
        functions: list[Any] = []
        if originals:
            self._methods = bound.methods_by_function()
        methods = self._methods if originals else None
        targets = [target for target in interesting(gc.get_objects(), functions, methods) if _is_method(target) or target not in self._left]
        closed = heap.closed_of(functions, self._ids)
        del functions  # before what is held is counted
        owners: list[Any] | None = None
        above: dict[int, list[Any]] | None = None
        if originals:  # before there are lists of ours that hold what is counted
            strangers, owners, above = self._census.take(None, targets)
            spaces += [owner for owner, _ in strangers if type(owner) is dict and _is_module(owner)]
            del strangers
            targets += [original for original, _ in self.pairs.values()]
        hybrids: dict[int, Any] = {}
        findings = heap.search(targets, classes(), owners, above, (), False, closed)
        del owners, above
        # A local is the harness's if anything of the harness's has it, whoever else does: on 3.13 a tuple of CPython's own may.
        kept = {id(finding.target) for finding in findings if finding.harness and isinstance(finding.target, task_locals.real_local)}
        noted = _notes_of_the_harness() if originals else frozenset()
        for finding in findings:
            target, spot = finding.target, finding.spot
            if spot is None and methods is not None and not finding.harness and _is_called(target) and _is_known_place(finding.place):
                self._kept.append(f"{_title(target)} is kept by {finding.place}")
            if id(target) in self.pairs:
                if spot is not None and not finding.harness and not _is_left(spot, target) and not self._is_ours(spot) and id(spot.whole()) not in noted:
                    self._captured.append((spot, id(target)))
            elif methods is not None and bound.is_bound(target, methods):
                self._known_bound[id(target)] = ref(target)
                if spot is not None and not finding.harness and not spot.immutable:
                    self._bound.append((spot, self._known_bound[id(target)]))
            elif isinstance(target, task_locals.real_local):
                if id(target) not in kept:
                    task_locals.register(target)
            elif spot is not None and not finding.harness and finding.place.rpartition(".")[2] not in KEPT:
                spot.exchange(target, _hybrid_of(target, finding.place, hybrids))
        if originals:
            self._marks = list({id(mark): mark for spot, _ in self._captured for mark in spot.kept()}.values())
            self._captured += self._weakly()
        for target in targets:
            if _is_method(target):
                if methods is not None and bound.is_bound(target, methods):
                    self._known_bound.setdefault(id(target), ref(target))  # one that nobody has who could be found, or that is ours
            elif id(target) not in self.pairs and id(target) not in hybrids:
                self._left.add(target)
        return spaces

    def _weakly(self) -> Iterator[tuple[heap.Spot, int]]:
        """Where weak sets and the like have originals."""
        self._weak_counts = self._census.count_weakly()
        return ((heap.Spot("hashed", box, mark), key) for key, (original, _) in self.pairs.items() for box, mark in hashed.weakly(original))

    def _is_ours(self, spot: heap.Spot) -> bool:
        """Whether this is in a tuple or the like that has a stand-in, too: whoever keeps both is one of us."""
        return spot.kind in ("inner", "hashed") and not self._replacements.isdisjoint(value for whole in spot.beside() for value in map(id, whole))

    def swap(self) -> None:
        """The patched state begins: captured originals give way."""
        self._hidden.clear()
        for spot, key in self._captured:
            original, replacement = self.pairs[key]
            before = spot.get()
            if _plain(before) is original:
                self._put(spot, before, original, replacement)
        for spot, known in self._bound:
            before, method = spot.get(), known()
            if method is not None and _plain(before) is method and (now := bound.stand_in(method, self._methods)) is not None:
                self._put(spot, before, method, now)

    def _put(self, spot: heap.Spot, before: Any, original: Any, replacement: Any) -> None:
        # A function in C is no method where it stands in a class; what stands in for it must not become one.
        bare = spot.kind == "class" and type(replacement) is FunctionType and not hasattr(type(original), "__get__")
        now = staticmethod(replacement) if bare else replacement
        swapped = _Swapped(spot, before, now, spot.whole(), None, spot.marked())
        self._swapped.append(swapped)
        spot.exchange(before, now)
        if swapped.whole is not None:
            self._swapped[-1] = swapped._replace(whole_now=spot.whole())

    def restore(self) -> None:
        """The patched state ends."""
        self._hidden.clear()
        while self._swapped:
            self._take(self._swapped[-1])
            self._swapped.pop()

    def _take(self, swapped: _Swapped) -> None:
        spot, before, now, whole, whole_now, marked = swapped
        if whole is None or not spot.put_whole(whole_now, whole, marked):
            spot.exchange(now, before)

    def hide(self, replacement: type) -> None:
        """For a while, have the original of a class where it was: it can be told from what stands in for it."""
        for swapped in self._swapped:
            if swapped.now is replacement:
                self._hidden.append(swapped)
                self._take(swapped)
        self._swapped = [swapped for swapped in self._swapped if swapped.now is not replacement]

    def show(self) -> None:
        """Have what stands in for it there again."""
        while self._hidden:
            spot, before, now, *_ = self._hidden[-1]
            if spot.get() is before:
                self._put(spot, before, before, now)
            self._hidden.pop()


@contextmanager
def _alone() -> Iterator[None]:
    """Other OS threads move things about: they wait. And what is frozen, by a program for its own reasons, cannot be searched; a session freezes all."""
    gc.unfreeze()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(_ALONE_S)
    try:
        yield
    finally:
        sys.setswitchinterval(interval)
        # A thread that asked for the interpreter meanwhile would go on waiting for the long interval: it is woken, and asks anew.
        taken = locks.real_allocate()
        taken.acquire()
        taken.acquire(True, _BREATH_S)


def _ages() -> _Ages:
    stats = gc.get_stats()
    return _Ages(stats[2]["collections"], stats[1]["collections"] + session.freezes)


def _notes_of_the_harness() -> frozenset[int]:
    """Of freezegun's notes on what modules hold, those on the harness's (by identity): what is noted it exchanges, and puts back what the note says."""
    notes = getattr(sys.modules.get("freezegun.api"), "_GLOBAL_MODULES_CACHE", None)
    if not isinstance(notes, dict):
        return frozenset()
    return frozenset(id(note) for name, (_, held) in list(notes.items()) if is_harness(name) for note in held)


def _classes_of_locals() -> list[type]:
    """Every class that the program made of ``threading.local``."""
    found: list[type] = []
    asked: list[type] = [task_locals.real_local]
    while asked:
        new = [cls for cls in list[type](type.__subclasses__(asked.pop())) if cls is not task_locals.local]
        found += new
        asked += new
    return found


def _plain(value: Any) -> Any:
    return value.__func__ if type(value) is staticmethod else value


def _is_method(target: Any) -> bool:
    return type(target) is MethodType or type(target) in heap.METHODS_OF_C


def _is_called(target: Any) -> bool:
    """Whether this is kept to be called: a function, or a method, and no class, which stands among the bases of others."""
    return not isinstance(target, type) and type(target) not in (*LOCKS, task_locals.real_local)


def _is_known_place(place: str) -> bool:
    """Whether these words name something of the program's."""
    top = place.partition(".")[0].partition(":")[0]
    return "." in place and top not in sys.stdlib_module_names and top != "simsock"


def _title(target: Any) -> str:
    return f"{getattr(target, '__module__', None) or type(target.__self__).__name__}.{target.__name__}"


def interesting(objects: list[Any], functions: list[Any] | None = None, methods: dict[int, Any] | None = None) -> list[Any]:
    """Real locks that no hybrid has inside, methods bound to them, and locals. ``functions``: a list that gets all functions in the same go; ``methods``:
    with these (see ``bound.methods_by_function``), other methods that were bound before are among what is returned."""
    locals_ = [cls for cls in _with_subclasses(task_locals.real_local) if cls is not task_locals.local]
    targets = []
    inside = set()
    more = (*(() if functions is None else (FunctionType,)), *(() if methods is None else (MethodType,)))
    for found in of_kinds(objects, (*LOCKS, *_HYBRIDS, *heap.METHODS_OF_C, *locals_, *more)):
        kind = type(found)
        if kind is FunctionType:
            functions.append(found)  # type: ignore[union-attr]  # asked for only where there is one
            continue
        if kind in _HYBRIDS:
            inside.add(id(getattr(found, "_real", None)))  # None of one whose making was interrupted
        elif kind is MethodType or kind in heap.METHODS_OF_C:
            if (kind is not MethodType and type(found.__self__) in LOCKS) or (methods is not None and bound.is_bound(found, methods)):
                targets.append(found)
        else:
            targets.append(found)
    return [found for found in targets if id(found) not in inside and (type(found) not in heap.METHODS_OF_C or id(found.__self__) not in inside)]


def classes() -> list[type]:
    """Every class there is that is an object of the heap."""
    return list({id(cls): cls for cls in _with_subclasses(object) if is_of_heap(cls)}.values())


def _with_subclasses(cls: type) -> list[type]:
    found = asked = [cls]
    while asked:
        asked = [below for above in asked for below in list[type](type.__subclasses__(above))]
        found = found + asked
    return found


def _is_left(spot: heap.Spot, target: Any) -> bool:
    """Whether something else looks after the spot, or nobody ever looks there."""
    if spot.kind == "class":
        return spot.immutable or spot.box is sockets.real_class  # methods of simulated sockets are found before it
    if spot.kind != "item" or type(spot.box) is not dict:
        return False
    home = getattr(target, "__objclass__", None)
    if home is not None and spot.box.keys() == vars(home).keys():
        return True  # a method of a class in C, in the namespace of that class
    return is_module_name(spot) or _is_copy_of_extension(spot.box)


def _is_copy_of_extension(space: dict[Any, Any]) -> bool:
    """Whether this is the copy of a module in C that CPython keeps for making it anew; no function has it for its globals."""
    return "__name__" in space and "__package__" in space and "__builtins__" not in space


def is_module_name(spot: heap.Spot) -> bool:
    return spot.kind == "item" and type(spot.box) is dict and _is_module(spot.box)


def _is_module(space: dict[Any, Any]) -> bool:
    """Whether this is the very namespace of a module: the methods that attrs makes have copies of it."""
    name = space.get("__name__") if "__spec__" in space else None
    module = sys.modules.get(name) if isinstance(name, str) else None
    return issubclass(type(module), ModuleType) and space_of(module) is space


def _hybrid_of(target: Any, place: str, hybrids: dict[int, Any]) -> Any:
    """The hybrid of a real lock or queue, or the same method of it."""
    if type(target) in heap.METHODS_OF_C:
        return getattr(_hybrid_of(target.__self__, place.rpartition(".")[0], hybrids), target.__name__)
    hybrid = hybrids.get(id(target))
    if hybrid is None:
        hybrid = hybrids[id(target)] = locks.adopt(target, place)
    return hybrid
