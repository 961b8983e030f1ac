"""What a world was told to do wrong, and how often it did; what a test hoped to see, and whether it did.

PYTEST_DONT_REWRITE

Owns the counts of one world. Does not know what a fault is, nor what a search makes of the counts. Laws: counting asks nothing, records nothing and
changes no run; a fault that is configured twice in the same words is one; memory is bounded.
"""

from __future__ import annotations

from simsock.tuples import NamedTuple

FAULTS_MAX = 1_000
"""Different faults that are counted in one world; of more, those that come first."""


class Fault:
    """One fault that is configured. Whoever has it take effect adds to ``times``."""

    __slots__ = ("is_required", "times")

    def __init__(self, is_required: bool = True) -> None:
        self.times = 0
        self.is_required = is_required
        """Whether it is one that a test has named, and that should happen at some time."""


class Counts(NamedTuple):
    """What one run has to say: plain values, for other processes."""

    faults: tuple[tuple[str, int, bool], ...]
    """(in words, how often it took effect, whether it should)."""
    places: tuple[tuple[str, bool], ...]
    """(a name given to ``sometimes`` or ``reachable``, whether it held)."""
    met: tuple[tuple[str, int], ...] = ()
    """Lines, by file and number, at which two tasks stood at once to write what they had read, and that no point takes apart."""


NOTHING = Counts((), ())


class Happened:
    """Of one world: ``kernel.room(Happened)``."""

    __slots__ = ("_faults", "met", "places")

    def __init__(self) -> None:
        self._faults: dict[str, Fault] = {}
        self.places: dict[str, bool] = {}
        """By name: whether it held, once at least."""
        self.met: dict[tuple[str, int], None] = {}
        """See ``Counts``."""

    def fault(self, words: str, is_required: bool = True) -> Fault:
        """The fault of these words, which is configured now."""
        fault = self._faults.get(words)
        if fault is None:
            fault = Fault(is_required)
            if len(self._faults) < FAULTS_MAX:
                self._faults[words] = fault
        return fault

    def counts(self) -> Counts:
        """All of it."""
        if not self._faults and not self.places and not self.met:
            return NOTHING
        faults = tuple((words, fault.times, fault.is_required) for words, fault in self._faults.items())
        return Counts(faults, tuple(self.places.items()), tuple(self.met))


__all__ = ["NOTHING", "Counts", "Fault", "Happened"]
