"""Searches over processes: races are found, shrunk, told and repeated; and what is left when a world with processes is broken off."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import time

import pytest

import simsock
from simsock import RealTimeLimit, Simulation


def lost_update(sim):
    """Two processes count in a file, each reading before it writes."""
    reading, writing = os.pipe()
    os.write(writing, b"0")
    counter = socket.socketpair()
    counter[1].sendall(b"0")

    def count():
        seen = int(counter[0].recv(10, socket.MSG_PEEK))
        counter[0].recv(10)
        counter[1].sendall(b"%d" % (seen + 1))

    pids = []
    for _ in range(2):
        pid = os.fork()
        if not pid:
            count()
            os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    assert counter[0].recv(10) == b"2"


def test_a_lost_update_between_processes_is_found_shrunk_and_repeated():
    verdict = simsock.explore(lost_update, schedules=100)
    assert verdict.status == "fails"
    assert len(verdict.deviations) == 1
    assert str(verdict.deviations[0]).startswith("task process-2 ran between test_searching.py:")
    assert all(name in str(verdict.story) for name in ("process-1", "process-2", "main"))
    with pytest.raises(AssertionError):
        simsock.replay(lost_update, verdict.token)


def test_at_calls_a_lost_update_is_told_by_the_call_before_which_another_process_ran():
    verdict = simsock.explore(lost_update, schedules=100, preempt="calls")
    assert str(verdict.deviations[0]).startswith("task process-2 ran before socket.recv of process-1")


def test_a_search_over_processes_that_finds_nothing_is_inconclusive_or_holds():
    def fine(sim):
        pids = []
        for number in range(2):
            pid = os.fork()
            if not pid:
                os._exit(number)
            pids.append(pid)
        assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids] == [0, 1]

    assert simsock.explore(fine, schedules=5).status in ("holds", "inconclusive")


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return set(file.read().split())


def test_a_child_that_computes_for_ever_is_ended_by_the_limit_of_real_time():
    before = children()
    with pytest.raises(RealTimeLimit), Simulation(max_real_time=0.3):
        pid = os.fork()
        if not pid:
            while True:
                pass
        os.waitpid(pid, 0)
    assert children() == before


def test_ctrl_c_while_a_child_computes_ends_the_world_and_the_child():
    before = children()
    home = os.getpid()
    with pytest.raises(KeyboardInterrupt), Simulation():
        pid = os.fork()
        if not pid:
            strike_elsewhere(home)
            while True:
                pass
        os.waitpid(pid, 0)
    assert children() == before


def strike_elsewhere(pid):
    """A real SIGINT, as Ctrl-C sends one: ``os.kill`` is simulated here."""
    ctypes.CDLL(None).kill(pid, int(signal.SIGINT))


@pytest.mark.parametrize("how", ["error", "exit", "leave"])
def test_no_process_is_left_however_a_world_ends(how):
    before = children()

    def run():
        with Simulation():
            for _ in range(3):
                if not os.fork():
                    time.sleep(1e5)
                    os._exit(0)
            time.sleep(1)
            if how == "error":
                raise LookupError
            if how == "exit":
                raise SystemExit(3)

    with pytest.raises({"error": LookupError, "exit": SystemExit, "leave": simsock.LeakWarning}[how]):
        run()
    assert children() == before


def test_a_test_of_pytest_goes_on_in_no_child(pytester):
    pytester.makepyfile(
        """
        import os, pytest

        def end(pid):
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

        def test_returns(sim):
            pid = os.fork()
            if pid:
                assert end(pid) == 0

        def test_fails_in_the_child(sim):
            pid = os.fork()
            if not pid:
                assert [1, 2] == [1, 3]
            assert end(pid) == 1

        @pytest.fixture
        def forked(sim):
            pid = os.fork()
            yield pid
            if pid:
                assert end(pid) == 0

        def test_with_a_fixture(forked):
            print("once")

        @pytest.mark.simsock(schedules=3)
        def test_searches(sim):
            pid = os.fork()
            if pid:
                assert end(pid) == 0

        def test_after():
            with open("after", "a") as file:
                file.write("x")
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=4, failed=1)
    assert (pytester.path / "after").read_text() == "x"
    result.stdout.fnmatch_lines(["*in process 5000001, task process-1*"])


def test_children_print_where_home_prints(capsys):
    with Simulation():
        for word in ("one", "two"):
            pid = os.fork()
            if not pid:
                print(word)
                os._exit(0)
            os.waitpid(pid, 0)
    assert capsys.readouterr().out == "one\ntwo\n"
