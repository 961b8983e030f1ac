"""A patched world is live while a fixture's body or the test function runs; whenever it is pytest's turn, everything is real."""

import re

import pytest

PLUGIN = """
import random
import socket
import threading
import time

import pytest

seen = []

def look(when):
    now = time.time()
    began = time.monotonic()
    time.sleep(0.001)
    with socket.socket() as real:
        kind = type(real) is socket.socket and real.fileno() >= 0
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        client.sendall(b"x")
        with server.accept()[0] as peer:
            kind = kind and peer.recv(1) == b"x"
    done = []
    thread = threading.Thread(target=lambda: done.append(threading.get_ident()))
    thread.start()
    thread.join()
    main = threading.current_thread() is threading.main_thread()
    fresh = done[0] != threading.get_ident() and thread.name not in names
    names.add(thread.name)
    names_known = [thread.name for thread in threading.enumerate()]
    real = now > 1.6e9 and 0.001 <= time.monotonic() - began < 60 and kind and main and fresh and "inside" not in names_known
    seen.append((when, real))
    random.random()

names = set()

@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item):
    look("before setup")
    try:
        return (yield)
    finally:
        look("after setup")

@pytest.hookimpl(wrapper=True)
def pytest_fixture_setup(fixturedef, request):
    look("before " + fixturedef.argname)
    try:
        return (yield)
    finally:
        look("after " + fixturedef.argname)

@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    look("before the function")
    try:
        return (yield)
    finally:
        look("after the function")

def pytest_fixture_post_finalizer(fixturedef):
    look("finalized " + fixturedef.argname)

def pytest_runtest_logreport(report):
    look("report " + report.when)

def pytest_sessionfinish():
    print("\\nNOT REAL:", [when for when, real in seen if not real])
    print("LOOKED:", sorted({when for when, real in seen}))
"""

TESTS = """
import random
import socket
import threading
import time

import pytest

pytestmark = pytest.mark.simsock(patch=True, start_time=946_684_800)

def is_inside():
    return time.time() < 1.6e9

@pytest.fixture(scope="module")
def wide():
    yield time.time()
    assert not is_inside()

@pytest.fixture
def before():
    assert not is_inside()
    yield
    assert not is_inside()

@pytest.fixture
def after(sim):
    assert is_inside()
    time.sleep(10)
    yield
    assert is_inside()

@pytest.fixture
def unrelated():
    assert is_inside()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, name="inside")
    thread.start()
    yield thread
    stop.set()
    thread.join()
    assert is_inside()

local = threading.local()
local.value = "outside"

@pytest.fixture
def late(request):
    assert request.getfixturevalue("wide") > 1.6e9
    assert is_inside()
    return random.random()

def test_it(before, sim, after, unrelated, tmp_path, late):
    local.value = "inside"
    assert round(sim.now, 4) == 10
    assert threading.current_thread() is threading.main_thread() and unrelated in threading.enumerate()
    thread = threading.Thread(target=time.sleep, args=(5,))
    assert thread.name.startswith("Thread-1 ")
    thread.start()
    thread.join()
    assert round(sim.now, 4) == 15
    (tmp_path / "chance").write_text("")
    print("CHANCE", late, random.random())

def test_next(sim):
    assert local.value == "outside"
    assert sim.now == 0
"""


def test_hooks_of_other_plugins_are_outside_and_fixtures_after_sim_are_inside(project):
    project.pytester.makeconftest(PLUGIN)
    project.write_plain(TESTS)
    said = [project.run_apart("-s", "-p", "no:randomly") for _ in range(2)]
    for result in said:
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["NOT REAL: []"])
        looked = next(line for line in result.stdout.lines if line.startswith("LOOKED:"))
        for when in ("after sim", "before after", "finalized unrelated", "before the function", "report call", "after late", "before wide"):
            assert repr(when) in looked
    chances = [next(line for line in result.stdout.lines if "CHANCE" in line) for result in said]
    assert chances[0] == chances[1]


def test_a_hook_that_seeds_the_global_generator_does_not_reach_the_world_s(project):
    project.pytester.makeconftest(
        """
        import os, random, pytest
        def pytest_runtest_call(item):
            random.seed(os.environ["CHANCE"])
        def pytest_runtest_logreport(report):
            if report.when == "call":
                print("OUTSIDE", random.random())
        """
    )
    project.write_plain(
        """
        import random, pytest
        @pytest.mark.simsock(patch=True, start_time=946_684_800)
        def test_it(sim):
            print("INSIDE", random.random())
        """
    )
    found = {"INSIDE": [], "OUTSIDE": []}
    for chance in "ab":
        project.pytester._monkeypatch.setenv("CHANCE", chance)
        result = project.run_apart("-s", "-p", "no:randomly")
        for line in result.stdout.lines:
            for where, values in found.items():
                if where in line:
                    values.append(line.partition(where)[2])
    assert len(found["INSIDE"]) == len(found["OUTSIDE"]) == 2
    assert found["INSIDE"][0] == found["INSIDE"][1]
    assert found["OUTSIDE"][0] != found["OUTSIDE"][1]


