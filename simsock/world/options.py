"""What a world is made of, checked once.

Owns the keyword options of ``Simulation`` and ``explore``: their defaults, their checks, and their plain form in a token. Does not know how
a world runs. Law: a value that makes no sense is an error that names the option, the value and what was expected; an option that is not
simulated yet is an error too, never silence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

from simsock.errors import UsageError, meant
from simsock.kernel import Limits
from simsock.kernel.originals import hidden
from simsock.kernel.preempt import GRANULARITIES
from simsock.kernel.strategies import DEFAULT, check_strategy
from simsock.kernel.units import EPOCH_NS, NS, duration_ns
from simsock.net.addresses import canonical
from simsock.net.chunks import check_chunks
from simsock.net.link.profiles import HOSTILE, besides, make_link
from simsock.net.link.settings import ARGUMENTS, Link

NOW = "now"
"""``start_time`` of worlds that begin at the moment when this process first said so: the same for all of them, or no run could be repeated."""
RANDOM = "random"
DOCUMENTED = "documented"
MAX_STEPS = 5_000_000
MAX_TIME = "7d"
MAX_REAL_TIME = 120.0
_time_ns: Callable[[], int] = hidden(time, "time_ns")


class _Imported:
    """A module that a scope names, on its way to another process, where it is imported."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.name,)


