"""Switching tasks between two lines or instructions of the program, in every kind of code; and only of the program."""

from __future__ import annotations

import importlib.util
import json
import sys
import sysconfig
import threading
import warnings

import pytest

import simsock
from simsock import UsageError, socketserver
from simsock.kernel.scope import make_scope, project_root
from simsock.search.runner import Runner
from simsock.world.options import Options
from tests.kernel.walks import Walk

GRANULARITIES = ["lines", "instructions"]
SEEDS = range(8)


# -- every kind of code --------------------------------------------------------------------------------------------------------------------


def in_a_generator():
    def numbers():
        for number in range(3):
            doubled = number * 2
            yield doubled

    total = 0
    for number in numbers():
        total += number
    return total


def in_a_generator_that_is_sent_and_thrown_into():
    def averaging():
        seen = []
        while True:
            try:
                seen.append((yield sum(seen)))
            except ValueError:
                seen.clear()

    generator = averaging()
    next(generator)
    answers = [generator.send(1), generator.send(2), generator.throw(ValueError()), generator.send(5)]
    generator.close()
    return answers


def in_a_coroutine():
    async def inner(number):
        doubled = number * 2
        return doubled

    async def outer():
        total = 0
        for number in range(3):
            total += await inner(number)
        return total

    coroutine = outer()
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    return None


class Context:
    def __init__(self):
        self.log = []

    def __enter__(self):
        self.log.append("in")
        return self

    def __exit__(self, kind, error, trace):
        self.log.append(kind)
        return kind is ValueError


def in_a_with_block():
    with Context() as context:
        context.log.append("body")
        raise ValueError
    return context.log


def in_the_key_of_sorted():
    signs = {"down": -1}

    def key(number):
        negative = number * signs["down"]
        return negative

    return sorted([1, 3, 2], key=key)


class Finalized:
    log: list[int] = []

    def __init__(self, number):
        self.number = number

    def __del__(self):
        doubled = self.number * 2
        self.log.append(doubled)


def in_a_finalizer():
    for number in range(3):
        Finalized(number)
    return 3


class Number:
    def __init__(self, value):
        self.value = value

    @property
    def doubled(self):
        twice = self.value * 2
        return twice

    def __eq__(self, other):
        mine = self.value
        return mine == other.value

    def __hash__(self):
        value = self.value
        return hash(value)

    def __lt__(self, other):
        mine = self.value
        return mine < other.value


def in_a_property():
    return [Number(number).doubled for number in range(3)]


def in_a_comparison():
    return [Number(2), Number(1)].index(Number(1)), {Number(1): "a"}[Number(1)], min(Number(3), Number(2)).value


def in_a_chain_of_exceptions():
    try:
        try:
            raise ValueError("one")
        except ValueError as error:
            raise KeyError("two") from error
    except KeyError as error:
        return error.args, error.__cause__.args
    finally:
        sum(range(3))


def in_a_comprehension_and_a_lambda():
    double = lambda number: number * 2  # noqa: E731  # a lambda is what is tested
    return [double(number) for number in range(4) if number % 2]


def in_recursion():
    def fibonacci(number):
        if number < 2:
            return number
        return fibonacci(number - 1) + fibonacci(number - 2)

    return fibonacci(5)


def in_unpacking_and_matching():
    found = []
    for shape in [(1, 2), {"a": 3}, "x"]:
        match shape:
            case (first, second):
                found.append(first + second)
            case {"a": value}:
                found.append(value)
            case _:
                found.append(shape)
    return found


WORKS = [
    in_a_generator,
    in_a_generator_that_is_sent_and_thrown_into,
    in_a_coroutine,
    in_a_with_block,
    in_the_key_of_sorted,
    in_a_finalizer,
    in_a_property,
    in_a_comparison,
    in_a_chain_of_exceptions,
    in_a_comprehension_and_a_lambda,
    in_recursion,
    in_unpacking_and_matching,
]


