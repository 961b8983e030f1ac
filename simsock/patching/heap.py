"""Where in the process something is held, beyond the names of modules.

Owns the search: who refers to these objects, through which attribute, item, cell or default argument, and can another object be put there?
Does not know what is looked for, nor what comes in its place. Laws: only identity counts; what belongs to the harness is said to; no code
of the program runs (no property, no ``__getattribute__``, no ``__eq__``); the order of the heap decides nothing but the order of the list.
"""

from __future__ import annotations

import gc
import itertools
from collections import deque
from functools import lru_cache, partial
from types import BuiltinFunctionType, CellType, FrameType, FunctionType, GenericAlias, MemberDescriptorType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any
from weakref import ref

from simsock.harness import is_harness
from simsock.kernel.program_lines import is_simsock
from simsock.patching.hashed import Mark, held_in
from simsock.patching.referrers import addresses, of_kinds, referrers_of
from simsock.stdlib._locks import real_lock, real_rlock
from simsock.stdlib._simplequeue import real_queue
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_IMMUTABLE = 1 << 8
"""``Py_TPFLAGS_IMMUTABLETYPE``."""
_ITERATORS = frozenset((type(iter(int, 1)), map, filter, *(kind for kind in vars(itertools).values() if isinstance(kind, type))))
"""What calls a function that it has for each item, and cannot have another one."""
_CACHED: Any = type(lru_cache(maxsize=1)(len))
_BOXES = frozenset((dict, list, set, CellType, _CACHED, *_ITERATORS))
METHODS_OF_C: frozenset[Any] = frozenset((BuiltinFunctionType, type(real_queue().get)))
"""Functions, and methods that are bound. CPython has a class of its own for those that want to know in which class they were found."""
_LOCKS = frozenset((real_lock, real_rlock, real_queue))
_CLASSES = 32
"""So many are looked at together."""
_class_dict: Any = type.__dict__["__dict__"]
_qualname_of: Any = type.__dict__["__qualname__"].__get__  # a metaclass of the program may have its own
_flags_of: Any = type.__dict__["__flags__"].__get__  # likewise
_mro_of: Any = type.__dict__["__mro__"].__get__  # likewise


