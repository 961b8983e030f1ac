"""What must hold after every step: told the moment it does not, to whoever runs."""

from __future__ import annotations

import threading

import pytest

import simsock
from tests.oracles.programs import OPTIONS, laws


class Stock:
    """So many in the shop, so many sold. Nothing in it asserts anything."""

    def __init__(self, count):
        self.left = count
        self.sold = 0
        self.lock = threading.Lock()

    def sell(self):
        if self.left > 0:
            self.left -= 1
            self.sold += 1

    def sell_carefully(self):
        with self.lock:
            self.sell()


def sells(sim, method="sell", **options):
    stock = Stock(1)
    sim.always(lambda: stock.left >= 0, **options)
    threads = [threading.Thread(target=getattr(stock, method), name=f"clerk-{number}") for number in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def sells_carefully(sim):
    sells(sim, "sell_carefully")


@pytest.fixture(scope="module")
def found():
    return simsock.explore(sells, 200, seed=3)


def test_a_search_finds_what_no_assertion_of_the_program_sees_and_shrinks_it(found):
    assert found.status == "fails" and isinstance(found.error, simsock.InvariantBroken)
    assert len(found.deviations) == 1
    assert "sim.always(lambda: stock.left >= 0, **options)" in str(found.error)
    assert "had just run" in str(found.error) and "self.left -= 1" in str(found.error)
    assert found.error.facts["task"].startswith("clerk-")


def test_the_story_ends_in_the_column_of_who_broke_it(found):
    last = str(found.story).splitlines()[-1] if "nearest run" not in str(found.story) else str(found.story)
    assert "InvariantBroken: not always: sim.always(lambda" in last
    assert "ran between" in str(found.story) or "stood still between" in str(found.story)


def test_its_token_repeats_it(found):
    with pytest.raises(simsock.InvariantBroken) as again:
        simsock.replay(sells, found.token)
    assert str(again.value) == str(found.error)


@pytest.mark.parametrize("schedules", [60, pytest.param(2_000, marks=pytest.mark.exhaustive)])
def test_the_healthy_twin_is_never_accused(schedules):
    assert simsock.explore(sells_carefully, schedules, seed=3).status == "inconclusive"


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_the_digest_is_the_same_with_it_and_without(options):
    asked = []
    with_it = laws(lambda sim, books: sim.always(lambda: asked.append(sim.now) or books.total >= 0), options)
    assert with_it == laws(lambda sim, books: None, options)
    assert len(asked) > 50


def breaks(sim, catch=(), **options):
    """A task breaks it in the middle of its life, and mends it before it ends."""
    state = {"free": 2}

    def work():
        state["free"] -= 3
        sim.sleep(1)
        state["free"] += 3

    sim.always(lambda: state["free"] >= 0, **options)
    task = sim.spawn(work, name="worker")
    try:
        task.result()
    except catch:
        pass


def test_without_lines_it_is_asked_at_every_simulated_call():
    with pytest.raises(simsock.InvariantBroken, match=r"not always: free seats \(step \d+\); worker came to .*test_always.py:\d+ in .*: sim.sleep\(1\)"):  # noqa: SIM117
        with simsock.Simulation() as sim:
            breaks(sim, name="free seats")


def test_what_the_last_statement_of_a_task_breaks_is_told_before_the_next_task_mends_it():
    with pytest.raises(simsock.InvariantBroken, match="breaker came to"), simsock.Simulation() as sim:
        kept = [1]
        sim.always(lambda: kept)
        sim.spawn(kept.clear, name="breaker")
        sim.spawn(kept.append, 1, name="mender")
        sim.settle()


def test_the_world_stops_there():
    sim = simsock.Simulation()
    with pytest.raises(simsock.InvariantBroken), sim:
        breaks(sim)
    assert sim.now == 0


def test_a_program_that_swallows_it_fails_all_the_same():
    with pytest.raises(simsock.InvariantBroken), simsock.Simulation() as sim:
        breaks(sim, catch=Exception)


def test_expecting_errors_of_tasks_does_not_take_it_unless_it_is_named():
    with pytest.raises(simsock.InvariantBroken), simsock.Simulation() as sim:
        sim.expect_errors()
        sim.spawn(int, "none")
        sim.settle()
        breaks(sim, catch=Exception)
    with simsock.Simulation() as sim:
        sim.expect_errors(simsock.InvariantBroken)
        breaks(sim, catch=Exception)


def test_what_is_broken_by_the_last_thing_that_happens_is_told_too():
    with pytest.raises(simsock.InvariantBroken), simsock.Simulation() as sim:
        kept = [1]
        sim.always(lambda: kept)
        kept.clear()


def test_it_must_hold_when_it_is_said_and_an_assertion_in_it_counts_with_its_words():
    def check():
        assert 1 > 2, "one is less than two"
        return True

    with pytest.raises(simsock.InvariantBroken, match=r"check\(\) \(.*test_always.py:\d+\): one is less than two"), simsock.Simulation() as sim:
        sim.always(check)


def test_a_block_ends_it_after_one_more_look():
    with simsock.Simulation() as sim:
        kept = [1]
        with sim.always(lambda: kept):
            sim.sleep(1)
        kept.clear()
        sim.sleep(1)
        with pytest.raises(simsock.InvariantBroken):  # noqa: SIM117
            with sim.always(lambda: not kept):
                kept.append(1)
        always = sim.always(lambda: kept)
        always.remove()
        kept.clear()


@pytest.mark.parametrize("kind", [threading.Lock, threading.RLock, threading.Condition])
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_under_a_lock_that_is_named_it_may_be_false(kind, preempt):
    with simsock.Simulation(preempt=preempt, scope=__file__) as sim:
        lock = kind()
        pair = [1, 1]
        sim.always(lambda: pair[0] == pair[1], unless=lock)
        with lock:
            pair[0] += 1
            sim.sleep(1)
            pair[1] += 1
        sim.sleep(1)
    with pytest.raises(simsock.InvariantBroken), simsock.Simulation(preempt=preempt, scope=__file__) as sim:
        lock = kind()
        sim.always(lambda: pair[0] == pair[1], unless=[lock])
        with lock:
            pair[0] += 1
        sim.sleep(1)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda sim, lock: lock.locked(), "makes a simulated call, Lock.locked"),
        (lambda sim, lock: lock.acquire(False), "makes a simulated call, Lock.acquire"),
        (lambda sim, lock: sim.sleep(1) or True, "makes a simulated call, .*sleep"),
        (lambda sim, lock: sim.partition("a", "b") or True, "changes the world"),
        (lambda sim, lock: None, "returned None: expected True or False"),
    ],
)
@pytest.mark.parametrize("later", [False, True])
def test_a_predicate_only_looks(call, words, later):
    with pytest.raises(simsock.UsageError, match=words), simsock.Simulation() as sim:
        lock, begun = threading.Lock(), []
        sim.always(lambda: call(sim, lock) if begun or not later else True)
        begun.append(1)
        sim.sleep(1)


