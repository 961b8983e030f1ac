"""What a process has alive before any world: data for ``simsock doctor``.

Owns the search for threads, executors, event loops, pollers, sockets, pipes and generators of random numbers that were made outside every world, and
where the program keeps each. Does not word the answers, and changes nothing. Laws: what one of them consists of is not told again (an executor's
threads, a loop's selector); what belongs to the harness or to the standard library itself is left out.
"""

from __future__ import annotations

import gc
import os
import re
import stat
import sys
import threading
from types import FunctionType, MethodType
from typing import Any

from simsock.errors import WorldEnded
from simsock.harness import is_harness
from simsock.patching import foreign, heap
from simsock.patching.holders import path_to
from simsock.patching.numbers import keepers_of_pipes
from simsock.patching.referrers import tracked_objects
from simsock.tuples import NamedTuple

THREAD, EXECUTOR, LOOP, POLLER, SOCKET, PIPE, GENERATOR = "thread", "executor", "event loop", "poller", "socket", "pipe", "generator"
_WORKERS = ("concurrent.futures", "multiprocessing")
"""Whose threads work for an executor or a pool, which is told in their place."""


class Living(NamedTuple):
    """One of them. ``what``: its name or form; ``place``: who keeps it, empty when that is not known."""

    kind: str
    what: str
    place: str


def open_descriptors() -> frozenset[int]:
    """The descriptors that this process has open now; none where the system does not list them."""
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        return frozenset()
    return frozenset(number for number in map(int, names) if _status(number) is not None)  # one was the listing's own


def find_living(before: frozenset[int] | None = None) -> list[Living]:
    """What is alive, in the order of kinds. ``before``: descriptors that were open before the program was imported; without it no pipe is looked for."""
    found = _threads()
    told = _objects()
    places = _places([made for _, made in told])
    for kind, made in told:
        place = places.get(id(made), "")
        top = place.partition(".")[0]
        if kind == SOCKET and top in sys.stdlib_module_names and top != "asyncio":  # an event loop's own are told by the loop
            place = path_to(made) or place  # a server, a client or a handler of the standard library's that the program has
        elif is_harness(top) or top in sys.stdlib_module_names or (kind == GENERATOR and not place) or foreign.has_another(place):
            continue
        found.append(Living(kind, _form(kind, made), place))
    if before is not None:
        found += _pipes(before)
    return sorted(found, key=_order)


def _order(one: Living) -> tuple[str, str, str]:
    """By kind, and by numbers as numbers."""
    return one.kind, re.sub("[0-9]+", lambda match: match[0].zfill(20), one.what), one.place


def _threads() -> list[Living]:
    main = threading.main_thread()
    found = []
    for thread in threading.enumerate():
        target = getattr(thread, "_target", None)
        home = _module(target) if target is not None else type(thread).__module__
        if thread is main or thread is threading.current_thread() or home.startswith(_WORKERS) or is_harness(home):
            continue
        found.append(Living(THREAD, f"{thread.name!r}{'' if target is None else f' in {_title(target)}'}", ""))
    return found


def _module(target: Any) -> str:
    """Whose code it is: a method's object counts, not the class that it is inherited from."""
    return str(getattr(target, "__module__", None) or "")


def _title(target: Any) -> str:
    if isinstance(target, (FunctionType, MethodType)):
        return f"{target.__module__}.{target.__qualname__}"
    return type(target).__qualname__


def _objects() -> list[tuple[str, Any]]:
    """Every object that is told by its class. Nothing is imported: what is not loaded is not alive."""
    kinds = _classes()
    found: dict[int, tuple[str, Any]] = {}
    for owner in tracked_objects():
        for made in (owner, *gc.get_referents(owner)):  # objects of C that hold nothing are known to who holds them only
            if id(made) not in found:
                for kind, cls in kinds:
                    if issubclass(type(made), cls) and _is_alive(kind, made):
                        found[id(made)] = (kind, made)
                        break
    return list(found.values())


