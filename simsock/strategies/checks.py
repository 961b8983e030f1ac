"""What strategies check of their options.

Owns the words of those errors. Knows no Hypothesis but the type of a strategy.
"""

from __future__ import annotations

from typing import Any

from hypothesis.strategies import SearchStrategy

from simsock.errors import UsageError

WRONG = ("never", "maybe", "always")
"""Whether what is drawn has one thing wrong."""


def check_range(who: str, name: str, least: Any, most: Any, floor: int = 0, ceiling: int | None = None) -> None:
    """``min_NAME`` and ``max_NAME``: whole numbers from ``floor`` to ``ceiling``, the first not above the second."""
    for which, value in (("min", least), ("max", most)):
        if isinstance(value, bool) or not isinstance(value, int) or value < floor or (ceiling is not None and value > ceiling):
            upto = f" to {ceiling:,}" if ceiling is not None else ""
            raise UsageError(f"{who}: {which}_{name}: expected a whole number from {floor:,}{upto}, got {value!r}")
    if least > most:
        raise UsageError(f"{who}: min_{name}={least} is more than max_{name}={most}")


def check_wrong(who: str, wrong: Any) -> str:
    """The option ``wrong``."""
    if wrong not in WRONG:
        raise UsageError(f"{who}: wrong: expected {', '.join(map(repr, WRONG))}, got {wrong!r}")
    return str(wrong)


def check_strategy(who: str, name: str, value: Any) -> SearchStrategy[Any]:
    """An option that is itself a strategy."""
    if not isinstance(value, SearchStrategy):
        raise UsageError(f"{who}: {name}: expected a Hypothesis strategy, got {value!r}")
    return value


def check_drawn(who: str, name: str, value: Any) -> bytes:
    """What a strategy of the caller's gave: bytes."""
    if not isinstance(value, (bytes, bytearray)):
        raise UsageError(f"{who}: {name}: expected a strategy for bytes, which gave {value!r}")
    return bytes(value)