def test_what_else_a_predicate_raises_is_raised_as_itself():
    with pytest.raises(KeyError, match="total") as caught, simsock.Simulation() as sim:
        books = {"total": 1}
        sim.always(lambda: books["total"])
        books.clear()
        sim.sleep(1)
    assert any("raised in what always" in text for text in caught.value.__notes__)


def test_bad_arguments_are_told_with_what_was_expected():
    with simsock.Simulation() as sim:
        for arguments, words in [((3,), "expected a function"), ((print, ""), "name: expected a text")]:
            with pytest.raises(simsock.UsageError, match=words):
                sim.always(*arguments)
        with pytest.raises(simsock.UsageError, match=r"unless: expected a lock.*got 5"):
            sim.always(lambda: True, unless=5)
    with pytest.raises(simsock.UsageError, match="has ended"):
        sim.always(lambda: True)


def test_a_predicate_that_looks_at_the_clock_does_not_wait_for_it():
    """Else a hang beside a poller would be told later with it than without."""
    with simsock.Simulation() as sim:
        sim.always(lambda: sim.now >= 0)
        sim._kernel.polling.vain = 7
        threading.Lock().acquire()
        assert sim._kernel.polling.vain == 7


@pytest.mark.exhaustive
def test_a_search_that_leaves_out_orders_leaves_out_no_state():
    """The three are up at once in few orders, and none of their lines meets another's: an order is like others, but for the states on the way."""

    def lights(sim):
        class Lamp:
            lit = 0

        lamps = [Lamp(), Lamp(), Lamp()]
        sim.always(lambda: not all(lamp.lit for lamp in lamps))

        def blink(lamp):
            lamp.lit = 1
            lamp.lit = 0

        threads = [threading.Thread(target=blink, args=(lamp,)) for lamp in lamps]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert simsock.explore(lights, 1_000, strategy="dfs", shrink=False).status == "fails"