@pytest.mark.parametrize("preempt", GRANULARITIES)
@pytest.mark.parametrize("work", WORKS)
def test_tasks_are_switched(work, preempt):
    """They compute the same as alone, whatever the schedule; and they are switched inside the function itself."""
    expected = work()
    orders = set()
    for seed in SEEDS:
        with simsock.Simulation(strategy=Walk(), seed=seed, preempt=preempt) as sim:
            tasks = [sim.spawn(work) for _ in range(3)]
            assert [task.result() for task in tasks] == [expected] * 3
        orders.add(tuple(sim.deviations))
    assert len(orders) == len(SEEDS)
    assert all(len(order) > 5 for order in orders)


@pytest.mark.parametrize("preempt", GRANULARITIES)
def test_thousands_of_switches_leave_everything_sound(preempt):
    with simsock.Simulation(strategy=Walk(), seed=1, preempt=preempt) as sim:

        def all_of_them():
            return [work() for work in WORKS for _ in range(3)]

        expected = [work() for work in WORKS for _ in range(3)]
        tasks = [sim.spawn(all_of_them) for _ in range(5)]
        assert [task.result() for task in tasks] == [expected] * 5
    assert sim._kernel.switches > 1_500


@pytest.mark.parametrize("preempt", ["calls", *GRANULARITIES])
def test_an_unlocked_count_loses_an_update_only_where_lines_are_preempted(preempt):
    def count_to(sim):
        counter = {"value": 0}

        def work():
            value = counter["value"]
            counter["value"] = value + 1

        for task in [sim.spawn(work) for _ in range(3)]:
            task.result()
        return counter["value"]

    totals = set()
    for seed in range(20):
        with simsock.Simulation(strategy="random", seed=seed, preempt=preempt) as sim:
            totals.add(count_to(sim))
    assert (totals == {3}) == (preempt == "calls")


def test_an_update_in_one_line_is_lost_only_between_instructions():
    def total(preempt, seed):
        with simsock.Simulation(strategy="random", seed=seed, preempt=preempt) as sim:
            box = [0]

            def work():
                box[0] += 1

            for task in [sim.spawn(work) for _ in range(3)]:
                task.result()
        return box[0]

    assert {total("lines", seed) for seed in range(30)} == {3}
    assert len({total("instructions", seed) for seed in range(30)}) > 1


@pytest.mark.parametrize("preempt", GRANULARITIES)
def test_the_function_that_enters_the_world_is_preempted_too(preempt):
    box = []

    def other():
        box.append(1)

    seen = set()
    for seed in range(30):
        box.clear()
        with simsock.Simulation(strategy="random", seed=seed, preempt=preempt) as sim:
            task = sim.spawn(other)
            a = len(box)
            b = len(box)
            c = len(box)
            task.result()
        seen.add((a, b, c))
    assert len(seen) > 2


@pytest.mark.parametrize("preempt", GRANULARITIES)
def test_the_same_seed_gives_the_same_digest_in_world_after_world(preempt):
    digests = set()
    for _ in range(20):
        with simsock.Simulation(strategy="random", seed=5, preempt=preempt) as sim:
            for task in [sim.spawn(work) for work in WORKS]:
                task.result()
        digests.add(sim.digest)
    assert len(digests) == 1


# -- scope ---------------------------------------------------------------------------------------------------------------------------------


def steps_of(function, *arguments, scope=None, preempt="lines") -> int:
    """Points that a call passes, besides those of calling anything at all."""
    with simsock.Simulation(preempt=preempt, scope=scope, strategy="random") as sim:
        before = sim._kernel.steps
        function(*arguments)
        return sim._kernel.steps - before


