"""``SimulationTestCase``: unittest's tests in worlds, run by ``python -m unittest`` and by pytest."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path
from textwrap import dedent

import pytest

from simsock import testing
from simsock.testing import SimulationTestCase

HEAD = """
    import threading, time, unittest
    from simsock.testing import SimulationTestCase
    from simsock.socketserver import StreamRequestHandler, TCPServer, ThreadingTCPServer

    class Count(StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            value = self.server.count
            value += 1
            self.server.count = value
            self.wfile.write(b"%d" % value)

    class Refuse(StreamRequestHandler):
        def handle(self):
            raise ValueError("refused")

    class Counter(ThreadingTCPServer):
        count = 0

    def visit(sim, served):
        with sim.connect(served) as client:
            client.sendall(b"hello\\n")
            return client.recv(100)
"""

RUNNERS = {
    "unittest": [sys.executable, "-m", "unittest", "-v"],
    "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", "-rA"],
}


class Project:
    """A folder with one test module, and what comes of running it."""

    def __init__(self, folder, runner):
        self.folder = folder
        self.runner = runner

    def write(self, *parts):
        (self.folder / "test_it.py").write_text("\n".join(dedent(part) for part in (HEAD, *parts)))

    def run(self, *args, command=None, **environment):
        """Run it: what was printed, and the exit code."""
        root = Path(testing.__file__).resolve().parent.parent
        path = os.pathsep.join([str(root), str(root / "pytest_plugin")])
        environment = {**os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment}
        environment.pop("PYTEST_CURRENT_TEST", None)
        command = command or [*RUNNERS[self.runner], *(args or ["test_it.py" if self.runner == "pytest" else "test_it"])]
        done = subprocess.run(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        return done.stdout + done.stderr, done.returncode

    def outcomes(self, text):
        """``{test: "ok" or "bad"}``."""
        if self.runner == "pytest":
            found = re.findall(r"^test_it\.py::\w+::(\w+) (PASSED|FAILED|ERROR|SKIPPED|XFAIL)", text, re.MULTILINE)
        else:
            found = re.findall(r"^(test_\w+) \(.*\) \.\.\. (ok|FAIL|ERROR|skipped|expected failure)", text, re.MULTILINE)
        return {name: "ok" if how in ("PASSED", "ok") else "bad" if how in ("FAILED", "ERROR", "FAIL") else "other" for name, how in found}


@pytest.fixture(params=sorted(RUNNERS))
def project(request, tmp_path):
    """A project for either runner."""
    return Project(tmp_path, request.param)


def test_setup_the_test_its_teardown_and_its_cleanups_share_a_world_of_their_own(project):
    project.write(
        """
        told = []

        class TestIt(SimulationTestCase):
            @classmethod
            def setUpClass(cls):
                assert not hasattr(cls, "sim")

            def setUp(self):
                self.world = self.sim
                self.sim.sleep(1)
                self.addCleanup(self.clean)
                self.served = self.sim.serve(Counter, Count)

            def clean(self):
                assert self.sim is self.world
                self.sim.sleep(1)
                told.append(self.sim.now)

            def tearDown(self):
                assert self.sim is self.world
                self.sim.sleep(1)
                self.assertEqual(self.sim.now, 3602)

            def test_one(self):
                self.assertEqual(visit(self.sim, self.served), b"1")
                self.sim.sleep("1h")

            def test_two(self):
                self.assertEqual(self.sim.now, 1)
                self.assertEqual(visit(self.sim, self.served), b"1")
                self.sim.sleep(3600)
                self.assertEqual(told, [3603.0])
        """
    )
    text, code = project.run()
    assert project.outcomes(text) == {"test_one": "ok", "test_two": "ok"}, text
    assert code == 0


def test_options_are_class_attributes_and_are_inherited(project):
    project.write(
        """
        class Base(SimulationTestCase):
            sim_seed = 7
            sim_link = __import__("simsock").Link(latency=0.25)

        class TestIt(Base):
            sim_start_time = "2030-06-01T00:00Z"

            def test_them(self):
                self.assertEqual(self.sim.seed, 7)
                self.assertEqual(self.sim.options.link.latency_ns, 250_000_000)
                self.assertEqual(self.sim.network.time.gmtime().tm_year, 2030)

        class TestPatched(SimulationTestCase):
            sim_patch = True

            def test_the_standard_modules(self):
                began = time.monotonic()
                thread = threading.Thread(target=time.sleep, args=(3600,))
                thread.start()
                thread.join()
                self.assertAlmostEqual(time.monotonic() - began, 3600, 4)
        """
    )
    text, code = project.run()
    assert project.outcomes(text) == {"test_them": "ok", "test_the_standard_modules": "ok"}, text


def test_an_option_that_does_not_exist_is_an_error_that_names_it(project):
    project.write("class TestIt(SimulationTestCase):\n    sim_sead = 7\n    def test_it(self): pass")
    text, code = project.run()
    assert project.outcomes(text) == {"test_it": "bad"}, text
    assert "TestIt.sim_sead: there is no such option of a world; known are sim_seed, " in text
    assert code == 1


@pytest.mark.parametrize("where", ["setUp", "test_it", "tearDown", "clean", "handler", "sub"])
def test_every_failure_says_the_command_that_repeats_the_run(project, where):
    project.write(
        f"""
        class TestIt(SimulationTestCase):
            sim_seed = 7

            def maybe(self, where):
                if where == {where!r}:
                    self.fail("failed here: " + where)

            def setUp(self):
                self.addCleanup(self.maybe, "clean")
                self.maybe("setUp")

            def tearDown(self):
                self.maybe("tearDown")

            def test_it(self):
                with self.subTest(number=1):
                    self.maybe("sub")
                if {where!r} == "handler":
                    with self.sim.connect(self.sim.serve(Refuse)) as client:
                        client.recv(1)
                self.maybe("test_it")
        """
    )
    text, code = project.run()
    assert code == 1
    assert ("ValueError: refused" if where == "handler" else f"failed here: {where}") in text
    [(token, command)] = set(re.findall(r"SIMSOCK_REPLAY=(simsock1\.\S+) (.*)", text))
    assert command == ("pytest test_it.py::TestIt::test_it" if project.runner == "pytest" else "python -m unittest test_it.TestIt.test_it")


def test_the_command_repeats_a_run_that_a_seed_alone_would_not(project):
    project.write(
        """
        class TestIt(SimulationTestCase):
            sim_strategy = "random"
            sim_preempt = "lines"
            sim_seed = __import__("os").environ.get("SEED", "0")

            def test_count(self):
                served = self.sim.serve(Counter, Count)
                for task in [self.sim.spawn(visit, self.sim, served) for _ in range(3)]:
                    task.result()
                self.assertEqual(served.server.count, 3)

            def test_other(self):
                self.assertIn(self.sim.seed, ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9"))
        """
    )
    seeds = {}
    for seed in map(str, range(10)):
        text, code = project.run(SEED=seed)
        assert project.outcomes(text)["test_other"] == "ok"
        seeds[seed] = text if code else None
        if code and len(set(map(bool, seeds.values()))) == 2:
            break
    failed = next(text for text in seeds.values() if text)
    passing = next(seed for seed, text in seeds.items() if not text)
    line = re.search(r"SIMSOCK_REPLAY=(\S+) (.*)", failed)
    what = re.search(r"AssertionError: .*", failed).group()
    command = [sys.executable, "-m", *line.group(2).removeprefix("python -m ").split()]
    # With a seed that passes: it is the token that makes it fail, in the same way.
    text, code = project.run(command=command, SEED=passing, SIMSOCK_REPLAY=line.group(1))
    assert code == 1
    assert what in text
    text, code = project.run(SEED=passing, SIMSOCK_REPLAY=line.group(1))
    assert project.outcomes(text) == {"test_count": "bad", "test_other": "ok"}


def test_what_handlers_raised_is_told_with_the_failure_that_came_of_it(project):
    project.write(
        """
        class TestIt(SimulationTestCase):
            def test_it(self):
                with self.sim.connect(self.sim.serve(Refuse)) as client:
                    self.assertEqual(client.recv(100), b"welcome")

            def test_expected(self):
                with self.sim.expect_errors(ValueError), self.sim.connect(self.sim.serve(Refuse)) as client:
                    self.assertEqual(client.recv(100), b"")
        """
    )
    text, _code = project.run()
    assert project.outcomes(text) == {"test_it": "bad", "test_expected": "ok"}
    assert "b'' != b'welcome'" in text
    assert "also raised in task" in text
    assert "ValueError: refused" in text


def test_skipping_and_expected_failures_mean_what_they_mean(project):
    project.write(
        """
        class TestIt(SimulationTestCase):
            def test_skipped(self):
                self.skipTest("not now")

            @unittest.expectedFailure
            def test_expected_to_fail(self):
                self.assertEqual(self.sim.now, 1)

            def test_after(self):
                self.assertEqual(self.sim.now, 0)
        """
    )
    text, code = project.run()
    assert project.outcomes(text) == {"test_skipped": "other", "test_expected_to_fail": "other", "test_after": "ok"}
    assert code == 0
    assert "SIMSOCK_REPLAY" not in text or project.runner == "pytest"  # pytest shows the traceback of an expected failure


def test_it_stands_in_front_of_another_test_case_class(project):
    project.write(
        """
        class Other(unittest.TestCase):
            def setUp(self):
                self.other = True

        class TestIt(SimulationTestCase, Other):
            def test_it(self):
                self.assertTrue(self.other)
                self.assertEqual(self.sim.now, 0)

        class TestAsync(SimulationTestCase, unittest.IsolatedAsyncioTestCase):
            async def test_async(self):
                pass

        class TestCoroutine(SimulationTestCase):
            async def test_coroutine(self):
                pass
        """
    )
    text, _code = project.run()
    assert project.outcomes(text) == {"test_it": "ok", "test_async": "bad", "test_coroutine": "bad"}
    assert "IsolatedAsyncioTestCase makes its event loop before the world begins" in text
    assert "TestCoroutine.test_coroutine is an async function, which nobody would run" in text


class Quiet(SimulationTestCase):
    """Run by the tests below, not collected."""

    __test__ = False
    what = None

    def runTest(self):
        Quiet.what(self)


def outcome_of(what):
    Quiet.what = what
    result = unittest.TestResult()
    Quiet().run(result)
    return result


def test_an_interrupt_leaves_no_world_behind():
    def interrupt(test):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcome_of(interrupt)
    assert outcome_of(lambda test: test.sim.sleep(1)).wasSuccessful()


def test_debug_runs_in_a_world_and_leaves_it_also_after_an_error():
    Quiet.what = lambda test: test.sim.sleep(1)
    Quiet().debug()
    Quiet.what = lambda test: test.fail("here")
    with pytest.raises(AssertionError, match="here"):
        Quiet().debug()
    assert outcome_of(lambda test: None).wasSuccessful()


def test_the_world_is_an_attribute_during_the_test_only():
    seen = []
    test = Quiet()
    Quiet.what = lambda test: seen.append(test.sim)
    test.run(unittest.TestResult())
    assert len(seen) == 1
    assert not hasattr(test, "sim")


def test_a_token_that_no_longer_fits_is_an_error(monkeypatch):
    from simsock.choices import Deviation
    from simsock.search.telling import make_token
    from simsock.world.options import Options

    token = make_token(0, Options(), (Deviation("no such question", 3, 1),), None)
    monkeypatch.setenv("SIMSOCK_REPLAY", token)
    result = outcome_of(lambda test: None)
    assert "ReplayMismatch" in result.errors[0][1]


def test_the_example_in_the_docstring_works():
    done = doctest.testmod(testing)
    assert done.attempted
    assert not done.failed
