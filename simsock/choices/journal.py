"""What a run writes down, in words: every label of the tape, and every kind of record.

PYTEST_DONT_REWRITE

Owns the words of both, and which kinds of records are silent and why. Does not know how notes are taken or laid out, nor links and profiles: what
is to be looked up about them is asked of ``Facts``. Laws:

* whatever asks the tape or writes a record stands here: a test reads all sources for labels and kinds, and fails on one that nobody tells;
* braces in a text hold a task's path, for whoever lays it out to shorten.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.choices.tape import Deviation

    Record = tuple[Any, ...]


class Facts(Protocol):
    """What the words about a deviation need to know of the run that it was in."""

    def packet(self, link: str, what: str, index: int) -> str:
        """Which packet of a link question ``index`` under ``what`` was about: ``"packet 3 a->b"``."""

    def delay(self, link: str, value: int) -> str:
        """How far an answer about jitter is off the latency: ``"3 ms longer"``."""

    def hurts(self, link: str) -> str:
        """What a link does to connections that suffer; empty when that is not known."""

    def stood_still(self, task: str, index: int) -> str:
        """Which task stood still where, by question ``index`` of its own, and until when."""

    def task(self, path: str) -> str:
        """What a task is called in the story."""

    def held_back(self, task: str, index: int) -> str:
        """What the event loop of a task ran later, by question ``index``."""

    def taken(self, label: str, index: int) -> int:
        """How many bytes a send was given of which it took a part, by the label and question ``index``; 0 when that is not known."""

    def struck(self, signal: str, number: int) -> str:
        """Where the program stood when a signal came whose moment was drawn, the world's ``number``-th."""

    def killed(self, number: int) -> str:
        """Which process was killed where, at the world's ``number``-th moment that was drawn for that."""

    def collected(self, task: str, index: int) -> str:
        """In which task the garbage collector ran, where, and what that task held."""

    def hostile(self, what: str, value: int) -> str:
        """What an answer about the hostile link's ``what`` makes of it; empty when there is no such thing."""

    def hostile_world(self, what: str, value: int) -> str:
        """What an answer about a hostile run's ``what`` (stalls, sends, collect) makes of it."""


# -- labels --------------------------------------------------------------------------------------------------------------------------------


class Label(NamedTuple):
    """One sort of question: the pattern of its labels, and the words for an answer that was not the dull one. No words: it is told bare, or by
    whoever listened (the scheduler's)."""

    pattern: re.Pattern[str]
    words: Callable[[re.Match[str], int, int, Facts], str] | None


def _of_bytes(count: int, have: int) -> str:
    return f"{count:,} of {byte_count(have)}" if have else f"{byte_count(count)} only"


def _of_link(what: str, words: Callable[[str, int, int, Facts], str]) -> Label:
    return Label(re.compile(rf"link (\S+->\S+) {what}"), lambda match, index, value, facts: words(match[1], index, value, facts))


def _suffers(link: str, index: int, value: int, facts: Facts) -> str:
    hurts = facts.hurts(link)
    return f"connection {index + 1} {link} was one that suffers" + (f": {hurts}" if hurts else "")


def _of_a_name(match: re.Match[str], index: int, value: int, facts: Facts) -> str:
    how = "was unknown" if match[2] == "unknown" else "failed for the moment"
    return f"the name {match[1]} {how} when it was asked for the {nth(index + 1)} time"


_READY = {"timers": "the timers that were due at one moment", "descriptors": "the descriptors that were ready", "round": "the tasks that were ready"}

