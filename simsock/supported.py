"""Where worlds can run: on CPython, on Linux, with its global interpreter lock, and while nobody else has replaced the process's clocks.

Owns the reasons why not. Laws: it imports nothing that is not everywhere, so that whoever asks gets an answer; what is merely installed or
imported never asks, the first world does.
"""

from __future__ import annotations

import sys

from simsock.errors import Unsupported, UsageError

SIMSOCK_ROOM = "outside"


def why_not() -> str:
    """What hinders worlds here, as a sentence; empty when nothing does."""
    if sys.platform != "linux":
        return f"worlds run on Linux only (sys.platform is {sys.platform!r}, expected 'linux')"
    if sys.implementation.name != "cpython":
        return f"worlds run on CPython only (sys.implementation.name is {sys.implementation.name!r}, expected 'cpython')"
    if "t" in sys.abiflags:
        version = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return (
            f"worlds do not run on a free-threaded build of Python (this is {version}t, built with --disable-gil), "
            f"also with its lock switched on: use the ordinary python{version}"
        )
    return ""


_is_known_to_be_fine = False


def check() -> None:
    """Raise ``Unsupported`` with the reason, if there is one."""
    global _is_known_to_be_fine
    if _is_known_to_be_fine:
        return
    reason = why_not()
    if reason:
        raise Unsupported(reason)
    _is_known_to_be_fine = True


_FREEZERS = (
    ("freezegun.api", "freeze_factories", "freezegun"),
    ("time_machine", "traveller_stack", "time-machine"),
    ("time_machine", "coordinates_stack", "time-machine"),
)
"""(module, the list that is not empty while it has replaced the clocks, what people call it)."""


_MONKEYS = (("gevent.monkey", "saved", "gevent.monkey.patch_all()"), ("eventlet.patcher", "already_patched", "eventlet.monkey_patch()"))
"""(module, the table that is not empty once it has replaced the standard modules, by which call)."""


def check_clocks() -> None:
    """Raise ``UsageError`` while freezegun or time-machine has replaced the clocks of this process, ``Unsupported`` where gevent or eventlet has."""
    for module, name, call in _MONKEYS:
        if module in sys.modules and getattr(sys.modules[module], name, None):
            raise Unsupported(
                f"{call} has replaced the standard modules of this process by ones with a scheduler of their own, which no world can reach: "
                "run these tests in a process that does not call it; in a world, threads are cheap and repeatable"
            )
    for module, name, said in _FREEZERS:
        if module in sys.modules and getattr(sys.modules[module], name, None):
            raise UsageError(
                f"{said} has replaced the clocks of this process, and a world has its own: enter the world first, or give it start_time= instead of {said}"
            )
