"""The number of the process in a patched world, and how worlds of one process are told apart.

Owns the numbers. Laws: they are the same in every run, and Linux gives them to no process, so nothing that is asked by them can be another one's.
"""

from __future__ import annotations

import os
import re
from typing import Any

from simsock.kernel import session

PROCESS = 5_000_000
"""Beyond ``PID_MAX_LIMIT``. The native identity of the first thread is the same number, as on Linux."""
PARENT = PROCESS - 1

_PID_MAX = 1 << 22
_IN_PROC = re.compile(r"/proc/(\d{7,10})(?:/|$)")
_SOCKETS = re.compile(r"/proc/(?:self/|thread-self/|\d+/)?net/(?:tcp|udp|udplite|raw|icmp|unix)6?")
_DESCRIPTORS = re.compile(r"/(?:dev|proc/(?:self|thread-self|\d+))/fd/?")

_getpid = os.getpid


def own_number() -> int:
    """What the process is to who asks: the world's number in a patched world, else the real one."""
    kernel = session.active
    return PROCESS if kernel is not None and kernel.thread_state is not None else _getpid()


def own_numbers() -> tuple[int, int]:
    """Both numbers by which a program may know its process: the real one if it asked before the world."""
    return PROCESS, _getpid()


def only_in_world(path: Any) -> str:
    """What to tell of a path in ``/proc`` that begins with the number of a process of the world, of which the system knows none; else nothing."""
    found = _IN_PROC.match(os.fsdecode(path)) if isinstance(path, (str, bytes, os.PathLike)) else None
    if found is None or int(found[1]) <= _PID_MAX:
        return ""
    if int(found[1]) == PROCESS:
        return f"{PROCESS} is the process in the world only: ask for /proc/self, which is the real one"
    return f"{found[1]} is a process in the world only, of which /proc knows nothing"


def told_otherwise(event: str, path: Any) -> str:
    """Where to ask, for a path whose content is this machine's and would pass for the world's; nothing for any other."""
    text = os.fsdecode(path)
    if event == "open" and _SOCKETS.fullmatch(text):
        return "it lists this machine's sockets; sim.netstat() has the world's"
    if event == "os.scandir" and _DESCRIPTORS.fullmatch(text):
        return "it lists the real process's descriptors; os.listdir of it has the world's"
    return ""


def over(kernel: Any) -> str:
    """What is said of an object whose world has ended: which world that was."""
    return f"has ended (world {kernel.number} of this process, seed {kernel.seed!r})"


__all__ = ["PARENT", "PROCESS", "only_in_world", "over", "own_number", "own_numbers", "told_otherwise"]
