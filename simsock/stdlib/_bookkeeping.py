"""What ``threading`` does on its own account: operations on locks that are no places where another task may go on.

PYTEST_DONT_REWRITE

Owns which functions of ``Lib/threading.py`` do so, of the standard module and of copies of it. Does not know locks. A condition asks its lock whether
it is held by trying to take it, and lets it go before it waits; a notification releases the lock of whoever waits. A search that may switch
there spends its schedules there and finds the program's own races late. (A thread's first and last moments take no simulated locks at all: see
``_threads``.) Law: an operation that must wait does wait, wherever it stands; only the choice before it
is not asked for.
"""

from __future__ import annotations

import threading
from types import CodeType, FunctionType
from typing import Any

waits: dict[int, CodeType] = {}
"""Where a condition's waiter waits."""
codes: dict[int, CodeType] = {}
"""By identity, which is what is asked for at every release: comparing code objects reads all of their instructions."""


def learn(namespace: dict[str, Any]) -> None:
    """Note the functions of one module ``threading``."""
    for name in ("_is_owned", "_release_save", "notify"):
        method = vars(namespace["Condition"]).get(name)
        if isinstance(method, FunctionType):
            codes[id(method.__code__)] = method.__code__
    wait = namespace["Condition"].wait
    waits[id(wait.__code__)] = wait.__code__


learn(vars(threading))

__all__ = ["codes", "learn", "waits"]
