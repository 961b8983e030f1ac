"""All that a parked task's next steps can depend on, as bytes: the same bytes twice mean the same steps again.

PYTEST_DONT_REWRITE

Owns the walk from a task's frames over their locals, cells, the globals that their code names, and what is reachable from there. Does not know
why anybody asks. Laws:

* looking changes nothing: no code of the program runs, no attribute is computed;
* what cannot be looked into is never passed over: ``Unreadable`` is raised, and there is no fingerprint;
* the walk is bounded, and what is beyond the bound is unreadable too;
* of functions of which the caller knows that they do not run, only that they are there counts;
* floats in local variables of the library's waiting functions are left out: they are how much of a timeout is left.
"""

from __future__ import annotations

import dis
import os
import sys
from collections import OrderedDict, deque
from functools import lru_cache, partial
from types import BuiltinFunctionType, CellType, CodeType, FrameType, FunctionType, MethodType, MethodWrapperType, ModuleType, WrapperDescriptorType
from typing import TYPE_CHECKING, Any

from simsock.choices.hashing import blake2b
from simsock.kernel.plain_locals import forget_copy
from simsock.kernel.program_lines import BOTTOM, is_library, room_of
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from simsock.kernel.task import Task

OBJECTS_MAX = 20_000
WAITING = frozenset("time threading select selectors socket socketserver queue _thread _socket _queue typing collections types errno".split())
"""Modules whose functions wait, or say what one waits for: what they do depends on the world alone."""
_LEAVES = (type(None), bool, int, float, complex, str, bytes, type(...), range)
_UNREADABLE_BUILTINS = frozenset("open exec eval input globals locals vars iter next __import__ id hash compile breakpoint".split())
_RECORDED = ("_socket", "select")
"""Modules of C classes whose changes are recorded: sockets and what waits for them."""
_TELLS_MORE = frozenset(dir(os)) - frozenset("_exit close fork getpid getppid kill wait waitpid write WNOHANG".split())
"""Names of ``os`` but for those that bring nothing from outside of the world: forking servers use these."""
_LOOKS_AT_THE_WORLD = frozenset("records digest netstat errors deviations leaks token".split())
_THREAD_ATTRIBUTES = frozenset(
    "_target _name _args _kwargs _daemonic _ident _native_id _tstate_lock _started _is_stopped _initialized _stderr _invoke_excepthook _handle "
    "_os_thread_handle _context _task _kernel _done".split()
)
"""What every ``threading.Thread`` has: it changes only when a thread starts or ends, which is news of its own."""


class Unreadable(Exception):
    """Something was reached that cannot be looked into."""


def fingerprint(tasks: list[Task], here: FrameType | None) -> bytes:
    """Of these tasks, all of them parked; ``here`` is a frame of the one that is current, if it is one of them. Raises ``Unreadable``."""
    walk = _Walk()
    for task in tasks:
        walk.say(task.path)
        body = task.greenlet
        walk.frames(here if body is None or body.gr_frame is None else body.gr_frame)
    return walk.digest()


class Part(NamedTuple):
    """A frame, the offset before which its loops are somebody else's, local names that do not count, and the global ones that do (None: all in the code)."""

    frame: FrameType
    since: int
    without: frozenset[str]
    names: frozenset[str] | None


def fingerprint_of_frames(parts: list[Part], objects_max: int, called: Container[int] | None = None) -> bytes:
    """Of these frames, innermost first; ``called``: identities of the code that runs besides theirs, if that is known. Raises ``Unreadable``."""
    walk = _Walk(objects_max, called)
    for part in parts:
        walk._frame(*part)
    return walk.digest()


def digest_of(values: list[Any]) -> bytes:
    """Of some values, with all that is reachable from them. Raises ``Unreadable``."""
    walk = _Walk()
    walk._visit_all(values)
    return walk.digest()


