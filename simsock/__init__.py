"""simsock: a deterministic world for programs written with blocking sockets and threads.

Everything public is importable from here and loaded when it is first asked for; ``import simsock`` itself loads next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "simsock.errors": (
        "BadToken BusyLoop DataRace Deadlock Fenced Finding InvariantBroken KeptWarning KilledBySignal LeakWarning LimitExceeded LockInversion NoEffectWarning "
        "Nondeterminism NotLinearizable RealTimeLimit ReplayMismatch ScenarioError SearchFailure SimsockError StepLimit "
        "LivenessBroken NeverHappened TaskCancelled TaskKilled TaskWillNotEnd TimeLimit UnseenErrorWarning Unsupported UsageError WorldEnded"
    ),
    "simsock.fuzzing": "fuzz",
    "simsock.kernel": "Task",
    "simsock.kernel.watchers": "Watcher",
    "simsock.net": "Deliver Drop GilbertElliott Link Packet Pass",
    "simsock.net.netstat": "Netstat SocketEntry",
    "simsock.network": "Network RealNetwork use",
    "simsock.search": "Verdict check_determinism explore replay",
    "simsock.world.sessions": "session",
    "simsock.world.simulation": "Simulation",
    "simsock.talking": "Datagram Talk talk",
}
_HOME = {name: module for module, names in _WHERE.items() for name in names.split()}
_MODULES = ("clients", "errors", "faker", "network", "oracles", "simulation", "socketserver", "strategies")
"""Modules that are worth naming as ``simsock.NAME`` after a plain ``import simsock``."""

__all__ = [
    "BadToken",
    "BusyLoop",
    "DataRace",
    "Datagram",
    "Deadlock",
    "Deliver",
    "Drop",
    "Fenced",
    "Finding",
    "GilbertElliott",
    "InvariantBroken",
    "KeptWarning",
    "KilledBySignal",
    "LeakWarning",
    "LimitExceeded",
    "Link",
    "LivenessBroken",
    "LockInversion",
    "Netstat",
    "Network",
    "NeverHappened",
    "NoEffectWarning",
    "Nondeterminism",
    "NotLinearizable",
    "Packet",
    "Pass",
    "RealNetwork",
    "RealTimeLimit",
    "ReplayMismatch",
    "ScenarioError",
    "SearchFailure",
    "SimsockError",
    "Simulation",
    "SocketEntry",
    "StepLimit",
    "Talk",
    "Task",
    "TaskCancelled",
    "TaskKilled",
    "TaskWillNotEnd",
    "TimeLimit",
    "UnseenErrorWarning",
    "Unsupported",
    "UsageError",
    "Verdict",
    "Watcher",
    "WorldEnded",
    "__version__",
    "check_determinism",
    "explore",
    "fuzz",
    "replay",
    "session",
    "socketserver",
    "talk",
    "use",
]

if TYPE_CHECKING:
    from simsock import socketserver
    from simsock.errors import (
        BadToken,
        BusyLoop,
        DataRace,
        Deadlock,
        Fenced,
        Finding,
        InvariantBroken,
        KeptWarning,
        KilledBySignal,
        LeakWarning,
        LimitExceeded,
        LivenessBroken,
        LockInversion,
        NeverHappened,
        NoEffectWarning,
        Nondeterminism,
        NotLinearizable,
        RealTimeLimit,
        ReplayMismatch,
        ScenarioError,
        SearchFailure,
        SimsockError,
        StepLimit,
        TaskCancelled,
        TaskKilled,
        TaskWillNotEnd,
        TimeLimit,
        UnseenErrorWarning,
        Unsupported,
        UsageError,
        WorldEnded,
    )
    from simsock.fuzzing import fuzz
    from simsock.kernel import Task
    from simsock.kernel.watchers import Watcher
    from simsock.net import Deliver, Drop, GilbertElliott, Link, Packet, Pass
    from simsock.net.netstat import Netstat, SocketEntry
    from simsock.network import Network, RealNetwork, use
    from simsock.search import Verdict, check_determinism, explore, replay
    from simsock.talking import Datagram, Talk, talk
    from simsock.world.sessions import session
    from simsock.world.simulation import Simulation


def __getattr__(name: str) -> Any:
    import gc

    home = f"simsock.{name}" if name in _MODULES else _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'simsock' has no attribute {name!r}")
    collects = gc.isenabled()
    gc.disable()  # what is loaded stays: each look for garbage among it takes longer than the one before
    try:
        module = _load(name, home)
    finally:
        if collects:
            gc.enable()
    if name in _MODULES:
        return module
    value = globals()[name] = getattr(module, name)
    return value


def _load(name: str, home: str) -> Any:
    import sys
    from importlib import import_module

    from simsock.hypothesis_time import not_counted

    if home != "simsock.errors" and "simsock.patching" not in sys.modules:
        if str(sys._getframe(2).f_globals.get("__name__")).startswith("freezegun"):
            raise AttributeError(f"simsock.{name} is not loaded yet")  # it looks at every name of every module, with the clocks replaced already
        from simsock.supported import check_clocks

        check_clocks()  # what stands in for clocks would take the replaced ones for the machine's, for ever
    with not_counted():
        try:
            return import_module(home)
        except (ImportError, AttributeError):  # of what is not on every system
            from simsock.supported import check

            check()
            raise


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})
