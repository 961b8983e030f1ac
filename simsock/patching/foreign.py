"""Names of other people's libraries that a world has to put something else under, because no standard module stands in between.

Owns the list. Laws: nothing is imported for it; what is not loaded, or has no such name, is left alone, until it is imported in the world.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import Kernel
from simsock.patching import adapters, fence, forks, handlers, own_process, ready_orders, schedulers, start_methods, trio_waits
from simsock.patching.chance import NODE
from simsock.patching.room import Room
from simsock.stdlib import _future_hashes

_NAMES: tuple[tuple[str, str, Callable[[Any, Kernel], Any]], ...] = (
    # trio names OS threads through ctypes, with pthread_setname_np(ident): a task's ident is no address of a thread, and libc would read there.
    ("trio._core._thread_cache", "set_os_thread_name", lambda before, kernel: None),
    # trio keeps idle threads for later: those of a world die with it.
    ("trio._core._thread_cache", "THREAD_CACHE", lambda before, kernel: type(before)()),
    ("trio._core._thread_cache", "name_counter", lambda before, kernel: itertools.count()),
    # trio keeps tasks in sets, whose order is that of addresses; it has a switch for this.
    ("trio._core._run", "_ALLOW_DETERMINISTIC_SCHEDULING", lambda before, kernel: True),
    # trio runs what is ready in an order that a generator from before the world decides.
    ("trio._core._run", "_r", lambda before, kernel: _generator(before, kernel)),
    # trio asks whether a socket is of exactly the class that has this name now, and would say of one from before the world that it is not.
    *((module, "from_stdlib_socket", lambda before, kernel: adapters.of_the_world(before)) for module in ("trio._socket", "trio.socket")),
    # The address of this machine's network card, for which uuid may ask the system, or chance.
    ("uuid", "_node", lambda before, kernel: NODE if kernel.room(Room).draws_from_world else before),
    # From 3.14 on uuid's versions 6 and 7 go on from the newest that the process has made, which another world may have.
    ("uuid", "_last_timestamp_v6", lambda before, kernel: None),
    ("uuid", "_last_timestamp_v7", lambda before, kernel: None),
    ("uuid", "_last_counter_v7", lambda before, kernel: 0),
    # time-machine changes the clocks of the time module in place, as functions of C; in a world they are none, and the process would crash.
    ("time_machine", "_time_machine", lambda before, kernel: _NoTravel()),
    # freezegun notes where modules have what it replaces, found by identity, and keeps that: in a world they have other functions, but for the harness's.
    ("freezegun.api", "_GLOBAL_MODULES_CACHE", lambda before, kernel: {}),
    ("freezegun.api", "_real_time_object_ids", lambda before, kernel: set(map(id, sys.modules["freezegun.api"].real_date_objects))),
    # psutil asks the system about this process by its number, which in a world is none of the system's.
    ("psutil._pslinux", "Process", lambda before, kernel: own_process.process_class(before)),
    ("psutil._pslinux", "pids", lambda before, kernel: own_process.pids(before)),
    ("psutil._pslinux", "pid_exists", lambda before, kernel: own_process.pid_exists(before)),
    # The machine is asked once what it is called, and in a world it is the host of whoever asks first.
    ("platform", "_uname_cache", lambda before, kernel: None),
    # pyOpenSSL gives a socket's number to an OpenSSL of its own, which knows no simulated ones.
    ("OpenSSL.SSL", "Connection", lambda before, kernel: _connection_without_a_socket(before)),
    # These put schedulers of their own under the standard modules.
    *((module, name, lambda before, kernel, call=call: schedulers.refusing(call)) for module, name, call in schedulers.CALLS),
    # ifaddr asks the C library, through ctypes, which interfaces there are; others ask the system.
    ("ifaddr._posix", "libc", lambda before, kernel: adapters.Libc(before, kernel)),
    *((module, name, lambda before, kernel, call=f"{module}.{name}": adapters.refusing(call)) for module, name in adapters.MACHINE_S),
    # What a program has done at forks of a world's processes is done in the world, and forgotten with it.
    *((module, "register_at_fork", lambda before, kernel: forks.registering(before, kernel)) for module in ("os", "posix")),
    # Processes that nobody has waited for, and how many there were: those of a world are its own.
    ("subprocess", "_active", lambda before, kernel: []),
    ("multiprocessing.process", "_children", lambda before, kernel: set()),
    ("multiprocessing.process", "_current_process", lambda before, kernel: start_methods.process_of(before, kernel)),
    ("multiprocessing.process", "_process_counter", lambda before, kernel: itertools.count(1)),
    ("multiprocessing.heap", "tempfile", lambda before, kernel: start_methods.Files(before)),
    ("multiprocessing.pool", "job_counter", lambda before, kernel: itertools.count()),
    # multiprocessing keeps processes that help it start others; those of a world are others, and none from before it is asked.
    *(("multiprocessing.resource_tracker", name, lambda before, kernel, name=name: start_methods.of_tracker(name, kernel)) for name in start_methods.TRACKER),
    *(("multiprocessing.forkserver", name, lambda before, kernel, name=name: start_methods.of_server(name, before, kernel)) for name in start_methods.SERVER),
    # A pool of interpreters would fail where each of its threads makes one, and hide that error behind one of its own.
    ("concurrent.futures.interpreter", "WorkerContext", lambda before, kernel: _NoInterpreters),
    # Several futures are locked in the order of their addresses.
    ("concurrent.futures._base", "_AcquireFutures", lambda before, kernel: _future_hashes.by_number(before)),
)
"""(module, name, what is there in a world, given what was there before)."""
_BY_MODULE: dict[str, list[tuple[str, Callable[[Any, Kernel], Any]]]] = {}
"""The same, by module: few of them are loaded, and each world looks which."""
for _module, _name, _make in _NAMES:
    _BY_MODULE.setdefault(_module, []).append((_name, _make))
_PLACES = frozenset(f"{module}.{name}" for module, name, _ in _NAMES)
_before: list[tuple[dict[str, Any], str, Any]] = []


def _generator(before: Any, kernel: Kernel) -> Any:
    """One of the world's own; not drawn from what its program draws from, which must not depend on what else is loaded, but from the tape."""
    return ready_orders.TrioOrder(ready_orders.order_of(kernel)) if kernel.room(Room).draws_from_world else before


