"""Searching schedules: what is found, how it is shrunk, told and repeated, and what a search that finds nothing says."""

from __future__ import annotations

import functools
import unittest
import weakref

import pytest

import simsock
from simsock import Deadlock, Nondeterminism, StepLimit, UsageError
from simsock.choices import Token
from simsock.kernel.program_lines import innermost_line
from simsock.search.runner import nth_seed
from tests.search import programs


@pytest.fixture(scope="module")
def lost():
    """The verdict on the lost update."""
    return simsock.explore(programs.lost_update, seed=1)


class TestTheLostUpdate:
    """Three tasks, a plain attribute, ``preempt="lines"``."""

    def test_it_is_found(self, lost):
        assert lost.status == "fails"
        assert lost.failed
        assert isinstance(lost.error, AssertionError)
        assert lost.failing_schedule == lost.schedules <= 50

    def test_it_is_shrunk_to_at_most_three_deviations(self, lost):
        assert 1 <= len(Token.decode(lost.token).deviations) <= 3
        assert 1 <= len(lost.deviations) <= 3

    def test_it_is_found_with_every_seed(self):
        for seed in range(20):
            verdict = simsock.explore(programs.lost_update, seed=seed)
            assert verdict.failed
            assert len(Token.decode(verdict.token).deviations) <= 3

    def test_its_token_repeats_it_100_times_of_100_on_the_same_line(self, lost):
        line = innermost_line(lost.error)
        assert line[0].endswith("programs.py")
        for _ in range(100):
            with pytest.raises(AssertionError) as caught:
                simsock.replay(programs.lost_update, lost.token)
            assert innermost_line(caught.value) == line

    def test_the_verdict_repeats_it(self, lost):
        with pytest.raises(AssertionError):
            lost.replay()

    def test_the_verdict_raises_it_with_its_story_and_token_as_a_note_once(self, lost):
        for _ in range(2):
            with pytest.raises(AssertionError) as caught:
                lost.raise_if_failed()
        assert caught.value is lost.error
        [note] = [note for note in caught.value.__notes__ if "token" in note]
        assert lost.token in note
        assert f"fails: schedule {lost.failing_schedule} of seed 1 raised AssertionError" in note
        assert "programs.py" in note

    def test_a_world_repeats_it_too(self, lost):
        with pytest.raises(AssertionError), simsock.Simulation(token=lost.token) as sim:
            programs.lost_update(sim)

    def test_the_same_seed_finds_the_same(self, lost):
        again = simsock.explore(programs.lost_update, seed=1)
        assert (again.failing_schedule, again.token) == (lost.failing_schedule, lost.token)

    def test_it_is_not_found_where_only_calls_are_preempted(self):
        assert simsock.explore(programs.lost_update, 200, preempt="calls").status == "inconclusive"

    def test_without_shrinking_the_run_is_told_as_it_was_found(self, lost):
        plain = simsock.explore(programs.lost_update, seed=1, shrink=False)
        assert plain.failing_schedule == lost.failing_schedule
        assert len(Token.decode(plain.token).deviations) > len(Token.decode(lost.token).deviations)
        with pytest.raises(AssertionError):
            plain.replay()


class TestAHealthyTwin:
    """A search that finds nothing."""

    def test_it_is_inconclusive_and_never_said_to_hold(self):
        verdict = simsock.explore(programs.kept_update, 300)
        assert verdict.status == "inconclusive"
        assert not verdict.failed
        first, second = str(verdict).splitlines()
        assert first == "inconclusive, 300 schedules tried (seed 0)"
        assert (
            second
            == f"{verdict.orders} different orders in 125 of the schedules, {verdict.new_at_the_end:.0%} of the last tenth new; at most 4 tasks alive at once"
        )
        assert "hold" not in str(verdict) + repr(verdict)
        assert (verdict.error, verdict.token, verdict.deviations) == (None, None, [])

    def test_one_schedule_is_one(self):
        assert str(simsock.explore(programs.kept_update, 1, seed="x")) == "inconclusive, 1 schedule tried (seed 'x')"

    def test_there_is_nothing_to_raise_and_nothing_to_replay(self):
        verdict = simsock.explore(programs.kept_update, 3)
        verdict.raise_if_failed()
        with pytest.raises(UsageError, match="inconclusive: there is no failing run"):
            verdict.replay()

    def test_progress_is_told(self):
        told = []
        simsock.explore(programs.kept_update, 25, progress=told.append)
        assert told == list(range(1, 26))


