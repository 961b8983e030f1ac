"""Who runs next: fifo, chance, replays, strategies of one's own; and that nothing about it depends on time or on who looks."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simsock
from simsock import UsageError
from simsock.choices import Token


def trace_of(sim, tasks: int = 3, points: int = 5) -> str:
    """In which order the tasks pass their points: ``"aaabbc…"``."""
    order: list[str] = []

    def work(name):
        for _ in range(points):
            sim._kernel.point()
            order.append(name)

    for task in [sim.spawn(work, chr(ord("a") + number)) for number in range(tasks)]:
        task.result()
    return "".join(order)


def run(**options) -> str:
    with simsock.Simulation(**options) as sim:
        return trace_of(sim)


def test_fifo_never_preempts():
    with simsock.Simulation(strategy="fifo") as sim:
        assert trace_of(sim) == "aaaaabbbbbccccc"
    assert sim.deviations == []


def test_random_preempts_and_the_seed_decides_where():
    assert run(strategy="random", seed=1) == run(strategy="random", seed=1)
    orders = {run(strategy="random", seed=seed) for seed in range(40)}
    assert len(orders) > 15
    assert all(sorted(order) == sorted("aaaaabbbbbccccc") for order in orders)


def test_a_seed_may_be_text():
    assert run(strategy="random", seed="night") == run(strategy="random", seed="night")
    assert run(strategy="random", seed="7") == run(strategy="random", seed=7)


def test_random_lets_every_runnable_task_be_next():
    firsts = {run(strategy="random", seed=seed)[0] for seed in range(40)}
    assert firsts == set("abc")


def test_tasks_that_become_runnable_run_in_that_order_by_default():
    order = []
    with simsock.Simulation() as sim:

        def work(name, delay):
            sim.sleep(delay)
            order.append(name)

        for task in [sim.spawn(work, name, delay) for name, delay in [("late", 2), ("early", 1), ("also early", 1)]]:
            task.result()
    assert order == ["early", "also early", "late"]


def test_a_task_that_makes_operations_without_end_does_not_starve_the_others():
    """Under fifo it would go on for ever; after so many steps without a switch the others get their turn."""
    with simsock.Simulation() as sim:
        done = []

        def spin():
            while not done:
                sim._kernel.point()

        spinner = sim.spawn(spin)
        other = sim.spawn(done.append, True)
        spinner.result()
        assert other.done


# -- replay --------------------------------------------------------------------------------------------------------------------------------

STEPS = st.one_of(
    st.just(("point",)),
    st.tuples(st.just("sleep"), st.integers(0, 3)),
    st.tuples(st.just("lock"), st.integers(0, 1)),
    st.tuples(st.just("put"), st.integers(0, 9)),
    st.just(("get",)),
    st.tuples(st.just("spawn"), st.integers(0, 2)),
)
PROGRAMS = st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=3)


def execute(sim, program) -> None:
    """A program is a few lists of steps; "spawn" runs one of them as a task."""
    from simsock.stdlib import queue, threading

    locks = [threading.Lock(), threading.Lock()]
    items = queue.Queue()
    budget = [12]

    def body(number):
        for what, *arguments in program[number % len(program)]:
            if what == "point":
                sim._kernel.point()
            elif what == "sleep":
                sim.sleep(arguments[0])
            elif what == "lock":
                with locks[arguments[0]]:
                    sim.sleep(0.5)
            elif what == "put":
                items.put(arguments[0])
            elif what == "get":
                try:
                    items.get(timeout=0.7)
                except queue.Empty:
                    pass
            elif budget[0]:
                budget[0] -= 1
                sim.spawn(body, arguments[0])

    for task in [sim.spawn(body, number) for number in range(len(program))]:
        task.result()
    sim.sleep(60)


@pytest.mark.once
@settings(max_examples=60)
@given(PROGRAMS, st.integers(0, 1000), st.sampled_from(["calls", "lines"]))
def test_replaying_the_deviations_repeats_the_run(program, seed, preempt):
    options = {"strategy": "random", "preempt": preempt}
    with simsock.Simulation(seed=seed, **options) as sim:
        execute(sim, program)
    token = Token(seed, sim.options.as_dict(), sim.deviations).encode()
    with simsock.Simulation(token=token) as again:
        execute(again, program)
    assert again.digest == sim.digest
    assert again.deviations == sim.deviations
    assert again._kernel.tape.mismatches() == []


@settings(max_examples=40)
@given(PROGRAMS, st.integers(0, 1000))
def test_names_of_tasks_do_not_depend_on_the_schedule(program, seed):
    def paths(**options):
        with simsock.Simulation(**options, records=10**6) as sim:
            execute_once(sim, program)
        return sorted(record[3] for record in sim.records if record[2] == "spawn")

    assert paths(strategy="random", seed=seed) == paths()


def execute_once(sim, program) -> None:
    """Like ``execute`` without a budget that tasks compete for: who spawns what is then the program's alone."""

    def body(number, depth):
        for what, *arguments in program[number]:
            if what == "spawn" and depth:
                sim.spawn(body, arguments[0] % len(program), depth - 1)
            else:
                sim.sleep(1)

    body(0, 2)
    sim.sleep(100)


# -- names ---------------------------------------------------------------------------------------------------------------------------------


