"""Whatever schedule a race was found in, it is told with the fewest switches that it needs, and with the same story for every seed."""

from __future__ import annotations

import queue
import re
import socket
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path
from types import SimpleNamespace

import pytest

import simsock
from simsock.search.runner import SameFailure
from simsock.search.telling import Otherwise
from tests.together import together

SEEDS = range(6)


def lost_update(sim):
    shared = SimpleNamespace(total=0, members=[])

    def join():
        number = shared.total
        shared.total = number + 1
        shared.members.append(number)

    together(join, join, join)
    assert len(set(shared.members)) == 3


def check_then_act(sim):
    pool = ["last"]

    def take():
        if pool:
            pool.pop()

    together(take, take)


def two_stages(sim):
    first, second = threading.Lock(), threading.Lock()
    shared = SimpleNamespace(one=0, two=0)

    def write():
        with first:
            shared.one = 1
        with second:
            shared.two = shared.one + 1

    def read():
        with first:
            one = shared.one
        with second:
            two = shared.two
        assert not one or two == one + 1

    together(write, read)


def a_counter_of_a_threading_server(sim):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.rfile.readline()
            seen = self.server.hits
            self.server.hits = seen + 1
            self.wfile.write(b"ok\n")

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.hits = 0
    serving = threading.Thread(target=server.serve_forever)
    serving.start()

    def visit():
        with socket.create_connection(server.server_address) as connection:
            connection.sendall(b"x\n")
            connection.recv(10)

    together(visit, visit, visit)
    server.shutdown()
    serving.join()
    server.server_close()
    assert server.hits == 3


def locks_in_opposite_order(sim):
    one, other = threading.Lock(), threading.Lock()

    def forth():
        with one, other:
            pass

    def back():
        with other, one:
            pass

    together(forth, back)


def a_list_of_one(sim):
    count = [0]

    def bump():
        seen = count[0]
        count[0] = seen + 1

    together(bump, bump)
    assert count[0] == 2


@pytest.mark.parametrize(
    ("program", "names"),
    [
        (lost_update, "total"),
        (two_stages, "one, two"),
        (a_list_of_one, "items of count"),
        (a_counter_of_a_threading_server, "hits"),
    ],
)
def test_what_was_raced_on_is_named(program, names):
    assert f"\n     raced on: {names}\n" in simsock.explore(program, schedules=500).story.text()


class Client:
    """Ends its thread after many lines that touch other things that both use."""

    def __init__(self):
        self.thread = threading.Thread(target=self.run)
        self.is_stopped = False
        self.seen = 0

    def run(self):
        self.go_through(self.is_stopped)
        for _ in range(60):
            self.seen = self.seen + 1
            self.look()
        self.go_through(self.is_stopped)
        self.thread = None  # ends
        self.go_through(self.is_stopped)

    def look(self):
        self.go_through(self.seen)

    def go_through(self, what):
        self.last = what

    def stop(self):
        if self.thread is None:  # looks
            return
        self.is_stopped = True
        self.thread.join()  # waits


def a_thread_that_ends_while_it_is_stopped(sim):
    client = Client()
    client.thread.start()
    client.stop()


def test_the_lines_that_touch_what_was_raced_on_are_shown_however_far_away_they_are():
    verdict = simsock.explore(a_thread_that_ends_while_it_is_stopped, schedules=500, seed=0)
    text = verdict.story.text()
    assert isinstance(verdict.error, AttributeError)
    assert len(verdict.deviations) == 1
    assert "raced on: thread" in text or "raced on: is_stopped, thread" in text
    assert all(f"# {remark}\n" in text for remark in ("ends", "looks", "waits")), text


def test_who_wrote_what_the_failing_line_reads_is_shown_too():
    """The switch is at a call, where no names are known: two tasks are held up before a third writes."""
    shared = SimpleNamespace()

    def program(sim):
        shared.connection, shared.others = object(), 0
        gate = threading.Lock()

        def close():
            with gate:
                pass
            for number in range(40):
                shared.others = number
            shared.connection = None  # closes
            for number in range(40):
                shared.others = number

        def use():
            with gate:
                pass
            assert shared.connection is not None  # uses

        together(use, close)

    verdict = simsock.explore(program, schedules=500, seed=0)
    assert "# closes\n" in verdict.story.text()
    assert "# uses\n" in verdict.story.text()