class TestOtherFailures:
    """What else makes a schedule fail."""

    def test_an_error_of_a_task_that_nobody_asked_for(self):
        def test(sim):
            items = [1]

            def take():
                if items:
                    items.pop()

            for _ in range(2):
                sim.spawn(take)
            sim.sleep(1)

        verdict = simsock.explore(test)
        assert isinstance(verdict.error, IndexError)
        assert len(Token.decode(verdict.token).deviations) <= 2

    def test_a_deadlock(self):
        verdict = simsock.explore(programs.two_locks)
        assert isinstance(verdict.error, Deadlock)
        with pytest.raises(Deadlock, match="held by"):
            verdict.replay()

    def test_a_lost_datagram(self):
        verdict = simsock.explore(programs.lossy, preempt="calls", link=simsock.Link(loss="10%", latency="1ms"))
        assert isinstance(verdict.error, TimeoutError)
        [deviation] = Token.decode(verdict.token).deviations
        assert "loss" in deviation.label

    def test_a_run_without_end(self):
        verdict = simsock.explore(programs.endless, max_steps=1_000)
        assert isinstance(verdict.error, StepLimit)
        assert Token.decode(verdict.token).deviations == ()

    def test_a_failure_that_needs_no_deviation(self):
        def test(sim):
            raise LookupError

        verdict = simsock.explore(test)
        assert (verdict.schedules, Token.decode(verdict.token).deviations) == (1, ())

    def test_shrinking_keeps_to_the_failure_that_was_found(self):
        """Two ways to fail: the rarer one, once found, does not slip into the other."""

        def test(sim):
            counter, other = programs.Counter(), programs.Counter()
            tasks = [sim.spawn(programs.bump, thing) for thing in (counter, counter, other, other)]
            for task in tasks:
                task.result()
            if other.value != 2:
                raise KeyError
            if counter.value != 2:
                raise IndexError

        kinds = set()
        for seed in range(10):
            verdict = simsock.explore(test, seed=seed)
            kinds.add(type(verdict.error))
            with pytest.raises(type(verdict.error)):
                verdict.replay()
        assert kinds == {KeyError, IndexError}


class TestWhatEndsASearch:
    """A test that depends on more than its world, a skip, and wrong arguments."""

    def test_a_failure_that_does_not_repeat_is_nondeterminism(self):
        with pytest.raises(Nondeterminism, match=r"schedule \d+ of seed 0 failed .* did not fail again .*check_determinism"):
            simsock.explore(programs.remembers, 20)

    @pytest.mark.parametrize("kind", [pytest.skip.Exception, unittest.SkipTest, pytest.exit.Exception])
    @pytest.mark.parametrize("in_a_task", [False, True])
    def test_a_skip_ends_it(self, kind, in_a_task):
        def give_up():
            raise kind("not here")

        def test(sim):
            runs.append(1)
            sim.sleep(1)
            if in_a_task:
                sim.spawn(give_up).result()
            give_up()

        runs = []
        with pytest.raises(kind, match="not here"):
            simsock.explore(test, 20)
        assert runs == [1]

    @pytest.mark.parametrize(
        ("schedules", "jobs", "word"), [(0, 1, "schedules"), (1.5, 1, "schedules"), (True, 1, "schedules"), (5, 0, "jobs"), (5, "2", "jobs")]
    )
    def test_numbers_that_make_no_sense_are_errors(self, schedules, jobs, word):
        with pytest.raises(UsageError, match=f"{word}: expected a whole number from 1"):
            simsock.explore(programs.clean, schedules, jobs=jobs)

    @pytest.mark.parametrize(("option", "value"), [("strategy", "luck"), ("preempt", "words"), ("max_steps", 0), ("link", 5), ("chunks", "x")])
    def test_options_are_checked_before_anything_runs(self, option, value):
        with pytest.raises(UsageError, match=option):
            simsock.explore(pytest.fail, **{option: value})

    def test_what_is_no_function_is_an_error(self):
        with pytest.raises(UsageError, match="a test function that takes a Simulation, got 5"):
            simsock.explore(5)


