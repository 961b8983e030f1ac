"""Worlds as examples: drawn sparsely, shrunk with the inputs, left alone by what Hypothesis does meanwhile."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import hypothesis.internal.conjecture.data as conjecture
import pytest
from hypothesis import Phase, assume, event, example, given, note, seed, settings, target
from hypothesis import strategies as st
from hypothesis.database import InMemoryExampleDatabase
from hypothesis.errors import DeadlineExceeded, StopTest

import simsock
from simsock import Link, Simulation
from simsock.choices import DrawnSource, Tape
from simsock.search.together import Together
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer
from simsock.strategies import simulations, worlds
from simsock.strategies.worlds import DrawnSimulation

LOSSY = {"link": Link(latency="10ms", loss="10%")}


def token_in(error):
    """The token of the code that an error was given as a note."""
    (found,) = re.findall(r'simsock\.Simulation\(token="(\S+)"\)', "\n".join(error.__notes__))
    return found


def datagrams(sim, count):
    """How many of so many datagrams arrive."""
    with sim.datagram(host="server", address=("server", 7)) as server, sim.datagram() as client:
        for number in range(count):
            client.sendto(b"%d" % number, ("server", 7))
        sim.settle()
        server.setblocking(False)
        came = 0
        try:
            while server.recv(100):
                came += 1
        except BlockingIOError:
            return came


def failing(test):
    """What a test that has to fail raises."""
    with pytest.raises(AssertionError) as caught:
        test()
    return caught.value


def test_the_minimal_world_has_no_deviations():
    seen = []

    @settings(database=None)
    @given(simulations(strategy="random", chunks="random", **LOSSY))
    def fails_always(sim):
        with sim:
            datagrams(sim, 30)
            seen.append(sim.deviations)
            raise AssertionError

    error = failing(fails_always)
    assert any(seen) and seen[-1] == []
    assert simsock.choices.Token.decode(token_in(error)).deviations == ()


def test_one_loss_is_found_and_the_token_repeats_it():
    seen = []

    def body(sim):
        assert datagrams(sim, 20) == 20

    @settings(database=None)
    @given(simulations(**LOSSY))
    def fails_when_one_is_lost(sim):
        with sim:
            try:
                body(sim)
            finally:
                seen.append(sim.deviations)

    error = failing(fails_when_one_is_lost)
    assert seen[-1] == [("link client->server loss", 0, 1)]
    with pytest.raises(AssertionError, match="19 == 20"), Simulation(token=token_in(error)) as sim:
        body(sim)


def test_a_loss_and_an_input_shrink_together():
    @settings(database=None, max_examples=500)
    @given(simulations(**LOSSY), st.lists(st.binary(), max_size=10))
    def test(sim, payloads):
        with sim, sim.datagram(host="server", address=("server", 7)) as server, sim.datagram() as client:
            for payload in payloads:
                client.sendto(payload, ("server", 7))
            sim.settle()
            server.setblocking(False)
            came = []
            try:
                while True:
                    came.append(server.recv(1000))
            except BlockingIOError:
                pass
            seen.append((payloads, sim.deviations))
            # the planted bug: what is missing is not missed while all payloads are short
            assert len(came) == len(payloads) or not any(len(payload) >= 3 for payload in payloads)

    seen = []
    failing(test)
    assert seen[-1] == ([b"\0\0\0"], [("link client->server loss", 0, 1)])


class Counter(ThreadingTCPServer):
    count = 0


class Count(StreamRequestHandler):
    def handle(self):
        by = int(self.rfile.readline())
        value = self.server.count
        self.wfile.write(b"ok\n")
        self.server.count = value + by


def shrunk(number):
    """What the failure becomes that Hypothesis finds with this seed: two numbers that a lost update makes a wrong sum of, and the world's deviations."""
    seen = []

    @seed(number)
    @settings(database=None, deadline=None, max_examples=2000)
    @given(simulations(strategy="random"), st.integers(0, 1000), st.integers(0, 1000))
    def test(sim, one, other):
        def visit(by):
            with sim.connect(served) as client:
                client.sendall(b"%d\n" % by)
                assert client.recv(10) == b"ok\n"

        with sim:
            served = sim.serve(Counter, Count)
            tasks = [sim.spawn(visit, by) for by in (one, other)]
            for task in tasks:
                task.result()
            sim.settle()
            seen.append((one, other, sim.deviations))
            assert served.server.count == one + other

    failing(test)
    return seen[-1]