class Options:
    """The checked options of a world; read-only after it is made, so that many worlds can share one."""

    __slots__ = (
        "allow",
        "asyncio_order",
        "chunks",
        "collect",
        "entropy",
        "fresh",
        "keep_imports",
        "limits",
        "link",
        "loopback",
        "patch",
        "preempt",
        "require_faults",
        "scope",
        "sends",
        "stalls",
        "start_ns",
        "strategy",
        "tls_time",
    )

    def __init__(
        self,
        *,
        strategy: Any = "fifo",
        preempt: str = "calls",
        scope: Any = None,
        link: Any = "perfect",
        loopback: bool = False,
        chunks: Any = "whole",
        sends: Any = "whole",
        stalls: Any = None,
        collect: Any = None,
        asyncio_order: Any = DOCUMENTED,
        entropy: str = "tape",
        start_time: Any = None,
        max_steps: int = MAX_STEPS,
        max_time: Any = MAX_TIME,
        max_real_time: Any = MAX_REAL_TIME,
        patch: bool = True,
        keep_imports: bool = False,
        fresh: Any = (),
        allow: Any = (),
        require_faults: bool = False,
        tls_time: str = "real",
    ) -> None:
        if preempt not in GRANULARITIES:
            raise UsageError(f"preempt: expected one of {', '.join(map(repr, GRANULARITIES))}, got {preempt!r}{meant(preempt, GRANULARITIES)}")
        if entropy not in ("tape", "real"):
            raise UsageError(f"entropy: expected 'tape' or 'real', got {entropy!r}{meant(entropy, ('tape', 'real'))}")
        _check_switch("loopback", loopback, "True (the link is that of a host to itself too)")
        _check_switch("patch", patch, "True")
        _check_switch("keep_imports", keep_imports, "True (modules that a world was the first to import stay)")
        _check_switch("require_faults", require_faults, "True (a fault that never took effect is a failure)")
        self.require_faults = require_faults
        self.tls_time = _tls_time(tls_time, patch)
        self.fresh = _packages(fresh)
        if self.fresh and not patch:
            raise UsageError(f"fresh={fresh!r} with patch=False: modules are imported anew in patched worlds only")
        self.allow = _peers(allow)
        if isinstance(max_steps, bool) or not isinstance(max_steps, int) or max_steps < 1:
            raise UsageError(f"max_steps: expected a whole number of steps from 1, got {max_steps!r}")
        check_strategy(strategy)
        self.strategy = strategy
        self.preempt = preempt
        self.patch = patch
        self.keep_imports = keep_imports
        self.scope = scope
        self.link: Link = make_link(link)
        self.loopback = loopback
        self.chunks = check_chunks(chunks)
        stalls, sends, collect = _with_machines(self.link, stalls, sends, collect)
        self.sends = check_chunks(sends, "sends")
        self.stalls = _stalls(stalls)
        if collect not in (None, RANDOM):
            raise UsageError(f"collect: expected {RANDOM!r} (the garbage collector runs at points that the tape chooses) or None, got {collect!r}")
        self.collect = collect
        if asyncio_order not in (DOCUMENTED, "any"):
            raise UsageError(
                f"asyncio_order: expected {DOCUMENTED!r} (searches explore what asyncio leaves open) or 'any' (callbacks overtake each other, too), "
                f"got {asyncio_order!r}"
            )
        self.asyncio_order = asyncio_order
        self.entropy = entropy
        self.start_ns = _start_ns(start_time)
        real_ns = duration_ns(max_real_time, "max_real_time")
        time_ns = duration_ns(max_time, "max_time")
        if not real_ns or not time_ns:
            raise UsageError(f"max_time and max_real_time: expected more than nothing, got {max_time!r} and {max_real_time!r}")
        self.limits = Limits(max_steps, time_ns, real_ns / NS)

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """For another process; a module cannot be sent there, its name can."""
        state = {name: getattr(self, name) for name in self.__slots__}
        parts = self.scope if isinstance(self.scope, (list, tuple)) else [self.scope]
        if any(isinstance(part, ModuleType) for part in parts):
            state["scope"] = [_Imported(part.__name__) if isinstance(part, ModuleType) else part for part in parts]
        return None, state

    @classmethod
    def from_keywords(cls, **options: Any) -> Options:
        """As the constructor; worlds with the same plain options share one object, because checking takes a twentieth of a small world's life."""
        key = []
        for name, value in options.items():
            kind = type(value)
            if kind not in _PLAIN_TYPES:
                return cls(**options)
            key.append((name, kind, value))
        known = tuple(key)
        made = _made.get(known)
        if made is None:
            made = cls(**options)
            if len(_made) >= _MADE_MAX:  # a long session with many kinds of worlds still shares those that it makes now
                _made.clear()
            _made[known] = made
        return made

    def as_dict(self) -> dict[str, Any]:
        """The plain form for tokens: what differs from the defaults. The scope is not part of it, nor is the limit of real time."""
        plain: dict[str, Any] = {
            "strategy": self.strategy if isinstance(self.strategy, str) else "object",
            "preempt": self.preempt,
            "chunks": list(self.chunks) if isinstance(self.chunks, tuple) else self.chunks,
            "sends": list(self.sends) if isinstance(self.sends, tuple) else self.sends,
            "stalls": self.stalls,
            "collect": self.collect,
            "asyncio_order": self.asyncio_order,
            "start_ns": self.start_ns,
            "max_steps": self.limits.steps,
            "max_time_ns": self.limits.time_ns,
            "patch": self.patch,
            "entropy": self.entropy,
            "loopback": self.loopback,
            "keep_imports": self.keep_imports,
            "fresh": list(self.fresh) or (),
            "allow": list(self.allow) or (),
            "require_faults": self.require_faults,
            "tls_time": self.tls_time,
        }
        defaults = {**_DEFAULTS, "start_ns": EPOCH_NS, "max_steps": MAX_STEPS, "max_time_ns": duration_ns(MAX_TIME)}
        plain = {name: value for name, value in plain.items() if value != defaults[name]}
        if link := self.link.as_dict():
            plain["link"] = [[name, value] for name, value in link.items()]
        return plain

    @classmethod
    def from_dict(
        cls,
        plain: dict[str, Any],
        *,
        scope: Any = None,
        max_real_time: Any = MAX_REAL_TIME,
        patch: bool | None = None,
        entropy: str | None = None,
        allow: Any = None,
    ) -> Options:
        """The reverse of ``as_dict``; raises ``UsageError`` on what it does not know.

        A token may come from a stranger: what lets a run reach out of its world (``NEED_CONSENT``) is refused unless the caller says the same
        of its own accord.
        """
        unknown = set(plain) - {*_IN_TOKENS, *_IN_OTHER_WORDS}
        if unknown:
            raise UsageError(f"token: it carries options that this simsock does not know: {', '.join(_short(name) for name in sorted(unknown)[:5])}")
        _check_consent(plain, {"patch": patch, "entropy": entropy, "allow": None if allow is None else list(_peers(allow)) or ()})
        known = {name: plain[name] for name in (*_IN_TOKENS, "max_steps") if name in plain and name != "strategy"}
        strategy = plain.get("strategy", "fifo")
        link = plain.get("link", [])
        if not isinstance(link, list) or not all(isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) for pair in link):
            raise UsageError(f"token: cannot read its link {_short(link)}")
        options = cls(strategy="fifo" if strategy == "object" else strategy, scope=scope, max_real_time=max_real_time, **known)
        options.link = HOSTILE if dict(link) == HOSTILE.as_dict() else Link.from_dict(dict(link))
        for name, value in plain.items():
            if name in ("start_ns", "max_time_ns"):
                if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
                    raise UsageError(f"token: cannot read {name}={_short(value)}")
                if name == "start_ns":
                    options.start_ns = value
                else:
                    options.limits.time_ns = value
        return options