class TestReplay:
    """``simsock.replay(test, token)``."""

    def test_a_program_that_was_mended_no_longer_fits(self, lost):
        with pytest.raises(simsock.ReplayMismatch, match=r"does not fit this program any more:\n'task .*'"):
            simsock.replay(programs.clean, lost.token)

    def test_another_failure_is_raised_as_itself(self, lost):
        def test(sim):
            raise LookupError

        with pytest.raises(LookupError):
            simsock.replay(test, lost.token)
        with pytest.raises(simsock.ReplayMismatch) as caught:
            simsock.replay(test, lost.token, strict=True)
        assert isinstance(caught.value.__cause__, LookupError)

    def test_a_run_that_passes_passes(self):
        with simsock.Simulation(seed=5, strategy="random") as sim:
            programs.clean(sim)
        assert simsock.replay(programs.clean, sim.token) is None

    def test_a_token_of_a_seed_only_is_replayed(self):
        number = simsock.explore(programs.lost_update, strategy="random").failing_schedule
        assert number > 1, "the first is the plain order"
        token = Token(nth_seed(0, number), {"strategy": "random", "preempt": "lines", "schedule": number}).encode()
        with pytest.raises(AssertionError):
            simsock.replay(programs.lost_update, token)
        with pytest.raises(AssertionError), simsock.Simulation(token=token) as sim:
            programs.lost_update(sim)

    @pytest.mark.parametrize("number", ["3", 1.5, 0, -1, True, [1]])
    def test_a_token_whose_schedule_is_no_number_of_one_is_an_error(self, number):
        token = Token(5, {"strategy": "random", "preempt": "lines", "schedule": number}).encode()
        with pytest.raises(simsock.BadToken, match="schedule is a whole number from 1"), simsock.Simulation(token=token):
            pass

    def test_a_damaged_token_is_an_error(self, lost):
        with pytest.raises(simsock.BadToken):
            simsock.replay(programs.lost_update, lost.token[:-4])

    def test_a_run_with_too_many_deviations_is_repeated_from_its_seed(self, monkeypatch):
        monkeypatch.setattr("simsock.choices.tokens.TEXT_MAX", 1_000)

        def test(sim):
            counter = programs.Counter()

            def work():
                for _ in range(200):
                    programs.bump(counter)

            for task in [sim.spawn(work) for _ in range(3)]:
                task.result()
            assert counter.value == 600

        verdict = simsock.explore(test, shrink=False)
        assert Token.decode(verdict.token).deviations is None
        with pytest.raises(AssertionError):
            simsock.replay(test, verdict.token)


class TestCheckDeterminism:
    """``simsock.check_determinism(test, seed)``."""

    @pytest.mark.parametrize("options", [{}, {"strategy": "random"}, {"strategy": "random", "preempt": "lines"}, {"seed": "x"}])
    def test_a_clean_test_passes_and_its_digest_is_returned(self, options):
        digest = simsock.check_determinism(programs.clean, **options)
        assert digest == simsock.check_determinism(programs.clean, **options)
        assert len(digest) == 32

    def test_a_failing_test_may_be_deterministic(self):
        assert simsock.check_determinism(programs.endless, max_steps=500)

    def test_chance_from_outside_is_found_and_the_first_difference_named(self):
        with pytest.raises(
            Nondeterminism, match=r"two runs with seed 0 differ at a wait, after 1 records:\n  first run:  0.0.*\n  second run: 0.0(.|\n)*chance from"
        ):
            simsock.check_determinism(programs.draws_and_records, patch=False)
        assert simsock.check_determinism(programs.draws_and_records), "a patched world's chance is its own"

    def test_an_order_of_identities_is_found(self):
        with pytest.raises(Nondeterminism, match=r"differ at (.|\n)*an address, by id"):
            simsock.check_determinism(programs.orders_by_identity)

    def test_an_error_of_one_run_only_is_found(self):
        programs._runs = iter([0, 2])
        with pytest.raises(Nondeterminism, match="AssertionError"):
            simsock.check_determinism(programs.remembers)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_world_of_a_search_is_freed_when_it_is_over_and_not_by_the_collector(preempt):
    worlds, kept = [], []

    def test(sim):
        worlds.append(weakref.ref(sim))
        sim.spawn(int).result()

    simsock.explore(test, 10, preempt=preempt, progress=lambda tried: kept.append(worlds[-1]() is not None))
    assert kept == [False] * 10


class _Case:
    def __init__(self, sim):
        pass

    async def later(self, sim):
        pass

    def yields(self, sim):
        yield


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (lambda: None, r"got <lambda>|_Case.*\(\), which cannot be called with the world alone: too many positional"),
        (lambda sim, port: None, r"\(sim, port\), which cannot be called with the world alone: missing a required argument: 'port'"),
        (lambda *, sim: None, r"cannot be called with the world alone"),
        (_Case, r"got the class _Case: give it a function"),
        (_Case(None).later, r"got _Case\.later, an async function, which nobody would run"),
        (_Case(None).yields, r"got _Case\.yields, a generator, of which nothing would be run"),
        (5, r"got 5$"),
    ],
)
@pytest.mark.parametrize("door", [simsock.explore, simsock.check_determinism, lambda test: simsock.replay(test, Token("0", {}, ()).encode())])
def test_what_cannot_be_called_with_a_world_is_the_caller_s_mistake(door, test, words):
    with pytest.raises(UsageError, match=f"expected a test function that takes a Simulation, .*{words}"):
        door(test)


def test_whatever_takes_one_argument_is_a_test():
    for test in (print, lambda sim, more=1: None, lambda *args: None, functools.partial(lambda port, sim: None, 80), _Called()):
        assert not simsock.explore(test, 1).failed


class _Called:
    def __call__(self, sim):
        pass