def _classes() -> list[tuple[str, Any]]:
    known = (
        (EXECUTOR, "concurrent.futures._base", "Executor"),
        (EXECUTOR, "multiprocessing.pool", "Pool"),
        (LOOP, "asyncio", "AbstractEventLoop"),
        (POLLER, "selectors", "BaseSelector"),
        (POLLER, "select", "epoll"),
        (SOCKET, "socket", "socket"),
        (GENERATOR, "random", "Random"),
    )
    found = []
    for kind, module, name in known:
        cls = getattr(sys.modules.get(module), name, None)
        if cls is not None:
            found.append((kind, cls))
    if (polls := getattr(sys.modules.get("select"), "poll", None)) is not None:
        found.append((POLLER, type(polls())))  # a function: its class has no name
    return found


def _is_alive(kind: str, made: Any) -> bool:
    if kind == EXECUTOR:
        return not getattr(made, "_shutdown", False) and getattr(made, "_state", "RUN") == "RUN"
    if kind == LOOP:
        return not made.is_closed()
    if kind == GENERATOR:
        return not isinstance(made, sys.modules["random"].SystemRandom)
    if kind == POLLER and type(made).__name__ == "poll":
        return True
    try:
        return bool(made.fileno() >= 0) and not (kind == SOCKET and _is_over(made))
    except WorldEnded:
        return False
    except (OSError, ValueError, AttributeError, NotImplementedError):
        return not hasattr(type(made), "fileno") and getattr(made, "_map", None) is not None  # a selector over select or poll


def _is_over(sock: Any) -> bool:
    """Whether it belongs to a world that has ended."""
    try:
        sock.getsockname()
    except WorldEnded:
        return True
    except OSError:
        pass
    return False


def _form(kind: str, made: Any) -> str:
    if kind == SOCKET:
        try:
            return f"{made.family.name} {made.type.name} at {made.getsockname()!r}"
        except (OSError, AttributeError):
            return f"descriptor {made.fileno()}"
    if kind == EXECUTOR and hasattr(made, "_threads"):
        return f"{type(made).__qualname__} with {len(made._threads)} thread{'' if len(made._threads) == 1 else 's'}"
    return f"{type(made).__module__}.{type(made).__qualname__}"


def _places(targets: list[Any]) -> dict[int, str]:
    """By identity: the best words for who keeps it, a module's name before anything else."""
    types = [cls for cls in gc.get_objects() if issubclass(type(cls), type)]  # not isinstance: a proxy says that it is one
    found: dict[int, str] = {}
    for finding in sorted(heap.search(targets, types), key=lambda finding: _rank(finding.place)):
        if not finding.place.startswith("simsock."):
            found.setdefault(id(finding.target), finding.place)
    return found


def _rank(place: str) -> tuple[bool, bool, str]:
    """A name in a module comes first, then the program's classes; what the standard library or the harness keeps, as a loop's handles do, is last."""
    top = place.partition(".")[0]
    return not _is_name(place), top not in sys.modules or top in sys.stdlib_module_names or is_harness(top), place


def _is_name(place: str) -> bool:
    module, _, name = place.rpartition(".")
    return name.isidentifier() and module in sys.modules


def _status(number: int) -> os.stat_result | None:
    try:
        return os.fstat(number)
    except OSError:
        return None


def _pipes(before: frozenset[int]) -> list[Living]:
    """Pipes that were made since, with who has the number, as far as that is certain."""
    pipes: dict[int, list[int]] = {}
    for number in sorted(open_descriptors() - before):
        status = _status(number)
        if status is not None and stat.S_ISFIFO(status.st_mode):
            pipes.setdefault(status.st_ino, []).append(number)
    keepers = keepers_of_pipes(list(pipes.values()))
    return [Living(PIPE, f"descriptor {number}", keepers.get(number, "")) for ends in pipes.values() for number in ends]


__all__ = ["EXECUTOR", "GENERATOR", "LOOP", "PIPE", "POLLER", "SOCKET", "THREAD", "Living", "find_living", "open_descriptors"]
