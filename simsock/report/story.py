"""The story of a failing run: the few answers that were not the dull ones, in plain words, and then what the tasks did around them.

Owns the words about tasks and packets; those of labels and records are the journal's. Does not know how notes are taken (``listening``) nor how
columns are laid out (``columns``). Law: whatever is told comes from a run that was listened to, never from a guess.
"""

from __future__ import annotations

import linecache
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import journal
from simsock.errors import SimsockError
from simsock.escaping import printable
from simsock.kernel.program_lines import innermost_line, short_path
from simsock.kernel.rooms import room_if_there
from simsock.kernel.units import NS
from simsock.net.fabric import Fabric
from simsock.net.link.distributions import offset_ns
from simsock.net.link.profiles import hostile_words, hostile_world_words
from simsock.net.link.settings import PERFECT
from simsock.report.asserted import said_by
from simsock.report.besides import Besides
from simsock.report.columns import columns, last_of
from simsock.report.holding import words_of
from simsock.report.lanes import Lanes, lanes_of
from simsock.report.listening import FAULT, LINE, Event, Listener, Pick, Place
from simsock.report.nearest import beside
from simsock.report.raced import NOT_KNOWN, Written, last_writers, raced_on

if TYPE_CHECKING:
    from simsock.choices import Deviation
    from simsock.kernel import Kernel
    from simsock.net import Link
    from simsock.world.simulation import Simulation

STEPS_TOLD_MAX = 40

_PATH = re.compile(r"\{([^{}]*)\}")
_ORDER = ("loss", "corrupt", "reorder", "jitter")
"""The questions that each packet is asked in turn, until one of them settles its fate."""
_ASKED = {
    "loss": "could be lost outside a burst",
    "loss in burst": "could be lost in a burst",
    "corrupt": "got that far and could be damaged",
    "reorder": "got that far and could overtake others",
    "jitter": "got that far and had a delay of its own",
}


class Step(NamedTuple):
    """One deviation and what it means. ``str()`` of it is the text."""

    label: str
    index: int  # type: ignore[assignment]  # hides tuple.index, as in Deviation
    value: int
    text: str

    def __str__(self) -> str:
        return printable(self.text)


