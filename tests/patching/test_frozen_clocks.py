"""freezegun and time-machine: each order of beginning and ending with a world works or is refused by name, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import datetime
import subprocess
import sys
import threading
import time
import types

import hypothesis.stateful  # noqa: F401  # a freeze in a world that looks through all modules would load it there
import pytest

import simsock
from simsock import Simulation, Unsupported, UsageError, patching
from simsock.harness import is_harness
from simsock.kernel import file_times, strictness, watchdog

freezegun = pytest.importorskip("freezegun")
time_machine = pytest.importorskip("time_machine")

FREEZERS = {"freezegun": lambda: freezegun.freeze_time("2020-02-03"), "time-machine": lambda: time_machine.travel("2020-02-03")}


def clocks():
    """What a test could find changed."""
    return (
        time.time,
        time.monotonic,
        time.sleep,
        datetime.datetime,
        datetime.date,
        time.time() > 1.7e9,
        datetime.datetime.now().year > 2024,
    )


@pytest.fixture(autouse=True)
def _nothing_is_left():
    before, threads = clocks(), set(threading.enumerate())  # some of them may be of the test before, and just about to end
    yield
    assert clocks() == before
    assert set(threading.enumerate()) <= threads
    with Simulation() as sim:
        time.sleep(3)
        assert (round(sim.now, 4), round(time.time(), 4), datetime.datetime.now(datetime.UTC).year) == (3, 1_767_225_603, 2026)


@pytest.mark.parametrize("name", FREEZERS)
def test_a_world_inside_a_freeze_is_refused_by_name(name):
    with FREEZERS[name](), pytest.raises(UsageError, match=f"{name} has replaced the clocks of this process.*start_time="), Simulation():
        raise AssertionError("it began")


@pytest.mark.parametrize("name", FREEZERS)
def test_a_decorated_function_that_enters_a_world_is_refused(name):
    @FREEZERS[name]()
    def test():
        with Simulation():
            raise AssertionError("it began")

    with pytest.raises(UsageError, match=name):
        test()


@pytest.mark.parametrize("name", FREEZERS)
def test_a_search_inside_a_freeze_is_refused_and_unpatched_worlds_are_not(name):
    with FREEZERS[name]():
        with pytest.raises(UsageError, match=name):
            simsock.explore(lambda sim: None, 2)
        with Simulation(patch=False) as sim:
            sim.sleep(1)
            assert datetime.datetime.now(datetime.UTC).year == 2020


@pytest.mark.parametrize("name", FREEZERS)
def test_a_world_that_was_made_before_the_freeze_is_refused_too(name):
    world, frozen = Simulation(), FREEZERS[name]()
    frozen.start()
    try:
        with pytest.raises(UsageError, match=name):
            world.__enter__()
    finally:
        frozen.stop()


def test_freezegun_inside_a_world_freezes_what_it_does_outside():
    with Simulation() as sim:
        with freezegun.freeze_time("2020-02-03") as frozen:
            began = time.time()
            time.sleep(5)
            assert (time.time(), datetime.datetime.now(datetime.UTC).year, round(sim.now, 4)) == (began, 2020, 5)
            frozen.tick(60)
            assert time.time() == began + 60
        assert (round(time.time(), 4), datetime.datetime.now(datetime.UTC).year) == (1_767_225_605, 2026)


def test_a_freeze_in_a_world_is_one_for_modules_that_freezegun_has_not_looked_into_yet(monkeypatch):
    """What it has noted, in a world or before it, decides nothing: neither there nor afterwards."""
    module = types.ModuleType("loaded_just_now")
    module.now = time.time
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for world in (Simulation, Simulation, contextlib.nullcontext):
        with world(), freezegun.freeze_time("2020-02-03"):
            assert module.now() == 1_580_688_000
    assert module.now is time.time


def test_a_freeze_in_a_world_leaves_the_harness_its_clocks():
    real = {id(clock) for clock in (time.time, time.time_ns, time.monotonic, time.perf_counter)}
    modules = [vars(module) for name, module in list(sys.modules.items()) if is_harness(name)]
    held = [(names, name, value) for names in modules for name, value in names.items() if id(value) in real]
    assert len(held) >= 3
    with freezegun.freeze_time("2020-02-03"):
        pass  # from now on it knows where they are
    for _ in range(2):
        with Simulation(), freezegun.freeze_time("2020-02-03"):
            time.sleep(1)
        assert [f"{names['__name__']}.{name}" for names, name, value in held if names[name] is not value] == []


def test_a_function_that_freezegun_decorates_may_be_called_in_a_world_and_in_its_threads():
    @freezegun.freeze_time("2020-02-03")
    def year():
        time.sleep(1)
        return datetime.datetime.now(datetime.UTC).year

    with Simulation() as sim:
        assert sim.spawn(year).result() == year() == 2020
        assert datetime.datetime.now(datetime.UTC).year == 2026


def test_a_freeze_that_begins_in_a_world_may_end_after_it():
    frozen = freezegun.freeze_time("2020-02-03")
    with Simulation():
        frozen.start()
        assert datetime.datetime.now(datetime.UTC).year == 2020
    frozen.stop()


def harness_clocks():
    """By identity, what modules of the harness have under the names of clocks: the functions themselves would be exchanged here in a world."""
    return {
        (name, key): id(value)
        for name, module in list(sys.modules.items())
        if is_harness(name) and isinstance(module, types.ModuleType)
        for key, value in list(vars(module).items())
        if key.lstrip("_") in CLOCKS and not isinstance(value, types.ModuleType)
    }


CLOCKS = "gmtime localtime monotonic monotonic_ns perf_counter perf_counter_ns real_clock real_ns strftime time time_ns".split()


def test_a_freeze_in_a_world_is_none_for_simsock_and_the_harness_whatever_was_frozen_before_it():
    """freezegun notes what modules hold, and a world exchanges functions in such notes: those on simsock's own modules and on pytest's stay."""
    before = harness_clocks()
    with freezegun.freeze_time("2020-02-03"):
        pass  # it has its notes
    with Simulation():
        with freezegun.freeze_time("2020-02-03"):
            assert harness_clocks() == before
            assert time.strftime("%Y-%m-%d") == "2020-02-03"
        assert harness_clocks() == before
        assert time.strftime("%Y-%m-%d") == "2026-01-01"
    assert harness_clocks() == before
    assert time.strftime("%Y", time.gmtime(0)) == "1970"
    strictness.noted.clear()
    with Simulation():
        pass
    assert strictness.noted == []


def test_a_freeze_between_worlds_that_share_what_stands_in_leaves_the_harness_its_clocks():
    before = harness_clocks()
    with freezegun.freeze_time("2020-02-03"):
        pass
    patching.share()
    try:
        for _ in range(2):
            with Simulation():
                pass
            with freezegun.freeze_time("2020-02-03"):
                pass
            assert harness_clocks() == before
    finally:
        patching.share_no_more()
    assert harness_clocks() == before


def test_simsock_reads_the_machines_clock_beside_a_freeze():
    """Nothing of simsock is called what freezegun looks for."""
    real = time.monotonic
    with freezegun.freeze_time("2020-02-03"):
        assert abs(watchdog._monotonic() - real()) < 60
        assert file_times._real_ns() > 1.7e18


def test_time_machine_inside_a_world_is_refused_and_not_a_crash():
    with Simulation():
        with pytest.raises(Unsupported, match=r"time-machine in a world.*start_time=.*freezegun"), time_machine.travel("2020-02-03"):
            raise AssertionError("it began")
        time.sleep(1)
        assert round(time.time(), 4) == 1_767_225_601


def test_time_machine_that_is_first_imported_in_a_world_is_refused_as_well():
    code = """