class Spot:
    """A place that holds an object and can hold another one. ``kind`` says what sort of box: how ``key`` is understood depends on it."""

    __slots__ = ("box", "key", "kind")

    def __init__(self, kind: str, box: Any, key: Any = None) -> None:
        self.kind = kind
        self.box = box
        self.key = key

    @property
    def immutable(self) -> bool:
        """Whether nothing else can be put there: a class of C."""
        return self.kind == "class" and bool(_flags_of(self.box) & _IMMUTABLE)

    def get(self) -> Any:
        """What is there now; None when nothing is."""
        box, key = self.box, self.key
        try:
            if self.kind == "item":
                return box[key] if type(box) is dict or type(box) is list else _solid(box).__getitem__(box, key)
            if self.kind == "attribute":
                return object.__getattribute__(box(), "__dict__")[key]
            if self.kind == "class":
                return _attributes(box)[key]
            if self.kind == "slot":
                return key.__get__(box)
            if self.kind == "cell":
                return box.cell_contents
            if self.kind == "default":
                return box.__defaults__[key]
            if self.kind == "inner":
                found = box.get()
                for place in key:
                    found = _at(found, place)
                return found
            if self.kind == "hashed":
                return key.value if (here := box()) is not None and key.is_in(here) else None
            return box.func if key is None else box.args[key]
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            return None

    def is_gone(self) -> bool:
        """Whether it was an attribute of an object that lives no longer, or in a set that does not."""
        outer = self.box if self.kind == "inner" else self
        return outer.kind in ("attribute", "hashed") and outer.box() is None

    def exchange(self, expected: Any, value: Any) -> bool:
        """Put something else there, unless somebody else has done so."""
        if self.get() is not expected:
            return False
        try:
            self._put(value)
        except (AttributeError, IndexError, TypeError):  # read-only, or gone
            return False
        return True

    def whole(self) -> Any:
        """The tuple that has to be made anew for something else to be put there; None when there is none."""
        if self.kind == "inner":
            return self.box.whole() if self.box.kind == "default" else self.box.get()
        return self.box.__defaults__ if self.kind == "default" else None

    def put_whole(self, expected: Any, whole: Any, marked: list[Any]) -> bool:
        """Put such a tuple back, unless somebody else has put another one there. ``marked``: what was ``marked`` when it was there."""
        if self.whole() is not expected:
            return False
        for mark, value in zip(self._marks(), marked, strict=True):
            mark.value = value
        outer = self.box if self.kind == "inner" else self
        if outer.kind == "default":
            outer.box.__defaults__ = whole
        else:
            outer._put(whole)
        return True

    def kept(self) -> list[Mark]:
        """What this itself has to have a hold of what is there."""
        return [self.key] if type(self.key) is Mark else self._marks()

    def _marks(self) -> list[Mark]:
        return [place for place in self.key if type(place) is Mark] if self.kind == "inner" else []

    def marked(self) -> list[Any]:
        """What there is in each frozenset that this is in."""
        return [mark.value for mark in self._marks()]

    def beside(self) -> list[list[Any]]:
        """What those have that it is in, the outermost first: of one in a tuple, a frozenset, a set, or under a key."""
        outer = self.box if self.kind == "inner" else self
        found = [list(held_in(outer.box()))] if outer.kind == "hashed" and not outer.is_gone() else []
        if self.kind == "inner":
            whole = outer.get()
            for place in self.key:
                found.append(list(items_of(whole)))
                whole = _at(whole, place)
        return found

    def into(self, place: int | Mark) -> Spot:
        """The place in the tuple that is here."""
        return Spot("inner", self.box, (*self.key, place)) if self.kind == "inner" else Spot("inner", self, (place,))

    def _put(self, value: Any) -> None:
        box, key = self.box, self.key
        if self.kind == "item":
            if type(box) is dict or type(box) is list:
                box[key] = value
            else:
                _solid(box).__setitem__(box, key, value)
        elif self.kind == "attribute":
            object.__getattribute__(box(), "__dict__")[key] = value
        elif self.kind == "class":
            type.__setattr__(box, key, value)
        elif self.kind == "slot":
            key.__set__(box, value)
        elif self.kind == "cell":
            box.cell_contents = value
        elif self.kind == "default":
            box.__defaults__ = (*box.__defaults__[:key], value, *box.__defaults__[key + 1 :])
        elif self.kind == "inner":
            become: list[tuple[Mark, Any]] = []
            box._put(_made_anew(box.get(), key, value, become))
            for mark, now in become:
                mark.value = now
        elif self.kind == "hashed":
            key.exchange(box(), value)
        elif key is None:
            box.__setstate__((value, box.args, box.keywords, box.__dict__ or None))
        else:
            box.__setstate__((box.func, (*box.args[:key], value, *box.args[key + 1 :]), box.keywords, box.__dict__ or None))


def _solid(box: Any) -> Any:
    """The class of C that a container is: a subclass's methods are the program's."""
    return next(kind for kind in (dict, list, deque) if isinstance(box, kind))


def _made_anew(whole: Any, path: tuple[Any, ...], value: Any, become: list[tuple[Mark, Any]]) -> Any:
    """A tuple or frozenset with something else at one place of it, or of a tuple in it; ``become``: what the marks on the way are to say then."""
    items = list(items_of(whole))
    place = path[0]
    number = place if type(place) is int else next(number for number, item in enumerate(items) if item is place.value)
    items[number] = _made_anew(items[number], path[1:], value, become) if len(path) > 1 else value
    if type(place) is Mark:
        become.append((place, items[number]))
    return (frozenset if isinstance(whole, frozenset) else tuple).__new__(type(whole), items)


