"""How a world ends: what is raised, what was expected, what leaks, and what still works afterwards."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref

import pytest

import simsock
from simsock import LeakWarning, UsageError, WorldEnded, socketserver


class Mistake(Exception):
    """What tasks of these tests raise."""


def fail(error):
    raise error


class Failing(socketserver.StreamRequestHandler):
    """Raises what it is sent the name of."""

    def handle(self):
        name = self.rfile.readline().decode().strip()
        raise {"value": ValueError, "key": KeyError}[name](name)


class TestErrors:
    """What tasks and handlers raise."""

    def test_the_error_of_a_task_is_raised_as_itself_with_a_note(self):
        mine = ValueError("mine")
        with pytest.raises(ValueError, match="mine") as caught, simsock.Simulation() as sim:
            sim.spawn(fail, mine)
        assert caught.value is mine
        assert mine.__notes__ == ["raised in task fail-1"]

    def test_the_error_of_a_handler_is_raised_as_itself_with_a_note(self):
        with pytest.raises(KeyError) as caught, simsock.Simulation() as sim, sim.connect(sim.serve(Failing)) as client:
            client.sendall(b"key\n")
            assert client.recv(1) == b""
        assert caught.value.__notes__ == ["raised in task server-1/handler-1"]

    def test_several_errors_are_raised_as_a_group_in_order(self):
        with pytest.raises(ExceptionGroup, match="3 errors in the world's tasks and handlers") as caught, simsock.Simulation() as sim:
            for number in range(3):
                sim.spawn(fail, ValueError(number))
        assert [error.args for error in caught.value.exceptions] == [(0,), (1,), (2,)]

    def test_the_error_of_the_body_comes_first_and_tells_of_the_others(self):
        with pytest.raises(ZeroDivisionError) as caught, simsock.Simulation() as sim:
            sim.spawn(fail, ValueError("theirs"), name="worker")
            sim.sleep(1)
            raise ZeroDivisionError
        [note] = caught.value.__notes__
        assert note.startswith("also raised in task worker: Traceback")
        assert note.endswith("ValueError: theirs")

    def test_errors_can_be_looked_at_before_the_end(self):
        with pytest.raises(Mistake), simsock.Simulation() as sim:
            assert sim.errors == []
            sim.spawn(fail, error := Mistake())
            sim.sleep(1)
            assert sim.errors == [error]

    def test_an_error_that_was_asked_for_is_not_raised_again(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(fail, Mistake())
            with pytest.raises(Mistake):
                task.result()

    def test_an_error_of_a_task_that_began_just_before_the_end_is_raised(self):
        with pytest.raises(Mistake), simsock.Simulation() as sim:
            sim.spawn(fail, Mistake())

    def test_a_world_that_failed_is_no_hindrance_to_the_next(self):
        for _ in range(3):
            with pytest.raises(Mistake), simsock.Simulation() as sim:
                sim.spawn(fail, Mistake())


class TestExpectErrors:
    """``sim.expect_errors``."""

    def test_a_call_holds_to_the_end(self):
        with simsock.Simulation() as sim:
            expected = sim.expect_errors(ValueError)
            sim.spawn(fail, error := ValueError())
        assert expected.errors == [error]

    def test_without_types_every_error_is_expected(self):
        with simsock.Simulation() as sim:
            sim.expect_errors()
            sim.spawn(fail, ValueError())
            sim.spawn(fail, KeyError())

    def test_other_errors_are_raised(self):
        with pytest.raises(KeyError), simsock.Simulation() as sim:
            sim.expect_errors(ValueError, OSError)
            sim.spawn(fail, ValueError())
            sim.spawn(fail, KeyError())
            sim.spawn(fail, ConnectionResetError())

    def test_a_text_that_does_not_match_is_raised(self):
        with pytest.raises(ValueError, match="other"), simsock.Simulation() as sim:
            sim.expect_errors(ValueError, match="^mine .*7$")
            sim.spawn(fail, ValueError("mine is 7"))
            sim.spawn(fail, ValueError("other"))

    @pytest.mark.parametrize(
        ("types", "match", "words"), [((), None, "BaseException"), ((ValueError, KeyError), "x+", r"ValueError or KeyError matching 'x\+'")]
    )
    def test_none_that_comes_fails_the_test(self, types, match, words):
        with pytest.raises(AssertionError, match=f"expected an error of a task or handler: {words}; none came$"), simsock.Simulation() as sim:
            sim.expect_errors(*types, match=match)

    def test_the_failure_says_what_came_instead(self):
        with pytest.raises(AssertionError, match=r"none came; what came: \[KeyError\('a'\)\]") as caught, simsock.Simulation() as sim:
            sim.expect_errors(ValueError)
            sim.spawn(fail, KeyError("a"))
        assert "also raised in task fail-1" in caught.value.__notes__[0]

    def test_as_a_context_it_waits_for_its_error_and_holds_for_the_block(self):
        with pytest.raises(ValueError, match="second"), simsock.Simulation() as sim:
            with sim.expect_errors(ValueError) as expected:
                sim.spawn(fail, ValueError("first"))
            assert [str(error) for error in expected.errors] == ["first"]
            sim.spawn(fail, ValueError("second"))

    def test_as_a_context_it_does_not_take_what_came_before(self):
        with pytest.raises(ValueError, match="early"), simsock.Simulation() as sim:
            sim.spawn(fail, ValueError("early"))
            sim.sleep(1)
            with pytest.raises(AssertionError, match="none came"), sim.expect_errors(ValueError):
                pass
            sim._expectations.clear()

    def test_as_a_context_none_that_comes_fails_at_the_blocks_end(self):
        with simsock.Simulation() as sim:
            with pytest.raises(AssertionError, match="ValueError; none came"), sim.expect_errors(ValueError):
                sim.sleep(1)
            sim._expectations.clear()

    def test_two_contexts_each_take_their_own(self):
        with simsock.Simulation() as sim:
            with sim.expect_errors(ValueError) as values, sim.expect_errors(KeyError) as keys:
                sim.spawn(fail, ValueError())
                sim.spawn(fail, KeyError())
            assert [type(error) for error in values.errors + keys.errors] == [ValueError, KeyError]

    def test_errors_of_handlers_are_expected_too(self):
        with simsock.Simulation() as sim:
            server = sim.serve(Failing)
            for name in (b"value\n", b"key\n"):
                with sim.expect_errors(LookupError if name == b"key\n" else ValueError), sim.connect(server) as client:
                    client.sendall(name)
                    assert client.recv(1) == b""

    @pytest.mark.parametrize("kind", ["ValueError", 5, ValueError(), int])
    def test_what_is_no_class_of_exceptions_is_an_error_that_shows_it(self, kind):
        with simsock.Simulation() as sim, pytest.raises(UsageError, match="expect_errors: expected exception classes, got"):
            sim.expect_errors(kind)


class TestLeaks:
    """Tasks that the end finds alive."""

    def test_a_task_that_still_runs_is_warned_of_where_the_world_was_entered(self):
        with pytest.warns(LeakWarning, match="task sleep-1") as caught, simsock.Simulation() as sim:
            sim.spawn(sim.sleep, "1h")
        assert caught[0].filename == __file__
        assert sim.leaks == ["task sleep-1"]

    def test_a_warning_that_is_an_error_does_not_hinder_the_end(self):
        ended = []

        def work():
            try:
                sim.sleep("1h")
            finally:
                ended.append(1)

        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(LeakWarning), simsock.Simulation() as sim:
                sim.spawn(work)
        assert ended == [1]
        with simsock.Simulation() as sim:
            sim.sleep(1)

    def test_what_failed_matters_more_than_what_leaked(self):
        with pytest.raises(ZeroDivisionError), simsock.Simulation() as sim:
            sim.spawn(sim.sleep, "1h")
            sim.sleep(1)
            raise ZeroDivisionError
        assert sim.leaks == ["task sleep-1"]

    def test_daemons_and_servers_are_no_leak(self):
        with simsock.Simulation() as sim:
            sim.network.threading.Thread(target=sim.sleep, args=(3600,), daemon=True).start()
            sim.serve(socketserver.BaseRequestHandler)

    def test_a_thread_that_still_runs_is_one(self):
        with pytest.warns(LeakWarning, match="task sleep-1"), simsock.Simulation() as sim:
            sim.network.threading.Thread(target=sim.sleep, args=(3600,)).start()


class TestAfterwards:
    """What outlives its world."""

    def test_sockets_say_that_the_world_has_ended(self):
        with simsock.Simulation() as sim:
            stream = sim.connect(sim.serve(socketserver.BaseRequestHandler))
            datagram = sim.datagram()
            sim._sockets.clear()
        for call in (
            lambda: stream.recv(1),
            lambda: stream.sendall(b"x"),
            lambda: datagram.sendto(b"x", ("10.0.0.2", 1)),
            lambda: datagram.recvfrom(1),
        ):
            with pytest.raises((WorldEnded, OSError)) as caught:
                call()
            assert isinstance(caught.value, WorldEnded) or caught.value.errno == 9
        stream.close()
        datagram.close()

    def test_waits_say_that_the_world_has_ended(self):
        with simsock.Simulation() as sim:
            event = sim.network.threading.Event()
        with pytest.raises(WorldEnded):
            event.wait()

    @pytest.mark.parametrize("call", ["sleep", "settle", "run_until", "spawn", "host", "serve", "connect", "datagram", "link"])
    def test_the_world_says_that_it_has_ended(self, call):
        arguments = {
            "sleep": (1,),
            "run_until": (bool,),
            "spawn": (int,),
            "host": ("a",),
            "serve": (Failing,),
            "connect": (("10.0.0.1", 1),),
            "link": ("a", "b"),
        }
        with simsock.Simulation() as sim:
            pass
        with pytest.raises(UsageError, match="this world is not running: it has ended"):
            getattr(sim, call)(*arguments.get(call, ()))

    def test_what_happened_can_still_be_asked(self):
        with simsock.Simulation() as sim:
            sim.spawn(sim.sleep, 1).result()
        assert len(sim.digest) == 32
        assert sim.records
        assert sim.errors == []
        assert sim.now == 1
        assert sim.token.startswith("simsock1.")

    def test_locks_let_everybody_through(self):
        with simsock.Simulation() as sim:
            lock = sim.network.threading.Lock()
            lock.acquire()
        with lock:
            pass


class TestEntering:
    """One world at a time, once."""

    def test_a_world_that_was_not_entered_says_so(self):
        with pytest.raises(UsageError, match="enter it with `with`"):
            simsock.Simulation().sleep(1)

    def test_a_world_inside_a_world_is_an_error_and_the_first_goes_on(self):
        with simsock.Simulation() as sim:
            with pytest.raises(UsageError, match="a world inside a world"), simsock.Simulation():
                pass
            sim.sleep(1)
            assert sim.now == 1

    def test_a_search_inside_a_world_is_an_error(self):
        with simsock.Simulation(), pytest.raises(UsageError, match="inside a world"):
            simsock.explore(lambda sim: None)

    def test_a_world_is_entered_once(self):
        sim = simsock.Simulation()
        with sim:
            pass
        with pytest.raises(UsageError, match="entered before"), sim:
            pass

    def test_a_world_is_left_by_the_task_that_entered_it(self):
        with simsock.Simulation() as sim:
            task = sim.spawn(sim.__exit__, None, None, None)
            with pytest.raises(UsageError, match="left by the task that entered it"):
                task.result()

    def test_stand_ins_outside_every_world_say_so(self):
        from simsock.stdlib import time

        with pytest.raises(UsageError, match="no world is running here"):
            time.sleep(1)


def test_a_socket_that_nobody_closed_is_told_as_a_leak_and_a_closed_or_forgotten_one_is_not():
    with simsock.Simulation() as sim:
        sockets = sim.network.socket
        kept = sockets.socket()
        kept.bind(("", 4242))
        sockets.socket().close()
        forgotten = sockets.socket()
        forgotten = [forgotten]
        forgotten.append(forgotten)  # a cycle: only a collection finds it
        del forgotten
    assert sim.leaks == [f"descriptor {kept.fileno()}: stream localhost:4242"]


def test_a_world_that_nobody_has_any_more_is_gone_without_a_garbage_collection():
    was_on = gc.isenabled()
    gc.disable()
    try:
        for patch in (False, True):
            with simsock.Simulation(patch=patch) as sim:
                sim.sleep(1)
            last = weakref.ref(sim)
            del sim
            assert last() is None, "only its kernel is left, with what belongs to it"
    finally:
        if was_on:
            gc.enable()


_kept = threading.Condition()


@pytest.mark.parametrize("timeout", [None, 5])
def test_a_thread_that_waits_on_while_its_world_ends_leaves_no_waiter_in_a_condition_that_is_kept(timeout):
    def stubborn() -> None:
        for _ in range(3):
            try:
                with _kept:
                    _kept.wait(timeout)
            except BaseException:  # as some programs do
                pass

    for _ in range(2):
        with simsock.Simulation() as sim:
            threading.Thread(target=stubborn, daemon=True).start()
            sim.sleep(1)
        assert not list(_kept._waiters)  # type: ignore[attr-defined]  # who notifies in the next world would release it