class Story:
    """``steps``: the deviations in the order in which they happened. ``columns``: what the tasks did, ``deeds``: what else hurt, as lines of text."""

    def __init__(
        self, steps: list[Step], columns: list[str], asides: dict[int, tuple[str, ...]] | None = None, deeds: list[str] | None = None, quiet: bool = True
    ) -> None:
        self.steps = steps
        self.columns = columns
        self.deeds = deeds or []
        self._quiet = quiet
        """Whether all links were perfect and no fault was ordered."""
        self._asides = asides or {}
        self.beside: list[str] = []
        """Where it leaves the nearest run that passes, if one was looked for and found: lines of text."""
        self.holds: list[str] = []
        """Of a deadlock: who holds what others wait for, since where."""
        self.set_up = ""
        """Options of the world that make its network unkind, in words; empty where all are the usual ones."""
        self.lanes = Lanes()
        """What the tasks did, for a page."""

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, for JSON and pages."""
        return {
            "steps": [{**step._asdict(), "asides": list(self._asides.get(number, ()))} for number, step in enumerate(self.steps)],
            "set_up": self.set_up,
            "deeds": self.deeds,
            "holds": self.holds,
            "columns": self.columns,
            "beside": self.beside,
            "lanes": self.lanes.as_dict(),
        }

    def text(self) -> str:
        """The whole report."""
        count = len(self.steps)
        lines = ["nothing unusual is needed: it fails with the plain schedule and a quiet network"]
        if self.deeds or not self._quiet or self.set_up:
            lines = ["nothing left to chance is needed: it fails with the plain schedule"]
        if count:
            lines = ["what was not as usual, and is enough to make it fail:"]
        for number, step in enumerate(self.steps[:STEPS_TOLD_MAX], 1):
            lines.append(f"  {number}. {step.text}")
            lines.extend(f"     {aside}" for aside in self._asides.get(number - 1, ()))
        if count > STEPS_TOLD_MAX:
            lines.append(f"  … and {count - STEPS_TOLD_MAX:,} more")
        if self.set_up:
            lines.append(f"set up with {self.set_up}")
        if self.deeds:
            lines.append("what hurt besides:")
            lines.extend(f"  - {deed}" for deed in self.deeds)
        if self.holds:
            lines.append("who holds what:")
            lines.extend(f"  - {held}" for held in self.holds)
        if self.columns:
            lines.extend(["", *self.columns])
        if self.beside:
            lines.extend(["", *self.beside])
        return "\n".join(printable(line) for line in lines)

    __str__ = text


class Teller:
    """Listens to one run and tells its story: ``listen`` before the world is entered, ``story`` after it has ended."""

    def __init__(self) -> None:
        self._listener: Listener | None = None
        self.links: dict[str, Link] = {}
        self.uneven: set[str] = set()
        """Links whose questions cannot be counted in packets, since some packets skip them without an answer that is told."""
        self.late_uneven: set[str] = set()
        """Links of which that is true for the questions about delays only."""
        self.bursty: set[str] = set()
        self._sim: Simulation | None = None
        self.words: Words | None = None
        self.besides = Besides()

    def listen(self, sim: Simulation) -> None:
        """Take notes of this world. Costs time and changes nothing."""
        listener = self._listener = Listener(sim.options.preempt)
        self._sim = sim
        sim.add_watcher(listener)

    def failed_here(self) -> None:
        """The run has failed, and goes on for a while: its story ends here."""
        if self._listener is not None:
            self._listener.failed_here()

    def story(self, error: BaseException | None, deviations: Any = (), nearest: Teller | None = None) -> Story:
        """The story of the run: of ``deviations`` if given (those that the run did not use are told as such), and of how it ended.

        ``nearest`` has listened to the nearest run that passes.
        """
        listener, sim = self._listener, self._sim
        if listener is None or sim is None:
            losses = [(label, index) for label, index, _ in deviations]
            return Story([_step(deviation, self._of_the_net(deviation, losses)) for deviation in deviations], [])
        kernel = sim._kernel
        if kernel is not None:
            self._look_at_links(kernel)
        self._sim = None
        listener.finish(error)
        words = self.words = Words(listener)
        self.besides = listener.besides
        picks = {(pick.label, pick.index): pick for pick in listener.picks}
        steps: list[Step] = []
        marks: list[tuple[int, Pick | None]] = []
        asides: dict[int, tuple[str, ...]] = {}
        raced: dict[int, None] = {}
        names: set[str] = set()
        switched: list[int] = []
        losses = [(deviation.label, deviation.index) for _, deviation in listener.asked]
        for at, deviation in listener.asked:
            pick = picks.get((deviation.label, deviation.index))
            if pick is not None:
                asides[len(steps)] = tuple(f"at that moment {words.fill(held)}" for held in pick.held)
                at_line = pick.how in ("line", "within")
                found = raced_on(listener.events, pick.at - listener.dropped, pick.task, pick.touches) if at_line else NOT_KNOWN
                if found.names:
                    asides[len(steps)] += (f"raced on: {', '.join(found.names)}",)
                if found.is_yet_to_come and pick.place is not None:
                    asides[len(steps)] += (f"what {words.task(pick.task)} was about to run: {linecache.getline(*pick.place).strip()}",)
                raced.update(dict.fromkeys(found.lines))
                names.update(found.names)
                switched.append(len(steps))
            text = words.of_pick(pick) if pick is not None else self._of_the_net(deviation, losses)
            steps.append(_step(deviation, text))
            marks.append((pick.at if pick is not None else at, pick))
        used = {tuple(deviation) for _, deviation in listener.asked}
        for deviation in deviations:
            if tuple(deviation) not in used:
                steps.append(_step(deviation, f"(not asked for in this run: {journal.bare(deviation)})"))
        ending = one_line(error) if error is not None else ""
        for written in _behind(listener.events, marks[switched[0]][0] - listener.dropped, error) if switched else ():
            raced[written.number] = None
            if not names and (place := listener.events[written.number].place) is not None:
                said = f"what failed touches {written.name}, which {words.task(listener.events[written.number].task)} wrote at {words.place(place)}"
                asides[switched[-1]] += (said,)
        held = listener.holding.at_end(error)
        spots = [spot.number - listener.dropped for one in held for spot in (one.taken, one.waited)]
        shown = [*(number for number in spots if number >= 0), *raced]
        told = Story(steps, columns(listener, marks, words, ending, shown), asides, listener.deeds.lines(), self._was_quiet(listener))
        told.lanes = lanes_of(listener, marks, words, ending, shown)
        told.holds = words_of(held, words)
        told.set_up = _set_up(sim)
        if nearest is not None and (other := nearest._listener) is not None:
            other.finish(None)
            told.beside = beside(listener, other, Words(listener, other), ending)
        return told

    def _was_quiet(self, listener: Listener) -> bool:
        return not any(link.as_dict() for link in self.links.values()) and not any(event.kind is FAULT for event in listener.events)

    def _look_at_links(self, kernel: Kernel) -> None:
        fabric = room_if_there(kernel.room, Fabric)
        for wire in fabric._wires.values() if fabric is not None else ():
            link = wire.link
            self.links[wire.name] = link
            if not isinstance(link.loss, float):
                self.bursty.add(wire.name)
            if wire.name in self.bursty or link.rate:
                self.uneven.add(wire.name)
            elif link.reorder_every or not link.checksum:
                self.late_uneven.add(wire.name)

    # -- the net -------------------------------------------------------------------------------------------------------------------

    def _of_the_net(self, deviation: Deviation, others: list[tuple[str, int]]) -> str:
        return journal.told(deviation, _Facts(self, others))


class _Facts:
    """What the journal asks about the run that was listened to. ``others``: all deviations of it."""

    def __init__(self, teller: Teller, others: list[tuple[str, int]]) -> None:
        self._teller = teller
        self._others = others

    def hurts(self, link: str) -> str:
        links = self._teller.links
        return links[link].hurts() if link in links else ""

    def stood_still(self, task: str, index: int) -> str:
        return self._teller.besides.stood_still(task, index, self._words)

    def task(self, path: str) -> str:
        return self._words.task(path)

    def held_back(self, task: str, index: int) -> str:
        return self._teller.besides.held_back(task, index, self._words)

    def taken(self, label: str, index: int) -> int:
        return self._teller.besides.taken.get((label, index), 0)

    def struck(self, signal: str, number: int) -> str:
        return self._teller.besides.struck(signal, number, self._words)

    def killed(self, number: int) -> str:
        return self._teller.besides.killed(number, self._words)

    def collected(self, task: str, index: int) -> str:
        return self._teller.besides.collected(task, index, self._words)

    @property
    def _words(self) -> Words:
        return self._teller.words or Words(Listener("calls"))

    def hostile(self, what: str, value: int) -> str:
        return hostile_words(what, value)

    def hostile_world(self, what: str, value: int) -> str:
        return hostile_world_words(what, value)

    def delay(self, link: str, value: int) -> str:
        known = self._teller.links.get(link)
        condition = known or PERFECT
        offset = offset_ns(condition.distribution, condition.jitter_ns, value)
        if known is not None:
            offset = max(offset, -known.latency_ns)
        return f"{_duration(abs(offset))} {'shorter' if offset < 0 else 'longer'}"

    def packet(self, name: str, what: str, index: int) -> str:
        """Which packet a question was about. Packets that were lost, say, are asked no delay: the questions about delays skip them."""
        earlier = _ORDER[: _ORDER.index(what)] if what in _ORDER else ()
        if (name in self._teller.uneven and (earlier or name in self._teller.bursty)) or (name in self._teller.late_uneven and what in ("reorder", "jitter")):
            return f"the {journal.nth(index + 1)} packet {name} that {_ASKED[what]}"
        number = index
        for question in reversed(earlier):
            for at in sorted(at for other, at in self._others if other == f"link {name} {question}"):
                number += at <= number
        return f"packet {number + 1} {name}"


def _behind(events: list[Event], since: int, error: BaseException | None) -> list[Written]:
    """What others wrote since event ``since`` of what the line touches on which the run failed; nothing of a hang, which failed on none."""
    place = innermost_line(error) if error is not None else None
    if place is None or (isinstance(error, SimsockError) and "rows" in error.facts):
        return []
    ends = [number for number in last_of(events) if events[number].kind is LINE and events[number].place == place]
    return last_writers(events, since, ends[-1]) if ends else []


def _set_up(sim: Simulation) -> str:
    """The options that make a world's network unkind to every schedule."""
    plain = sim.options.as_dict()
    said = [f"{name}={plain[name]!r}" for name in ("chunks", "stalls", "sends", "collect") if name in plain]
    if sim.options.link.as_dict():
        said.append(f"link={sim.options.link!r}")
    return ", ".join(said)