class _Walk:
    """One walk."""

    def __init__(self, objects_max: int = OBJECTS_MAX, called: Container[int] | None = None) -> None:
        self._objects_max = objects_max
        self._called = called
        self._hash = blake2b(digest_size=16)
        self._seen: dict[int, int] = {}
        self._kept: list[Any] = []
        """What was seen stays alive until the walk is over: an identity means one object."""
        self._todo: deque[Any] = deque()

    def digest(self) -> bytes:
        """When all frames have been walked: with all that is reachable."""
        while self._todo:
            self._look(self._todo.popleft())
        return self._hash.digest()

    def say(self, *facts: Any) -> None:
        self._hash.update(repr(facts).encode("utf-8", "surrogatepass"))

    def frames(self, frame: FrameType | None) -> None:
        """A task's stack, from the innermost frame of the program or the library outwards."""
        while frame is not None and room_of(frame) != BOTTOM:
            if not room_of(frame):
                self._frame(frame)
            frame = frame.f_back

    def _frame(self, frame: FrameType, since: int = -1, without: frozenset[str] = frozenset(), names: frozenset[str] | None = None) -> None:
        code = frame.f_code
        if _is_in_for_loop(code, frame.f_lasti, since):
            raise Unreadable("a for loop")
        self.say(code.co_filename, code.co_qualname, frame.f_lasti)
        waits = frame.f_globals.get("__name__") in WAITING
        for name, value in frame.f_locals.items():
            if (waits and type(value) is float) or name in without:
                continue
            self.say(name)
            self._visit(value)
        forget_copy(frame)
        self._globals(_names_of(code) if names is None else names, frame.f_globals)

    def _globals(self, names: frozenset[str], space: dict[str, Any]) -> None:
        if not names.isdisjoint(_LOOKS_AT_THE_WORLD):
            raise Unreadable("a look at the world")
        waits = space.get("__name__") in WAITING
        for name in sorted(names):
            if name in space:
                value = space[name]
                if type(value) is ModuleType:
                    if value.__name__ not in WAITING and not waits and not (value is os and names.isdisjoint(_TELLS_MORE)):
                        raise Unreadable(f"module {value.__name__}")
                    continue
                if not waits:
                    self.say(name)
                    self._visit(value)
            elif name in _UNREADABLE_BUILTINS and not waits:
                raise Unreadable(name)

    # -- values ------------------------------------------------------------------------------------------------------------------------

    def _visit(self, value: Any) -> None:
        kind = type(value)
        if kind in _LEAVES:
            self.say(kind.__name__, value)
            return
        number = self._seen.get(id(value))
        if number is None:
            if len(self._seen) >= self._objects_max:
                raise Unreadable("too much")
            number = self._seen[id(value)] = len(self._seen)
            self._kept.append(value)
            self._todo.append(value)
        self.say(number)

    def _visit_all(self, values: Any) -> None:
        for value in values:
            self._visit(value)

    def _look(self, value: Any) -> None:
        kind = type(value)
        self.say(self._seen[id(value)], kind.__module__, kind.__qualname__)
        if kind in (tuple, list, deque):
            self.say(len(value))
            self._visit_all(value)
        elif kind in (dict, OrderedDict):
            self.say(len(value))
            for key, item in value.items():
                self._visit(key)
                self._visit(item)
        elif kind in (set, frozenset):
            if all(type(item) in _LEAVES for item in value):
                self.say(*sorted(map(repr, value)))
            else:
                self._visit_all(_in_order(value))
        elif kind is bytearray:
            self.say(bytes(value))
        elif kind is FunctionType:
            self._function(value)
        elif kind is MethodType:
            self._visit_all((value.__self__, value.__func__))
        elif kind is partial:
            self._visit_all((value.func, value.args, value.keywords))
        elif kind in (BuiltinFunctionType, MethodWrapperType):
            owner = value.__self__
            self.say(value.__name__)
            if not isinstance(owner, ModuleType):
                self._visit(owner)
            elif owner.__name__ not in WAITING and owner.__name__ not in ("builtins", "math", "operator"):
                raise Unreadable(f"module {owner.__name__}")
        elif kind is CellType:
            try:
                self._visit(value.cell_contents)
            except ValueError:
                self.say("empty")
        elif isinstance(value, ModuleType):
            if value.__name__ not in WAITING:
                raise Unreadable(f"module {value.__name__}")
        elif isinstance(value, type):
            self._class(value)
        elif kind in (WrapperDescriptorType, property, staticmethod, classmethod):
            for part in (getattr(value, "fget", None), getattr(value, "fset", None), getattr(value, "__func__", None)):
                self._visit(part)
        else:
            self._instance(value, kind)

    def _function(self, function: FunctionType) -> None:
        if (function.__module__ or "").partition(".")[0] == "simsock":
            return
        code = function.__code__
        self.say(code.co_filename, code.co_firstlineno)
        self._visit_all((function.__defaults__, function.__kwdefaults__))
        self._visit_all(function.__closure__ or ())
        if vars(function):
            self._visit(vars(function))
        if self._called is None or id(code) in self._called:
            self._globals(_names_of(code), function.__globals__)

    def _class(self, cls: type) -> None:
        """What may change in a class of the program; the library's do not."""
        if cls.__module__.partition(".")[0] in ("simsock", "builtins") or cls.__module__ in WAITING or is_library(_file_of(cls)):
            return
        for base in cls.__bases__:
            self._visit(base)
        for name, value in list(type.__dict__["__dict__"].__get__(cls).items()):
            if name not in _OF_EVERY_CLASS:
                self.say(name)
                if type(value).__name__ not in ("member_descriptor", "getset_descriptor"):
                    self._visit(value)

    def _instance(self, value: Any, kind: type) -> None:
        if kind.__module__.partition(".")[0] == "simsock":
            return  # it changes when a task does something to it, and that is news or shows in a count of its own
        if kind.__module__ == "_thread":
            if kind.__qualname__ not in ("lock", "LockType", "RLock"):
                raise Unreadable(kind.__qualname__)
            return
        if any("__getattr__" in vars(base) or "__getattribute__" in vars(base) for base in kind.__mro__[:-1] if base.__flags__ & _HEAP):
            raise Unreadable(f"attributes of {kind.__qualname__} are computed")
        solid = next(base for base in kind.__mro__ if not base.__flags__ & _HEAP or _is_of_c(base))
        if (solid.__module__, solid.__qualname__) == ("_queue", "SimpleQueue"):
            self.say(solid.qsize(value))  # type: ignore[attr-defined]  # it has that
            return
        if (solid.__module__, solid.__qualname__) == ("_ssl", "_SSLContext"):
            self._context(value, vars(solid))
            return
        if solid in (dict, OrderedDict, list, tuple, set, deque):
            items: Any = OrderedDict.items if solid is OrderedDict else dict.items
            self._visit(dict(items(value)) if issubclass(solid, dict) else list(solid.__iter__(value)))
        elif solid is not object and solid.__module__ not in _RECORDED and not issubclass(solid, (int, str, BaseException)):
            raise Unreadable(kind.__qualname__)
        if solid is not object:
            self.say(solid.__repr__(value) if issubclass(solid, (int, str)) else "")
        self._visit(kind)
        is_thread = _is_thread(kind)
        for name, item in _attributes(value, kind):
            if not (is_thread and name in _THREAD_ATTRIBUTES):
                self.say(name)
                self._visit(item)

    def _context(self, context: Any, of_c: Any) -> None:
        """A context of TLS does nothing by itself: what it was told, and how much it has loaded and shaken hands."""
        self.say(*(of_c[name].__get__(context) for name in ("options", "verify_flags", "verify_mode")))
        self.say(*(of_c[name](context) for name in ("cert_store_stats", "session_stats")))


