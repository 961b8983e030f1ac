"""A world leaves the process as it was, however it ends: tracing, monitoring, garbage collection, signals, the network, the scheduler."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import warnings

import pytest

import simsock
from simsock import network as networks
from simsock import socketserver
from simsock.kernel import session
from simsock.kernel.watchdog import SIGNAL, watchdog
from tests.real_signals import strike


def state_of_the_process() -> dict[str, object]:
    """All that a world changes while it runs."""
    monitoring = getattr(sys, "monitoring", None)
    return {
        "trace function": sys.gettrace(),
        "monitoring tools": [monitoring.get_tool(tool) for tool in range(6)] if monitoring else [],
        "events": [monitoring.get_events(tool) if monitoring.get_tool(tool) else 0 for tool in range(6)] if monitoring else [],
        "collection": gc.isenabled(),
        "thresholds": gc.get_threshold(),
        "frozen": gc.get_freeze_count() > 1_000,
        "signals": [signal.getsignal(number) for number in (SIGNAL, signal.SIGINT, signal.SIGALRM)],
        "network": repr(networks.in_force()),
        "networks": len(networks._stack),
        "hooks": list(socketserver.error_hooks),
        "world": session.active,
        "recursion": sys.getrecursionlimit(),
        "switch interval": sys.getswitchinterval(),
        "excepthook": (sys.excepthook, threading.excepthook, sys.unraisablehook),
        "filters": list(warnings.filters),
    }


def passes(sim):
    with sim.connect(sim.serve(socketserver.BaseRequestHandler)):
        sim.sleep(1)


def fails(sim):
    raise LookupError("its mistake")


def fails_in_a_task(sim):
    sim.spawn(fails, sim)
    sim.sleep(1)


def fails_at_the_end(sim):
    def work():
        try:
            sim.sleep("1h")
        finally:
            raise LookupError("its mistake")

    sim._kernel.spawn(work, daemon=True)


def deadlocks(sim):
    sim.network.threading.Event().wait()


def loops(sim):
    while True:
        sim._kernel.point()


def blocks(sim):
    threading.Event().wait()


def is_interrupted(sim):
    strike(signal.SIGINT)
    sim.sleep(1)


def leaks(sim):
    sim.spawn(sim.sleep, "1h")


ENDS = [passes, fails, fails_in_a_task, fails_at_the_end, deadlocks, loops, blocks, is_interrupted, leaks]


@pytest.mark.parametrize("preempt", ["calls", "lines"])
@pytest.mark.parametrize("end", ENDS)
def test_nothing_stays_after_a_world(end, preempt):
    before = state_of_the_process()
    error = None
    try:
        with simsock.Simulation(preempt=preempt, strategy="random", max_steps=2_000, max_real_time=0.2) as sim:
            assert state_of_the_process() != before
            end(sim)
    except BaseException as raised:
        error = raised
    assert state_of_the_process() == before
    assert (error is None) == (end is passes)


@pytest.mark.parametrize("end", [passes, fails, deadlocks, is_interrupted])
def test_nothing_stays_after_a_search(end):
    before = state_of_the_process()
    try:
        simsock.explore(end, schedules=3, shrink=False)
    except KeyboardInterrupt:
        assert end is is_interrupted
    assert state_of_the_process() == before


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_nothing_stays_when_a_world_cannot_begin(preempt, monkeypatch):
    before = state_of_the_process()
    monkeypatch.setattr("simsock.world.simulation.Fabric", None)
    with pytest.raises(TypeError), simsock.Simulation(preempt=preempt):
        pass
    monkeypatch.undo()
    assert state_of_the_process() == before
    passes_in_a_world()


def test_nothing_stays_when_the_watchdog_cannot_begin(monkeypatch):
    before = state_of_the_process()

    def refuse(self, kernel):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("simsock.kernel.watchdog.Watchdog.guard", refuse)
    with pytest.raises(RuntimeError, match="can't start"), simsock.Simulation(preempt="lines"):
        pass
    monkeypatch.undo()
    assert state_of_the_process() == before
    passes_in_a_world()


def passes_in_a_world():
    with simsock.Simulation() as sim:
        passes(sim)


def test_collection_that_was_off_stays_off():
    gc.disable()
    try:
        passes_in_a_world()
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_a_program_froze_stays_frozen():
    keep = [[] for _ in range(2_000)]
    gc.freeze()
    try:
        passes_in_a_world()
        assert gc.get_freeze_count() >= len(keep)  # less what was frozen with it and has died of its own
    finally:
        gc.unfreeze()
    assert len(keep) == 2_000


def test_sessions_that_overlap_leave_collection_as_it_was_before_the_first():
    first, second = session.Session(), session.Session()
    with first:
        second.__enter__()
    try:
        assert not gc.isenabled()
        assert gc.get_freeze_count() > 1_000
    finally:
        second.__exit__()
    assert gc.isenabled()
    assert gc.get_freeze_count() < 1_000


def test_one_thread_of_the_watchdog_serves_all_worlds():
    passes_in_a_world()
    bell = watchdog._bell  # each thread has one of its own
    for _ in range(20):
        passes_in_a_world()
    assert watchdog._bell is bell