def module_from(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LONG = "def work():\n" + "    a = 1\n" * 50


@pytest.fixture
def project(tmp_path):
    """A project with sources, a virtual environment in its root, and installed packages."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    return tmp_path


def test_the_project_of_the_file_that_enters_the_world_is_in_scope(project):
    near = project / "tests" / "test_it.py"
    near.parent.mkdir()
    near.touch()
    scope = make_scope(None, str(near))
    assert str(project / "src" / "program.py") in scope
    assert str(near) in scope
    assert str(project.parent / "other.py") not in scope
    assert project_root(str(near)) == str(project)


@pytest.mark.parametrize(
    "where",
    [
        ".venv/lib/module.py",
        ".venv/module.py",
        "build/site-packages/package/module.py",
        "build/dist-packages/package/module.py",
        "plugins/pytest_simsock/module.py",
    ],
)
def test_what_is_installed_below_the_project_is_not_in_scope(project, where):
    scope = make_scope(None, str(project / "test_it.py"))
    path = project / where
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    assert str(path) not in scope


@pytest.mark.parametrize("module", [json, json.decoder, threading, simsock, pytest, sys.modules["simsock.kernel.core"]])
def test_the_standard_library_installed_packages_and_simsock_are_never_in_scope_by_themselves(module):
    for scope in (make_scope(None, __file__), make_scope(sysconfig.get_path("stdlib"), __file__), make_scope("/", __file__)):
        assert module.__file__ not in scope


def test_code_outside_the_scope_has_no_points(tmp_path):
    outside = module_from(tmp_path / "outside.py", LONG)
    assert steps_of(outside.work) < 10
    assert steps_of(outside.work, scope=str(tmp_path)) >= 50
    assert steps_of(outside.work, scope=tmp_path / "outside.py") >= 50
    assert steps_of(json.dumps, [{"a": [1, 2, 3]}], preempt="instructions") < 60  # those of this line


def test_a_module_that_is_named_is_in_scope_wherever_it_lies():
    text = json.dumps({"a": [1, 2, {"b": None}]}, indent=1)  # indent: the Python implementation
    plain = steps_of(json.dumps, text)
    assert steps_of(lambda: json.dumps([1, 2, {"b": None}], indent=1), scope=json) > plain + 20
    assert steps_of(lambda: json.dumps([1, 2, {"b": None}], indent=1), scope="json") > plain + 20
    assert steps_of(lambda: json.dumps([1, 2, {"b": None}], indent=1), scope=[__name__, "json"]) > plain + 20


def test_of_simsock_only_the_framework_can_be_in_scope():
    assert socketserver.base.__file__ in make_scope(socketserver, __file__)
    assert socketserver.base.__file__ not in make_scope(None, __file__)
    assert sys.modules["simsock.kernel.core"].__file__ not in make_scope([simsock, "simsock.kernel.core"], __file__)


@pytest.mark.parametrize("scope", ["no.such.module", 5, [None], "/no/such/file.py", sys])
def test_a_scope_that_does_not_exist_is_an_error_that_shows_it(scope):
    with pytest.raises(UsageError, match="scope: "), simsock.Simulation(preempt="lines", scope=scope):
        pass


def test_code_of_a_module_that_is_imported_in_the_world_is_not_preempted_but_its_functions_are(tmp_path):
    (tmp_path / "fresh.py").write_text("a = 1\n" * 50 + LONG)
    with simsock.Simulation(preempt="lines", scope=str(tmp_path)) as sim:
        before = sim._kernel.steps
        module = module_from(tmp_path / "fresh.py", "a = 1\n" * 50 + LONG)
        assert sim._kernel.steps == before
        module.work()
        assert sim._kernel.steps >= before + 50


# -- living with others --------------------------------------------------------------------------------------------------------------------

NEW = sys.version_info >= (3, 12)


@pytest.mark.skipif(not NEW, reason="sys.monitoring is new in 3.12")
class TestMonitoring:
    """The mechanism of 3.12 and later."""

    @pytest.fixture
    def hold(self):
        held = []

        def hold(tool, name):
            sys.monitoring.use_tool_id(tool, name)
            held.append(tool)

        yield hold
        for tool in held:
            sys.monitoring.free_tool_id(tool)

    def test_the_second_tool_id_is_taken_when_the_first_is_held(self, hold):
        hold(3, "somebody")
        with simsock.Simulation(preempt="lines"):
            assert sys.monitoring.get_tool(3) == "somebody"
            assert sys.monitoring.get_tool(4) == "simsock"
        assert sys.monitoring.get_tool(4) is None

    def test_when_both_are_held_the_error_names_the_holders(self, hold):
        hold(3, "one tool")
        hold(4, "another tool")
        with pytest.raises(UsageError, match=r"preempt='lines'.*3 by 'one tool' and 4 by 'another tool'"), simsock.Simulation(preempt="lines"):
            pass
        with simsock.Simulation(preempt="calls"):
            pass

    def test_events_of_others_go_on(self, hold):
        seen = []
        hold(0, "coverage, perhaps")
        monitoring = sys.monitoring
        monitoring.register_callback(0, monitoring.events.LINE, lambda code, line: seen.append(code.co_name))
        monitoring.set_local_events(0, in_a_property.__code__, monitoring.events.LINE)
        try:
            with simsock.Simulation(preempt="lines", strategy="random") as sim:
                for task in [sim.spawn(in_a_property) for _ in range(2)]:
                    task.result()
        finally:
            monitoring.set_local_events(0, in_a_property.__code__, 0)
            monitoring.register_callback(0, monitoring.events.LINE, None)
        assert seen.count("in_a_property") >= 2


@pytest.mark.skipif(NEW, reason="later versions do not use the trace function")
class TestTracing:
    """The mechanism of 3.11."""

    def test_a_trace_function_that_is_set_already_is_an_error_that_names_it(self):
        def debugger(frame, event, argument):
            return None

        sys.settrace(debugger)
        try:
            with pytest.raises(UsageError, match=r"sys.settrace.*debugger"), simsock.Simulation(preempt="lines"):
                pass
            assert sys.gettrace() is debugger
        finally:
            sys.settrace(None)

    def test_at_calls_a_trace_function_is_no_obstacle(self):
        seen = []

        def debugger(frame, event, argument):
            seen.append(event)

        sys.settrace(debugger)
        try:
            with simsock.Simulation() as sim:
                sim.sleep(1)
        finally:
            sys.settrace(None)
        assert seen


def test_other_threads_of_the_process_are_not_preempted():
    with simsock.Simulation(preempt="lines", strategy="random", patch=False) as sim:  # a real thread
        before = sim._kernel.steps
        thread = threading.Thread(target=in_recursion)
        thread.start()
        thread.join()
        assert sim._kernel.steps - before < 10


def loop_on_one_line(goes_on):
    while goes_on(): pass  # noqa: E701  # fmt: skip


def test_a_real_thread_in_a_loop_on_one_line_takes_no_point_from_a_task_that_is_at_the_test_of_the_same_loop():
    def steps(beside):
        answers = iter([True, True, True, False])

        def goes_on():
            thread = threading.Thread(target=beside, args=(iter([True, True, False]).__next__,))
            thread.start()
            thread.join()
            return next(answers)

        with simsock.Simulation(preempt="lines", patch=False) as sim:
            loop_on_one_line(goes_on)
            return sim._kernel.steps

    assert steps(loop_on_one_line) == steps(callable)


def test_a_limit_met_between_two_lines_is_raised_there_and_preemption_goes_on():
    def spin():
        number = 0
        while number < 100_000:
            number += 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", simsock.LeakWarning)
        with simsock.Simulation(preempt="lines", strategy="random", max_steps=3_000) as sim:
            with pytest.raises(simsock.StepLimit):
                spin()
            before = len(sim.deviations)
            for task in [sim.spawn(in_a_generator) for _ in range(3)]:
                task.result()
            assert len(sim.deviations) > before + 3


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there are no trace functions from 3.12 on")
def test_functions_are_traced_inside_worlds_only():
    """Each function that begins costs while a trace function is installed; a search makes thousands of worlds, and what it does between is not theirs."""
    seen = []
    with Runner(lambda sim: seen.append(sys.gettrace()), Options(preempt="lines", strategy="random")) as runner:
        for _ in range(2):
            assert sys.gettrace() is None
            assert runner.run(0).error is None
    assert sys.gettrace() is None
    assert seen[0] is not None
    assert seen[0] is seen[1]
