"""Swarm testing: each schedule of a search leaves some of the faults out that are configured, the first leaves out all.

PYTEST_DONT_REWRITE

Owns which kinds of questions get dull answers in which schedule. Does not know faults: who configures one says so by a name (``configured``). Laws:

* a mix that leaves some faults out finds what a mix of all of them hides (Groce and others, "Swarm testing", ISSTA 2012);
* what is left out is answered dully, question by question, so a run is its deviations as before, and a replay needs to know nothing of it;
* where fewer than two are configured nothing is left out, nor is what others draw a mix for (a hostile link); but in the first schedule every send takes
  all, as nobody stands still in it and nothing is collected.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from simsock.choices.sources import SeededSource, derive_seed
from simsock.choices.tape import Stream

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simsock.choices.tape import Tape

KINDS = ("loss", "duplicate", "corrupt", "reorder", "toxicity", "stalls", "collect", "sends", "chunks", "resolver")
_LABELS = (
    (re.compile(r"link \S+->\S+ (duplicate|corrupt|reorder|toxicity)"), ""),
    (re.compile(r"link \S+->\S+ (?:loss|burst|loss in burst)"), "loss"),
    (re.compile(r"task .+ stall"), "stalls"),
    (re.compile(r"task .+ collect"), "collect"),
    (re.compile(r"sends .+"), "sends"),
    (re.compile(r"chunks .+"), "chunks"),
    (re.compile(r"resolver .+"), "resolver"),
)
_SEVERAL = 2


def kind_of(label: str) -> str:
    """Which fault a question is about; empty for what is none."""
    for pattern, kind in _LABELS:
        if (match := pattern.fullmatch(label)) is not None:
            return kind or match[1]
    return ""


class SwarmSource(SeededSource):
    """The answers of schedule ``number`` (from 1) of a search."""

    __slots__ = ("_known", "_number")

    def __init__(self, seed: int | str, number: int, known: set[str] | None = None) -> None:
        self.seed = seed
        self._number = number
        self._known: set[str] = known if known is not None else set()

    def configured(self, kinds: Iterable[str]) -> None:
        self._known.update(kinds)

    def open(self, tape: Tape, label: str) -> Stream:
        if self.omits(label):
            return Stream(tape, label)
        return super().open(tape, label)

    def omits(self, label: str) -> bool:
        """Whether the questions of this label get dull answers."""
        if self._number == 1 and label.startswith("sends "):
            return True
        return len(self._known) >= _SEVERAL and (kind := kind_of(label)) in self._known and self.leaves_out(kind)

    def leaves_out(self, kind: str) -> bool:
        """Whether this schedule is one without it."""
        return self._number == 1 or bool(derive_seed(self.seed, f"swarm {kind}") & 1)


__all__ = ["KINDS", "SwarmSource", "kind_of"]