def test_what_the_task_itself_wrote_long_after_it_went_on_is_shown_too():
    shared = SimpleNamespace()

    def program(sim):
        shared.visits, shared.log = 0, []

        def visit():
            seen = shared.visits  # reads
            for number in range(12):
                shared.log.append(number)
                shared.last = number
            shared.visits = seen + 1  # writes

        together(visit, visit)
        assert attrgetter("visits")(shared) == 2

    columns = simsock.explore(program, schedules=500).story.columns
    assert sum(row.endswith("# reads") for row in columns) == 2, columns
    assert sum(row.endswith("# writes") for row in columns) == 2, columns


def test_a_line_that_never_ran_is_told_if_it_touches_what_was_raced_on():
    def program(sim):
        done, todo = [], queue.Queue()

        def work():
            while (item := todo.get()) is not None:
                todo.task_done()
                done.append(item)  # too late

        worker = threading.Thread(target=work)
        worker.start()
        todo.put(1)
        todo.join()
        assert done == [1]
        todo.put(None)
        worker.join()

    text = simsock.explore(program, schedules=500).story.text()
    assert "raced on: items of done" in text
    assert "\n     what work-1 was about to run: done.append(item)  # too late\n" in text


def test_where_no_switch_names_anything_the_failing_line_does():
    def program(sim):
        filled, items = threading.Condition(), []

        def consume():
            with filled:
                if not items:
                    filled.wait()
                items.pop()  # takes

        def produce():
            with filled:
                items.append(1)
                filled.notify_all()

        together(consume, consume, produce, produce)

    verdict = simsock.explore(program, schedules=500, seed=0)
    assert isinstance(verdict.error, IndexError)
    text = verdict.story.text()
    wrote = f"what failed touches items of items, which consume-1 wrote at {Path(__file__).name}:{line_with('takes')}\n"
    assert wrote in text
    assert text.count("items.pop()  # takes") == 2, "both"


def a_bank_of_a_pool(sim):
    locks = {"one": threading.Lock(), "other": threading.Lock()}

    def transfer(source, target):
        with locks[source]:  # first
            for _ in range(30):
                len(locks)
            with locks[target]:  # second
                pass

    with ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(transfer, "one", "other"), pool.submit(transfer, "other", "one")]:
            future.result()


def line_with(remark):
    """The number of the one line of this file that ends in a remark."""
    (number,) = (number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1) if line.endswith(f"# {remark}"))
    return number


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_of_a_deadlock_it_is_told_who_took_which_lock_where_and_who_waits_for_it_where(preempt):
    verdict = simsock.explore(a_bank_of_a_pool, schedules=500, preempt=preempt)
    assert len(verdict.deviations) == 1
    text = verdict.story.text()
    first, second = (f"{Path(__file__).name}:{line_with(remark)}" for remark in ("first", "second"))
    for lock, holder, waiter in (("Lock-1", 0, 1), ("Lock-2", 1, 0)):
        said = rf"  - {lock} \(locks\[…\]\): ThreadPoolExecutor-\d_{holder} took it at {first}, ThreadPoolExecutor-\d_{waiter} waits for it at {second}\n"
        assert re.search(said, text), text
    columns = "\n".join(verdict.story.columns)
    assert columns.count(f"{line_with('first')} with locks[source]:") == 2, columns
    assert columns.count(f"{line_with('second')} with locks[target]:") == 2, columns
    assert verdict.story.as_dict()["holds"] == verdict.story.holds


def test_at_calls_the_columns_have_the_lines_of_the_calls():
    verdict = simsock.explore(locks_in_opposite_order, schedules=200, preempt="calls")
    _, tasks, *rows = verdict.story.columns
    assert {"forth-1", "back-1"} <= {*tasks.split()}
    assert sum("with one, other:" in row for row in rows) >= 2, rows
    assert sum("with other, one:" in row for row in rows) >= 1, rows
    passing = [line.partition("   ")[2].strip() for line in verdict.story.beside[2:]]
    assert any(passing), "what the run that passes did is told, too"