import simsock, time
with simsock.Simulation():
    try: import time_machine
    except simsock.Unsupported: print("refused")
import time_machine
with time_machine.travel(0, tick=False):
    print(time.time())
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout == "refused\n0.0\n"


@pytest.mark.parametrize("name", FREEZERS)
def test_the_first_look_at_simsock_inside_a_freeze_spoils_no_later_world(name):
    make = "freezegun.freeze_time('2020-02-03')" if name == "freezegun" else "time_machine.travel('2020-02-03')"
    code = f"""
import datetime, simsock, time, {name.replace("-", "_")}
try:
    with {make}:
        simsock.Simulation()
except simsock.UsageError:
    print("refused")
with simsock.Simulation():
    time.sleep(1)
    print(time.time(), datetime.datetime.now(datetime.UTC).year)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "refused\n1767225601.000001 2026\n"


@pytest.mark.once
def test_a_fixture_that_freezes_before_the_world_is_told_so_in_pytest(pytester):
    pytester.makepyfile(
        """
        import datetime
        import freezegun
        import pytest

        @pytest.fixture
        def frozen():
            with freezegun.freeze_time("2020-02-03"):
                yield

        def test_before(frozen, sim): ...

        def test_after(sim, frozen):
            assert datetime.datetime.now(datetime.UTC).year == 2020

        def test_none(sim):
            assert datetime.datetime.now(datetime.UTC).year == 2026
        """
    )
    result = pytester.runpytest_subprocess("-p", "pytest_simsock", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*freezegun has replaced the clocks of this process*"])