def test_a_task_is_named_after_its_function_and_its_number_under_its_parent():
    def child():
        return None

    def parent():
        return [sim.spawn(child).path, sim.spawn(child).path, sim.spawn(lambda: None).path]

    with simsock.Simulation() as sim:
        assert sim.spawn(parent).result() == ["parent-1/child-1", "parent-1/child-2", "parent-1/task-1"]
        assert sim.spawn(parent).result() == ["parent-2/child-1", "parent-2/child-2", "parent-2/task-1"]


@pytest.mark.parametrize(
    "names",
    [
        ["x", "x", "x-2", "x"],
        ["x-2", "x", "x", "x"],
        ["main", "main"],
        ["a/b", "a:b", "a/b"],
        ["", ""],
        ["task-1", None, None],
    ],
)
def test_no_two_tasks_have_one_path_whatever_they_are_called(names):
    with simsock.Simulation() as sim:
        tasks = [sim.spawn(lambda: None, name=name) for name in names]
        below = sim.spawn(lambda: sim.spawn(lambda: None, name="b"), name="a").result()
        paths = [task.path for task in [sim._kernel.first, below, *tasks]]
        assert len(set(paths)) == len(paths)


# -- strategies of one's own ---------------------------------------------------------------------------------------------------------------


class Last:
    """Always the one that became runnable last."""

    def __init__(self):
        self.asked = []
        self.life = []

    def begin(self, run):
        self.life.append(("begin", run.number, run.seed))

    def pick(self, task, runnable, preempting):
        self.asked.append(([other.path for other in runnable], task.path, preempting))
        return runnable[-1]

    def end(self, run):
        self.life.append(("end", run.number, run.seed))


def test_a_strategy_is_asked_which_task_goes_on():
    strategy = Last()
    with simsock.Simulation(strategy=strategy) as sim:
        order = trace_of(sim, points=2)
    assert order != "aabbcc"
    assert sorted(order) == list("aabbcc")
    for runnable, current, preempting in strategy.asked:
        assert len(runnable) > 1
        assert current not in runnable[1:]
        assert preempting == (current == runnable[0])


def test_a_strategy_lives_from_the_beginning_of_its_world_to_the_end():
    strategy = Last()
    with pytest.raises(LookupError), simsock.Simulation(strategy=strategy, seed=3):
        assert [what for what, *_ in strategy.life] == ["begin"]
        raise LookupError
    [(_, number, seed), (what, *more)] = strategy.life
    assert (what, more) == ("end", [number, seed])
    assert number == 0, "no search made it"


@pytest.mark.parametrize("part", ["begin", "end"])
def test_what_a_strategy_raises_when_it_begins_and_ends_is_raised(part):
    def fails(run):
        raise LookupError(part)

    strategy = Last()
    setattr(strategy, part, fails)
    with pytest.raises(LookupError, match=part), simsock.Simulation(strategy=strategy):
        pass
    with simsock.Simulation():
        pass


def test_what_a_strategy_picked_can_be_repeated_without_it():
    def program(sim):
        for task in [sim.spawn(lambda: [sim.sleep(0.1), sim._kernel.point()]) for _ in range(3)]:
            task.result()

    with simsock.Simulation(strategy=Last()) as sim:
        program(sim)
    assert sim.deviations
    with simsock.Simulation(token=sim.token) as again:
        program(again)
    assert again.digest == sim.digest


class Wrong:
    def __init__(self, answer, after=0):
        self.answer, self.left = answer, after

    def begin(self, run):
        pass

    def end(self, run):
        pass

    def pick(self, task, runnable, preempting):
        if self.left:
            self.left -= 1
            return runnable[0]
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("answer", [None, 0, "a", object()])
@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_pick_that_is_not_runnable_is_an_error_that_shows_it(answer, after, preempt):
    text = r"Wrong object.*pick\(\) returned .* not one of the \d runnable tasks"
    with pytest.raises(UsageError, match=text), simsock.Simulation(strategy=Wrong(answer, after), preempt=preempt) as sim:
        trace_of(sim)


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 8])
def test_what_a_strategy_raises_is_raised_in_the_first_task(after):
    with pytest.raises(LookupError, match="lost"), simsock.Simulation(strategy=Wrong(LookupError("lost"), after)) as sim:
        trace_of(sim)
    assert sim.errors == []


@pytest.mark.parametrize("strategy", ["fifi", "", 5, None, object()])
def test_a_strategy_that_is_none_is_an_error(strategy):
    with pytest.raises(UsageError, match=r"strategy: expected .*pick"):
        simsock.Simulation(strategy=strategy)


class OldForm:
    def next(self, runnable, current):
        return runnable[0]


def test_an_object_of_the_old_form_is_an_error_that_says_what_to_write():
    text = r"OldForm object .* has next\(runnable, current\), .* Write begin\(run\), pick\(task, runnable, preempting\) and end\(run\)"
    with pytest.raises(UsageError, match=text):
        simsock.Simulation(strategy=OldForm())
    with pytest.raises(UsageError, match=text):
        simsock.explore(lambda sim: None, strategy=OldForm())


def test_a_class_in_place_of_a_strategy_is_an_error():
    with pytest.raises(UsageError, match=r"expected an object, got the class .*; write Last\(\)"):
        simsock.Simulation(strategy=Last)