def _step(deviation: Any, text: str) -> Step:
    label, index, value = deviation
    return Step(label, index, value, text)


class Words:
    """How tasks and places are called in one story: as briefly as is unambiguous in it."""

    def __init__(self, *listeners: Listener) -> None:
        events = [event for listener in listeners for event in listener.events]
        picks = [pick for listener in listeners for pick in listener.picks]
        paths = {event.task for event in events}
        for pick in picks:
            paths.update((pick.task, pick.chosen, pick.passed))
        self._tasks = _shortened(paths, lambda path: path.rpartition("/")[2])
        places = [event.place for event in events]
        places += [place for pick in picks for place in (pick.before, pick.place)]
        self._files = _shortened({place[0] for place in places if place is not None}, os.path.basename)

    def task(self, path: str) -> str:
        """A task's name."""
        return self._tasks.get(path, path)

    def file(self, filename: str) -> str:
        """A file's name."""
        return self._files.get(filename) or short_path(filename)

    def place(self, place: Place) -> str:
        """``counter.py:14``."""
        return f"{self.file(place[0])}:{place[1]}"

    def fill(self, text: str) -> str:
        """A text in which task paths stand in braces."""
        return _PATH.sub(lambda match: self.task(match[1]), text)

    def event(self, event: Event) -> str:
        """What a recorded event says."""
        return self.fill(event.words)

    def of_pick(self, pick: Pick) -> str:
        """What a choice of the scheduler means."""
        task, chosen = self.task(pick.task), self.task(pick.chosen)
        if pick.stands_back:
            return self._of_who_stood_back(pick, task, chosen)
        if pick.how == "line" and pick.place is not None:
            if pick.before is None or pick.before == pick.place:
                return f"task {chosen} ran before {self.place(pick.place)} of {task}"
            return f"task {chosen} ran between {self.place(pick.before)} and {self.place(pick.place)} of {task}"
        if pick.how == "within" and pick.place is not None:
            return f"task {chosen} ran in the middle of {self.place(pick.place)} of {task}"
        where = self.place(pick.place) if pick.place is not None else ""
        if pick.how == "call":
            what = pick.what or "a simulated call"
            return f"task {chosen} ran before {what} of {task}" + (f" ({where})" if where else "")
        return f"{self._when(pick, task)}{chosen} went on instead of {self.task(pick.passed)}"

    def _when(self, pick: Pick, task: str) -> str:
        if pick.how == "ended":
            return f"when {task} had ended, "
        where = self.place(pick.place) if pick.place is not None else ""
        facts = ", ".join(filter(None, (pick.what if pick.how == "wait" else "", where)))
        return f"when {task} {'waited' if pick.how == 'wait' else 'gave way'}{f' ({facts})' if facts else ''}, "

    def _of_who_stood_back(self, pick: Pick, task: str, chosen: str) -> str:
        rest = f"until nobody else could run; {chosen} went first"
        if pick.how not in ("line", "within", "call"):
            return f"{self._when(pick, task)}{self.task(pick.passed)} stood back {rest}"
        where = self.place(pick.place) if pick.place is not None else ""
        if pick.how == "call":
            return f"task {task} stood still before {pick.what or 'a simulated call'}{f' ({where})' if where else ''} {rest}"
        if pick.how == "within" or pick.before is None or pick.before == pick.place:
            return f"task {task} stood still {'in the middle of' if pick.how == 'within' else 'before'} {where} {rest}"
        return f"task {task} stood still between {self.place(pick.before)} and {where} {rest}"


def _shortened(names: set[str], shorten: Any) -> dict[str, str]:
    """Each name shortened, except where two would be alike."""
    count: dict[str, int] = {}
    for name in names:
        count[shorten(name)] = count.get(shorten(name), 0) + 1
    return {name: shorten(name) for name in names if count[shorten(name)] == 1}


def _duration(ns: int) -> str:
    """A length of time for people: ``"3 ms"``, ``"1.5 s"``, ``"200 ns"``."""
    for unit, size in (("s", NS), ("ms", 1_000_000), ("us", 1_000)):
        if ns >= size:
            return f"{ns / size:.4g} {unit}"
    return f"{ns} ns"


def one_line(error: BaseException) -> str:
    """``"AssertionError: 2 != 3"``: an error's class and the first line of its text."""
    first = said_by(error).strip().partition("\n")[0]
    return f"{printable(type(error).__name__)}: {first}" if first else printable(type(error).__name__)


__all__ = ["Step", "Story", "Teller", "one_line"]
