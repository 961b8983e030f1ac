"""Durations, sizes, shares and rates as people write them, turned into integers.

Owns the reading of ``0.08``, ``"80ms"``, ``timedelta``, ``"64KiB"``, ``"1%"`` and ``"256kbit"``. Knows nothing of what they are for.
Law: what cannot be read is an error that names the value and what was expected; nothing is guessed.
"""

from __future__ import annotations

import math
import re
from datetime import timedelta

from simsock.errors import UsageError

NS = 1_000_000_000
"""Nanoseconds in a second."""
OVERSHOOT_NS = 1_000
"""By so much a program's wait that nothing ends is longer than it was asked to be, as waits are on every system: after a wait of so many seconds the
clock shows more than so many, however its floats are rounded."""
EPOCH_NS = 1_767_225_600 * NS
"""When a world begins unless it is told otherwise: 2026-01-01, 00:00 UTC: a constant, and later than what libraries take for a clock that was never set."""
_AMOUNT_MAX = 1e30
"""More than any duration, size or rate that makes sense; all products with a unit's factor are still exact enough to be rounded."""

Duration = float | int | str | timedelta

_DURATION_UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": NS, "min": 60 * NS, "h": 3600 * NS, "d": 86400 * NS}
_SIZE_UNITS = {"b": 1, "kb": 1000, "kib": 1024, "mb": 1000**2, "mib": 1024**2, "gb": 1000**3, "gib": 1024**3, "": 1}
_RATE_UNITS = {"bit": 1, "kbit": 1000, "mbit": 1000**2, "gbit": 1000**3}
_NUMBER_WITH_UNIT = re.compile(r"\s*([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([a-zµ%]*)\s*", re.IGNORECASE)


def duration_ns(value: Duration, what: str = "duration") -> int:
    """Nanoseconds of a duration given in seconds (int or float), as a ``timedelta``, or as text such as ``"80ms"`` or ``"2 min"``.

    Raises ``UsageError`` for a negative, infinite or unreadable value, naming it and ``what`` it was given for.
    """
    if isinstance(value, timedelta):
        ns = (value.days * 86400 + value.seconds) * NS + value.microseconds * 1000
    elif isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise UsageError(f'{what}: expected seconds, a timedelta or text such as "80ms", got {value!r}')
    elif isinstance(value, str):
        number, unit = _split(value, what, 'a duration such as "80ms" or "2min"')
        if unit not in _DURATION_UNITS:
            raise UsageError(f"{what}: {value!r} has no unit of time; expected one of ns, us, ms, s, min, h, d")
        ns = round(number * _DURATION_UNITS[unit])
    elif not math.isfinite(value) or abs(value) > _AMOUNT_MAX:
        raise UsageError(f"{what}: expected a finite number of seconds, up to {_AMOUNT_MAX:g}, got {value!r}")
    else:
        ns = round(value * NS)
    if ns < 0:
        raise UsageError(f"{what}: expected a duration that is not negative, got {value!r}")
    return ns


def size_bytes(value: int | str, what: str = "size") -> int:
    """Bytes of a size given as a whole number or as text such as ``"64KiB"``. Raises ``UsageError`` for anything else."""
    if isinstance(value, str):
        number, unit = _split(value, what, 'a size such as "64KiB"')
        if unit not in _SIZE_UNITS:
            raise UsageError(f"{what}: {value!r} has no unit of size; expected one of B, kB, KiB, MB, MiB, GB, GiB")
        return round(number * _SIZE_UNITS[unit])
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f'{what}: expected a whole number of bytes or text such as "64KiB", got {value!r}')
    return value


def share(value: float | str, what: str = "share") -> float:
    """A probability from 0 to 1, given as ``0.01`` or ``"1%"``. A bare number over 1 is an error, not a percentage."""
    if isinstance(value, str):
        number, unit = _split(value, what, 'a share such as 0.01 or "1%"')
        if unit not in ("%", ""):
            raise UsageError(f'{what}: expected a share such as 0.01 or "1%", got {value!r}')
        value = number / 100 if unit == "%" else number
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise UsageError(f'{what}: expected a share from 0 to 1, or text such as "1%", got {value!r}')
    return float(value)


def bits_per_second(value: int | str, what: str = "rate") -> int:
    """Bits a second of a rate given as a whole number or as text such as ``"256kbit"``. Raises ``UsageError`` for anything else."""
    if isinstance(value, str):
        number, unit = _split(value, what, 'a rate such as "256kbit"')
        if unit not in _RATE_UNITS:
            raise UsageError(f"{what}: {value!r} has no unit of rate; expected one of bit, kbit, Mbit, Gbit")
        bits = round(number * _RATE_UNITS[unit])
        if not bits:
            raise UsageError(f"{what}: expected at least one bit a second, got {value!r}")
        return bits
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise UsageError(f'{what}: expected a whole number of bits a second or text such as "256kbit", got {value!r}')
    return value


def _split(text: str, what: str, expected: str) -> tuple[float, str]:
    match = _NUMBER_WITH_UNIT.fullmatch(text)
    if match is None:
        raise UsageError(f"{what}: expected {expected}, got {text!r}")
    number = float(match[1])
    if number > _AMOUNT_MAX:
        raise UsageError(f"{what}: expected {expected}, got {text!r}, which is out of all bounds")
    return number, match[2].lower()


def format_ns(ns: int) -> str:
    """Virtual time for people: ``"0.000000s"`` style below a minute, always with microseconds, e.g. ``"1.500000s"``."""
    return f"{ns // NS}.{ns % NS // 1000:06d}s"
