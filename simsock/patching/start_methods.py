"""How ``multiprocessing`` starts processes in a patched world by ``spawn`` and ``forkserver``.

PYTEST_DONT_REWRITE

Owns what stands in for its two helpers: the process that tracks resources, and the one that forks on demand. Does not know how a program is started: see
``starting``. Laws:

* neither helper is there as a process: what a world's semaphores are named by is forgotten with the world, so nothing has to be tracked;
* a process that the fork server would fork finds what one that is spawned finds: modules that the server had imported before, it imports itself.
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Any

from simsock.choices import derive_seed
from simsock.kernel import Kernel
from simsock.patching import sockets, starting
from simsock.patching.locks import Kind
from simsock.processes.messages import far_away
from simsock.stdlib import os as sim_os
from simsock.stdlib._room import Room


class Tracker:
    """In the place of ``multiprocessing.resource_tracker._resource_tracker``."""

    def __init__(self) -> None:
        self._fd: int | None = None
        self._pid = None

    def getfd(self) -> int:
        """A descriptor to be passed on, to which nothing is written."""
        if self._fd is None:
            self._fd = sim_os.eventfd(0)
        return self._fd

    def ensure_running(self) -> None:
        """There is nothing to run."""

    def _stop(self, use_blocking_lock: bool = True) -> None:
        """For test suites that are done: there is nothing to stop, and it may be asked again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def register(self, name: str, rtype: str) -> None:
        """Nothing outlives the world."""

    def unregister(self, name: str, rtype: str) -> None:
        """The same."""


class ForkServer:
    """In the place of ``multiprocessing.forkserver._forkserver``."""

    def __init__(self, before: Any) -> None:
        self._preload_modules = list(before._preload_modules)
        self._inherited_fds: list[int] | None = None
        self._forkserver_address = self._forkserver_alive_fd = self._forkserver_pid = None

    def ensure_running(self) -> None:
        """It is there once somebody asks for a process."""

    def _stop(self) -> None:
        """For test suites that are done: each process is one of its own."""

    def set_forkserver_preload(self, modules_names: Any, **options: Any) -> None:
        """Name modules to be imported beforehand; here each process imports them when it wants them."""
        if not all(type(name) is str for name in modules_names):
            raise TypeError("module_names must be a list of strings")
        self._preload_modules = modules_names

    def get_inherited_fds(self) -> list[int] | None:
        """In a process that the server has made: the descriptors that were passed to it."""
        return self._inherited_fds

    def connect_to_new_process(self, fds: list[int]) -> tuple[int, int]:
        """Start a process: (descriptor to read its number and its exit code from, descriptor to write to what it is to do)."""
        library: Any = sys.modules["multiprocessing.forkserver"]
        if len(fds) + 4 >= library.MAXFDS_TO_SEND:
            raise ValueError("too many fds")
        for_parent, of_child = os.pipe()
        for_child, of_parent = os.pipe()
        try:
            code = f"from {__name__} import serve; serve({for_child}, {list(fds)!r})"
            flags = library.util._args_from_interpreter_flags()
            executable = library.spawn.get_executable()
            starting.start_for_server([executable, *flags, "-c", code], (for_child, *fds), of_child)
        except BaseException:
            os.close(for_parent)
            os.close(of_parent)
            raise
        finally:
            os.close(for_child)
            os.close(of_child)
        return for_parent, of_parent


def serve(reading: int, fds: list[int]) -> None:
    """In a process that the fork server would have made: do what is sent."""
    import multiprocessing.forkserver as library
    from multiprocessing import spawn

    library._forkserver._inherited_fds = list(fds)  # type: ignore[attr-defined]  # ours
    sys.exit(spawn._main(reading, os.dup(reading)))  # what the server's child calls


def process_of(before: Any, kernel: Kernel) -> Any:
    """The object of the process itself, with a key to know its kin by that is the same in every run."""
    made = object.__new__(type(before))
    made.__dict__.update(before.__dict__)
    key = before._config.get("authkey")
    if key is not None:
        made._config = {**before._config, "authkey": type(key)(derive_seed(kernel.seed, "authkey").to_bytes(8, "little") * 4)}
    return made


_FIRST_OF_MEMORY = 850
_DRAWN = (
    ("multiprocessing.synchronize", "SemLock", "_rand"),
    ("multiprocessing.heap", "BufferWrapper", "_heap"),
)
"""What of a class draws, or has drawn, names: (module, class, attribute). Each world has new ones, or the first would draw more than the second."""
_drawn_before: list[tuple[Any, str, Any]] = []


