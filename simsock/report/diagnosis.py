"""What ``simsock doctor`` says: what a world cannot reach in a program, and what to do about each.

Owns the wording. Does not know how the findings are found (``patching/doctor.py``, ``patching/native.py``).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from simsock.patching.doctor import Captured, ForeignLock, find_captured, find_foreign_locks
from simsock.patching.native import Native, find_native

_OURS = re.compile(r".*\.stands_for|list\[\d+\]")
"""Places that are simsock's own, or a list that only somebody's local variables hold while the question is asked."""


class Diagnosis(NamedTuple):
    """What was found in this process."""

    captured: list[Captured]
    locks: list[ForeignLock]
    native: list[Native]

    @property
    def is_healthy(self) -> bool:
        """Whether a world reaches everything."""
        return not self.locks and not self.native and all(found.swapped for found in self.captured)

    def lines(self, everything: bool = False) -> list[str]:
        """The report; with ``everything`` also what is swapped by itself."""
        swapped = [found for found in self.captured if found.swapped]
        kept = [found for found in self.captured if not found.swapped]
        lines: list[str] = []
        if kept:
            lines.append("Real functions that the program keeps where no world can put its own (a world's fence stops those that would talk or wait):")
            lines += [f"  {found.name}  kept by {found.place}" for found in kept]
            lines.append("  -> look the name up when it is called (time.sleep, not a tuple or set that holds it), or keep it in a list, dict or attribute")
        if self.locks:
            lines.append("Locks and queues made before any world, where they cannot be replaced:")
            for lock in self.locks:
                named = [place for place in lock.places if not place.startswith("tuple")] or lock.places  # else: a tuple that nobody named holds
                where = ", ".join(named) or "local variables only"
                lines.append(f"  {lock.kind}{' (locked now)' if lock.locked else ''}  kept by {where}")
            lines.append("  -> make them where they are used, or keep them in an attribute or a dict; contended in a world they are an error that names them")
        if self.native:
            lines.append("Modules with C code that talks to the network on its own; no world sees what they do:")
            lines += [f"  {module.name}  by {module.by}" for module in self.native]
            lines.append(
                "  -> use a client written in Python in the test, or put a stub behind your own interface; their waits are real and end a run by its limit"
            )
        if swapped and everything:
            lines.append("Kept, and swapped in every world by itself (nothing to do):")
            lines += [f"  {found.name}  kept by {found.place}" for found in swapped]
        elif swapped:
            lines.append(f"{len(swapped)} other kept functions and classes are swapped in every world by themselves (--all lists them).")
        if self.is_healthy:
            lines.insert(0, "Nothing that a world cannot reach.")
        return lines


def diagnose() -> Diagnosis:
    """Look at this process as it is now. Raises ``UsageError`` inside a world."""
    captured = [found for found in find_captured() if not _OURS.fullmatch(found.place) and not _is_table_of_os(found)]
    return Diagnosis(captured, find_foreign_locks(), find_native())


def _is_table_of_os(found: Captured) -> bool:
    """``os.supports_follow_symlinks`` and its like: nobody calls what is in them."""
    return found.place == "set" and found.name.startswith(("posix.", "nt."))