def items_of(whole: Any) -> Iterator[Any]:
    """What a tuple or a frozenset has: a subclass's ``__iter__`` is the program's."""
    return iter(frozenset.__iter__(whole) if isinstance(whole, frozenset) else tuple.__iter__(whole))


def _at(whole: Any, place: int | Mark) -> Any:
    if type(place) is int:
        return tuple.__getitem__(whole, place)
    return place.value if any(item is place.value for item in items_of(whole)) else None  # type: ignore[union-attr]


def _places(whole: Any) -> list[tuple[int | Mark, Any]]:
    """The places of a tuple, or what marks the things in a frozenset, and what is there."""
    return [(Mark(value) if isinstance(whole, frozenset) else number, value) for number, value in enumerate(items_of(whole))]


class Finding(NamedTuple):
    """``target`` is held at ``place`` (words); ``spot`` is None where nothing else can be put."""

    target: Any
    place: str
    harness: bool
    spot: Spot | None


def search(
    targets: list[Any],
    types: list[type],
    owners: list[Any] | None = None,
    above: dict[int, list[Any]] | None = None,
    ours: tuple[Any, ...] = (),
    deep: bool = False,
    closed: list[FunctionType] | None = None,
) -> list[Finding]:
    """Everybody that refers to one of ``targets``; ``types``: the process's classes; ``owners``: who refers to them, and ``above``: who refers to
    those of these that are boxes, if that is known; ``ours``: lists that somebody has for the time of the search; ``deep``: these are tuples, found in such
    a search; ``closed``: the functions that have closures, if that is known."""
    wanted = {id(target): target for target in targets}
    own = {id(targets), id(wanted), id(types), id(owners), *map(id, ours)}
    given = referrers_of(targets) if owners is None else owners  # whoever asks has that list as long as this takes
    owners = [owner for owner in given if id(owner) not in own and not _is_ours(owner)]
    if above is None:
        above = holders_of([owner for owner in owners if is_box(owner)], owners, given, targets, wanted, *ours)
    functions = _functions_of([owner for owner in owners if type(owner) is CellType], above, closed)
    found: list[Finding] = []
    held = {*wanted, *(id(owner) for owner in owners if type(owner) in (staticmethod, classmethod) or is_tuple(owner))}
    if deep and not any(_attribute_of_class(holder, owner) for owner in owners if is_tuple(owner) for holder in above.get(id(owner), ())):
        types = []
    for start in range(0, len(types), _CLASSES):
        some = types[start : start + _CLASSES]
        if not held.isdisjoint(addresses([value for cls in some for value in _attributes(cls).values()])):
            for cls in some:
                if not held.isdisjoint(map(id, _attributes(cls).values())):
                    found.extend(_in_class(cls, wanted))
    for owner in owners:
        found.extend(_in_owner(owner, wanted, above.get(id(owner), []), functions))
    if inner := [owner for owner in owners if is_tuple(owner) and _is_of_program(owner, wanted) and not _is_compared(above.get(id(owner), ()))]:
        found += _in_tuples(inner, wanted, types, above, (*ours, targets, types, given, owners, wanted, above, *above.values()))
    return found


def _in_tuples(inner: list[Any], wanted: dict[int, Any], types: list[type], above: dict[int, list[Any]], ours: tuple[Any, ...]) -> list[Finding]:
    """In tuples that are held by something that can hold another one. Whoever else has the tuple has the function as it was, which is no harm; a lock would be
    two. Defaults, arguments of partials and attributes of classes were looked at."""
    holders = {id(holder): holder for owner in inner for holder in above.get(id(owner), ()) if not _attribute_of_class(holder, owner)}
    held = search(inner, types, list(holders.values()), None, (*ours, holders), True) if holders else []
    found = []
    known = set()
    for finding in held:
        known.add(id(finding.target))
        of_typing = finding.spot is not None and finding.spot.kind == "attribute" and str(finding.spot.key).startswith("__")  # is no more called than a base
        for place, value in _places(finding.target):
            if id(value) in wanted and _is_made_anew(value) and not (of_typing and _is_class_of_c(value)):
                found.append(Finding(value, _inside(finding.place, place), finding.harness, finding.spot and finding.spot.into(place)))
    for owner in inner:
        holds = above.get(id(owner), [])
        if (
            (holds or isinstance(owner, frozenset))
            and id(owner) not in known
            and not any(_has_as_arguments(holder, owner) or _attribute_of_class(holder, owner) for holder in holds)
        ):
            kind = "frozenset" if isinstance(owner, frozenset) else "tuple"
            words, harness = _words(holds, kind)
            shown = kind if words == kind else f"{words}: {kind}"
            found += [Finding(value, shown, harness, None) for value in items_of(owner) if id(value) in wanted and _is_made_anew(value)]
    return found


