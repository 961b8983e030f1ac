"""Lines that write what they have read in one go, which no point takes apart; a search says at which of them two tasks stood at once."""

from __future__ import annotations

import threading

import pytest

import simsock
from simsock.kernel.bytecode import instructions_of
from simsock.kernel.updates import updates_of
from simsock.search.happenings import Happenings
from tests.together import together

IN_ONE_GO = {
    "hits[page] += 1": 1,
    "hits['x'] -= page": 1,
    "hits[page] = hits[page] + 1": 1,
    "self.total += 1": 1,
    "self.total = self.total + 1": 1,
    "self.server.total |= page": 1,
    "self.hits[page] += 1": 1,
    "self.total += 1; self.other += 1": 2,
    "seen = self.total; self.total = seen + 1": 1,
    "shared += 1": 1,
    "cell += 1": 1,
}
NOTHING_OF_THE_KIND = [
    "page += 1",
    "self.total = page",
    "self.total = self.other + 1",
    "self.total = start.total + 1",
    "self.total += call()",
    "hits[page] = hits[start] + 1",
    "hits[page] = hits.get(page, 0) + 1",
    "hits[call(page)] += 1",
    "return self.total",
]


def updates(line):
    names = {}
    head = " def body(self, hits, page, start, call):\n  nonlocal cell\n  global shared\n  cell\n"
    exec(f"def outer():\n cell = 0\n{head}  {line}\n return body\nbody = outer()", names)
    return updates_of(instructions_of(names["body"].__code__))


@pytest.mark.parametrize(("line", "count"), IN_ONE_GO.items())
def test_a_line_that_writes_what_it_has_read_is_known(line, count):
    assert [update.line for update in updates(line).values()] == [7] * count


@pytest.mark.parametrize("line", NOTHING_OF_THE_KIND)
def test_others_are_not(line):
    assert not updates(line)


class Counter:
    def __init__(self):
        self.total = 0
        self.hits = {"/": 0, "/a": 0}
        self.lock = threading.Lock()
        self.inner = self

    def count(self):
        self.total += 1

    def count_inside(self):
        self.inner.inner.total += 1

    def hit(self, page):
        self.hits[page] += 1

    def count_with_a_lock(self):
        with self.lock:
            self.total += 1

    def count_with_a_lock_on_one_line(self):
        with self.lock: self.total += 1  # fmt: skip  # noqa: E701

    def take_and_count(self):
        self.lock.acquire(); self.total += 1; self.lock.release()  # fmt: skip  # noqa: E702


def seen(test):
    verdict = simsock.explore(test, schedules=60, preempt="lines")
    assert verdict.status == "inconclusive"
    return [line for line in str(verdict).splitlines() if line.startswith("two tasks at once")]


@pytest.mark.parametrize("method", ["count", "count_inside"])
def test_two_tasks_at_such_a_line_are_told_though_no_schedule_fails(method):
    def test(sim):
        counter = Counter()
        together(getattr(counter, method), getattr(counter, method))

    line = getattr(Counter, method).__code__.co_firstlineno + 1
    (said,) = seen(test)
    written = "self.total += 1" if method == "count" else "self.inner.inner.total += 1"
    assert f'(preempt="instructions" does, and so does a Python without its global lock): tests/kernel/test_updates.py:{line} {written}' in said


def test_variables_of_a_closure_are_told_as_well():
    def test(sim):
        total = 0

        def count():
            nonlocal total
            total = total + 1

        together(count, count)

    assert "total = total + 1" in seen(test)[0]


@pytest.mark.parametrize("method", ["count_with_a_lock", "count_with_a_lock_on_one_line", "take_and_count"])
def test_what_a_lock_protects_is_not_told(method):
    def test(sim):
        counter = Counter()
        together(*[getattr(counter, method)] * 3)

    assert not seen(test)


@pytest.mark.parametrize("page", ["/", "/a"])
def test_what_is_done_to_one_object_and_to_one_item_of_it_is(page):
    def own(sim):
        together(Counter().count, Counter().count)

    def items(sim):
        counter = Counter()
        together(lambda: counter.hit("/"), lambda: counter.hit(page))

    assert not seen(own)
    assert bool(seen(items)) == (page == "/")


def test_looking_changes_no_run(monkeypatch):
    def digest():
        with simsock.Simulation(seed=5, strategy="random", preempt="lines") as sim:
            counter = Counter()
            together(counter.count, counter.count, counter.count)
        return sim.digest

    looked = digest()
    monkeypatch.setattr("simsock.kernel.preempt.Preemption.updates", lambda *facts: None)
    assert digest() == looked


def test_what_other_processes_have_seen_is_added():
    one, other = Happenings(), Happenings()
    other.met.add((__file__, 1))
    one.merge(other)
    assert "test_updates.py:1 " in one.lines(10)[0]
