"""Stand-in for ``resource``: the processor time that a program has used is the world's.

Owns ``getrusage``. Everything else is the real module's: limits of the process are the process's, inside a world and outside.
"""

from __future__ import annotations

import resource as _real
from typing import Any

from simsock.stdlib import time as _time

_getrusage = _real.getrusage


def __getattr__(name: str) -> Any:
    return getattr(_real, name)


def getrusage(who: int, /) -> Any:
    """getrusage(2). Times are the virtual clock's, those of children nothing; the rest is the process's, and not the same in every run."""
    found = _getrusage(who)
    used = 0.0 if who == _real.RUSAGE_CHILDREN else _time.process_time()
    return _real.struct_rusage((used, 0.0, *found[2:]))
