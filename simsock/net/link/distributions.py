"""How jitter is distributed.

Owns the shapes, as tables of integers. Does not know links. Laws:

* a smaller answer of the tape is a smaller disturbance, and the answer 0 is none;
* whatever is random is the tape's integer; the tables are the same on every Python and machine (a test compares their digests).

Except for ``uniform``, ``latency`` is the mean of the shape and ``jitter`` its standard deviation, as in netem; a delay is never below 0.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log, sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

STEPS = 4096
"""Equally likely offsets in a table."""
ONE = 1 << 16
"""One standard deviation in a table."""

_PARETO = 3.0
"""The shape parameter of the Pareto distribution: P(X > x) = x**-3 for x from 1, whose mean is 3/2 and whose variance is 3/4."""


def _normal(u: float) -> float:
    from statistics import NormalDist  # brings fractions and decimals with it, which no other part of a world needs

    return NormalDist().inv_cdf(u)


def _pareto(u: float) -> float:
    return (float((1 - u) ** (-1 / _PARETO)) - 1.5) / sqrt(0.75)


def _lognormal(u: float) -> float:
    # The exponential of a standard normal variable: mean exp(1/2), variance (e - 1)·e.
    return (exp(_normal(u)) - exp(0.5)) / sqrt((exp(1) - 1) * exp(1))


_QUANTILES: dict[str, Callable[[float], float]] = {
    "normal": _normal,
    "pareto": _pareto,
    "paretonormal": lambda u: (_normal(u) + 3 * _pareto(u)) / 4,
    "lognormal": _lognormal,
    "exponential": lambda u: -log(1 - u) - 1,
}
"""The inverse distribution functions, shifted to mean 0 and scaled to variance 1 (``paretonormal``: of one quarter the normal quantile and
three quarters the Pareto one)."""

UNIFORM: Final = "uniform"
DISTRIBUTIONS = (UNIFORM, *_QUANTILES)


@lru_cache(maxsize=len(_QUANTILES))
def table(name: str) -> tuple[int, ...]:
    """The quantiles at (i + 1/2)/4096 in units of 1/65536 standard deviation, the nearest to 0 first; that one is made 0."""
    quantile = _QUANTILES[name]
    offsets = sorted((round(quantile((step + 0.5) / STEPS) * ONE) for step in range(STEPS)), key=lambda offset: (abs(offset), offset < 0))
    return (0, *offsets[1:])


def possibilities(name: str, jitter_ns: int) -> int:
    """How many answers there are to the question for an offset."""
    return 2 * jitter_ns + 1 if name == UNIFORM else STEPS


def offset_ns(name: str, jitter_ns: int, answer: int) -> int:
    """The offset that an answer means, in nanoseconds."""
    if name == UNIFORM:
        # 0, 1, 2, 3, 4 … mean 0, +1, -1, +2, -2 …
        return (answer + 1) // 2 if answer & 1 else -(answer // 2)
    return table(name)[answer] * jitter_ns // ONE