@pytest.mark.parametrize(
    ("program", "preempt"),
    [
        (lost_update, "lines"),
        (check_then_act, "lines"),
        (two_stages, "lines"),
        (a_counter_of_a_threading_server, "lines"),
        (locks_in_opposite_order, "calls"),
        (locks_in_opposite_order, "lines"),
    ],
)
def test_one_deviation_and_one_story_whatever_the_seed(program, preempt):
    verdicts = [simsock.explore(program, schedules=1_000, seed=seed, preempt=preempt) for seed in SEEDS]
    assert [len(verdict.deviations) for verdict in verdicts] == [1] * len(SEEDS)
    assert len({verdict.story.text() for verdict in verdicts}) == 1
    with pytest.raises(type(verdicts[0].error)):
        verdicts[0].replay()


def an_event_that_is_cleared_too_late(sim):
    filled, jobs, done = threading.Event(), [], []
    lock = threading.Lock()

    def work():
        while len(done) < 2:
            filled.wait()
            with lock:
                done.extend(jobs)
                jobs.clear()
            filled.clear()

    def submit():
        with lock:
            jobs.append(1)
        filled.set()

    together(work, submit, submit)


def test_two_deviations_are_found_at_calls_too_where_one_cannot_do():
    for seed in range(3):
        verdict = simsock.explore(an_event_that_is_cleared_too_late, schedules=300, seed=seed, preempt="calls")
        assert isinstance(verdict.error, simsock.Deadlock)
        assert len(verdict.deviations) == 2


def test_a_hang_stays_the_hang_that_was_found():
    def program(sim):
        one, other = threading.Lock(), threading.Lock()
        never = threading.Event()
        shared = SimpleNamespace(first=False)

        def forth():
            shared.first = True
            with one, other:
                pass

        def back():
            if not shared.first:
                never.wait()
            with other, one:
                pass

        together(forth, back)

    for seed in range(30):
        verdict = simsock.explore(program, schedules=200, seed=seed, shrink=False)
        shrunk = simsock.explore(program, schedules=200, seed=seed)
        assert shrunk.error.facts["waits"] == verdict.error.facts["waits"]


def test_of_several_errors_at_once_the_shortest_story_of_one_is_told():
    def program(sim):
        shared = SimpleNamespace(one=0, other=0)

        def first():
            seen = shared.one
            shared.one = seen + 1
            assert shared.one == seen + 1

        def second():
            seen = shared.other
            shared.other = seen + 1
            assert shared.other == seen + 1, "the other race"

        together(first, first, first, second, second, second)

    several = 0
    for seed in range(8):
        if isinstance(simsock.explore(program, schedules=50, seed=seed, shrink=False).error, ExceptionGroup):
            several += 1
            verdict = simsock.explore(program, schedules=50, seed=seed)
            assert (type(verdict.error), len(verdict.deviations)) == (AssertionError, 1)
    assert several > 1


def four_of_five_or_one(sim):
    """Fails when four datagrams are lost, and otherwise when one is."""
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    inbox.settimeout(1)
    lost = 0
    for _ in range(5):
        sender.sendto(b"x", inbox.getsockname())
        try:
            inbox.recv(1)
        except TimeoutError:
            lost += 1
    assert lost < 4
    if lost == 1:
        raise LookupError("one is lost")


def test_beside_a_long_story_a_shorter_run_is_named_that_fails_otherwise():
    verdict = simsock.explore(four_of_five_or_one, 20, link=simsock.Link(loss=0.9))
    assert isinstance(verdict.error, AssertionError) and len(verdict.deviations) == 4
    (note,) = verdict.notes
    said, token = note.split("\n  token: ")
    assert said == "with 1 deviation it fails otherwise: LookupError: one is lost"
    with pytest.raises(LookupError):
        simsock.replay(four_of_five_or_one, token)


@pytest.mark.parametrize(("left", "told"), [(4, True), (3, False)])
def test_beside_a_short_one_none_is(left, told):
    otherwise = Otherwise(SameFailure(AssertionError()))
    assert otherwise.told(left) is None
    otherwise.note([1, 2, 3, 4], KeyError("later"))
    otherwise.note([1, 2], LookupError("two"))
    otherwise.note([1, 2, 3], KeyError("longer"))
    assert otherwise.told(left) == ("with 2 deviations it fails otherwise: LookupError: two" if told else None)
    assert otherwise.deviations == (1, 2)


def test_none_is_named_that_is_as_long():
    otherwise = Otherwise(SameFailure(AssertionError()))
    otherwise.note(range(4), KeyError())
    assert otherwise.told(4) is None and otherwise.told(5) is not None