def _in_order(items: Any) -> list[Any]:
    """Threads, as executors and servers keep them, by their names; nothing else in a set has an order that is the same in every run."""
    by_name = {str(vars(item).get("_name")): item for item in items if _is_thread(type(item))}
    if len(by_name) < len(items):
        raise Unreadable("a set of objects")
    return [by_name[name] for name in sorted(by_name)]


def _is_thread(kind: type) -> bool:
    return "_thread" in sys.modules and any(base.__module__ == "threading" and base.__qualname__ == "Thread" for base in kind.__mro__)


_OF_EVERY_CLASS = frozenset(
    "__dict__ __weakref__ __doc__ __module__ __annotations__ __static_attributes__ __firstlineno__ __annotate_func__ __annotations_cache__".split()
)
_HEAP = 1 << 9
"""``Py_TPFLAGS_HEAPTYPE``: a class that Python code has made."""


def _is_of_c(cls: type) -> bool:
    """Whether a class that can be changed was made in C all the same, and its objects have a state that nobody sees: those of ``random``, of hashes."""
    names = vars(cls)
    base = cls.__base__
    return base is not None and cls.__basicsize__ > base.__basicsize__ and not any(name in names for name in ("__slots__", "__dict__", "__weakref__"))


def _attributes(value: Any, kind: type) -> Iterator[tuple[str, Any]]:
    try:
        yield from object.__getattribute__(value, "__dict__").items()
    except AttributeError:
        pass
    for base in kind.__mro__:
        for name, member in list(vars(base).items()):
            if type(member).__name__ == "member_descriptor" and base.__flags__ & _HEAP:
                try:
                    yield name, member.__get__(value, kind)
                except AttributeError:
                    continue


def _file_of(cls: type) -> str:
    module = sys.modules.get(cls.__module__)
    return getattr(module, "__file__", None) or "<none>"


@lru_cache(maxsize=2_000)
def _names_of(code: CodeType) -> frozenset[str]:
    """The names of globals and attributes that a function mentions, those of functions inside it included."""
    inner = [_names_of(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return frozenset(code.co_names).union(*inner)


@lru_cache(maxsize=2_000)
def names_between(code: CodeType, begin: int, end: int) -> frozenset[str]:
    """The names that the instructions from one offset to another mention, those of functions made there included."""
    found: set[str] = set()
    for one in dis.get_instructions(code):
        if begin <= one.offset <= end:
            if isinstance(one.argval, CodeType):
                found |= _names_of(one.argval)
            elif isinstance(one.argval, str) and one.opcode in dis.hasname:
                found.add(one.argval)
    return frozenset(found)


@lru_cache(maxsize=2_000)
def _for_loops(code: CodeType) -> tuple[tuple[int, int], ...]:
    return tuple((one.offset, one.argval) for one in dis.get_instructions(code) if one.opname in ("FOR_ITER", "SEND"))


def _is_in_for_loop(code: CodeType, at: int, since: int) -> bool:
    return any(since < start <= at < end for start, end in _for_loops(code))


__all__ = ["Part", "Unreadable", "digest_of", "fingerprint", "fingerprint_of_frames", "names_between"]
