"""Lines that are taken apart: those that write what they have read, with a call in between, as CPython switches threads there and nowhere else in a line."""

from __future__ import annotations

import threading

import pytest

import simsock
from simsock.kernel.bytecode import instructions_of
from simsock.kernel.halves import halves_of
from simsock.kernel.watchers import Watcher
from tests.kernel import one_line
from tests.together import together

TAKEN_APART = [
    "hits[page] = hits.get(page, 0) + 1",
    "hits[page] += call()",
    "hits[page] = (hits[page] if page in hits else call()) + 1",
    "self.hits[page] = self.hits.get(page, 0) + 1",
    "self.hits[call(page)] = self.hits[1]",
    "self.hits[start:page] = call(self.hits)",
    "self.hits.update({page: self.hits.get(page, 0) + 1})",
    "del self.hits[min(self.hits)]",
    "self.total += call()",
    "self.total += call(x=1)",
    "self.total += call(*start)",
    "self.total = self.total + call(2)",
    "self.total = call(self.total)",
    "self.total = self.total + len(start); self.other = call()",
    "seen = self.total + call(); self.total = seen",
    "self.most = max(self.most, page)",
    "self.first, self.second = call(self.second), 1",
    "self.made = self.made or Made()",
    "if self.made is None: self.made = Made()",
    "with self.lock: self.total += call()",
    "while call(self.total): self.total -= 1",
    "shared += call()",
    "shared = max(shared, 3)",
    "cell += call()",
    "self.waiting.append(len(self.waiting))",
    "self.waiting.append(self.waiting.popleft())",
    "if len(self.waiting) < 3: self.waiting.append(page)",
    "page = self.waiting.pop() if len(self.waiting) else None",
    "self.peers = [call(peer) for peer in self.peers]",
    "self.peers = list(peer for peer in self.peers)",
    "self.peers = {peer: call(peer) for peer in self.peers}",
    "self.peers |= {call(peer) for peer in start}",
    "self.peers = sorted(self.peers + [page])",
]
WHOLE = [
    "hits[page] += 1",
    "out[page] = call(page)",
    "self.hits[call(page)] = 1",
    "del self.hits[page]",
    "self.hits.setdefault(page, []).append(1)",
    "call(self.hits.get(page), self.hits.get(start))",
    "self.total += 1",
    "self.total = call(2) + self.total",
    "self.total = call(self.other)",
    "self.made = Made()",
    "shared += 1",
    "cell += 1",
    "self.waiting.append(call())",
    "self.peers = [peer for peer in self.peers if peer != 1]",
    "self.call(self.other())",
    "return self.total",
]


def halves(line):
    names = {}
    head = " def body(self, hits, out, page, start, call, Made):\n  nonlocal cell\n  global shared\n  cell\n"
    exec(f"def outer():\n cell = 0\n{head}  {line}\n return body\nbody = outer()", names)
    return halves_of(instructions_of(names["body"].__code__))


@pytest.mark.parametrize("line", TAKEN_APART)
def test_a_line_that_writes_what_it_has_read_with_a_call_in_between_has_two_halves(line):
    assert set(halves(line).values()) == {7}


@pytest.mark.parametrize("line", WHOLE)
def test_any_other_line_is_whole(line):
    assert not halves(line)


def counts_visits(sim):
    visits = {}

    def visit():
        visits["/"] = visits.get("/", 0) + 1

    together(visit, visit, visit)
    assert visits["/"] == 3


def test_a_count_in_a_dictionary_is_lost_in_the_middle_of_its_line_and_told_so():
    verdict = simsock.explore(counts_visits, schedules=50, preempt="lines")
    assert verdict.status == "fails"
    (step,) = verdict.deviations
    line = counts_visits.__code__.co_firstlineno + 4
    assert step.text == f"task visit-2 ran in the middle of test_halves.py:{line} of visit-1"
    assert "raced on: items of visits" in str(verdict)
    with pytest.raises(AssertionError):
        simsock.replay(counts_visits, verdict.token)


def test_calls_are_still_no_lines():
    assert simsock.explore(counts_visits, schedules=50, preempt="calls").status == "inconclusive"


@pytest.mark.parametrize("locked", [False, True])
def test_all_orders_of_halves_are_tried_by_dfs(locked):
    lock = threading.Lock()

    def test(sim):
        total = [0]

        def add():
            if locked:
                lock.acquire()
            total[0] += int("1")
            if locked:
                lock.release()

        together(add, add)
        assert total[0] == 2

    assert simsock.explore(test, schedules=5_000, strategy="dfs", preempt="lines").status == ("holds" if locked else "fails")


def test_each_half_of_a_function_on_one_line_is_told_once_in_every_call():
    class Lines(Watcher):
        def __init__(self):
            self.told = []

        def line(self, task, code, at):
            if code.co_name == "add":
                self.told.append(at - code.co_firstlineno)

    total = [0]

    def add(): total[0] += int("1")  # fmt: skip

    lines = Lines()
    with simsock.Simulation(strategy="random", preempt="lines") as sim:
        sim.add_watcher(lines)
        add()
        add()
    assert lines.told == [0] * 4


def steps_of(strategy):
    with simsock.Simulation(strategy=strategy, preempt="lines", scope=[one_line.__file__]) as sim:
        for _ in range(3):
            one_line.a_line_that_writes_what_it_has_read()
            one_line.a_line_that_looks_before_it_changes()
        return sim._kernel.steps


def test_a_run_in_which_nobody_is_asked_has_the_steps_of_one_in_which_somebody_is():
    """What repeats a run of the plain order asks at every point; limits, and what is done after so many steps, count them."""
    assert steps_of("fifo") == steps_of("random")
