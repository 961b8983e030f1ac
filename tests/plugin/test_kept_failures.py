"""Failures of searches are kept between two runs of pytest; how far a search is, on a terminal; Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from pytest_simsock import configuring
from simsock.search import memory

RACE = """
    import os
    import signal
    import pytest

    {setup}

    @pytest.mark.simsock(schedules=300)
    def test_race(sim):
        {begin}
        state = []
        def first():
            state.append(1)
            state.append(2)
        def second():
            assert state != [{unlike}], "whoever is switched out between two lines"
        tasks = [sim.spawn(work) for work in [first, first, second, second]]
        for task in tasks:
            task.result()
"""


def race(setup="", begin="", unlike=1):
    """A test that fails when ``second`` runs between the two lines of ``first``; with ``unlike=7`` it passes."""
    return RACE.format(setup=setup, begin=begin, unlike=unlike)


@pytest.fixture
def folder(pytester):
    """Where failures are kept by default."""
    return pytester.path / ".simsock" / "failures"


def entries(folder):
    return sum(path.read_bytes().startswith(b"simsock1.") for path in folder.rglob("*") if path.is_file())


def searched(report, section):
    """What is said of the schedule that failed."""
    return section(report, "deviations").splitlines()[0]


class TestAFailure:
    """Of one session is known to the next."""

    def test_it_is_tried_first_and_dropped_when_it_passes(self, project, folder, section, command_in):
        project.write_plain(race())
        first = project.failure()
        assert entries(folder) == 1
        again = project.failure()
        number = re.match(r"schedule (\d+) of seed 0 failed", searched(first, section))[1]
        assert re.match(rf"schedule {number} of seed 0, kept from an earlier search, failed", searched(again, section))
        assert command_in(section(again, "repeat")) == command_in(section(first, "repeat"))
        assert project.failure(*command_in(section(again, "repeat"))).failed
        project.write_plain(race(unlike=7))
        passed = next(report for report in project.reports() if report.when == "call")
        assert passed.passed
        assert "passes now: schedule" in section(passed, "kept failures")
        assert entries(folder) == 0

    def test_the_schedules_that_come_after_it_have_their_own_numbers(self, project, folder, section):
        project.write_plain(race())
        number = re.match(r"schedule (\d+)", searched(project.failure("--simsock-database=none"), section))[1]
        assert not folder.exists()
        project.failure("--simsock-seed=5")
        project.write_plain(race(unlike=7))
        project.write_plain(race("import itertools; runs = itertools.count()", "if next(runs) == 0: return"))
        again = project.failure()
        assert re.match(rf"schedule {number} of seed 0 failed", searched(again, section)), "the kept run passed, and then the search began"

    def test_whoever_names_a_seed_gets_its_search(self, project, section):
        project.write_plain(race())
        project.failure()
        assert re.match(r"schedule \d+ of seed 6 failed", searched(project.failure("--simsock-seed=6"), section))

    def test_tests_with_parameters_have_failures_of_their_own(self, project, folder):
        project.write_plain(
            race().replace("def test_race(sim)", "def test_race(sim, number)").replace("@pytest", "@pytest.mark.parametrize('number', [1, 2])\n    @pytest", 1)
        )
        assert len([report for report in project.reports() if report.failed]) == 2
        assert entries(folder) == 2

    def test_the_ini_file_and_the_command_line_say_where(self, project, pytester, folder):
        project.write_plain(race())
        pytester.makeini("[pytest]\nsimsock_database = kept/here\n")
        project.failure()
        assert entries(pytester.path / "kept" / "here") == 1
        project.failure("--simsock-database=there")
        assert entries(pytester.path / "there") == 1
        assert not folder.exists()
        pytester.makeini("[pytest]\nsimsock_database = none\n")
        project.failure()
        assert not folder.exists()

    def test_a_file_is_no_folder(self, project):
        result = project.run("--simsock-database=tox.ini")
        result.stderr.fnmatch_lines(["*--simsock-database: expected a folder or none, got '*ini', which is no folder*"])

    def test_damage_is_told_and_harmless(self, project, folder, section):
        project.write_plain(race())
        project.failure()
        for path in folder.rglob("*"):
            if path.is_file() and path.read_bytes().startswith(b"simsock1."):
                path.write_bytes(path.read_bytes()[:-4])
        again = project.failure()
        assert "kept" not in searched(again, section)
        assert "cannot be read and is passed over: the token is cut off or mistyped" in section(again, "kept failures")

    def test_workers_of_xdist_share_the_folder(self, project, folder, pytester):
        for number in range(4):
            project.write_plain(race(), name=f"test_{number}")
        for _ in range(2):
            result = project.run_apart("-n", "2", "-p", "xdist")
            assert result.parseoutcomes()["failed"] == 4
            assert entries(folder) == 4
        assert result.stdout.str().count(", kept from an earlier search, failed") == 4

    def test_a_skip_ends_the_search_also_when_something_is_kept(self, project):
        project.write_plain(race())
        project.failure()
        project.write_plain(race(begin="pytest.skip('not today')"))
        assert [report.outcome for report in project.reports() if report.when == "call"] == ["skipped"]

    def test_the_folder_has_one_name(self):
        assert configuring.FOLDER == memory.FOLDER


def on_a_terminal(project, *arguments):
    """Run pytest with a terminal as its output: what it wrote there."""
    leader, follower = pty.openpty()
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:faker", "-p", "no:hypothesispytest", *project.without, *arguments]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    running = subprocess.Popen(command, cwd=project.pytester.path, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=environment)
    os.close(follower)
    written = b""
    try:
        while True:
            try:
                more = os.read(leader, 65_536)
            except OSError:
                break
            if not more:
                break
            written += more
        running.wait(timeout=60)
    finally:
        os.close(leader)
        if running.poll() is None:
            running.kill()
            running.wait()
    return written.decode()


class TestProgress:
    """How far a search is."""

    def test_it_is_shown_on_a_terminal_and_taken_away(self, project):
        project.write_plain(race(unlike=7))
        text = on_a_terminal(project)
        assert "\0337 1 of 300 schedules\033[K\0338" in text
        assert re.search(r"\0338\033\[K.*\.", text), "the dot of the test stands where the progress stood"
        assert "1 passed" in text

    def test_nothing_of_it_is_in_a_log(self, project):
        project.write_plain(race(unlike=7))
        result = project.run_apart()
        assert [line for line in result.outlines if "schedules" in line] == ["simsock: 1 test searched, 300 schedules, 1 inconclusive"], "the session's summary"
        assert "\033" not in result.stdout.str() + result.stderr.str()


COUNTED = "import itertools; runs = itertools.count(1); pressed = int(os.environ.get('PRESSED', 0))"
INTERRUPT = "if next(runs) == pressed: os.kill(os.getpid(), signal.SIGINT); sim.sleep(1)"
"""Ctrl-C, in the run whose number is in the environment."""


class TestCtrlC:
    """Ends a search, and what was found until then is told."""

    def test_before_anything_has_failed_it_is_told_how_far_the_search_came(self, project, folder, monkeypatch):
        monkeypatch.setenv("PRESSED", "40")
        project.write_plain(
            race(COUNTED, INTERRUPT, unlike=7),
            """
            def test_after():
                pass
            """,
        )
        result = project.run_apart()
        result.stdout.fnmatch_lines(["simsock: test_it.py::test_race: interrupted at schedule 40 of 300; none before it had failed", "*KeyboardInterrupt*"])
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert not folder.exists()

    def test_while_a_failure_is_shrunk_it_is_reported_with_the_shortest_run_so_far(self, project, folder, command_in, monkeypatch):
        project.write_plain(race(COUNTED, INTERRUPT))
        found = re.search(r"schedule (\d+) of seed 0 failed", project.run("--simsock-database=none").stdout.str())
        monkeypatch.setenv("PRESSED", str(int(found[1]) + 4))
        result = project.run_apart()
        text = result.stdout.str()
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert "1 failed" in text
        assert "not shrunk to the end: interrupted; the shortest run so far has " in text
        commands = [line for line in text.splitlines() if line.startswith("pytest test_it.py::test_race --simsock-replay=")]
        assert len(commands) == 2, "the failure as it was found, and the shortest"
        assert len(commands[1]) <= len(commands[0])
        assert entries(folder) == 1
        monkeypatch.delenv("PRESSED")
        assert project.failure(*command_in(commands[1])).failed
        assert ", kept from an earlier search, failed" in project.run().stdout.str()

    def test_nothing_is_left_behind(self, project, pytester, monkeypatch):
        monkeypatch.setenv("PRESSED", "40")
        project.write_plain(race(COUNTED, INTERRUPT, unlike=7))
        pytester.makeconftest(
            """
            import socket, threading, time
            before = socket.socket, threading.Thread.start, time.sleep, threading.Lock

            def pytest_unconfigure():
                assert before == (socket.socket, threading.Thread.start, time.sleep, threading.Lock)
                from simsock.kernel import session
                assert session.active is session.suspended is None
                assert threading.active_count() == 1
                print("as before")
            """
        )
        result = project.run_apart()
        result.stdout.fnmatch_lines(["as before"])