class Files:
    """In the place of ``tempfile`` in ``multiprocessing.heap``, which tells other processes the real descriptors of the memory that it shares.

    Their numbers do not depend on what else the process has open.
    """

    def __init__(self, before: Any) -> None:
        self._before = before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._before, name)

    def mkstemp(self, *args: Any, **keywords: Any) -> tuple[int, str]:
        """A file for memory."""
        near, name = self._before.mkstemp(*args, **keywords)
        return far_away(near, _FIRST_OF_MEMORY), name


class Identities:
    """In the place of ``id`` in ``multiprocessing.managers``, which sends what it says to other processes: no addresses, which no run repeats."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, Any]] = {}
        self._next = 0x7F00_0000_0000  # as long as an address

    def __call__(self, thing: Any) -> int:
        key = id(thing)
        if key not in self._known:
            self._next += 16
            try:
                kept: Any = weakref.ref(thing, lambda _: self._known.pop(key, None))
            except TypeError:  # nothing has its address as long as it is there
                kept = thing
            self._known[key] = self._next, kept
        return self._known[key][0]


def enter(kernel: Kernel) -> None:
    """A world begins, or goes on after an import: sockets can be sent to other processes as real ones can."""
    managers: Any = sys.modules.get("multiprocessing.managers")
    if managers is not None and "id" not in vars(managers):
        managers.id = Identities()
    made = kernel.room(Room).made
    counts = dict(made)  # locks of these are not counted: whether a program has loaded their module must not change what its own are called
    for name, kind, attribute in _DRAWN:
        holder = getattr(sys.modules.get(name), kind, None)
        if hasattr(holder, attribute) and not any(holder is known and attribute == there for known, there, _ in _drawn_before):
            before = getattr(holder, attribute)
            _drawn_before.append((holder, attribute, before))
            setattr(holder, attribute, type(before)())
    made.clear()
    made.update(counts)
    module: Any = sys.modules.get("multiprocessing.reduction")
    if module is not None and hasattr(module, "_reduce_socket"):
        module.ForkingPickler._extra_reducers.setdefault(sockets.standing, module._reduce_socket)
        module.ForkingPickler._extra_reducers.setdefault(Kind, _name_of)


def _name_of(kind: Any) -> str:
    """By which name a class of locks is found: before 3.13 what it stands in for is a function of another one."""
    space = vars(sys.modules[kind.__module__])
    return next((name for name in ("allocate_lock", "RLock") if space.get(name) is kind), kind.__qualname__)


def leave() -> None:
    """It is over."""
    managers: Any = sys.modules.get("multiprocessing.managers")
    if managers is not None:
        vars(managers).pop("id", None)
    _forget_memory()
    while _drawn_before:
        setattr(*_drawn_before[-1])
        _drawn_before.pop()
    module: Any = sys.modules.get("multiprocessing.reduction")
    if module is not None:
        for kind in (sockets.standing, Kind):
            module.ForkingPickler._extra_reducers.pop(kind, None)


def _forget_memory() -> None:
    """Descriptors of memory that the world's processes shared: who still has the memory needs none of them."""
    heap: Any = sys.modules.get("multiprocessing.heap")
    arenas = heap.BufferWrapper._heap._arenas if heap is not None and any(holder is heap.BufferWrapper for holder, _, _ in _drawn_before) else ()
    if arenas:
        for finalizer in list(heap.util._finalizer_registry.values()):
            owner: Any = finalizer._weakref() if finalizer._weakref is not None else None
            if any(owner is arena for arena in arenas):
                finalizer.cancel()  # which is of a process that is not there any more, and would do nothing
                os.close(owner.fd)


TRACKER = ("_resource_tracker", "getfd", "ensure_running", "register", "unregister")
SERVER = ("_forkserver", "connect_to_new_process", "ensure_running", "get_inherited_fds", "set_forkserver_preload")


class _Fakes:
    """``kernel.room(_Fakes)``: those of one world."""

    __slots__ = ("server", "tracker")

    def __init__(self) -> None:
        self.server: ForkServer | None = None
        self.tracker: Tracker | None = None


def of_tracker(name: str, kernel: Kernel) -> Any:
    """What stands under a name of ``multiprocessing.resource_tracker``."""
    room = kernel.room(_Fakes)
    if room.tracker is None:
        room.tracker = Tracker()
    return room.tracker if name.startswith("_") else getattr(room.tracker, name)


def of_server(name: str, before: Any, kernel: Kernel) -> Any:
    """What stands under a name of ``multiprocessing.forkserver``."""
    room = kernel.room(_Fakes)
    if room.server is None:
        room.server = ForkServer(before if name.startswith("_") else before.__self__)
    return room.server if name.startswith("_") else getattr(room.server, name)
