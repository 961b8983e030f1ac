"""What a world does besides choosing who runs: tasks that stand still, collections of garbage, short sends; and which of them a schedule has.

PYTEST_DONT_REWRITE

Owns how these options come to a world: what a hostile one draws of them, how they come to its points, what a schedule of a search leaves out. Does not know
how any of them works. Laws: they are asked after the strategies have seen a point, in one order; in the first schedule of a search all are dull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.choices import SeededSource, Source
from simsock.kernel.collecting import Collecting
from simsock.kernel.happened import Happened
from simsock.kernel.stalls import BOUND, Stalls
from simsock.kernel.units import duration_ns
from simsock.net.link.profiles import HOSTILE_WORLD, Hostile
from simsock.net.link.settings import PERFECT, chances
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from types import CodeType

    from simsock.choices import Tape
    from simsock.kernel import Kernel, Task
    from simsock.kernel.strategies import Run
    from simsock.kernel.undoing import Undoing
    from simsock.world.options import Options


class Chosen(NamedTuple):
    """What this world has of them."""

    stall_ns: int | None
    """How long a task stands still at most; None: nobody does."""
    collects: bool
    sends: Any
    drawn: tuple[str, ...]
    """Those that a hostile world has drawn, as they are counted."""

    def begin(self, kernel: Kernel) -> None:
        """Nobody has asked for what was drawn, so nobody requires that it takes effect."""
        for words in self.drawn:
            kernel.room(Happened).fault(words, False)

    @property
    def sees_points(self) -> bool:
        """Whether the world's points are asked."""
        return self.stall_ns is not None or self.collects


NOTHING = Chosen(None, False, "whole", ())
"""What nearly every world has."""


def seeded(seed: int | str, run: Run, options: Options) -> Source:
    """Where the answers of a world come from: of one schedule of a search, or of a world alone."""
    if not run.number:
        return SeededSource(seed)
    from simsock.choices.drafts import DraftSource  # there already: a search's run has loaded it
    from simsock.choices.swarm import SwarmSource

    known = set() if options.link is PERFECT else set(chances(options.link))
    if options.stalls is not None:
        known.add("stalls")
    if options.collect is not None:
        known.add("collect")
    if options.sends == "random":
        known.add("sends")
    if options.chunks == "random":
        known.add("chunks")
    return SwarmSource(seed, run.number, known) if run.draft is None else DraftSource(run.draft, run.number, known)


def choose_world(options: Options, tape: Tape) -> Chosen:
    """What the options say; where the world's link is hostile and they say nothing, what the tape draws."""
    is_hostile = isinstance(options.link, Hostile)
    if not is_hostile and options.stalls is None and options.collect is None and options.sends == "whole":
        return NOTHING
    drawn = dict.fromkeys(HOSTILE_WORLD)
    if is_hostile:
        for name, values in HOSTILE_WORLD.items():
            answer = tape.stream(f"hostile world {name}").choose(2 * len(values)) - len(values)
            drawn[name] = values[answer] if answer >= 0 else None
    stalls = options.stalls or drawn["stalls"]
    sends = options.sends if options.sends != "whole" or drawn["sends"] is None else drawn["sends"]
    return Chosen(
        None if stalls is None else duration_ns(BOUND if stalls == "random" else stalls, "stalls"),
        (options.collect or drawn["collect"]) is not None,
        sends,
        tuple(
            words
            for name, words in (("stalls", "stalls"), ("collect", "collect"), ("sends", f"sends={drawn['sends']!r}"))
            if drawn[name] is not None and getattr(options, name) in (None, "whole")
        ),
    )


def see_choices(kernel: Kernel, chosen: Chosen, is_plain: bool, begun: Undoing) -> None:
    """Let the world's points be seen by those that it has."""
    seers = [kernel.sees] if kernel.sees is not None else []
    if chosen.collects:
        collecting = Collecting(kernel, is_plain)
        seers.append(collecting.sees)
        begun.begin(collecting.end)
        collecting.begin()
    if chosen.stall_ns is not None:
        seers.append(Stalls(kernel, chosen.stall_ns, is_plain).sees)

    def sees(task: Task, code: CodeType | None, place: int) -> None:
        for see in seers:
            see(task, code, place)

    kernel.sees = seers[0] if len(seers) == 1 else sees


__all__ = ["NOTHING", "Chosen", "choose_world", "see_choices", "seeded"]
