"""What Hypothesis does not notice of simsock: the time that it needs for itself, frozen objects, and the constants in its source.

Owns how Hypothesis is told, whose deadline for an example would count that time, and whose examples would depend on where simsock is installed. Laws:
where Hypothesis's insides have changed, nothing happens; the clock is the real one also inside a world, where asking the simulated one would be a point of
the program.
"""

from __future__ import annotations

import os
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


_OURS = (os.path.dirname(os.path.abspath(__file__)) + os.sep, f"{os.sep}pytest_simsock{os.sep}")


def leave_out_our_constants() -> None:
    """Hypothesis tries constants that it reads in local modules. simsock is one beside a checkout, and none where it is installed: it is to be none anywhere,
    as Hypothesis itself is none, so that a test has the same examples."""
    providers: Any = sys.modules.get("hypothesis.internal.conjecture.providers")
    is_local = getattr(providers, "is_local_module_file", None)
    if is_local is None or hasattr(is_local, "without_simsock"):
        return

    def is_local_module_file(path: str) -> bool:
        return not path.startswith(_OURS[0]) and _OURS[1] not in path and is_local(path)

    is_local_module_file.without_simsock = True  # type: ignore[attr-defined]
    providers.is_local_module_file = is_local_module_file
    seen, kept, cache = (getattr(providers, name, None) for name in ("_seen_modules", "_local_constants", "CONSTANTS_CACHE"))
    if seen and kept is not None and cache is not None:  # examples were drawn before, perhaps with ours among their constants: it collects them anew
        seen.clear()
        for values in vars(kept).values():
            values.clear()
        providers._sys_modules_len = None
        cache.cache.clear()


__all__ = ["before_freezing", "leave_out_our_constants", "not_counted"]
