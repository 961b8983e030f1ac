"""The values that keys of a scenario file may have.

Owns one check for each form of value. Does not know which key has which. Law: a check returns the value to use, or raises ``ValueError`` with
what was expected.
"""

from __future__ import annotations

import builtins
import re
from collections.abc import Callable
from typing import Any

from simsock.clients.outcome import RESULTS
from simsock.errors import SimsockError
from simsock.kernel import units
from simsock.kernel.units import duration_ns
from simsock.net import Link
from simsock.net.addresses import canonical, is_any, is_loopback
from simsock.world.options import Options

REFERENCE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
"""``module:name``, both possibly dotted."""
NAME_MAX = 200
"""Characters of a host's or population's name: those of a population's hosts have a number more."""

Check = Callable[[Any], Any]


def line(value: Any) -> str:
    """Text without control characters, and not empty."""
    if isinstance(value, str) and value.strip() and value.isprintable():
        return value.strip()
    raise ValueError("expected one line of text")


def text(value: Any) -> str:
    """Text that is not empty."""
    if isinstance(value, str) and value:
        return value
    raise ValueError("expected text")


def reference(value: Any) -> str:
    """Where some code is."""
    if isinstance(value, str) and REFERENCE.fullmatch(value):
        return value
    raise ValueError('expected "module:name"')


def whole(low: int, high: int) -> Check:
    """A whole number in a range."""

    def check(value: Any) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise ValueError(f"expected a whole number from {low:,} to {high:,}")

    return check


def one_of(*names: str) -> Check:
    """One of some words."""

    def check(value: Any) -> str:
        if isinstance(value, str) and value in names:
            return value
        raise ValueError(f"expected one of {', '.join(map(repr, names))}")

    return check


def switch(value: Any) -> bool:
    """Yes or no."""
    if isinstance(value, bool):
        return value
    raise ValueError("expected true or false")


def seed(value: Any) -> int | str:
    """A number or text."""
    if isinstance(value, (int, str)) and not isinstance(value, bool):
        return value
    raise ValueError("expected a whole number or text")


def duration(value: Any) -> Any:
    """Seconds, or text with a unit."""
    try:
        duration_ns(value, "duration")
    except SimsockError as error:
        raise ValueError(str(error).partition(": ")[2]) from None
    return value


def world_option(name: str) -> Check:
    """A value of an option of worlds."""

    def check(value: Any) -> Any:
        try:
            Options(**{name: value})
        except (SimsockError, TypeError) as error:
            words = str(error).removeprefix(f"{name}: ")
            raise ValueError(words.rpartition(", got ")[0].partition(" or an object with ")[0] or words) from None
        return value

    return check


chunks = world_option("chunks")
"""How received bytes are cut."""


def difference(value: Any) -> Any:
    """A duration that may be negative."""
    duration(value.removeprefix("-") if isinstance(value, str) else abs(value) if isinstance(value, (int, float)) else value)
    return value


def impairment(name: str) -> Check:
    """A value of one argument of ``Link``, as far as it can be judged alone."""

    def check(value: Any) -> Any:
        try:
            Link(**{name: value})
        except (SimsockError, TypeError) as error:
            if not re.search(r" needs ", str(error)):  # what it needs may be there: the whole link is judged later
                raise ValueError(str(error)) from None
        return value

    return check


def share(value: Any) -> Any:
    """A probability."""
    try:
        units.share(value, "share")
    except SimsockError as error:
        raise ValueError(str(error).partition(": ")[2]) from None
    return value


def profile(value: Any) -> str:
    """A link by name."""
    try:
        Options.from_keywords(link=text(value))
    except SimsockError as error:
        raise ValueError(str(error)) from None
    return str(value)


def end(value: Any) -> Any:
    """Where a reply ends: after so many bytes, or with some text."""
    return text(value) if isinstance(value, str) else whole(1, 2**31)(value)


def host(value: Any) -> str:
    """What a host or a population may be called."""
    name = line(value)
    if name.split() != [name] or len(name) > NAME_MAX:
        raise ValueError(f"expected a name without blanks, of at most {NAME_MAX} characters")
    return name


def reachable(value: Any) -> list[str]:
    """Addresses of a host."""
    for address in (found := addresses(value)):
        ip = canonical(address)
        if ip is None or is_any(ip) or is_loopback(ip):
            raise ValueError(f"expected IP addresses that others can reach, and {address!r} is none")
    return found


def addresses(value: Any) -> list[str]:
    """IP addresses."""
    for address in (found := texts(value)):
        if canonical(address) is None:
            raise ValueError(f"expected IP addresses, and {address!r} is none")
    return found


def two_hosts(value: Any) -> list[str]:
    """Two names."""
    if isinstance(value, list) and len(value) == 2 and value[0] != value[1]:
        return [line(name) for name in value]
    raise ValueError('expected two hosts or populations, ["a", "b"]')


def texts(value: Any) -> list[str]:
    """A list of lines."""
    if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
        return [line(part) for part in value]
    raise ValueError("expected a list of texts")


def errors(value: Any) -> list[str]:
    """Names of Python's exceptions."""
    names = texts(value)
    for name in names:
        if not (isinstance(kind := getattr(builtins, name, None), type) and issubclass(kind, BaseException)):
            raise ValueError(f"expected names of Python's exceptions, and {name!r} is none")
    return names


def by_population(check: Check) -> Check:
    """A table from the name of a population to a value."""

    def checked(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict) or not value:
            raise ValueError('expected a table: population = "..."')
        found = {}
        for name, given in value.items():
            try:
                found[name] = check(given)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return found

    return checked


def results(value: Any) -> list[str]:
    """Results that clients may have."""
    for name in texts(value):
        if name not in RESULTS:
            raise ValueError(f"expected results ({', '.join(RESULTS)}), and {name!r} is none")
    return list(value)