WORLD_OPTIONS: tuple[str, ...] = tuple(Options.__init__.__kwdefaults__ or ())
"""Every option of a world, by name. Whoever takes options takes all of these: the marker, ``explore``, ``SimulationTestCase``, scenarios, ``simulations``."""
SEARCH_DEFAULTS: dict[str, Any] = {"strategy": DEFAULT, "preempt": "lines", "max_steps": 200_000, "max_time": "1d"}
"""What the worlds of a search have unless it is told otherwise."""


def check_names(where: str, given: Iterable[str], known: Iterable[str] = WORLD_OPTIONS) -> None:
    """A ``UsageError`` for an option that does not exist."""
    names = list(known)
    for name in given:
        if name not in names:
            near = meant(name, names) or _elsewhere(name)
            raise UsageError(f"{where}: unknown option {name!r}{near or '.'} Known are {', '.join(names)}")


def _elsewhere(name: str) -> str:
    """Of an option that something else has: what that is."""
    if name in ARGUMENTS:
        return f"; it is an impairment of links: link=Link({name}=…)."
    if name in ("schedules", "jobs", "shrink"):
        return f"; it is an option of searches: explore(…, {name}=…){', or @pytest.mark.simsock(schedules=…)' if name == 'schedules' else ''}."
    return ""


_PLAIN_TYPES = frozenset((bool, int, float, str))
"""Of values that cannot change, and that are the same thing wherever they are equal and of one type."""
_MADE_MAX = 100
_made: dict[tuple[tuple[str, type, Any], ...], Options] = {}
_START_MAX = 253402300800
"""The year 10000: no calendar of Python's goes on."""
_IN_OTHER_WORDS = ("link", "max_steps", "max_time_ns", "schedule", "start_ns")
"""What a token carries besides, each in a form of its own."""
_IN_TOKENS = (
    *("strategy", "preempt", "chunks", "sends", "stalls", "collect", "asyncio_order"),
    *("patch", "entropy", "loopback", "keep_imports", "fresh", "allow", "require_faults", "tls_time"),
)
"""Options that a token carries as they are given."""
_DEFAULTS = {name: value for name, value in (Options.__init__.__kwdefaults__ or {}).items() if name in _IN_TOKENS}


NEED_CONSENT = ("patch", "entropy", "allow")
"""Options by which a program reaches what is real: with ``patch=False`` sockets and processes, with ``entropy="real"`` chance, with ``allow`` peers."""
_SHOWN_MAX = 60


def asked_for(plain: dict[str, Any]) -> str:
    """What the options of a token ask for, in one line: ``"preempt='lines', patch=False"``; ``"nothing but the defaults"``."""
    return ", ".join(f"{name if name.isidentifier() else _short(name)}={_short(value)}" for name, value in plain.items()) or "nothing but the defaults"


def _check_consent(plain: dict[str, Any], given: dict[str, Any]) -> None:
    """Whether the caller wants what a token asks for, as far as that is dangerous. Raises ``UsageError`` for what it has not asked for itself."""
    unsaid = {}
    for name in NEED_CONSENT:
        asked, said = plain.get(name, _DEFAULTS[name]), given[name]
        if said is not None and said != asked:
            raise UsageError(f"token: it was made with {name}={_short(asked)}, {name}={_short(said)} cannot be given beside it")
        if said is None and asked != _DEFAULTS[name]:
            unsaid[name] = asked
    if unsaid:
        words = asked_for(unsaid)
        raise UsageError(
            f"token: it asks for {words}, which lets the program reach out of its world, and a token may come from a stranger; if you trust it, "
            f"say {words} yourself beside it (all that it asks for: {asked_for(plain)})"
        )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN_MAX else text[: _SHOWN_MAX - 3] + "..."


