"""Which runs of a search are worth changing, and how they are changed.

Owns the corpus of a search by ``strategy="guided"`` and the drafts that are made of it. Does not know how a run is made. Laws:

* schedules come in generations; what a schedule is made of depends on the generations before its own alone, so on the seed and not on who ran them, nor
  in which order the runs of one generation were told of;
* the first generation, and every second schedule of the later ones, is the portfolio's;
* of what is changed nothing is a kind of its own: who goes on, faults and the other choices are answers on one tape;
* memory is bounded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from simsock.choices import Deviation, derive_seed
from simsock.choices.drafts import DEVIATIONS_MAX, ORDER, Draft
from simsock.kernel.strategies import Showing
from simsock.kernel.strategies.draws import Draws

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


GENERATION = 40
"""Schedules that know nothing of each other."""
AGAIN = GENERATION + 2
"""The number of what an earlier search has kept, run again: one that nobody learns from."""
ENTRIES_MAX = 400
"""Runs that are remembered."""
FEATURES_MAX = 200_000
"""Different things that runs have shown."""
_CANDIDATES = 3
"""Of so many runs that are drawn the rarest is taken."""
_ANY_BITS = 30
"""An answer of so many bits is made one that there is when the question is asked."""
_FAR = 6
"""Moved is by up to two to the power of one less."""
_TRIES = 10
"""Changes that are tried until one has changed something."""
_AT_POINTS = (" stall", " collect")
"""How labels end whose questions are asked at the points of a task."""


class Tried(NamedTuple):
    """One run that was made: the seed of its world, its deviations in the order in which they came, and what it showed."""

    seed: int | str
    deviations: tuple[Deviation, ...]
    showing: Showing


class Entry(NamedTuple):
    """A run that showed something first, and the number of its schedule."""

    number: int
    tried: Tried

    @property
    def faults(self) -> list[Deviation]:
        """All its answers but those of who goes on."""
        return [answer for answer in self.tried.deviations if not answer.label.endswith(ORDER)]

    @property
    def order(self) -> list[Deviation]:
        """Those of who goes on."""
        return [answer for answer in self.tried.deviations if answer.label.endswith(ORDER)]


def is_drafted(number: int) -> bool:
    """Whether schedule ``number`` is made of earlier ones, if there is anything to make it of."""
    return number > GENERATION and number % 2 == 0


def first_of(number: int) -> int:
    """The first schedule of the generation of schedule ``number``."""
    return (number - 1) // GENERATION * GENERATION + 1


class Guide:
    """Of one search. ``draft`` says what a schedule is made of, ``note`` hears what came of it."""

    def __init__(self, seed: int | str) -> None:
        self.seed = seed
        self.entries: list[Entry] = []
        self.known = 0
        """Up to this schedule all runs are known: the end of a generation."""
        self._seen: dict[int, int] = {}
        """In how many runs each thing was shown."""
        self._labels: dict[str, int] = {}
        """Labels of other questions than who goes on, with the highest question that was answered otherwise than dully."""
        self._pending: dict[int, Tried] = {}

    def begin_with(self, runs: Iterable[Tried]) -> None:
        """What an earlier search has kept, run again: as if it had come before the first schedule."""
        for tried in runs:
            self._add(0, tried)

    def missing(self, number: int) -> list[int]:
        """The schedules before the generation of schedule ``number`` of which nothing is known."""
        return [earlier for earlier in range(self.known + 1, first_of(number)) if earlier not in self._pending]

    def note(self, number: int, tried: Tried | None) -> None:
        """Schedule ``number`` was run (None: nothing could be seen of it). Those of a generation may come in any order."""
        if number <= self.known:
            return
        pending = self._pending
        pending[number] = tried or Tried(self.seed, (), Showing((), ()))
        while len(pending) >= GENERATION and all(earlier in pending for earlier in range(self.known + 1, self.known + GENERATION + 1)):
            for earlier in range(self.known + 1, self.known + GENERATION + 1):
                self._add(earlier, pending.pop(earlier))
            self.known += GENERATION
            self._forget()

    def _forget(self) -> None:
        """Of too many runs, those that show what many have shown."""
        if len(self.entries) > ENTRIES_MAX:
            self.entries.sort(key=lambda entry: (self._rarity(entry), -entry.number))
            del self.entries[ENTRIES_MAX // 2 :]
            self.entries.sort(key=lambda entry: entry.number)

    def _add(self, number: int, tried: Tried) -> None:
        seen, is_new = self._seen, False
        for feature in tried.showing.features:
            count = seen.get(feature, 0)
            if count or len(seen) < FEATURES_MAX:
                seen[feature] = count + 1
                is_new = is_new or not count
        if not is_new or len(tried.deviations) > DEVIATIONS_MAX:
            return
        for label, index, _ in tried.deviations:
            if not label.endswith(ORDER):
                self._labels[label] = max(self._labels.get(label, 0), index)
        self.entries.append(Entry(number, tried))

    def _rarity(self, entry: Entry) -> int:
        """In how many runs that was shown which it has in common with the fewest."""
        return min((self._seen.get(feature, 1) for feature in entry.tried.showing.features), default=1)

    def best(self, count: int) -> list[Tried]:
        """So many runs that together show much: the rarest first."""
        ranked = sorted(self.entries, key=lambda entry: (self._rarity(entry), len(entry.tried.deviations), entry.number))
        return [entry.tried for entry in ranked[:count]]

    # -- drafts ----------------------------------------------------------------------------------------------------------------------

    def draft(self, number: int) -> Draft | None:
        """What schedule ``number`` is made of; None: it is the portfolio's. All generations before its own must have been noted."""
        if not is_drafted(number):
            return None
        assert first_of(number) <= self.known + 1, f"schedule {number} needs those up to {first_of(number) - 1}, and {self.known} are known"
        if not self.entries:
            return None
        draws = Draws(derive_seed(self.seed, f"guided {number}"))
        parent = self._drawn(draws)
        fresh = derive_seed(self.seed, f"guided {number} anew")
        faults, own_seed = parent.faults, parent.tried.seed
        way = draws.below(16)
        if way < 5 and faults and parent.tried.showing.places:  # the same faults, or nearly, and another order
            answers = faults if draws.below(2) else self._changed(faults, parent, draws, with_order=False)
            return Draft(own_seed, tuple(answers), new_order=True, fresh=fresh)
        if way in (5, 6, 7):  # the same until some moment
            kept = parent.tried.deviations
            cut = draws.below(len(kept) + 1)
            return Draft(own_seed, kept[:cut], cut, fresh=fresh)
        if way == 8 and self._labels:  # the same order, and other faults
            return Draft(own_seed, tuple(parent.order), new_faults=True, fresh=fresh)
        if way == 9 and self._labels:  # the faults of one, the order of another
            other = self._drawn(draws)
            return Draft(own_seed, (*faults, *other.order), fresh=fresh)
        return Draft(own_seed, tuple(self._changed(list(parent.tried.deviations), parent, draws, with_order=True)), fresh=fresh)

    def _drawn(self, draws: Draws) -> Entry:
        drawn = [self.entries[draws.below(len(self.entries))] for _ in range(_CANDIDATES)]
        return min(drawn, key=lambda entry: (self._rarity(entry), -entry.number))

    def _changed(self, answers: list[Deviation], parent: Entry, draws: Draws, with_order: bool) -> list[Deviation]:
        """With one to four changes, or a few more if those changed nothing. Of two answers to one question the last counts."""
        changed, left, tries = list(answers), 1 + draws.below(4), _TRIES
        while left > 0 or (changed == answers and tries > 0):
            left, tries = left - 1, tries - 1
            way = draws.below(8)
            if way < 2 and changed:  # some that follow each other are left out
                begin = draws.below(len(changed))
                del changed[begin : begin + (1 << draws.below(max(len(changed).bit_length() - 1, 1)))]
            elif way == 2 and changed:  # moved
                place = draws.below(len(changed))
                label, index, value = changed[place]
                by = 1 << draws.below(_FAR)
                changed[place] = Deviation(label, max(index + (by if draws.below(2) else -by), 0), value)
            elif way == 3 and changed:  # another answer
                place = draws.below(len(changed))
                changed[place] = changed[place]._replace(value=_any(draws))
            else:
                changed += self._more(parent.tried.showing.places, draws, with_order)
            changed = list({answer[:2]: answer for answer in changed}.values())
        return changed

    def _more(self, places: Sequence[tuple[str, int]], draws: Draws, with_order: bool) -> list[Deviation]:
        """One answer more: at a place where tasks meet, or to a question that some run has answered otherwise than dully."""
        if self._labels and (not with_order or not places or draws.below(3) == 0):
            labels = sorted(self._labels)
            label = labels[draws.below(len(labels))]
            if label.endswith(_AT_POINTS) and places and draws.below(2):
                path, index = places[draws.below(len(places))]
                return [Deviation(f"task {path} {label.rpartition(' ')[2]}", index, _any(draws))]
            return [Deviation(label, draws.below(2 * self._labels[label] + 2), _any(draws))]
        if not places or not with_order:
            return []
        path, index = places[draws.below(len(places))]
        return [Deviation(f"task {path}{ORDER}", index, _any(draws))]


def _any(draws: Draws) -> int:
    return 1 + draws.bits(_ANY_BITS)


__all__ = ["AGAIN", "GENERATION", "Entry", "Guide", "Tried", "first_of", "is_drafted"]
