"""What has come to be since the last world and is no longer young for the garbage collector is found all the same, and an import costs no search."""

from __future__ import annotations

import gc
import select
import socket
import sys
import threading
import time
from datetime import datetime
from types import ModuleType

import pytest

from simsock import Simulation, patching
from simsock.patching.captured import Holds

from . import before_world as program

pytestmark = pytest.mark.heap


class Keeper:
    """What it keeps nobody else has."""

    __slots__ = ("__weakref__", "kept")


def collected():
    """As after some ten thousand new objects: a collection of the young, though not of all."""
    gc.collect(1)


def after_a_plain_world():
    with Simulation(patch=False):
        pass


def time_of_two(world, keeper, work=lambda: time.sleep(1)):
    """Two tasks do it one after the other, since what is kept is a lock of their world."""

    def locked():
        with keeper.kept:
            work()

    with world(max_real_time=10) as sim:
        for task in [sim.spawn(locked) for _ in range(2)]:
            task.result()
        return round(sim.now, 3)


@pytest.fixture
def settled(world):
    gc.collect()
    for _ in range(2):
        with world():
            pass


@pytest.fixture
def searches(monkeypatch):
    """How often the heap was searched, and for what."""
    made = []
    search, take = Holds._search, Holds._recount
    monkeypatch.setattr(Holds, "_search", lambda self, originals: (made.append(originals), search(self, originals))[1])
    monkeypatch.setattr(Holds, "_recount", lambda self, *arguments: (made.append("recount"), take(self, *arguments))[1])
    return made


@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
@pytest.mark.parametrize("kept", [list, set, Keeper, threading.Event])
def test_an_original_that_was_captured_since_is_the_world_s(world, settled, kept, grow):
    keeper = kept()
    if kept is list:
        keeper.append(time.sleep)
    elif kept is set:
        keeper.add(time.sleep)
    else:
        keeper.kept = time.sleep
    grow()
    with world(max_real_time=10) as sim:
        (next(iter(keeper)) if kept in (list, set) else keeper.kept)(3)
        assert round(sim.now, 4) == 3
    assert time.sleep in (list(keeper) if kept in (list, set) else [keeper.kept])


@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
def test_a_lock_that_was_made_since_is_the_world_s(world, settled, grow):
    keeper = Keeper()
    keeper.kept = threading.Lock()
    grow()
    assert time_of_two(world, keeper) == 2


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
def test_a_lock_in_the_place_of_one_that_has_ended_is_the_world_s(world, settled, searches, grow, make):
    """As a fixture makes one for each test: there are as many as before."""
    keeper = Keeper()
    for _ in range(3):
        keeper.kept = make()
        grow()
        assert time_of_two(world, keeper) == 2
    searches.clear()
    grow()
    with world():
        pass
    assert not searches, "nothing is new"


@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
def test_no_lock_is_looked_for_after_worlds_that_shared_their_stand_ins(world, settled, searches, grow):
    """As in a session of pytest, in which a test or a fixture makes them be taken out now and then."""
    patching.share()
    try:
        for _ in range(2):
            with world():
                pass
            patching.put_back()
            searches.clear()
            grow()
    finally:
        patching.share_no_more()
    with world():
        pass
    assert not searches, "nothing is new"


@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
def test_what_a_world_writes_to_a_local_that_was_made_since_goes_with_it(world, settled, grow):
    keeper = Keeper()
    keeper.kept = threading.local()
    grow()
    with world():
        keeper.kept.name = "inside"
    assert not hasattr(keeper.kept, "name")


@pytest.mark.parametrize("grow", [collected, after_a_plain_world])
def test_a_method_that_was_bound_since_is_the_world_s_after_an_import(world, settled, grow, monkeypatch):
    keeper = Keeper()
    keeper.kept = datetime.now
    monkeypatch.setitem(sys.modules, "binds_something", ModuleType("binds_something"))
    grow()
    with world(start_time=1_000_000_000):
        assert keeper.kept().year == 2001


def test_an_import_of_a_module_that_has_names_of_originals_and_nothing_else_costs_no_search(world, settled, searches, monkeypatch):
    for number in range(3):
        late = ModuleType(f"imported_since_{number}")
        exec("from time import sleep, monotonic\nfrom socket import socket as Sock\nimport threading\n\ndef nap(): sleep(3)", vars(late))
        monkeypatch.setitem(sys.modules, late.__name__, late)
        collected()
        with world(max_real_time=10) as sim:
            late.nap()
            assert round(sim.now, 4) == 3
            assert late.Sock is not None
        assert late.sleep is time.sleep
    assert not searches


def test_an_import_that_puts_an_original_where_something_else_was_is_found(world, settled, monkeypatch):
    keeper = Keeper()
    keeper.kept = select.poll
    with world():
        pass
    late = ModuleType("changes_what_was_there")
    monkeypatch.setitem(sys.modules, late.__name__, late)
    monkeypatch.setitem(program.TABLE, "nap", None)
    with world():
        pass
    monkeypatch.setitem(sys.modules, "changes_what_was_there_too", ModuleType("changes_what_was_there_too"))
    keeper.kept = program.TABLE["nap"] = time.sleep
    with world(max_real_time=10) as sim:
        keeper.kept(1)
        program.TABLE["nap"](2)
        assert round(sim.now, 4) == 3


def test_what_a_world_has_noted_about_sets_is_not_taken_for_somebody_who_captured_something(world, searches, monkeypatch):
    keeper = Keeper()
    keeper.kept = [frozenset((time.sleep, time.monotonic, 1)), {socket.socket, time.time}]
    gc.collect()
    for _ in range(3):
        with world(max_real_time=10) as sim:
            (nap,) = (one for one in keeper.kept[0] if getattr(one, "__name__", "") == "sleep")
            nap(1)
            assert round(sim.now, 4) == 1
    searches.clear()
    for number in range(2):
        monkeypatch.setitem(sys.modules, f"after_sets_{number}", ModuleType(f"after_sets_{number}"))
        with world():
            pass
    assert not searches


@pytest.mark.parametrize("grow", [collected, after_a_plain_world, int])
def test_a_lock_is_found_beside_a_name_that_has_come_to_be_an_original(world, settled, monkeypatch, grow):
    monkeypatch.setattr(program, "had_nothing", None, raising=False)
    with world():
        pass
    monkeypatch.setitem(sys.modules, "beside_a_lock", ModuleType("beside_a_lock"))
    program.had_nothing = time.sleep
    keeper = Keeper()
    keeper.kept = threading.Lock()
    grow()
    assert time_of_two(world, keeper, lambda: program.had_nothing(1)) == 2
