"""Sets of futures, in which ``as_completed`` and ``wait`` keep them: the same order in every run, and every future in its place."""

from __future__ import annotations

import concurrent.futures
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait

import pytest

import simsock
from simsock.search.runner import Runner
from simsock.world.options import Options


def in_the_order_of_the_set(sim):
    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(int, number) for number in range(6)]
        done, _ = wait(futures)
        orders = [future.result() for future in as_completed(futures)], [future.result() for future in done]
    assert orders == ([*range(6)], [*range(6)]), orders


def of_several_that_are_waited_for(sim):
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(int, number) for number in range(4)]
        order = [future.result() for future in as_completed(futures)]
    assert order == sorted(order), order


@pytest.mark.parametrize("test", [in_the_order_of_the_set, of_several_that_are_waited_for])
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_runs_are_the_same_with_whatever_addresses(test, preempt):
    with Runner(test, Options(preempt=preempt, strategy="random")) as runner:
        for number in range(1, 9):
            first = runner.schedule(0, number)
            held = [object() for _ in range(7 * number)]  # other addresses
            again = runner.run(first.own_seed, first.deviations, digest=True)
            assert again.signature == first.signature
            assert again.mismatches == ()
            held.append(threading.Lock())
            assert runner.run(first.own_seed, first.deviations, digest=True).digest == again.digest


def test_an_order_that_a_search_finds_is_found_again_and_told():
    verdict = simsock.explore(of_several_that_are_waited_for, 200)
    assert verdict.status == "fails"
    assert len(verdict.deviations) <= 2
    with pytest.raises(AssertionError):
        verdict.replay()


def test_the_hash_of_a_future_stays_what_it_is():
    outside = Future()
    at_first = {outside: "outside"}
    kept = {}
    with simsock.Simulation():
        first, second, unasked = Future(), Future(), Future()
        kept.update({first: "first", second: "second"})
        assert at_first[outside] == "outside"
        assert (hash(first), hash(second)) == (1, 2)
    assert kept[first] == "first"
    assert kept[second] == "second"
    assert at_first[outside] == "outside"
    assert hash(unasked) == object.__hash__(unasked)
    with simsock.Simulation():
        assert hash(unasked) == object.__hash__(unasked), "it was asked for outside"
        assert hash(outside) == object.__hash__(outside)
        assert kept[first] == "first"
        assert hash(Future()) == 1
    assert concurrent.futures._base._AcquireFutures.__module__ == "concurrent.futures._base"


def test_a_class_with_a_hash_of_its_own_has_it():
    class Named(Future):
        def __init__(self, name):
            self.name = name
            {self}  # noqa: B018  # before it is made
            super().__init__()

        def __hash__(self):
            return hash(self.name)

        def __eq__(self, other):
            return self is other

    class Early(Future):
        def __init__(self):
            self.hash = hash(self)
            super().__init__()

    with simsock.Simulation():
        assert hash(Named(7)) == hash(7)
        early = Early()
        assert hash(early) == early.hash