def shrunk_of_some_seeds():
    counts = []
    for number in range(3):
        one, other, deviations = shrunk(number)
        assert one + other == 1, number
        assert deviations and all(label.endswith(" schedule") for label, _, _ in deviations), deviations
        counts.append(len(deviations))
    assert min(counts) <= 5, counts


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_schedule_and_an_input_shrink_together():
    """One deviation is enough, and Hypothesis comes to one to four as a rule; with one seed in ten to more, none of which can be left out alone: what it
    tries is its luck, which goes by the text of all modules that are loaded. So there are several seeds, in a process of their own."""
    program = "from tests.strategies.test_worlds import *; shrunk_of_some_seeds()"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, timeout=550, check=False)
    assert ended.returncode == 0, ended.stderr


def test_cuts_are_drawn_and_shrink():
    seen = []

    @settings(database=None)
    @given(simulations(chunks="random", strategy="fifo"), st.binary(min_size=1, max_size=50))
    def test(sim, data):
        with sim, sim.connect(sim.serve(Once)) as client:
            client.sendall(data)
            client.shutdown(1)
            seen.append((data, sim.deviations))
            assert client.recv(100) == data

    class Once(StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.request.recv(100))

    failing(test)
    data, _ = seen[-1]
    assert data == b"\0\0"


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["1%", "50%"])
def test_ten_thousand_packets_on_a_lossy_link_neither_overrun_nor_trip_a_health_check(loss):
    lost, cut_short = [], []

    @settings(database=None, max_examples=30)  # with all health checks
    @given(simulations(link=Link(loss=loss)), st.lists(st.integers()))
    def test(sim, numbers):
        try:
            with sim:
                arrived = sum(datagrams(sim, 100) for _ in range(100))
        except StopTest:
            cut_short.append(numbers)
            raise
        assert arrived == 10_000 - len(sim.deviations)
        lost.append(len(sim.deviations))

    test()
    assert len(lost) >= 30
    assert min(lost) == 0
    assert max(lost) > (50 if loss == "1%" else 150)
    assert len(cut_short) <= len(lost) // 3  # Hypothesis itself asks for a few with little room


def test_a_chance_of_one_percent_loses_so_many_at_its_most():
    generator = Random(3)

    def draw(low, high):
        """As Hypothesis draws, but manners are always MANY and it goes on."""
        if (low, high) == (0, 2):
            return 2
        return 1 if high == 7 else generator.randrange(low, high + 1)

    stream = Tape(DrawnSource(draw, 10**9)).stream("a")
    assert 900 < sum(stream.chance(0.01) for _ in range(100_000)) < 1_100


def test_hypothesis_clock_is_real_in_a_world_and_its_deadline_too():
    @settings(database=None, deadline=200, max_examples=20)
    @given(simulations(), st.data())
    def test(sim, data):
        with sim:
            began = time.monotonic()
            time.sleep(3600)
            data.draw(st.integers())
            assert time.monotonic() - began >= 3600

    test()  # an hour is no time

    @settings(database=None, deadline=50, max_examples=20, phases=[Phase.generate])
    @given(simulations(), st.integers())
    def slow(sim, number):
        with sim:
            spend(0.08)

    with pytest.raises(DeadlineExceeded):
        slow()


def spend(seconds):
    """Compute for so long, by the clock that Hypothesis sees."""
    clock = conjecture.time.perf_counter
    until = clock() + seconds
    while clock() < until:
        pass


def test_hypothesis_draws_inside_a_world_in_any_task():
    seen = []

    @settings(database=None, max_examples=30)
    @given(simulations(strategy="random"), st.data())
    def test(sim, data):
        class Handler(StreamRequestHandler):
            def handle(self):
                number = data.draw(st.integers(0, 9), label="in the handler")
                note(f"drawn: {number}")
                event("handled")
                target(number)
                self.wfile.write(b"%d" % number)

        with sim:
            number = data.draw(st.integers(0, 9))
            with sim.connect(sim.serve(Handler)) as client:
                seen.append(int(client.recv(1)))
            note("sent")
            assert number >= 0

    test()
    assert len(set(seen)) > 3


