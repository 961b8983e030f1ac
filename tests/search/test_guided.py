"""``strategy="guided"``: what showed something new is changed, whoever runs it, and what it finds is repeated like anything else."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis.database import InMemoryExampleDatabase

import simsock
from simsock.choices import Deviation, Token
from simsock.choices.drafts import DEVIATIONS_MAX, Draft
from simsock.kernel.strategies import Showing
from simsock.search.guiding import GENERATION, Guide, Tried, is_drafted
from simsock.search.memory import Memory, name_of
from simsock.search.runner import Runner
from simsock.world.options import SEARCH_DEFAULTS, Options
from tests.search import programs

LOSES = {"link": simsock.Link(loss="4%", latency="1ms")}


def three_in_a_row(sim) -> None:
    """Fails when the first three datagrams are lost, each of which leads to a line of its own."""
    inbox, sender = sim.datagram(host="inbox"), sim.datagram(host="sender")
    inbox.settimeout(1)

    def is_lost():
        sender.sendto(b"x", inbox.getsockname())
        try:
            inbox.recv(10)
        except TimeoutError:
            return True
        return False

    if not is_lost():
        return
    if not is_lost():
        return
    if not is_lost():
        return
    raise AssertionError("three in a row")


def loss_and_order(sim) -> None:
    """Fails when a datagram is lost and another task comes between the two lines that are run because of that."""
    state = {"stock": 1}
    inbox, sender = sim.datagram(host="inbox"), sim.datagram(host="sender")
    inbox.settimeout(1)

    def takes():
        sender.sendto(b"x", inbox.getsockname())
        try:
            inbox.recv(10)
        except TimeoutError:
            sim.sleep(2 - sim.now)  # until the others look
            state["stock"] = 0
            state["stock"] = 1

    def looks():
        for _ in range(4):
            sim.sleep(0.5)
            assert state["stock"]

    for task in [sim.spawn(takes), sim.spawn(looks), sim.spawn(looks)]:
        task.result()


def guided(test, schedules=400, **options):
    return simsock.explore(test, schedules, strategy="guided", **options)


def runner_of(test, **options):
    return Runner(test, Options(**{**SEARCH_DEFAULTS, "strategy": "guided", **options}))


class TestWhatItFinds:
    """Step by step, where a step shows something new."""

    def test_a_chain_of_rare_faults_that_chance_does_not_find(self):
        found = [guided(three_in_a_row, 600, seed=seed, shrink=False, **LOSES).failing_schedule for seed in (0, 3)]
        assert None not in found
        assert simsock.explore(three_in_a_row, max(found), shrink=False, **LOSES).status == "inconclusive"

    def test_it_is_shrunk_told_and_repeated_by_its_token(self):
        verdict = guided(three_in_a_row, 600, **LOSES)
        assert len(verdict.deviations) == 3
        with pytest.raises(AssertionError, match="three in a row"):
            simsock.replay(three_in_a_row, verdict.token)

    def test_every_failure_of_every_seed_fails_again_from_its_token(self):
        failed = []
        for seed in range(3):
            verdict = guided(loss_and_order, 90, seed=seed, shrink=False, link=simsock.Link(loss="10%", latency="1ms"))
            failed.append(verdict.failing_schedule)
            with pytest.raises(AssertionError):
                simsock.replay(loss_and_order, verdict.token)
        assert [is_drafted(number) for number in failed] == [False, True, True]

    def test_the_first_schedules_are_those_of_the_portfolio(self):
        for test in (programs.lost_update, programs.check_then_act):
            one, other = guided(test, shrink=False), simsock.explore(test, shrink=False)
            assert one.failing_schedule == other.failing_schedule <= GENERATION
            assert one.deviations[:3] == other.deviations[:3]


class TestARunThatIsMadeOfAnotherOne:
    """Is a run like any other."""

    @pytest.mark.parametrize("options", [{}, {"stalls": "random", "collect": "random"}, {"preempt": "calls"}])
    def test_it_is_the_same_run_from_its_record(self, options):
        drafted = 0
        with runner_of(loss_and_order, link=simsock.Link(loss="20%", jitter="1ms"), **options) as runner:
            for number in range(1, 2 * GENERATION):
                outcome = runner.schedule(0, number, digest=True)
                if is_drafted(number):
                    drafted += 1
                    again = runner.run(outcome.own_seed, outcome.deviations, digest=True)
                    assert (again.digest, again.deviations, again.mismatches) == (outcome.digest, outcome.deviations, ())
        assert drafted == GENERATION // 2 - 1

    def test_it_is_the_other_one_up_to_the_cut(self):
        with runner_of(loss_and_order, link=simsock.Link(loss="20%", jitter="1ms"), stalls="random") as runner:
            parent = next(outcome for number in range(2, 40) if len((outcome := runner.schedule(0, number)).deviations) > 8)
            for cut in (0, 3, 8, len(parent.deviations)):
                draft = Draft(parent.own_seed, parent.deviations[:cut], cut, fresh=7)
                outcome = runner.drafted(0, 50, draft)
                assert outcome.deviations[:cut] == parent.deviations[:cut]

    def test_an_answer_that_cannot_be_becomes_one_that_can(self):
        with runner_of(programs.lost_update) as runner:
            draft = Draft("0/2", (Deviation("task bump-1 schedule", 1, 1 << 29), Deviation("task nobody schedule", 0, 5)))
            outcome = runner.drafted(0, 50, draft)
        assert [deviation[:2] for deviation in outcome.deviations] == [("task bump-1 schedule", 1)]

    def test_so_many_deviations_fit_into_a_token(self):
        draw = random.Random(0)
        labels = [f"task handler-{number}/worker-{draw.getrandbits(20)} schedule" for number in range(200)]
        deviations = {(draw.choice(labels), draw.randrange(10_000)): draw.randrange(1, 40) for _ in range(DEVIATIONS_MAX)}
        assert Token("0/1", Options().as_dict(), [(*key, value) for key, value in deviations.items()]).encode()


class TestTheSameSearch:
    """Whoever runs it."""

    @pytest.mark.parametrize("seed", [0, 3])
    def test_with_batches_side_by_side(self, seed):
        alone = guided(three_in_a_row, 130, seed=seed, **LOSES)
        with ThreadPoolExecutor(3) as executor:
            together = guided(three_in_a_row, 130, seed=seed, executor=executor, **LOSES)
        assert str(together) == str(alone)
        assert (together.failing_schedule, together.token, together.orders) == (alone.failing_schedule, alone.token, alone.orders)

    def test_twice(self):
        assert str(guided(loss_and_order, 90, seed="x")) == str(guided(loss_and_order, 90, seed="x"))

    def test_a_schedule_by_its_number_alone(self):
        with runner_of(loss_and_order, link=simsock.Link(loss="20%")) as runner:
            in_turn = [runner.schedule(0, number, digest=True).digest for number in range(1, 2 * GENERATION + 5)]
        for number in (GENERATION + 2, 2 * GENERATION + 1, 2 * GENERATION + 2):
            with runner_of(loss_and_order, link=simsock.Link(loss="20%")) as runner:
                assert runner.schedule(0, number, digest=True).digest == in_turn[number - 1]

    def test_a_generation_may_be_told_of_in_any_order(self):
        runs = [Tried(f"0/{number}", (Deviation("link a->b loss", number, 1),), Showing((number % 7, number), ())) for number in range(1, GENERATION + 1)]
        drafts = []
        for order in (list(enumerate(runs, 1)), list(enumerate(runs, 1))[::-1]):
            guide = Guide(0)
            for number, tried in order:
                guide.note(number, tried)
            drafts.append([guide.draft(number) for number in range(GENERATION + 1, 2 * GENERATION + 1)])
        assert drafts[0] == drafts[1]
        assert [draft is not None for draft in drafts[0]] == [is_drafted(number) for number in range(GENERATION + 1, 2 * GENERATION + 1)]


class TestWhatIsKept:
    """Is where the next search begins."""

    def test_runs_that_showed_something_are_in_the_database(self):
        database = InMemoryExampleDatabase()
        first = guided(three_in_a_row, GENERATION + 8, seed=5, database=database, **LOSES)
        assert first.status == "inconclusive"
        options = Options(**{**SEARCH_DEFAULTS, **LOSES, "strategy": "guided"})
        kept = Memory(database, name_of(three_in_a_row)).runs(options)
        assert kept
        assert Memory(database, name_of(three_in_a_row)).kept() == []

    def test_they_are_what_the_next_search_begins_with(self):
        database = InMemoryExampleDatabase()
        options = Options(**{**SEARCH_DEFAULTS, **LOSES, "strategy": "guided"})
        two = [Deviation("link sender->inbox loss", 0, 1), Deviation("link sender->inbox loss", 1, 1)]
        Memory(database, name_of(three_in_a_row)).keep_runs(options, [("9/1", two)], None)
        alone = guided(three_in_a_row, 70, seed=6, shrink=False, **LOSES)
        begun = guided(three_in_a_row, 70, seed=6, shrink=False, database=database, **LOSES)
        assert (alone.failed, begun.failed) == (False, True)
        unasked = guided(three_in_a_row, 70, seed=6, shrink=False, database=database, tries_kept=False, **LOSES)
        assert not unasked.failed

    def test_a_failure_is_kept_beside_them_and_told_first(self):
        database = InMemoryExampleDatabase()
        first = guided(three_in_a_row, 600, database=database, **LOSES)
        again = guided(three_in_a_row, 600, database=database, **LOSES)
        assert again.is_kept
        assert again.token == first.token
        assert Memory(database, name_of(three_in_a_row)).runs(Options(**{**SEARCH_DEFAULTS, **LOSES, "strategy": "guided"}))

    def test_damage_costs_a_sentence(self):
        database = InMemoryExampleDatabase()
        guided(loss_and_order, 60, database=database)
        (key,) = [key for key in database.data if key.endswith(b"runs")]
        database.save(key, b"simsock1.damaged")
        verdict = guided(loss_and_order, 60, database=database)
        assert any("cannot be read and is passed over" in note for note in verdict.notes)


def test_a_world_alone_takes_it_for_the_portfolio():
    with simsock.Simulation(strategy="guided", seed=3) as sim:
        programs.kept_update(sim)


@settings(max_examples=5, deadline=None, database=None)
@given(simsock.strategies.simulations(strategy="guided"))
def test_under_hypothesis_picks_are_drawn(sim):
    with sim:
        programs.kept_update(sim)
