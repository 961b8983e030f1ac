"""What ``simsock doctor`` says: what a world cannot reach in a program, and what to do about each.

Owns the wording. Does not know how the findings are found (``patching/doctor.py``, ``patching/living.py``, ``patching/native.py``).
"""

from __future__ import annotations

import re
import sys
from types import ModuleType
from typing import Any, NamedTuple

from simsock.patching.doctor import Captured, ForeignLock, find_captured, find_foreign_locks
from simsock.patching.living import EXECUTOR, GENERATOR, LOOP, PIPE, POLLER, SOCKET, THREAD, Living, find_living
from simsock.patching.native import Native, find_native
from simsock.report.plain import SCHEMA
from simsock.stdlib._openssl import chance_is_the_tapes

_OURS = re.compile(r".*\.stands_for|list\[\d+\]")
"""Places that are simsock's own, or a list that only somebody's local variables hold while the question is asked."""


_REMEDIES = {
    EXECUTOR: "make it in the test, or in a fixture that comes after `sim`; the threads of this one stay real ones, which no world schedules",
    LOOP: "make it in the test, or in a fixture that comes after `sim` (asyncio.run does); this one waits in real time",
    GENERATOR: "seed it in the test, or draw from `random` itself; this one, seeded or not, goes on from one world to the next, so no run can be repeated",
    PIPE: "make it in the test, or in a fixture that comes after `sim`; a world knows only descriptors of its own",
    POLLER: "make it in the test, or in a fixture that comes after `sim`; this one knows no descriptor of a world",
    SOCKET: "make it in the test, or in a fixture that comes after `sim`; a call of this one in a world is an error",
    THREAD: "start it in the test, or in a fixture that comes after `sim`; this one goes on in real time, outside every world",
}
_OF_CAPTURED = "look the name up when it is called (time.sleep, not an iterator that has it), or keep it in an attribute, a list, a dict or a set"
_OF_LOCKS = "make them where they are used, or keep them in an attribute or a dict; contended in a world they are an error that names them"
_OF_NATIVE = "use a client written in Python in the test, or put a stub behind your own interface; their waits are real and end a run by its limit"
_OPENSSL = (
    "This Python's OpenSSL does not show its functions: what it draws is its own. A TLS handshake may be a byte or two longer in "
    "one run than in another (digests are of plain text and stay the same), and tls_time='world' is an error. "
    "A Python whose libcrypto is a library of its own has both."
)