def _is_compared(holders: Iterable[Any]) -> bool:
    """Whether nobody calls what is in there: the key of a cache, or what an alias of typing's is made of."""
    return any(type(holder) in (GenericAlias, _CACHED) for holder in holders)


def _inside(words: str, place: int | Mark) -> str:
    return f"{words}[{place}]" if type(place) is int else f"{words}: frozenset"


def _has_as_arguments(holder: Any, value: tuple[Any, ...]) -> bool:
    return (type(holder) is FunctionType and holder.__defaults__ is value) or (type(holder) is partial and holder.args is value)


def _is_ours(owner: Any) -> bool:
    """Whether this is something that simsock has noted."""
    return issubclass(type(owner), tuple) and type(owner) is not tuple and _module_of(type(owner)).startswith("simsock.")


def _is_of_program(owner: tuple[Any, ...], wanted: dict[int, Any]) -> bool:
    """Whether a tuple has some of these functions or tuples, and no stand-in beside them, as simsock's own tables have."""
    items = list(items_of(owner))
    return any(id(value) in wanted and _is_made_anew(value) for value in items) and not any(map(_is_stand_in, items))


def _is_stand_in(value: Any) -> bool:
    kind = type(value)
    if kind is MethodType:
        return _is_stand_in(value.__func__)
    if kind is FunctionType:
        return is_simsock(value.__code__.co_filename)
    return issubclass(kind, type) and any(
        type(part) is FunctionType and is_simsock(part.__code__.co_filename) for base in _mro_of(value)[:-1] for part in list(_attributes(base).values())
    )


def _is_made_anew(value: Any) -> bool:
    return is_tuple(value) or _is_class_of_c(value) or type(value) is MethodType or (type(value) in METHODS_OF_C and type(value.__self__) not in _LOCKS)


def _is_class_of_c(value: Any) -> bool:
    """Whether who calls it makes something real: ``socket.socket`` itself knows of worlds."""
    return issubclass(type(value), type) and bool(_flags_of(value) & _IMMUTABLE)


def is_box(owner: Any) -> bool:
    """Whether somebody has to be asked whose this is."""
    return (type(owner) in _BOXES or is_tuple(owner)) and not _tells_its_name(owner)


def holders_of(boxes: list[Any], *lists: Any) -> dict[int, list[Any]]:
    """By the identity of each box, who refers to it: frames apart, and what is ours, as these lists are."""
    above: dict[int, list[Any]] = {id(box): [] for box in boxes}
    if boxes:
        for holder in referrers_of(boxes, *lists):
            if type(holder) is not FrameType and type(holder) is not Spot:
                for inner in gc.get_referents(holder):
                    if id(inner) in above:
                        above[id(inner)].append(holder)
    return above


def _tells_its_name(owner: Any) -> bool:
    """Whether nobody needs to be asked whose this is: the namespace of a module, or a place in one (see ``Names``)."""
    if type(owner) is tuple:
        return len(owner) == 4 and type(owner[0]) is dict and _tells_its_name(owner[0])
    return type(owner) is dict and isinstance(owner.get("__name__"), str) and "__spec__" in owner


def closed_of(functions: Iterable[Any], known: frozenset[int] = frozenset()) -> list[FunctionType]:
    """Those of these functions that have closures, but for some that are known."""
    return [function for function in functions if function.__closure__ is not None and id(function) not in known]


