"""What psutil tells of the process that a world's program is.

Owns what stands in for three names of its module for Linux, which asks the system by the process's number. Does not know when. Law: what it tells by the
world's number agrees with what ``os`` tells there (number, parent, descriptors); the rest is the real process's.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from simsock.kernel.identity import PARENT, PROCESS, own_numbers

_ASK_THE_SYSTEM = ("ppid_map", "get_all_inodes", "pid_exists")
"""Functions of the same module that go on to ask the system about each number."""


@functools.lru_cache(maxsize=4)  # or each world would make a class
def process_class(before: Any) -> Any:
    """In the place of ``Process``: a function that makes one, of the real process for the world's number."""
    # A class that keeps its base's module and name, as errors and ``repr`` show it.
    own = type(before.__name__, (before,), {"__slots__": (), "__module__": before.__module__, "ppid": lambda self: PARENT})

    def make(pid: int, *args: Any) -> Any:
        numbers = own_numbers()
        return own(numbers[1], *args) if pid in numbers else before(pid, *args)

    return make


def pids(before: Any) -> Any:
    """In the place of ``pids``."""

    def told() -> list[int]:
        if sys._getframe(1).f_code.co_name in _ASK_THE_SYSTEM:
            return list(before())
        return [PROCESS if pid == own_numbers()[1] else pid for pid in before()]

    return told


def pid_exists(before: Any) -> Any:
    """In the place of ``pid_exists``."""
    return lambda pid: pid == PROCESS or before(pid)


__all__ = ["pid_exists", "pids", "process_class"]
