"""What somebody types on a walk: ``partition a b``, ``send 1 hello\\n``.

Owns the words of each order, what they mean as a call of ``Walk``, and how an answer is told. Does not read from anywhere, nor print. Laws of the file:

* an order that makes no sense names the word, what was expected, and the nearest one;
* what an order does is a ``Deed`` or nothing: looking is none.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.clients.crowds import table
from simsock.errors import ScenarioError, UsageError, meant
from simsock.net.link.profiles import profile_rows
from simsock.report.recorded import records_text
from simsock.scenario.walking import HOST
from simsock.scenario.written import Deed, Done, write_walk

if TYPE_CHECKING:
    from simsock.scenario.walking import Walk

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|[nrt0\\])")
_ESCAPED = {"n": b"\n", "r": b"\r", "t": b"\t", "0": b"\0", "\\": b"\\"}
_WHERE = re.compile(r"timeline\[\d+\]\.")
_LOG_MAX = 10_000
_SHOWN_MAX = 12
"""Of what has happened meanwhile: the last things."""


class Order(NamedTuple):
    """``usage``: its words; ``about``: what it does; ``act``: called with the session and the words, returns lines to be shown."""

    usage: str
    about: str
    act: Callable[[Session, list[str], str], list[str]]


class Session:
    """A walk as it is typed: what was done, and the answers."""

    def __init__(self, walk: Walk, seed: int | str, server: str | None) -> None:
        self.walk = walk
        self.seed = seed
        self.server = server
        self.deeds: list[Deed] = []
        self.history: list[str] = []

    def order(self, line: str) -> list[str]:
        """Do what a line says, and return what is to be shown. Raises ``UsageError``."""
        name, _, rest = line.strip().partition(" ")
        if name not in ORDERS:
            raise UsageError(f"there is no command {name!r:.80}{meant(name, [*ORDERS, 'quit', 'exit']) or '; help lists all'}")
        try:
            words = shlex.split(rest) if name != "send" else rest.split(maxsplit=1)
        except ValueError as error:
            raise UsageError(f"{name}: {str(error).lower()} in {rest!r:.80}") from None
        lines = ORDERS[name].act(self, words, rest)
        self.history.append(line.strip())
        return lines

    def done(self, method: str, *arguments: Any, answer: Any = None, **keywords: Any) -> None:
        """Write a deed down; runs one after the other are one."""
        self.deeds.append(Deed(method, arguments, keywords, answer))

    def happened(self) -> list[str]:
        """What has happened since this was asked last, as lines."""
        records = self.walk.happened()
        return records_text(records, _SHOWN_MAX).split("\n") if records else []

    def all_done(self) -> Done:
        """What was done so far."""
        walk = self.walk
        return Done(walk.plan, self.seed, self.server, tuple(self.deeds), tuple(walk.faults), tuple(walk.hosts), walk.sim.now_ns)

    def client_rows(self) -> list[dict[str, Any]]:
        """What has come of the clients that are gone."""
        return [row.as_dict() for row in self.walk.clients().rows()]

    def words_for(self, line: str) -> list[str]:
        """What may come next after the beginning of a line, for completion."""
        name, *before = line.split(" ")
        if not before:
            return [*ORDERS, "quit"]
        if name in ("send", "recv", "shut", "close", "reset"):
            return self.walk.connections()
        if name in ("log", "run", "step", "netstat", "tasks", "clients", "history", "write"):
            return []
        hosts = sorted({*self.walk.known_hosts(), *self.walk.hosts})
        if name == "link" and len(before) > 2:
            return [row[0] for row in profile_rows()]
        return ["from", *hosts] if name == "connect" else list(ORDERS) if name == "help" else hosts


def _count(usage: str, words: list[str], least: int, most: int) -> None:
    if not least <= len(words) <= most:
        raise UsageError(f"{usage.partition(' ')[0]}: expected {usage}, got {len(words)} word{'' if len(words) == 1 else 's'} behind the command")


def _number(word: str, what: str, most: int) -> int:
    if not word.isascii() or not word.isdigit() or not 1 <= int(word[:12]) <= most:
        raise UsageError(f"{what}: expected a whole number from 1 to {most:,}, got {word!r:.80}")
    return int(word)


def _duration(word: str) -> Any:
    """As a test would write it: plain numbers are seconds."""
    return float(word) if re.fullmatch(r"[0-9]*\.?[0-9]+", word) else word


# -- time ------------------------------------------------------------------------------------------------------------------------------------


def _run(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["run"].usage, words, 1, 1)
    duration = _duration(words[0])
    session.walk.run(duration)
    session.done("run", duration)
    return session.happened()


def _step(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["step"].usage, words, 0, 1)
    count = _number(words[0], "step", 10_000) if words else 1
    goes_on = session.walk.step(count)
    session.done("step", count, answer=goes_on)
    return [*session.happened(), *([] if goes_on else ["nothing is left to happen"])]


# -- what goes wrong -------------------------------------------------------------------------------------------------------------------------


def _fault(action: str) -> Callable[[Session, list[str], str], list[str]]:
    def act(session: Session, words: list[str], rest: str) -> list[str]:
        row = _ROWS[action](action, words)
        try:
            session.walk.do(action, **row)
        except ScenarioError as error:
            raise UsageError(f"{action}: {_WHERE.sub('', str(error).partition(chr(10))[0].removeprefix(f'{session.walk.plan.path}: '))}") from None
        session.done("do", action, **row)
        return session.happened()

    return act


def _cut(action: str, words: list[str]) -> dict[str, Any]:
    ends = [word for word in words if word != "one-way"]
    _count(ORDERS[action].usage, ends, 0 if action in ("heal", "release") else 1, 2)
    row: dict[str, Any] = {"between": ends} if len(ends) == 2 else {"host": ends[0]} if ends else {}
    return {**row, "one_way": True} if len(ends) < len(words) else row


def _of_host(action: str, words: list[str]) -> dict[str, Any]:
    _count(ORDERS[action].usage, words, 2 if action == "jump" else 1, 2 if action in ("jump", "kill") else 1)
    return {"host": words[0], **({"by": words[1]} if action == "jump" else {"within": words[1]} if len(words) > 1 else {})}


def _pairs(action: str, words: list[str]) -> dict[str, Any]:
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key or not value:
            raise UsageError(f"{action}: expected KEY=VALUE, got {word!r:.80}")
        found[key] = _plain(value)
    return found


def _plain(value: str) -> Any:
    if value in ("true", "false"):
        return value == "true"
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else value


def _link(action: str, words: list[str]) -> dict[str, Any]:
    _count(ORDERS[action].usage, words, 3, 40)
    profile = [word for word in words[2:3] if "=" not in word]
    return {"between": words[:2], "link": {**({"profile": profile[0]} if profile else {}), **_pairs(action, words[2 + len(profile) :])}}


def _resolver(action: str, words: list[str]) -> dict[str, Any]:
    _count(ORDERS[action].usage, words, 1, 5)
    row = _pairs(action, words[1:])
    if isinstance(row.get("addresses"), str):
        row["addresses"] = row["addresses"].split(",")
    return {"name": words[0], **row}


_ROWS: dict[str, Callable[[str, list[str]], dict[str, Any]]] = {
    **dict.fromkeys(("partition", "heal", "hold", "release"), _cut),
    **dict.fromkeys(("crash", "restart", "pause", "resume", "jump", "kill"), _of_host),
    "link": _link,
    "resolver": _resolver,
}


# -- connections by hand -----------------------------------------------------------------------------------------------------------------------


def _connect(session: Session, words: list[str], rest: str) -> list[str]:
    usage = ORDERS["connect"].usage
    host = HOST
    if len(words) > 1 and words[-2] == "from":
        host, words = words[-1], words[:-2]
    _count(usage, words, 0, 1)
    taken = session.walk.connections()
    name = words[0] if words else next(str(number) for number in range(1, len(taken) + 2) if str(number) not in taken)
    answer = session.walk.connect(name, host)
    session.done("connect", name, host, answer=answer)
    return [f"{name}: {answer}", *session.happened()]


def _send(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["send"].usage, words, 2, 2)
    name, text = words
    data = b""
    place = 0
    for match in _ESCAPE.finditer(text):
        code = match[1]
        data += text[place : match.start()].encode("utf-8", "surrogateescape") + (_ESCAPED.get(code) or bytes.fromhex(code[1:]))
        place = match.end()
    data += text[place:].encode("utf-8", "surrogateescape")
    answer = session.walk.send(name, data)
    session.done("send", name, data, answer=answer)
    return [f"{name}: {answer} {data!r}" if answer == "sent" else f"{name}: {answer}", *session.happened()]


def _recv(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["recv"].usage, words, 1, 2)
    within = _duration(words[1]) if len(words) > 1 else 1
    answer = session.walk.receive(words[0], within)
    session.done("receive", words[0], within, answer=answer)
    shown = f"got {answer!r}" if answer else "the other end has said everything" if answer == b"" else answer
    return [f"{words[0]}: {shown if isinstance(answer, bytes) else answer}", *session.happened()]


def _leave(method: str, **keywords: Any) -> Callable[[Session, list[str], str], list[str]]:
    def act(session: Session, words: list[str], rest: str) -> list[str]:
        _count(ORDERS["reset" if keywords else method].usage, words, 1, 1)
        answer = getattr(session.walk, method)(words[0], **keywords)
        session.done(method, words[0], answer=answer, **keywords)
        return [f"{words[0]}: {answer}", *session.happened()]

    return act


# -- looking -----------------------------------------------------------------------------------------------------------------------------------


def _look(what: str) -> Callable[[Session, list[str], str], list[str]]:
    def act(session: Session, words: list[str], rest: str) -> list[str]:
        _count(what, words, 0, 0)
        return str(getattr(session.walk, what)()).split("\n")

    return act


def _clients(session: Session, words: list[str], rest: str) -> list[str]:
    _count("clients", words, 0, 0)
    rows = session.walk.clients().rows()
    return table(rows) if rows else ["no client of a population is gone yet"]


def _log(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["log"].usage, words, 0, 1)
    records = session.walk.sim.records
    return records_text(records, _number(words[0], "log", _LOG_MAX) if words else 30).split("\n") if records else ["nothing has happened yet"]


def _history(session: Session, words: list[str], rest: str) -> list[str]:
    _count("history", words, 0, 0)
    return list(session.history)


def _hosts(session: Session, words: list[str], rest: str) -> list[str]:
    _count("hosts", words, 0, 0)
    sim = session.walk.sim
    lines = []
    names = [*session.walk.known_hosts(), *session.walk.hosts]
    width = max(map(len, names))
    for name in names:
        host = sim.host(name)
        lines.append(f"{name:{width}}  {' '.join(host.addresses)}" + ("" if host.is_up else "  down") + ("  paused" if host.is_paused else ""))
    return lines


def _write(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["write"].usage, words, 1, 1)
    write_walk(words[0], session.all_done())
    return [f"wrote {words[0]}"]


def _help(session: Session, words: list[str], rest: str) -> list[str]:
    _count(ORDERS["help"].usage, words, 0, 1)
    if words and words[0] not in ORDERS:
        raise UsageError(f"help: there is no command {words[0]!r:.80}{meant(words[0], ORDERS)}")
    shown = [ORDERS[words[0]]] if words else [*ORDERS.values(), Order("quit", "end the walk; so does the end of the input", _help)]
    width = max(len(order.usage) for order in shown)
    return [f"{order.usage.ljust(width)}  {order.about}" for order in shown]


ORDERS: dict[str, Order] = {
    "run": Order("run DURATION", "let so much virtual time pass: run 5s", _run),
    "step": Order("step [N]", "let everything run that can, then go to the next thing that happens; N times", _step),
    "partition": Order("partition A [B] [one-way]", "nothing gets through between A and B (all others)", _fault("partition")),
    "heal": Order("heal [A [B]] [one-way]", "end partitions", _fault("heal")),
    "hold": Order("hold A [B] [one-way]", "everything between A and B waits", _fault("hold")),
    "release": Order("release [A [B]] [one-way]", "end of that", _fault("release")),
    "link": Order("link A B [PROFILE] [KEY=VALUE ...]", "another condition of the link: link a b 3g loss=5%", _fault("link")),
    "crash": Order("crash HOST", "what runs there is gone, and nobody is told", _fault("crash")),
    "restart": Order("restart HOST", "it is up again; the server under test is started anew", _fault("restart")),
    "pause": Order("pause HOST", "its tasks stand still", _fault("pause")),
    "resume": Order("resume HOST", "they go on", _fault("resume")),
    "jump": Order("jump HOST BY", "its clock is set: jump server -5s", _fault("jump")),
    "kill": Order("kill HOST [WITHIN]", "one of the processes that were forked there is killed", _fault("kill")),
    "resolver": Order("resolver NAME [KEY=VALUE ...]", "what asking for the name brings: fail=unknown, delay=2s, addresses=10.0.0.9", _fault("resolver")),
    "connect": Order("connect [NAME] [from HOST]", f"connect to the server, from the host {HOST!r} unless another is named", _connect),
    "send": Order("send NAME TEXT", r"say something: send 1 hello\n (escapes: \n \r \t \0 \\ \xNN)", _send),
    "recv": Order("recv NAME [WITHIN]", "what comes next, within so much virtual time (1s)", _recv),
    "shut": Order("shut NAME", "say no more, and go on hearing", _leave("shut")),
    "close": Order("close NAME", "close the connection", _leave("close")),
    "reset": Order("reset NAME", "reset it", _leave("close", reset=True)),
    "netstat": Order("netstat", "all sockets of all hosts", _look("netstat")),
    "tasks": Order("tasks", "who waits for what, and where", _look("tasks")),
    "clients": Order("clients", "what has come of the clients that are gone", _clients),
    "hosts": Order("hosts", "the hosts, with their addresses", _hosts),
    "log": Order("log [N]", "the last N things that happened (30)", _log),
    "history": Order("history", "what was typed so far", _history),
    "write": Order("write FILE", "write what was done as a scenario (.toml) or a test (.py)", _write),
    "help": Order("help [COMMAND]", "this", _help),
}
"""Every order by its name."""

__all__ = ["ORDERS", "Order", "Session"]
