"""What Hypothesis does not notice of worlds: the time that simsock needs for itself, and frozen objects.

Owns how Hypothesis is told, whose deadline for an example would count that time. Laws: where Hypothesis's insides have changed, nothing
happens; the clock is the real one also inside a world, where asking the simulated one would be a point of the program.
"""

from __future__ import annotations

import sys
import time
from typing import Any

SIMSOCK_ROOM = "outside"

_NOTICEABLE_S = 0.005
_clock: Any = time.perf_counter
real_clock = _clock.__call__
"""Not the function itself: freezegun would put its own clock here, also in a world, and afterwards the world's."""
del _clock
_WORDS = "simsock looks where things are held"


class not_counted:  # reads as a statement
    """A context manager: what is done in the block takes a noticeable time, once in a while, whatever the test does."""

    __slots__ = ("_began",)

    def __enter__(self) -> None:
        self._began = real_clock()

    def __exit__(self, *exc: object) -> None:
        if (seconds := real_clock() - self._began) > _NOTICEABLE_S:
            _excuse(seconds)


def _excuse(seconds: float) -> None:
    control: Any = sys.modules.get("hypothesis.control")
    if control is None or not control.currently_in_test_context():
        return
    times = getattr(control.current_build_context().data, "draw_times", None)
    if isinstance(times, dict):  # time for draws does not count
        times[_WORDS] = times.get(_WORDS, 0.0) + seconds


_looks_among_frozen = sys.version_info >= (3, 14)


def before_freezing() -> None:
    """Hypothesis looks once, through the garbage collector, for who holds its generator: among frozen objects it finds nobody, and warns (3.15).

    Before 3.14 the collector learns of the dictionary that holds it only when it is put there, so it is not among those.
    """
    core: Any = sys.modules.get("hypothesis.core") if _looks_among_frozen else None
    if core is not None and getattr(getattr(core, "threadlocal", None), "_hypothesis_global_random", core) is None:
        with sys.modules["hypothesis.internal.entropy"].deterministic_PRNG():
            pass


__all__ = ["before_freezing", "not_counted"]