LABELS = (
    Label(re.compile(r"task (.+) schedule"), None),
    Label(re.compile(r"task (.+) stall"), lambda match, index, value, facts: facts.stood_still(match[1], index)),
    Label(re.compile(r"task (.+) collect"), lambda match, index, value, facts: facts.collected(match[1], index)),
    Label(
        re.compile(r"loop (.+) (timers|descriptors|round)"),
        lambda match, index, value, facts: f"of {_READY[match[2]]} in the event loop of {facts.task(match[1])}, number {value + 1} went first",
    ),
    Label(re.compile(r"loop (.+) holds"), lambda match, index, value, facts: facts.held_back(match[1], index)),
    Label(re.compile(r"signal (.+) #(\d+)"), lambda match, index, value, facts: facts.struck(match[1], int(match[2]))),
    Label(
        re.compile(r"kill (.+) #\d+ whom"),
        lambda match, index, value, facts: f"of the processes on {match[1]} it was the {nth(value + 1)} that was killed, the oldest being the 1st",
    ),
    Label(re.compile(r"kill (.+) #(\d+)"), lambda match, index, value, facts: facts.killed(int(match[2]))),
    _of_link("duplicate", lambda link, index, value, facts: f"datagram {index + 1} {link} was sent twice"),
    _of_link("loss", lambda link, index, value, facts: f"{facts.packet(link, 'loss', index)} was lost"),
    _of_link("burst", lambda link, index, value, facts: f"a burst of losses {link} began"),
    _of_link("burst goes on", lambda link, index, value, facts: f"the burst of losses {link} went on"),
    _of_link("loss in burst", lambda link, index, value, facts: f"{facts.packet(link, 'loss in burst', index)} was lost in a burst"),
    _of_link("corrupt", lambda link, index, value, facts: f"{facts.packet(link, 'corrupt', index)} was damaged"),
    _of_link("corrupt bit", lambda link, index, value, facts: f"bit {value} of a datagram {link} was the one that flipped"),
    _of_link("reorder", lambda link, index, value, facts: f"{facts.packet(link, 'reorder', index)} overtook those before it"),
    _of_link("jitter", lambda link, index, value, facts: f"{facts.packet(link, 'jitter', index)} took {facts.delay(link, value)}"),
    _of_link("toxicity", _suffers),
    Label(
        re.compile(r"hostile link (.+)"),
        lambda match, index, value, facts: facts.hostile(match[1], value) or f"the hostile link of this run has no {match[1]}",
    ),
    Label(re.compile(r"hostile world (.+)"), lambda match, index, value, facts: facts.hostile_world(match[1], value)),
    Label(re.compile(r"resolver (\S+) (unknown|temporary)"), _of_a_name),
    Label(
        re.compile(r"chunks (\S+)<-(\S+) #(\d+)"),
        lambda match, index, value, facts: f"recv {index + 1} of connection #{match[3]} from {match[2]} on {match[1]} returned at most {byte_count(value)}",
    ),
    Label(
        re.compile(r"sends (\S+)->(\S+) #(\d+)"),
        lambda match, index, value, facts: (
            f"send {index + 1} of connection #{match[3]} from {match[1]} to {match[2]} took {_of_bytes(value, facts.taken(match[0], index))}"
        ),
    ),
    Label(re.compile(r"chunks talk"), lambda match, index, value, facts: f"recv {index + 1} of the handler returned at most {byte_count(value)}"),
)


def told(deviation: Deviation, facts: Facts) -> str:
    """A deviation in words."""
    label, index, value = deviation
    for kind in LABELS:
        match = kind.pattern.fullmatch(label)
        if match is not None and kind.words is not None:
            return kind.words(match, index, value, facts)
    return bare(deviation)


def bare(deviation: Deviation) -> str:
    """A deviation as it is written down."""
    label, index, value = deviation
    return f"{label}, question {index}: answer {value}"


# -- what a task does: records under its own path ------------------------------------------------------------------------------------------


def _sized(record: Record) -> str:
    return f"{record[2]} {byte_count(next((part for part in record[3:] if isinstance(part, int)), 0))}"


def _plain(record: Record) -> str:
    return f"({record[2]} {' '.join(str(part) for part in record[3:])})"


def _nothing(record: Record) -> str:
    return ""


