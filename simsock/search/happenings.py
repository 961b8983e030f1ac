"""What happened at all in the schedules of a search: the faults that were configured, the states that a test hopes to see.

Owns the sums over schedules and their words. Does not know worlds. Laws: sums are the same in whatever order and by whomever schedules were tried; memory
is bounded; a fault or a state that never came is named.
"""

from __future__ import annotations

import linecache
from typing import TYPE_CHECKING, NamedTuple

from simsock.errors import NeverHappened
from simsock.escaping import printable
from simsock.kernel.program_lines import short_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from simsock.kernel.happened import Counts

NAMES_MAX = 10_000
"""Different faults, or places, of one search; further ones are not counted."""
TOLD_MAX = 20
_TAKES_APART = 'preempt="instructions" does, and so does a Python without its global lock'


class Seen(NamedTuple):
    """One fault over a search, or one place: in how many schedules it was there, in how many it took effect (held), and how often in all."""

    schedules: int
    happened_in: int
    times: int
    is_required: bool = True


class Happenings:
    """Sums of the counts of runs."""

    __slots__ = ("faults", "met", "places")

    def __init__(self) -> None:
        self.faults: dict[str, Seen] = {}
        self.places: dict[str, Seen] = {}
        self.met: set[tuple[str, int]] = set()
        """Lines at which two tasks stood at once, and that no point takes apart."""

    def note(self, counts: Counts) -> None:
        """One schedule's."""
        for words, times, is_required in counts.faults:
            _add(self.faults, words, Seen(1, int(times > 0), times, is_required))
        for name, held in counts.places:
            _add(self.places, name, Seen(1, int(held), int(held)))
        self._meet(counts.met)

    def merge(self, other: Happenings) -> None:
        """What another process has gathered."""
        for into, more in ((self.faults, other.faults), (self.places, other.places)):
            for name, seen in more.items():
                _add(into, name, seen)
        self._meet(other.met)

    def _meet(self, more: Iterable[tuple[str, int]]) -> None:
        if len(self.met) < NAMES_MAX:
            self.met.update(more)

    def lines(self, schedules: int) -> list[str]:
        """In words, a line for what took effect, and one for what never did."""
        came = [f"{words} ({_times(seen, schedules)})" for words, seen in sorted(self.faults.items()) if seen.times]
        held = [f"{name!r} ({seen.happened_in:,} of {schedules:,} schedules)" for name, seen in sorted(self.places.items()) if seen.happened_in]
        lines = [f"faults that took effect: {_listed(came)}"] if came else []
        if missing := self.faults_missing():
            lines.append(f"faults that never took effect: {_listed(missing)}")
        if held:
            lines.append(f"seen: {_listed(held)}")
        if self.met:
            met = [f"{short_path(file)}:{line} {linecache.getline(file, line).strip()}".strip() for file, line in sorted(self.met)]
            lines.append(f"two tasks at once at lines that nothing takes apart ({_TAKES_APART}): {_listed(met)}")
        return lines

    def faults_missing(self) -> list[str]:
        """The faults that were configured and never took effect."""
        return [words for words, seen in sorted(self.faults.items()) if seen.is_required and not seen.times]

    def missing(self, schedules: int, require_faults: bool, expected: Mapping[str, str]) -> NeverHappened | None:
        """The error for what should have come and did not. ``expected``: names of places that are written in the test's code, with where."""
        said = []
        tried = f"in {schedules:,} schedule" + ("" if schedules == 1 else "s")
        for name, seen in sorted(self.places.items()):
            if not seen.happened_in:
                said.append(f"never held: {name!r}{_where(expected, name)} (asked in {seen.schedules:,} of them)")
        for name in sorted(expected):
            if name not in self.places and len(self.places) < NAMES_MAX:
                said.append(f"never reached: {name!r}{_where(expected, name)}")
        if require_faults:
            said += [f"never took effect: {words} (require_faults=True)" for words in self.faults_missing()]
        if not said:
            return None
        return NeverHappened(printable(f"{tried} no schedule failed, but " + "\n  ".join(said), lines=True))


def _add(into: dict[str, Seen], name: str, seen: Seen) -> None:
    known = into.get(name)
    if known is not None:
        into[name] = Seen(known.schedules + seen.schedules, known.happened_in + seen.happened_in, known.times + seen.times, known.is_required)
    elif len(into) < NAMES_MAX:
        into[name] = seen


def _times(seen: Seen, schedules: int) -> str:
    return f"{seen.times:,} time" + ("" if seen.times == 1 else "s") + f" in {seen.happened_in:,} of {schedules:,} schedules"


def _listed(words: list[str]) -> str:
    more = len(words) - TOLD_MAX
    return printable("; ".join(words[:TOLD_MAX])) + (f"; and {more:,} more" if more > 0 else "")


def _where(expected: Mapping[str, str], name: str) -> str:
    return f" at {expected[name]}" if name in expected else ""


__all__ = ["Happenings", "Seen"]