def _connection_without_a_socket(before: Any) -> Any:
    def __init__(self: Any, context: Any, socket: Any = None) -> None:
        if socket is not None:
            words = "pyOpenSSL reads and writes a socket by its number; in a world, use the standard ssl, or a Connection without a socket"
            raise Unsupported(f"OpenSSL.SSL.Connection: {words}")
        before.__init__(self, context, socket)

    return type(before)(before.__name__, (before,), {"__init__": __init__, "__module__": before.__module__, "__qualname__": before.__qualname__})


class _NoInterpreters:
    """What prepares the threads of a pool of interpreters, asked when the pool is made."""

    @classmethod
    def prepare(cls, *args: Any, **kwargs: Any) -> None:
        fence.refuse("concurrent.futures.InterpreterPoolExecutor", ())


class _NoTravel:
    """What time-machine asks to replace the clocks."""

    def __getattr__(self, name: str) -> Any:
        raise Unsupported(
            f"time-machine in a world ({name}): the world has a clock of its own; give it start_time=, let time pass with sim.sleep, or use freezegun inside"
        )


def has_another(place: str) -> bool:
    """Whether a world puts something of its own under this name (``"trio._core._run._r"``)."""
    return place in _PLACES


def enter(kernel: Kernel) -> None:
    """A world begins, after its chance; or goes on after an import."""
    known = [(space, name) for space, name, _ in _before] if _before else None
    modules = sys.modules
    for module in filter(modules.__contains__, _BY_MODULE):
        space = vars(modules[module])
        for name, make in _BY_MODULE[module]:
            if name in space and not (known and any(space is seen and name == there for seen, there in known)):
                _before.append((space, name, space[name]))
                space[name] = make(space[name], kernel)
    if (future := getattr(modules.get("concurrent.futures._base"), "Future", None)) is not None:  # a module may be half imported
        _future_hashes.install(future)
    schedulers.enter()
    handlers.apply()
    ready_orders.enter(kernel)
    trio_waits.enter()
    start_methods.enter(kernel)


def leave() -> None:
    """The world is over."""
    while _before:
        space, name, value = _before[-1]
        space[name] = value
        _before.pop()
    schedulers.leave()
    ready_orders.leave()
    trio_waits.leave()
    start_methods.leave()
