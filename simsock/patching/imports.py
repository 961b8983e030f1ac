"""Imports inside a world.

Owns ``importlib``'s way from a name to a module while a world is live. Laws:

* what the body of a module of the program does is as simulated as anything else; nobody is switched in at its points or between its lines, but it
  may wait. Who wants a module that another task is importing waits until it is there, so no task ever sees a half-made one, unless two tasks would
  wait for each other (as in CPython);
* a module of the program that a world was the first to import leaves ``sys.modules`` with it, so that the next world is the same;
* all else of an import is done as if before the world: to find modules, to compile them, and the bodies of the standard library's and of installed
  packages', which stay. That takes no step, no time and no draw of the world's, so that the first world to need it and the second are the same;
* what a module captured is a stand-in that works as the original outside worlds, and is put right at the patched state's end; the harness's modules are put
  right at once.
"""

from __future__ import annotations

import random
import sys
from _thread import get_ident
from collections import deque
from contextlib import contextmanager
from importlib import import_module
from types import CodeType
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.harness import is_harness
from simsock.kernel import session
from simsock.kernel.program_lines import is_library, is_simsock
from simsock.kernel.unpreempted import unpreempted
from simsock.patching import fence, foreign, locks
from simsock.patching.class_attributes import unbind
from simsock.patching.room import Room, belongs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsock.kernel import Kernel, Task
    from simsock.patching.module_names import Names

bootstrap: Any = import_module("importlib._bootstrap")
_external: Any = import_module("importlib._bootstrap_external")
_originals: dict[str, Any] = {
    name: getattr(bootstrap, name) for name in ("_find_and_load", "_lock_unlock_module", "_load_unlocked", "_call_with_frames_removed")
}
_names: Names | None = None
_ONLY_BEFORE = frozenset(("time_machine", "_time_machine"))
"""Modules that would crash the process after the world that they were imported in."""
_put_back: Callable[[], None] | None = None
"""Takes the stand-ins out of the process, if no session is under way: the harness's modules are to see originals."""
_KNOWN_LOADERS = (
    _external.SourceFileLoader, _external.SourcelessFileLoader, _external.ExtensionFileLoader, _external.NamespaceLoader,
    bootstrap.BuiltinImporter, bootstrap.FrozenImporter,
)  # fmt: skip
_codes: dict[str, CodeType] = {}
"""The code of each module's body: one object for all worlds, by which points and events are known."""
_CODES_MAX = 10_000