def _functions_of(cells: list[Any], above: dict[int, list[Any]], closed: list[FunctionType] | None) -> dict[int, FunctionType]:
    """The functions whose closures the cells are in."""
    closures = {id(holder) for cell in cells for holder in above[id(cell)] if type(holder) is tuple}
    functions: dict[int, FunctionType] = {}
    if closures:
        for function in closed_of(of_kinds(gc.get_objects(), (FunctionType,))) if closed is None else closed:
            closure = function.__closure__ or ()
            if id(closure) in closures:
                for cell in closure:
                    functions.setdefault(id(cell), function)
    return functions


def _in_class(cls: type, wanted: dict[int, Any]) -> list[Finding]:
    found = []
    for key, value in list(_attributes(cls).items()):
        inner = value.__func__ if type(value) in (staticmethod, classmethod) else value
        if id(inner) in wanted:
            module = _module_of(cls)
            found.append(Finding(inner, f"{module}.{_qualname_of(cls)}.{key}", is_harness(module), Spot("class", cls, key)))
        elif is_tuple(inner) and not _flags_of(cls) & _IMMUTABLE and not key.startswith("__"):
            module = _module_of(cls)
            found += _inner(inner, wanted, f"{module}.{_qualname_of(cls)}.{key}", is_harness(module), Spot("class", cls, key))
    return found


def is_tuple(owner: Any) -> bool:
    """A tuple, or a named one, or a frozenset: what can be made anew with another item, and is the same to everybody who has it by a name."""
    kind = type(owner)
    return kind is tuple or kind is frozenset or (issubclass(kind, (tuple, frozenset)) and not kind.__dictoffset__)


def _inner(owner: tuple[Any, ...], wanted: dict[int, Any], words: str, harness: bool, spot: Spot) -> list[Finding]:
    """In a tuple that is an attribute of a class."""
    if not _is_of_program(owner, wanted):
        return []
    return [Finding(value, _inside(words, place), harness, spot.into(place)) for place, value in _places(owner) if id(value) in wanted and _is_made_anew(value)]


def _module_of(cls: type) -> str:
    module = _attributes(cls).get("__module__", "builtins")
    return module if isinstance(module, str) else "builtins"


def _in_owner(owner: Any, wanted: dict[int, Any], above: list[Any], functions: dict[int, FunctionType]) -> list[Finding]:
    kind = type(owner)
    if kind is dict:
        return _in_dict(owner, wanted, above)
    if kind is list:
        words, harness = _words(above, "list")
        return [Finding(value, f"{words}[{place}]", harness, Spot("item", owner, place)) for place, value in enumerate(owner) if id(value) in wanted]
    if kind is CellType:
        function = functions.get(id(owner))
        if function is None:
            return []
        name = function.__code__.co_freevars[[id(cell) for cell in function.__closure__ or ()].index(id(owner))]
        if name == "__class__":  # a method's own class, for super()
            return []
        return [Finding(owner.cell_contents, f"{_name(function)}: variable {name}", _of_harness(function), Spot("cell", owner))]
    if is_tuple(owner):
        return _in_tuple(owner, wanted, above)
    if kind is partial:
        return [Finding(owner.func, f"{owner!r:.80}", False, Spot("partial", owner))] if id(owner.func) in wanted else []  # arguments: see _in_tuple
    if kind is deque:
        words, harness = _words(above, "deque")
        return [Finding(value, f"{words}[{place}]", harness, Spot("item", owner, place)) for place, value in enumerate(owner) if id(value) in wanted]
    if kind is set:
        words, harness = _words(above, "set", owner)
        return _hashed(owner, words, harness, wanted, "{}: set")
    if kind in _ITERATORS or kind is _CACHED:  # of a cache, keys are compared and never called, the function is
        words, harness = _words_of_instance(above, owner)
        held, shown = (gc.get_referents(owner), kind.__name__) if kind is not _CACHED else ([owner.__wrapped__], "lru_cache")
        return [Finding(value, f"{words}: {shown}", harness, None) for value in held if id(value) in wanted] if words else []
    if issubclass(kind, (dict, list, deque, set)):
        return _in_instance(owner, wanted)
    if issubclass(kind, (type, ModuleType)) or kind in (FunctionType, FrameType) or _module_of(kind) in ("builtins", "types"):
        return []  # classes were looked at, and what a method or descriptor is made of tells nothing
    return _in_instance(owner, wanted)