def test_what_a_hook_wants_of_a_world_that_stands_still_is_an_error_that_says_so(project):
    project.pytester.makeconftest(
        """
        import threading, pytest
        from simsock.errors import Deadlock
        lock = threading.Lock()
        @pytest.hookimpl(wrapper=True)
        def pytest_pyfunc_call(pyfuncitem):
            with pytest.raises(Exception, match="stands still while pytest is at work"):
                pyfuncitem.funcargs["sim"].sleep(1)
            assert round(pyfuncitem.funcargs["sim"].now, 4) == 3
            with pytest.raises(Deadlock, match="is held by task holder .* that code cannot wait"):
                pyfuncitem.module.lock.acquire()
            assert not pyfuncitem.module.lock.acquire(False)
            return (yield)
        """
    )
    project.write_plain(
        """
        import threading, time, pytest
        lock = threading.Lock()
        @pytest.fixture
        def held(sim):
            def hold():
                with lock:
                    time.sleep(100)
            threading.Thread(target=hold, name="holder", daemon=True).start()
            time.sleep(3)
        @pytest.mark.simsock(patch=True, start_time=946_684_800)
        def test_it(sim, held):
            time.sleep(97)
            with lock:
                assert round(sim.now, 4) == 100
        """
    )
    project.run("-p", "no:randomly").assert_outcomes(passed=1)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_search_suspends_each_of_its_worlds(project, preempt):
    project.pytester.makeconftest(
        """
        import time
        real = []
        def pytest_runtest_setup(item):
            real.append(time.time() > 1.6e9)
        def pytest_runtest_call(item):
            real.append(time.time() > 1.6e9)
        def pytest_runtest_teardown(item):
            real.append(time.time() > 1.6e9)
        def pytest_sessionfinish():
            print("REAL", len(real), all(real))
        """
    )
    project.write_plain(
        f"""
        import threading, time, pytest
        count = 0
        @pytest.mark.simsock(patch=True, start_time=946_684_800, schedules=500, preempt={preempt!r})
        def test_it(sim):
            global count
            count = 0
            def work():
                global count
                value = count
                time.sleep(0)
                count = value + 1
            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert time.time() < 1.6e9
            assert count == 3
        """
    )
    result = project.run_apart("-s", "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*assert * == 3*", "*pytest * --simsock-replay=*"])
    line = next(line for line in result.stdout.lines if "REAL " in line)
    assert re.search(r"REAL (\d+) True$", line) and int(line.split()[-2]) >= 6


def test_the_body_of_a_unittest_case_is_inside(project):
    project.pytester.makeconftest("import time\ndef pytest_runtest_logreport(report):\n    assert time.time() > 1.6e9\n")
    project.write_plain(
        """
        import time, unittest, pytest
        class TestIt(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _world(self, sim):
                self.sim = sim
            @pytest.mark.simsock(patch=True, start_time=946_684_800)
            def test_it(self):
                time.sleep(3600)
                assert round(self.sim.now, 4) == 3600
        """
    )
    project.run("-p", "no:randomly").assert_outcomes(passed=1)


def test_a_world_asked_for_in_a_body_is_live_for_the_rest_of_it(project):
    project.pytester.makeconftest("import time\ndef pytest_runtest_logreport(report):\n    assert time.time() > 1.6e9\n")
    project.write_plain(
        """
        import time, pytest
        pytestmark = pytest.mark.simsock(start_time=946_684_800)
        @pytest.fixture
        def dynamic(request):
            sim = request.getfixturevalue("sim")
            time.sleep(3600)
            assert round(sim.now, 4) == 3600
            return sim
        def test_in_a_fixture(dynamic):
            time.sleep(1)
            assert round(dynamic.now, 4) == 3601
        def test_in_the_body(request):
            assert time.time() > 1.6e9
            sim = request.getfixturevalue("sim")
            time.sleep(3600)
            assert round(sim.now, 4) == 3600
        """
    )
    project.run("-p", "no:randomly").assert_outcomes(passed=2)


def test_what_a_test_has_its_request_do_at_the_end_is_done_in_its_world(pytester):
    pytester.makepyfile(
        """
        import threading, time
        import pytest

        def inside():
            return time.time() < 1.77e9

        @pytest.fixture
        def late(sim):
            yield
            assert inside() and ends == ["stopped"]

        ends = []

        def ends_its_thread(request):
            stop = threading.Event()
            thread = threading.Thread(target=stop.wait)
            thread.start()

            def finish():
                assert inside()
                time.sleep(3600)
                stop.set()
                thread.join()
                ends.append("stopped")

            request.addfinalizer(finish)
            request.getfixturevalue("late")

        def test_alone(sim, request):
            ends.clear()
            ends_its_thread(request)

        @pytest.mark.simsock(world="class")
        @pytest.mark.usefixtures("sim")
        class TestTogether:
            def test_one(self, request):
                ends.clear()
                ends_its_thread(request)

            def test_that_is_wrong_at_its_end(self, request):
                request.addfinalizer(lambda: 1 / 0)

        def test_real(request):
            assert ends == ["stopped"]
            request.addfinalizer(lambda: ends.append(inside()))

        def test_what_came_of_it():
            assert ends == ["stopped", False]
        """
    )
    result = pytester.runpytest("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*ZeroDivisionError*", "FAILED *test_that_is_wrong_at_its_end*"])