def _peers(allow: Any) -> tuple[str, ...]:
    """Real peers, each as an address and a port."""
    given = [allow] if isinstance(allow, str) else allow
    if not isinstance(given, (list, tuple)):
        raise UsageError(f'allow: expected real peers such as "127.0.0.1:5432", got {allow!r}')
    return tuple(dict.fromkeys(peer_text(*peer_of(text)) for text in given))


def peer_of(text: Any) -> tuple[str, int]:
    """The address and the port of a real peer. Raises ``UsageError``."""
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    ip = canonical("127.0.0.1" if host == "localhost" else host.strip("[]"))
    if ip is None or not port.isdecimal() or not 0 < int(port[:6]) < 1 << 16:
        raise UsageError(f'allow: expected the address and the port of a real peer, such as "127.0.0.1:5432" (names are not looked up), got {text!r}')
    return ip, int(port)


def peer_text(ip: str, port: int) -> str:
    """A peer as it is written."""
    return f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"


def _with_machines(link: Link, stalls: Any, sends: Any, collect: Any) -> tuple[Any, Any, Any]:
    """What a profile says of the world's machines, where nothing else is said."""
    said = besides(link)
    return (
        said.get("stalls") if stalls is None else stalls,
        said.get("sends", sends) if isinstance(sends, str) and sends == "whole" else sends,
        said.get("collect") if collect is None else collect,
    )


def _stalls(stalls: Any) -> str | None:
    """None, ``"random"``, or the longest that a task stands still, as text."""
    if stalls is None or stalls == RANDOM:
        return RANDOM if stalls else None
    try:
        ns = duration_ns(stalls, "stalls")
    except UsageError:
        ns = 0
    if not ns:
        raise UsageError(f'stalls: expected {RANDOM!r}, None, or how long a task stands still at most, such as "50ms", got {stalls!r}')
    return stalls if isinstance(stalls, str) else f"{ns}ns"


def _packages(fresh: Any) -> tuple[str, ...]:
    if not isinstance(fresh, (list, tuple)) or not all(isinstance(name, str) and all(part.isidentifier() for part in name.split(".")) for name in fresh):
        hint = f", such as {[fresh]!r}" if isinstance(fresh, str) and fresh.isidentifier() else ', such as ["package"]'
        raise UsageError(f"fresh: expected a list of packages that each world imports anew{hint}, got {fresh!r}")
    return tuple(dict.fromkeys(fresh))


def _check_switch(name: str, value: Any, on: str) -> None:
    if not isinstance(value, bool):
        raise UsageError(f"{name}: expected {on} or False, got {value!r}")


def _tls_time(whose: Any, patch: bool) -> str:
    """The clock by which certificates are checked."""
    if whose not in ("real", "world"):
        raise UsageError(f"tls_time: expected 'real' or 'world' (the clock by which certificates are checked), got {whose!r}")
    if whose == "world" and not patch:
        raise UsageError("tls_time='world' with patch=False: TLS is simulated in patched worlds only")
    return str(whose)


def _start_ns(start_time: Any) -> int:
    if start_time is None:
        return EPOCH_NS
    if isinstance(start_time, str):
        if start_time == NOW:
            return _now_ns()
        try:
            start_time = datetime.fromisoformat(start_time)
        except ValueError:
            raise UsageError(f"start_time: expected an ISO 8601 date and time, or {NOW!r}, got {start_time!r}") from None
    if isinstance(start_time, datetime):
        since = (start_time if start_time.tzinfo else start_time.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
        return (since.days * 86400 + since.seconds) * NS + since.microseconds * 1000
    if isinstance(start_time, (int, float)) and not isinstance(start_time, bool) and abs(start_time) < _START_MAX:
        return round(start_time * NS)
    raise UsageError(f"start_time: expected a datetime, ISO 8601 text, seconds since 1970 or {NOW!r}, got {start_time!r}")


@cache
def _now_ns() -> int:
    return _time_ns()