def _hashed(owner: Any, words: str, harness: bool, wanted: dict[int, Any], form: str) -> list[Finding]:
    """In a set, or as keys of a dict: unless a stand-in is in there as well, as in tables of what stand-ins can do."""
    here = [value for value in held_in(owner) if id(value) in wanted]
    if not here or any(map(_is_stand_in, held_in(owner))):
        return []
    box = ref(owner) if isinstance(owner, set) else lambda: owner
    shown = words if words == "set" else form.format(words)
    return [Finding(value, shown, harness, Spot("hashed", box, Mark(value))) for value in here]


def _in_dict(owner: dict[Any, Any], wanted: dict[int, Any], above: list[Any]) -> list[Finding]:
    for holder in above:
        if issubclass(type(holder), type):
            return []  # a class's own: see _in_class
        if type(holder) is FunctionType and holder.__kwdefaults__ is owner:
            above, words, harness = [], f"{_name(holder)}: default", _of_harness(holder)
            break
        if _is_instance_dict(holder, owner):
            return _in_instance(holder, wanted)
        if type(holder) is _CACHED:
            return []  # its keys are compared and never called
    else:
        words, harness = _words(above, "dict")
    name = owner.get("__name__")
    if isinstance(name, str) and "__spec__" in owner:
        words, harness = name, is_harness(name)
    shown = "{}.{}" if harness or above or words == name else "{}[{!r}]"
    found = [Finding(value, shown.format(words, key), harness, Spot("item", owner, key)) for key, value in list(owner.items()) if id(value) in wanted]
    return found if words == name else found + _hashed(owner, _words(above, "dict", owner)[0], harness, wanted, "{}: key")


def _is_instance_dict(holder: Any, attributes: dict[Any, Any]) -> bool:
    if type(holder) in (dict, list, tuple, deque, FunctionType) or issubclass(type(holder), ModuleType):
        return False
    try:
        return object.__getattribute__(holder, "__dict__") is attributes
    except (AttributeError, TypeError):
        return False


def _in_tuple(owner: Any, wanted: dict[int, Any], above: list[Any]) -> list[Finding]:
    found = []
    for holder in above:
        if type(holder) is FunctionType and holder.__defaults__ is owner:
            for place, value in enumerate(items_of(owner)):
                if id(value) in wanted:
                    found.append(Finding(value, f"{_name(holder)}: default {place}", _of_harness(holder), Spot("default", holder, place)))
        elif type(holder) is partial and holder.args is owner:
            found += [Finding(value, f"{holder!r:.80}", False, Spot("partial", holder, place)) for place, value in enumerate(owner) if id(value) in wanted]
    placed = {id(finding.target) for finding in found}
    kind = "frozenset" if isinstance(owner, frozenset) else "tuple"
    left = [value for value in items_of(owner) if id(value) in wanted and id(value) not in placed and not _is_made_anew(value)]
    if left and (above or kind == "frozenset"):  # a lock, a class: see _in_tuples for functions
        words, harness = _words(above, kind)
        found += [Finding(value, kind if words == kind else f"{words}: {kind}", harness, None) for value in left]
    return found


def _attribute_of_class(holder: Any, value: Any) -> bool:
    """Whether this is a class's namespace that has the value: see ``_in_class``."""
    return type(holder) is dict and "__module__" in holder and "__doc__" in holder and any(inner is value for inner in holder.values())