class _Aside:
    """A world out of the way of an import."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.drawn = random.getstate() if kernel.room(Room).draws_from_world else None


_aside: list[_Aside] = []
"""The world that an import is kept from, if one is under way in this thread."""


class _Awaited:
    """A module that a task is importing: what others wait for."""

    def __init__(self, name: str, task: Task) -> None:
        self.name = name
        self.task = task
        self.depth = 0
        self.queue: deque[Task] = deque()

    def describe(self) -> str:
        """For reports."""
        return f"{self.name}, by {self.task.path}"


def world_of_thread() -> Kernel | None:
    """The world whose task this is, also if an import has put it aside."""
    kernel = _aside[-1].kernel if _aside else session.active
    return kernel if kernel is not None and kernel.thread == get_ident() else None


@contextmanager
def outside(kernel: Kernel) -> Iterator[None]:
    """Within the block this thread is outside the world; nobody else of it runs."""
    session.active = None
    kernel.atomic += 1
    fence.importing += 1
    _aside.append(_Aside(kernel))
    try:
        yield
    finally:
        drawn = _aside.pop().drawn
        fence.importing -= 1
        kernel.atomic -= 1
        session.active = kernel
        if drawn is not None:
            random.setstate(drawn)


@contextmanager
def _inside(kernel: Kernel) -> Iterator[None]:
    """Within the block this thread is in the world, whatever import it belongs to; nobody is switched in but where it waits."""
    before, depth = list(_aside), fence.importing
    _aside.clear()
    fence.importing, session.active = 0, kernel
    if before and before[-1].drawn is not None:
        random.setstate(before[-1].drawn)
    try:
        with unpreempted(kernel):
            yield
    finally:
        if before:
            if before[-1].drawn is not None:
                before[-1].drawn = random.getstate()
            session.active = None
        _aside[:], fence.importing = before, depth


def _find_and_load(name: str, import_: Any, **options: Any) -> Any:
    original = _originals["_find_and_load"]
    kernel = world_of_thread()
    if kernel is None:
        if _put_back is not None and is_harness(name):
            _put_back()
        return original(name, import_, **options)
    known = sys.modules.get(name)
    if known is not None and not getattr(getattr(known, "__spec__", None), "_initializing", False):
        return original(name, import_, **options)
    if name in _ONLY_BEFORE:
        raise Unsupported(
            f"{name} imported in a world: it takes the clocks of the time module for functions of C; import it before, and use start_time= in worlds"
        )
    _wait_for(kernel, name)
    with _importing(kernel, name):
        if _aside:
            return original(name, import_, **options)
        there = set(sys.modules)
        try:
            with outside(kernel):
                return original(name, import_, **options)
        finally:
            foreign.enter(kernel)
            locks.mark_once()
            if _names is not None:
                unbind([module for new, module in list(sys.modules.items()) if new not in there], _names.replacements)
                _names.restore([space for space in _names.unseen() if is_harness(str(space.get("__name__", "")))])


def _lock_unlock_module(name: str) -> None:
    """Called by ``import`` for a module that is there and not whole."""
    kernel = world_of_thread()
    if kernel is not None:
        _wait_for(kernel, name)
        if kernel.room(Room).importing.get(name) is not None:
            return  # this task's own, or one of those that wait for each other
    _originals["_lock_unlock_module"](name)


@contextmanager
def _importing(kernel: Kernel, name: str) -> Iterator[None]:
    table = kernel.room(Room).importing
    awaited = table.get(name)
    if awaited is None:
        awaited = table[name] = _Awaited(name, kernel.current)
    awaited.depth += 1
    try:
        yield
    finally:
        awaited.depth -= 1
        if not awaited.depth:
            del table[name]
            if not kernel.ending:
                kernel.wake_all(awaited.queue)


def _wait_for(kernel: Kernel, name: str) -> None:
    """Until no other task is importing the module."""
    table = kernel.room(Room).importing
    while (awaited := table.get(name)) is not None and not _leads_back(awaited.task, kernel.current):
        with _inside(kernel):
            kernel.wait(awaited.queue, None, "import", awaited)


def _leads_back(task: Task, me: Task) -> bool:
    """Whether ``task`` is ``me``, or waits for a module of mine, or of one that does."""
    while task is not me:
        if task.queue is None or type(task.on) is not _Awaited:
            return False
        task = task.on.task
    return True


def _load_unlocked(spec: Any) -> Any:
    original = _originals["_load_unlocked"]
    kernel = world_of_thread()
    if kernel is None or spec.loader is None or type(spec.loader) in _KNOWN_LOADERS or not _is_program(kernel, str(spec.origin), spec.name):
        return original(spec)
    with _inside(kernel):
        module = original(spec)
    _note(kernel, spec.name, vars(module))
    return module


def _call_with_frames_removed(function: Any, *args: Any, **kwargs: Any) -> Any:
    original = _originals["_call_with_frames_removed"]
    if function is exec and len(args) == 2 and type(args[0]) is CodeType:
        kernel = world_of_thread()
        space = args[1]
        if kernel is not None and _is_program(kernel, args[0].co_filename, str(space.get("__name__", ""))):
            return original(_run_body, kernel, _one_code(args[0]), space)
    return original(function, *args, **kwargs)


def _run_body(kernel: Kernel, code: CodeType, space: dict[str, Any]) -> None:
    with _inside(kernel):
        exec(code, space)
    _note(kernel, str(space.get("__name__", "")), space)


def _is_program(kernel: Kernel, filename: str, name: str) -> bool:
    if is_simsock(filename) or is_harness(name):
        return False
    if (fresh := kernel.room(Room).fresh) and belongs(name, fresh):
        return True
    return not is_library(filename) or (kernel.preemption is not None and filename in kernel.preemption.scope)


def _one_code(code: CodeType) -> CodeType:
    known = _codes.get(code.co_filename)
    if known != code:
        if len(_codes) >= _CODES_MAX:
            _codes.clear()
        known = _codes[code.co_filename] = code
    return known


def _note(kernel: Kernel, name: str, space: dict[str, Any]) -> None:
    """A module of the program is there that was not before this world."""
    room = kernel.room(Room)
    module = sys.modules.get(name)
    if not room.keeps_imports and name in room.importing and getattr(module, "__dict__", None) is space:
        room.imported.append((name, module))


def leave(kernel: Kernel) -> None:
    """The world is over, and the modules that it has imported go with it. Safe to call again."""
    imported = kernel.room(Room).imported
    while imported:
        name, module = imported.pop()
        if sys.modules.get(name) is module:
            del sys.modules[name]
        parent, _, child = name.rpartition(".")
        space = getattr(sys.modules.get(parent), "__dict__", {})
        if space.get(child) is module:
            del space[child]


def apply(names: Names, put_back: Callable[[], None]) -> None:
    """The patched state begins."""
    global _names, _put_back
    _names, _put_back = names, put_back
    for name in _originals:
        setattr(bootstrap, name, globals()[name])


def remove() -> None:
    """The patched state ends."""
    global _names, _put_back
    _names = _put_back = None
    for name, original in _originals.items():
        if getattr(bootstrap, name) is globals()[name]:
            setattr(bootstrap, name, original)