def test_an_assumption_in_any_task_rejects_the_example():
    passed = []

    @settings(database=None, max_examples=30)
    @given(simulations(), st.integers(0, 1))
    def test(sim, number):
        class Handler(StreamRequestHandler):
            def handle(self):
                assume(number)
                self.wfile.write(b"%d" % number)

        with sim, sim.connect(sim.serve(Handler)) as client:
            assert client.recv(1) == b"1"
        passed.append(number)

    test()
    assert passed and all(passed)


def test_too_many_draws_in_a_task_end_the_example_and_not_the_test():
    rounds = []

    @settings(database=None, max_examples=10)
    @given(simulations(), st.data(), st.integers(0, 10_000))
    def test(sim, data, number):
        tried.append(number % 3)
        with sim:
            if number % 3 == 2:
                sim.spawn(data.draw, st.binary(min_size=9000)).result()
        rounds.append(number % 3)

    tried = []
    test()
    assert 2 in tried and rounds and 2 not in rounds


def test_too_many_draws_of_the_tape_itself_end_the_example_when_the_world_ends():
    def draw(strategy):
        drawn.append(strategy)
        if len(drawn) == 3:
            raise StopTest(1)
        return 1

    drawn, arrived = [], []
    sim = DrawnSimulation(link=Link(loss="50%"))
    sim.draw_from(draw)
    with pytest.raises(StopTest), sim:
        arrived.append(datagrams(sim, 50))
    assert arrived == [50] and len(drawn) == 3  # all is dull from then on


def test_what_hypothesis_looks_up_for_a_draw_is_no_step_of_the_world():
    seen = []

    def look_up(number):
        lock.acquire()  # as in tempfile, of which Hypothesis makes use
        lock.release()
        return threading.current_thread(), time.monotonic()

    @settings(database=None, max_examples=20)
    @given(simulations(), st.data())
    def test(sim, data):
        with sim:
            sim.sleep(5)
            before = sim.digest
            seen.append(data.draw(st.integers().map(look_up)))
            assert sim.digest == before

    lock = threading.Lock()
    outside_worlds = look_up(0)
    test()
    assert {thread for thread, _ in seen} == {outside_worlds[0]}
    assert all(0 <= at - outside_worlds[1] < 1000 for _, at in seen)


def test_the_database_repeats_the_failing_example_first():
    database, seen = InMemoryExampleDatabase(), []

    def test(sim):
        with sim:
            try:
                assert datagrams(sim, 20) == 20
            finally:
                seen.append(sim.deviations)

    decorated = settings(database=database, derandomize=False)(given(simulations(**LOSSY))(test))
    failing(decorated)
    last = seen[-1]
    seen.clear()
    failing(decorated)
    assert seen[0] == last


def test_an_explicit_example_takes_a_world_of_ones_own():
    seen = []

    @example(Simulation(seed=3), 7)
    @settings(database=None, max_examples=2)
    @given(simulations(), st.integers(0, 3))
    def test(sim, number):
        with sim:
            seen.append((sim.seed, number))

    test()
    assert seen[0] == (3, 7) and len(seen) == 3


def test_options_may_be_drawn_and_the_example_is_printed_as_code():
    @settings(database=None)
    @given(simulations(seed=st.integers(0, 9), chunks=st.sampled_from(["whole", "bytes"]), link=LOSSY["link"]))
    def test(sim):
        with sim:
            assert sim.options.chunks == "whole"

    error = failing(test)
    text = "\n".join(error.__notes__)
    assert "sim=Simulation(link=Link(latency=0.01, loss=0.1), seed=0, chunks='bytes')" in text
    with Simulation(token=token_in(error)) as sim:
        assert sim.options.chunks == (1,) or sim.options.chunks == "bytes"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"chunks": "some"}, "chunks: expected"),
        ({"token": "x"}, "simulations: token makes no sense here, got 'x'"),
        ({"seed": 1.5}, "seed: expected an integer or a text, got 1.5"),
        ({"lnk": 1}, "unknown option 'lnk'"),
    ],
)
def test_a_mistake_is_told_at_once(options, said):
    with pytest.raises(simsock.errors.UsageError, match=re.escape(said)):
        simulations(**options)