def _in_instance(owner: Any, wanted: dict[int, Any]) -> list[Finding]:
    cls = type(owner)
    module = _module_of(cls)
    made_for = getattr(owner, "func", None) if module == "functools" else None
    harness = is_harness(module) or (type(made_for) is FunctionType and _of_harness(made_for))
    words = f"{module}.{_qualname_of(cls)}"
    found = []
    try:
        attributes = object.__getattribute__(owner, "__dict__")
    except (AttributeError, TypeError):
        attributes = {}
    if type(attributes) is dict:
        for key, value in list(attributes.items()):
            if id(value) in wanted:
                found.append(Finding(value, f"{words}.{key}", harness, _attribute(owner, key)))
    for base in _mro_of(cls):
        for key, descriptor in list(_attributes(base).items()):
            if type(descriptor) is MemberDescriptorType:
                spot = Spot("slot", owner, descriptor)
                value = spot.get()
                if id(value) in wanted:
                    found.append(Finding(value, f"{words}.{key}", harness, spot))
    if issubclass(cls, dict):
        found += [Finding(value, f"{words}[{_shown(key)}]", harness, Spot("item", owner, key)) for key, value in list(dict.items(owner)) if id(value) in wanted]
        found += _hashed(owner, words, harness, wanted, "{}: key")
    elif issubclass(cls, set):
        found += _hashed(owner, words, harness, wanted, "{}: set")
    elif issubclass(cls, (list, deque)):
        found += [Finding(value, f"{words}[{place}]", harness, Spot("item", owner, place)) for place, value in _numbered(owner) if id(value) in wanted]
    if not found:
        found = [Finding(target, words, harness, None) for target in gc.get_referents(owner) if id(target) in wanted]
    return found


def _shown(key: Any) -> str:
    """A key in words, without a call of the program's."""
    return repr(key) if type(key) in (str, int, bytes) else f"a {type(key).__name__}"


def _numbered(owner: Any) -> list[tuple[int, Any]]:
    return list(enumerate(_solid(owner).__iter__(owner)))


def _attribute(owner: Any, key: str) -> Spot:
    try:
        return Spot("attribute", ref(owner), key)
    except TypeError:
        return Spot("attribute", lambda: owner, key)


def _attributes(cls: type) -> Mapping[str, Any]:
    return _class_dict.__get__(cls)  # type: ignore[no-any-return]  # a descriptor of C


def _words(above: list[Any], fallback: str, owner: Any = None) -> tuple[str, bool]:
    """What to call a container, by who holds it (under which name, if the ``owner`` is given), and whether that is the harness."""
    words = fallback
    for holder in above:
        kind = type(holder)
        if kind is dict and isinstance(holder.get("__name__"), str) and "__spec__" in holder:
            name = next((f".{key}" for key, value in list(holder.items()) if value is owner), "") if owner is not None else ""
            return holder["__name__"] + name, is_harness(holder["__name__"])
        if kind is ModuleType or issubclass(kind, ModuleType):
            name = str(object.__getattribute__(holder, "__dict__").get("__name__"))
            return name, is_harness(name)
        if kind is FunctionType:
            return _name(holder), _of_harness(holder)
        if kind not in (dict, list, tuple, set, frozenset, deque, FrameType):
            cls = holder if issubclass(kind, type) else kind
            module = _module_of(cls)
            words = f"{module}.{_qualname_of(cls)}"
            if is_harness(module):
                return words, True
    return words, False


def _words_of_instance(above: list[Any], owner: Any) -> tuple[str, bool]:
    """The same for what is rare, so that it is asked also whose attributes a dict is that holds it."""
    words, harness = _words(above, "", owner)
    if not words:
        for attributes in [holder for holder in above if type(holder) is dict]:
            for holder in gc.get_referrers(attributes):
                if _is_instance_dict(holder, attributes):
                    return _words([holder], "")
    return words, harness


def _name(function: FunctionType) -> str:
    return f"{function.__globals__.get('__name__', '?')}.{function.__qualname__}"


def _of_harness(function: FunctionType) -> bool:
    return is_harness(str(function.__globals__.get("__name__", "")))