class Diagnosis(NamedTuple):
    """What was found in this process."""

    captured: list[Captured]
    locks: list[ForeignLock]
    native: list[Native]
    living: list[Living]
    openssl: bool = True
    """Whether worlds decide what OpenSSL draws, where the program uses it."""

    @property
    def is_healthy(self) -> bool:
        """Whether a world reaches everything."""
        return not self.locks and not self.native and not self.living and all(found.swapped for found in self.captured)

    def lines(self, everything: bool = False) -> list[str]:
        """The report; with ``everything`` also what is swapped by itself."""
        swapped = [found for found in self.captured if found.swapped]
        kept = [found for found in self.captured if not found.swapped]
        lines: list[str] = []
        if kept:
            lines.append("Real functions that the program keeps where no world can put its own (a world's fence stops those that would talk or wait):")
            lines += [f"  {found.name}  kept by {found.place}" for found in kept]
            lines.append(f"  -> {_OF_CAPTURED}")
        if self.locks:
            lines.append("Locks and queues made before any world, where they cannot be replaced:")
            for lock in self.locks:
                where = ", ".join(_places(lock)) or "local variables only"
                lines.append(f"  {lock.kind}{' (locked now)' if lock.locked else ''}  kept by {where}")
            lines.append(f"  -> {_OF_LOCKS}")
        if self.living:
            lines += _living_lines(self.living)
        if self.native:
            lines.append("Modules with C code that talks to the network on its own; no world sees what they do:")
            lines += [f"  {module.name}  by {module.by}" for module in self.native]
            lines.append(f"  -> {_OF_NATIVE}")
        if swapped and everything:
            lines.append("Kept, and swapped in every world by itself (nothing to do):")
            lines += [f"  {found.name}  kept by {found.place}" for found in swapped]
        elif swapped:
            lines.append(f"{len(swapped)} other kept functions and classes are swapped in every world by themselves (--all lists them).")
        if not self.openssl:
            lines.append(_OPENSSL)
        if self.is_healthy:
            lines.insert(0, "Nothing that a world cannot reach.")
        return lines

    def facts(self, modules: list[str], text: str, everything: bool = False) -> dict[str, Any]:
        """The same as plain values, for JSON; ``text`` is what has been printed."""
        shown = [found for found in self.captured if everything or not found.swapped]
        findings = [_finding("function", found.name, [found.place], None if found.swapped else _OF_CAPTURED) for found in shown]
        findings += [_finding("lock", lock.kind, _places(lock), _OF_LOCKS) for lock in self.locks]
        findings += [_finding(found.kind, found.what, [found.place] if found.place else [], _REMEDIES[found.kind]) for found in self.living]
        findings += [_finding("native module", module.name, [], _OF_NATIVE, module.by) for module in self.native]
        findings += [] if self.openssl else [_finding("openssl", _OPENSSL, [], None)]
        outcome = "passes" if self.is_healthy else "fails"
        return {
            "schema": SCHEMA,
            "kind": "doctor",
            "title": " ".join(modules),
            "outcome": outcome,
            "good": self.is_healthy,
            "said": "Nothing that a world cannot reach." if self.is_healthy else "",
            "command": None,
            "text": text,
            "error": None,
            "modules": modules,
            "findings": findings,
        }


def _finding(kind: str, what: str, places: list[str], remedy: str | None, by: str | None = None) -> dict[str, Any]:
    """One of the findings; without a ``remedy`` there is nothing to do."""
    return {"kind": kind, "what": what, "places": places, "remedy": remedy, "by": by}


def _places(lock: ForeignLock) -> list[str]:
    return [place for place in lock.places if not place.startswith("tuple")] or list(lock.places)  # else: a tuple that nobody named holds


def _living_lines(living: list[Living]) -> list[str]:
    lines = ["Alive before any world, and real in every one:"]
    for kind in dict.fromkeys(found.kind for found in living):
        lines += [f"  {kind}: {found.what}{f'  kept by {found.place}' if found.place else ''}" for found in living if found.kind == kind]
        lines.append(f"  -> {_REMEDIES[kind]}")
    packages = sorted({name for found in living if (name := _package_of(found.place)) in sys.modules and name != "__main__"})
    if packages:
        named = ", ".join(f'"{name}"' for name in packages)
        lines.append(
            f"  -> or, for all that a module makes when it is imported, have each world import it anew: fresh=[{named}] (simsock_fresh in the ini file)"
        )
    return lines


def _package_of(place: str) -> str:
    """What is to be imported anew for it: the package; or, of what a single object has that is a module by its name (Twisted's reactor), that one."""
    modules: dict[str, Any] = sys.modules
    for name, module in list(modules.items()):
        kind = type(module)
        if not issubclass(kind, ModuleType) and place.startswith(f"{kind.__module__}.{kind.__qualname__}."):
            return name
    return place.partition(".")[0]


def diagnose(descriptors: frozenset[int] | None = None) -> Diagnosis:
    """Look at this process as it is now. Raises ``UsageError`` inside a world.

    ``descriptors``: those that were open before the program was imported (``patching.living.open_descriptors``); without it pipes are not looked for.
    """
    captured = [found for found in find_captured() if not _OURS.fullmatch(found.place) and not _is_table_of_os(found)]
    openssl = "ssl" not in sys.modules or chance_is_the_tapes()
    return Diagnosis(captured, find_foreign_locks(), find_native(), find_living(descriptors), openssl)


def _is_table_of_os(found: Captured) -> bool:
    """``os.supports_follow_symlinks`` and its like: nobody calls what is in them."""
    return found.place == "set" and found.name.startswith(("posix.", "nt."))