def test_what_went_wrong_is_told_in_words_and_only_of_what_is_reported(monkeypatch):
    listened = []
    monkeypatch.setattr("simsock.strategies.worlds.Teller.listen", lambda self, sim, was=worlds.Teller.listen: (listened.append(sim), was(self, sim)))

    @settings(database=None)
    @given(simulations(**LOSSY), st.integers(0, 9))
    def test(sim, number):
        with sim:
            assert datagrams(sim, 3) == 3

    error = failing(test)
    (story,) = [text for text in error.__notes__ if "what was not as usual" in text]
    assert re.search(r"^  1\. packet \d client->server was lost$", story, re.MULTILINE)
    assert len(listened) == 1


def test_the_lines_that_only_failures_run_are_the_program_s():
    @settings(database=None)
    @given(simulations(**LOSSY))
    def test(sim):
        with sim:
            came = datagrams(sim, 3)
            if came < 3:
                lost = True
                assert not lost

    notes = "\n".join(failing(test).__notes__)
    explained = notes.partition("Explanation:")[2]
    assert "test_worlds.py:" in explained
    assert "simsock/kernel" not in explained and "simsock/choices" not in explained


class NeverAsked:
    def begin(self, run):
        raise AssertionError("Hypothesis picks")

    pick = end = begin


def orders_seen(examples, **options):
    """Who came first, second and third of three tasks, in all examples."""
    orders = set()

    @settings(max_examples=examples, database=None, phases=[Phase.generate], deadline=None)
    @given(sim=simulations(**options))
    def test(sim):
        order = []
        with sim:
            for task in [sim.spawn(lambda letter=letter: [sim.sleep(0), order.append(letter)]) for letter in "abc"]:
                task.result()
        orders.add("".join(order))

    test()
    return orders


@pytest.mark.parametrize("strategy", ["random", "portfolio", "pct", "surw:selective", NeverAsked()])
def test_every_strategy_that_asks_is_drawn_whatever_it_is_called(strategy):
    assert len(orders_seen(100, strategy=strategy)) >= 5


def test_who_runs_next_is_drawn_unless_a_test_wants_fifo():
    assert len(orders_seen(100)) >= 5
    assert orders_seen(20, strategy="fifo") == {"abc"}


def test_one_switch_is_found_however_many_steps_another_task_takes_meanwhile_and_shrinks_to_it():
    seen = []

    @seed(1)
    @settings(max_examples=300, database=None, deadline=None)
    @given(simulations())
    def test(sim):
        state = {"there": True}

        with sim:
            lock = threading.Lock()

            def take_away():
                for _ in range(30):
                    lock.acquire()
                    lock.release()
                state["there"] = False

            task = sim.spawn(take_away)
            if state["there"]:
                threading.Lock().acquire()
                seen.append(sim.deviations)
                assert state["there"]
            task.result()

    failing(test)
    ((label, _, _),) = seen[-1]
    assert label.endswith(" schedule")


@pytest.mark.parametrize("strategy", ["portfolio", "pct"])
def test_draws_of_nothing_are_the_plain_order(strategy):
    draws = []

    def draw(numbers):
        draws.append(numbers)
        return 1 if len(draws) == 1 else 0  # something may deviate, and nothing does

    sim = DrawnSimulation(strategy=strategy)
    sim.draw_from(draw, strategy)
    with sim:
        for task in [sim.spawn(lambda: [sim.sleep(0) for _ in range(100)]) for _ in range(3)]:
            task.result()
    assert sim.deviations == []
    assert len(draws) < 15, "hundreds of questions, of which few have a draw"


def cut_off_in_some(when):
    """A test under Hypothesis that partitions two hosts, and sends only ``when`` its number says so."""

    @settings(max_examples=20, deadline=None, database=None)
    @given(sim=simulations(require_faults=True), number=st.integers(0, 100))
    def test(sim, number):
        with sim:
            inbox, sender = sim.datagram(host="a"), sim.datagram(host="b")
            sim.partition("a", "b")
            if when(number):
                sender.sendto(b"x", inbox.getsockname())

    return test


class TestFaultsThatAreRequired:
    """Of the examples of a test together, where somebody says when it is over."""

    def test_it_is_enough_if_one_example_shows_them(self):
        with Together():
            cut_off_in_some(lambda number: number > 0)()

    def test_it_is_none_if_no_example_does(self):
        with pytest.raises(simsock.NeverHappened, match=r"never took effect in 20 examples: partition a <-> b \(require_faults=True\)"), Together():
            cut_off_in_some(lambda number: False)()

    def test_an_error_of_the_test_is_what_is_told(self):
        def breaks(number):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), Together():
            cut_off_in_some(breaks)()
