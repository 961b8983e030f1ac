"""What a world cannot reach in this process: data for ``simsock doctor``.

Owns two questions to the heap. Does not word the answers, and changes nothing. Law: asked outside every world and search.
"""

from __future__ import annotations

import gc
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple

from simsock.errors import UsageError
from simsock.kernel import session
from simsock.patching import captured, heap


class Captured(NamedTuple):
    """A real function or class that the program keeps. ``swapped``: a world puts the stand-in there; if not, the program calls the real one."""

    name: str
    place: str
    swapped: bool


class ForeignLock(NamedTuple):
    """A real lock or queue from before that no world can replace. ``places``: who holds it; nobody but local variables, when empty."""

    kind: str
    places: tuple[str, ...]
    locked: bool


def _search() -> tuple[list[heap.Finding], list[Any], dict[int, Any]]:
    if session.active is not None:
        raise UsageError("the doctor looks at a process outside every world: ask before entering one")
    from simsock.patching import known, put_back

    put_back()
    pairs = known()[1].pairs
    targets = captured.interesting(gc.get_objects())
    targets += [original for original, _ in pairs.values()]
    findings = heap.search(targets, captured.classes())
    return findings, [target for target in targets if type(target) in captured.LOCKS], pairs


def find_captured() -> list[Captured]:
    """Where the program keeps real functions that worlds replace, other than as names of modules, in the order of their names."""
    findings, _, pairs = _search()
    found = set()
    for finding in findings:
        target = finding.target
        if id(target) not in pairs or finding.harness or (finding.spot is not None and captured.is_module_name(finding.spot)):
            continue
        if finding.spot is None and (type(target) not in (BuiltinFunctionType, FunctionType) or finding.place.startswith(("tuple", "simsock."))):
            continue  # the bases of classes; tables of ours
        found.add(Captured(f"{getattr(target, '__module__', None) or '?'}.{target.__name__}", finding.place, finding.spot is not None))
    return sorted(found)


def find_foreign_locks() -> list[ForeignLock]:
    """Real locks and queues that stay real in a world because of where they are kept."""
    findings, real, _ = _search()
    found = []
    for lock in real:
        about = [finding for finding in findings if finding.target is lock or getattr(finding.target, "__self__", None) is lock]  # or a method of it
        if any(finding.harness or finding.place.rpartition(".")[2] in captured.KEPT for finding in about):
            continue
        if any(finding.spot is not None or finding.place == "deque" for finding in about):
            continue  # a deque: those who wait at a Condition, in another OS thread
        locked = getattr(lock, "locked", None)
        places = tuple(sorted({finding.place for finding in about}))
        found.append(ForeignLock(type(lock).__name__, places, bool(locked()) if locked is not None else False))
    return sorted(found)
