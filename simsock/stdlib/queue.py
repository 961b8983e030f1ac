"""``queue`` for ``sim.network``: the standard library's own, on the locks of the world.

PYTEST_DONT_REWRITE

Owns nothing but the copy; the exceptions are the real ones, so programs catch them.
"""

from __future__ import annotations

import _queue
import queue as _real
from typing import Any

from simsock.errors import Unsupported
from simsock.stdlib import _polls, _simplequeue, _wait_words
from simsock.stdlib import threading as _sim_threading
from simsock.stdlib import time as _sim_time
from simsock.stdlib._copies import execute, shaped_like


def __getattr__(name: str) -> Any:
    if name in _real.__all__:
        raise Unsupported(f"queue.{name} is not simulated yet")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


_names = globals()
execute("queue", _names, {"threading": _sim_threading, "time": _sim_time, "_queue": shaped_like(_queue, SimpleQueue=_simplequeue.WorldQueue)})
_names.update({name: getattr(_real, name) for name in ("Empty", "Full", "ShutDown") if hasattr(_real, name)})
_wait_words.learn(_names)
for _class, _name, _now in _polls.polls_of_queue(_names):
    setattr(_class, _name, _now)