ACTS: dict[str, Callable[[Record], str]] = {
    "spawn": lambda record: f"(starts {{{record[3]}}})",
    "end": lambda record: "(ends)",
    "real peer": lambda record: f"talks to {record[3]} for real, outside the world: no run repeats what comes of it",
    "error": lambda record: f"raises {record[3]}",
    "yield": _nothing,  # a deviation, told as such
    "next": _nothing,  # the same
    "stands still": _nothing,  # the same
    "collects": lambda record: "(the garbage collector runs)",
    "may go on": _nothing,  # the same
    "takes": _nothing,  # the same
    "holds back": lambda record: f"(runs {record[4]} later)",
    "resolve": _nothing,  # what comes of it is told
    "link": lambda record: _plain(record) if record[0] else "",  # those that are set before anything happens are a test's scenery
    **dict.fromkeys(("recv", "send"), _sized),
    "handshake": lambda record: f"(agrees on TLS, {record[3]})",
    **dict.fromkeys(("encrypt", "decrypt"), _sized),
    "signal": lambda record: f"sends {record[3]}",
    "fork": lambda record: f"(forks process {record[3]})",
    "exec": lambda record: f"(process {record[3]} becomes another program)",
    "start": lambda record: f"(starts process {record[3]})",
    "exit": lambda record: f"(process ends: {record[3]})",
    "wait": lambda record: f"(waited for process {record[3]})",
    "handler": lambda record: f"handles {record[3]}",
    **dict.fromkeys(("cancel", "bind", "listen", "connect", "accept", "shutdown", "close", "read", "write"), _plain),
    **dict.fromkeys(("partition", "heal", "hold", "release", "rule", "resolver"), _plain),
    **dict.fromkeys(("crash", "restart", "pause", "resume", "jump", "clock skew"), _plain),
    "kill": lambda record: f"(kill {{{record[3]}}})",
}
FAULTS = frozenset(("kill", "partition", "heal", "hold", "release", "rule", "resolver", "crash", "restart", "pause", "resume", "jump", "clock skew", "link"))
"""What a test ordered to go wrong."""


def act(record: Record) -> str:
    """What a task did, in a few words; empty for what is told otherwise or matters to nobody who reads a story."""
    return ACTS.get(record[2], _plain)(record)


# -- what the net does: records under the name of a link, a listener or a connection -------------------------------------------------------


def _by_rule(record: Record) -> tuple[str, str]:
    _, who, _, ruling, protocol, *_ = record
    way = who.removeprefix("link ")
    return (f"a rule dropped what was sent {way}" if ruling == "Drop" else f"a rule said {ruling} to what was sent {way}"), f"{protocol} packet"


def _by_link(done: str) -> Callable[[Record], tuple[str, str]]:
    return lambda record: (f"the link {done} what it is set to", "connection")


DEEDS: dict[str, Callable[[Record], tuple[str, str]] | str] = {
    "queue full": lambda record: (f"the queue of {record[1].removeprefix('link ')} was full and lost what came", "packet"),
    "too many held": lambda record: (f"{record[1].removeprefix('link ')} held {record[3]:,} packets and lost what came", "packet"),
    "overtakes": lambda record: (f"every so many packets one skipped the delay of {record[1].removeprefix('link ')}", "packet"),
    "rule": _by_rule,
    "buffer full": lambda record: (f"the receive buffer of {record[1]} was full and lost what came", "datagram"),
    "covers too little": lambda record: (f"{record[1]} dropped what its checksum covers less of than was asked for", "datagram"),
    "backlog full": lambda record: (f"the accept queue of {record[1]} was full", "attempt"),
    "reset": _by_link("reset"),
    "close": _by_link("ended"),
    "blackhole": _by_link("silenced"),
    "arrive": "what is received is told when a task takes it",
    "strikes": "a signal whose moment was drawn: told as the answer that it is",
    "kills": "a kill whose moment was drawn: the same",
    "rings": lambda record: (f"a timer rang: {record[3]}", "time"),
    "RST": lambda record: (f"{record[1]} answered with a reset, since {record[3]}", "time"),
    "retransmission timeout": "what was lost is told, and a sender does nothing else about it",
    "fast retransmit": "the same",
    "hostile": "its parts are told as the answers that they are",
}
"""By kind: (what was done, the thing that it was done to), or why it is silent."""


def deed(record: Record) -> tuple[str, str] | None:
    """(what was done, the thing it was done to) of a record of the net's; None for one that is silent."""
    words = DEEDS.get(record[2])
    return None if words is None or isinstance(words, str) else words(record)


# -- words ---------------------------------------------------------------------------------------------------------------------------------


def nth(number: int) -> str:
    """``"3rd"``."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


def byte_count(number: int) -> str:
    """``"1 byte"``, ``"1,024 bytes"``."""
    return "1 byte" if number == 1 else f"{number:,} bytes"


__all__ = ["ACTS", "DEEDS", "FAULTS", "LABELS", "Facts", "act", "bare", "byte_count", "deed", "nth", "told"]
