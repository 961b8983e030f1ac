"""Histories of operations, held against what a sequential model allows."""

from __future__ import annotations

import asyncio
import queue
import socketserver
import threading

import pytest

import simsock
from simsock.oracles import ANY, Counter, Lock, Map, Model, NotNow, Queue, Register
from simsock.oracles.linear import Operation, explain, shortest
from tests.oracles.programs import OPTIONS, laws


class Cache:
    """Reads through. A slow reader may put back what was overwritten meanwhile."""

    def __init__(self):
        self.kept = {}
        self.store = {"a": 0, "b": 0}
        self.lock = threading.Lock()

    def get(self, key):
        value = self.kept.get(key)
        if value is None:
            value = self.store[key]
            self.kept[key] = value
        return value

    def put(self, key, value):
        self.store[key] = value
        self.kept.pop(key, None)


class CarefulCache(Cache):
    def get(self, key):
        with self.lock:
            return super().get(key)

    def put(self, key, value):
        with self.lock:
            super().put(key, value)


def at_once(*works):
    threads = [threading.Thread(target=work, name=f"client-{number}") for number, work in enumerate(works, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def reads_through(sim, kind=Cache):
    cache = sim.history(Map({"a": 0, "b": 0})).of(kind())
    at_once(lambda: (cache.put("a", 1), cache.get("b")), lambda: cache.get("a"), lambda: cache.put("b", 2))
    cache.get("a")


def reads_through_carefully(sim):
    reads_through(sim, CarefulCache)


@pytest.fixture(scope="module")
def found():
    return simsock.explore(reads_through, 300, seed=1)


def test_a_search_finds_what_no_assertion_of_the_program_sees(found):
    assert isinstance(found.error, simsock.NotLinearizable)
    assert len(found.deviations) <= 2
    with pytest.raises(simsock.NotLinearizable):
        simsock.replay(reads_through, found.token)


def test_the_shortest_history_that_has_no_explanation_is_shown_in_columns(found):
    lines = str(found.error).splitlines()
    assert lines[0] == "no order of these operations, each between its call and its return, is one of a Map: get('a') → 0"
    assert lines[1].split() == ["step", "client-1", "main"]
    assert [line.split(maxsplit=1)[1] for line in lines[2:4]] == ["put('a', 1) → None", "get('a') → 0"]
    assert lines[1].index("main") == lines[3].index("get")
    assert lines[4] == "whatever the 3 others did"


@pytest.mark.parametrize("schedules", [30, pytest.param(2_000, marks=pytest.mark.exhaustive)])
def test_the_healthy_twin_is_never_accused(schedules):
    assert simsock.explore(reads_through_carefully, schedules, seed=1).status == "inconclusive"


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(map(str, options.values())))
def test_the_digest_is_the_same_with_it_and_without(options):
    def begin(sim, books):
        history = sim.history(Counter())
        add = books.add
        books.add = lambda amount: history._call("add", add, (amount,), {})

    def begin_without(sim, books):
        add = books.add
        books.add = lambda amount: add(amount)

    assert laws(begin, options) == laws(begin_without, options)


# -- models -------------------------------------------------------------------------------------------------------------------------------


def history(*rows):
    """Operations from (task, began, ended, name, arguments, result)."""
    made = []
    for task, began, ended, name, arguments, result in rows:
        raised = result if isinstance(result, type) else None
        made.append(Operation(name, arguments, (), task, began, ended, None if raised else result, raised, began, ended or began))
    return made


W, R = "write", "read"


@pytest.mark.parametrize(
    ("model", "rows", "is_explained"),
    [
        (Register(0), [("a", 1, 4, W, (1,), None), ("b", 2, 3, R, (), 0)], True),
        (Register(0), [("a", 1, 4, W, (1,), None), ("b", 2, 3, R, (), 1), ("b", 5, 6, R, (), 0)], False),
        (Register(0), [("a", 1, 2, W, (1,), None), ("b", 3, 4, R, (), 0)], False),
        (Register(0), [("a", 1, None, W, (1,), None), ("b", 3, 4, R, (), 0), ("b", 5, 6, R, (), 1)], True),
        (Register(0), [("a", 1, None, W, (1,), None), ("b", 3, 4, R, (), 1), ("b", 5, 6, R, (), 0)], False),
        (Register(0), [("a", 1, 3, "compare_and_set", (0, 1), True), ("b", 2, 4, "compare_and_set", (0, 2), True)], False),
        (Register(0), [("a", 1, 3, "compare_and_set", (0, 1), True), ("b", 2, 4, "compare_and_set", (0, 2), False)], True),
        (Counter(), [("a", 1, 3, "increment", (), 1), ("b", 2, 4, "increment", (), 1)], False),
        (Counter(), [("a", 1, 3, "increment", (), 2), ("b", 2, 4, "add", (1,), 1), ("a", 5, 6, "get", (), 2)], True),
        (Counter(5), [("a", 1, 3, "get_and_increment", (), 5), ("b", 2, 4, "decrement", (2,), None), ("a", 5, 6, "read", (), 4)], True),
        (Map(), [("a", 1, 2, "getitem", ("k",), KeyError), ("a", 3, 4, "put", ("k", 1), None), ("b", 5, 6, "pop", ("k",), 1)], True),
        (Map(), [("a", 1, 2, "put", ("k", 1), None), ("b", 3, 4, "getitem", ("k",), KeyError)], False),
        (Map(), [("a", 1, 2, "put", ("k", 1), None), ("b", 3, 4, "get", ("other",), None), ("b", 5, 6, "contains", ("k",), True)], True),
        (Map({"k": 1}), [("a", 1, 3, "put_if_absent", ("k", 2), True)], False),
        (Map({"k": 1}), [("a", 1, 3, "setdefault", ("k", 2), 1), ("a", 4, 6, "setdefault", ("l", 2), 2), ("a", 7, 9, "get", ("l",), 2)], True),
        (Map({"k": 1}), [("a", 1, 3, "setdefault", ("k", 2), 2)], False),
        (Map({"k": 1}), [("a", 1, 3, "delete", ("k",), True), ("a", 4, 5, "delitem", ("k",), KeyError), ("a", 6, 7, "get", ("k", 9), 9)], True),
        (Map({"k": 1}), [("a", 1, 3, "compare_and_set", ("k", 1, 2), True), ("a", 4, 5, "get", ("k",), 2)], True),
        (Queue(), [("a", 1, 2, "put", (1,), None), ("a", 3, 4, "put", (2,), None), ("b", 5, 6, "get", (), 2)], False),
        (Queue(), [("a", 1, 4, "put", (1,), None), ("b", 2, 5, "put", (2,), None), ("c", 6, 7, "get", (), 2), ("c", 8, 9, "qsize", (), 1)], True),
        (Queue(), [("a", 1, 2, "put", (1,), None), ("b", 3, 5, "get", (), 1), ("c", 4, 6, "get", (), 1)], False),
        (Queue(), [("a", 1, 4, "get", (), 1), ("b", 2, 3, "put", (1,), None), ("b", 5, 6, "get_nowait", (), queue.Empty)], True),
        (Queue(1), [("a", 1, 2, "put", (1,), None), ("b", 3, 4, "put_nowait", (2,), queue.Full), ("b", 5, 6, "empty", (), False)], True),
        (Queue(1), [("a", 1, 2, "put", (1,), None), ("b", 3, 4, "put", (2,), None)], False),
        (Lock(), [("a", 1, 2, "acquire", (), True), ("b", 3, 4, "acquire", (), True)], False),
        (Lock(), [("a", 1, 2, "acquire", (), True), ("b", 3, 6, "acquire", (), True), ("a", 4, 5, "release", (), None)], True),
        (Lock(), [("a", 1, 2, "acquire", (), True), ("b", 3, 4, "acquire", (False,), False), ("b", 5, 6, "locked", (), True)], True),
        (Lock(), [("a", 1, 2, "release", (), RuntimeError)], True),
    ],
)
def test_ready_made_models(model, rows, is_explained):
    assert explain(history(*rows), model) is is_explained
    if not is_explained:
        core = shortest(history(*rows), model)
        assert core and not explain(core, model)


def test_what_does_not_matter_is_left_out_whatever_it_did():
    rows = [("a", number, number + 1, W, (number,), None) for number in range(1, 21, 2)]
    rows += [("b", 21, 22, R, (), 19), ("a", 23, 24, W, (99,), None), ("c", 25, 26, R, (), 3), ("c", 27, 28, R, (), 7)]
    core = shortest(history(*rows), Register(0))
    assert [(one.name, one.arguments, one.result) for one in core] == [(W, (3,), None), (W, (99,), None), (R, (), 3)]


def test_many_operations_on_many_keys_are_quick_and_too_many_on_one_are_an_error_that_says_so():
    rows = [(f"t{number}", number, number + 300, "put", (number % 50, number), None) for number in range(300)]
    assert explain(history(*rows), Map())
    rows = [(f"t{number}", number, number + 60, "increment", (number,), None) for number in range(40)]
    with pytest.raises(simsock.LimitExceeded, match=r"history: no explanation of 41 operations was found nor excluded in 2,000 tries") as caught:
        explain(history(*rows, ("r", 200, 201, "get", (), -1)), Counter(), 2_000)
    assert caught.value.facts["limit"] == "history"


class Stack(Model):
    """A model of somebody's own."""

    initial = ()

    def push(self, state, item):
        return (*state, item), ANY

    def pop(self, state):
        if not state:
            raise NotNow
        return state[:-1], state[-1]


def test_a_model_of_one_s_own():
    rows = [("a", 1, 2, "push", (1,), None), ("a", 3, 4, "push", (2,), None), ("b", 5, 6, "pop", (), 2), ("b", 7, 8, "pop", (), 1)]
    assert explain(history(*rows), Stack())
    assert not explain(history(*rows[:2], ("b", 5, 6, "pop", (), 1)), Stack())
    with pytest.raises(simsock.UsageError, match=r"Stack knows no operation 'puhs'; did you mean 'push'\?; it knows push, pop"):
        explain(history(("a", 1, 2, "puhs", (1,), None)), Stack())

    class Bad(Stack):
        initial = []

    with pytest.raises(simsock.UsageError, match=r"a state of Bad is not hashable: \[\]"):
        explain(history(*rows), Bad())


# -- recording ----------------------------------------------------------------------------------------------------------------------------


def test_operations_are_recorded_with_what_came_of_them():
    with simsock.Simulation() as sim:
        recorded = sim.history()
        kept = recorded.of({"a": 1}, "get", "pop")
        assert kept.get("a") == 1 and kept["a"] == 1 and "a" in kept
        kept["b"] = 2
        del kept["b"]
        with pytest.raises(KeyError):
            kept.pop("none")
        assert list(kept.keys()) == ["a"], "not named, and so not recorded"
        with recorded.operation("put", "c", 3) as call:
            sim.sleep(1)
            call.returns("old")
        with recorded.of(threading.Lock()):
            pass
    assert [(one.name, one.arguments, one.result, one.raised) for one in recorded.operations] == [
        ("get", ("a",), 1, None),
        ("getitem", ("a",), 1, None),
        ("contains", ("a",), True, None),
        ("setitem", ("b", 2), None, None),
        ("delitem", ("b",), None, None),
        ("pop", ("none",), None, KeyError),
        ("put", ("c", 3), "old", None),
        ("acquire", (), None, None),
        ("release", (), None, None),
    ]
    assert all(one.task == "main" and one.began < one.ended for one in recorded.operations)


def test_after_an_error_of_the_network_nobody_knows_and_any_other_is_a_result():
    with simsock.Simulation() as sim:
        recorded = sim.history(Register(0))
        for error in (ConnectionResetError, TimeoutError):
            with pytest.raises(error), recorded.operation("write", 5):
                raise error
        with recorded.operation("read") as call:
            call.returns(5)
        other = sim.history()
        with pytest.raises(LookupError), other.operation("read"):
            raise LookupError
        with pytest.raises(simsock.NotLinearizable, match=r"read\(\) raises LookupError"):
            other.check(Register(0))
        patient = sim.history(Register(0), unknown=(LookupError, OSError))
        with pytest.raises(LookupError), patient.operation("read"):
            raise LookupError


def test_what_is_under_way_when_the_world_ends_may_have_happened_or_not():
    sim = simsock.Simulation()

    def body():
        with sim:
            recorded = sim.history(Register(0))

            def writes(value):
                with recorded.operation("write", value):
                    sim.sleep("1h")

            for value in (7, 8):
                sim.spawn(writes, value, name=f"slow-{value}")
            sim.settle()
            with recorded.operation("read") as call:
                call.returns(7)
        return recorded

    with pytest.warns(simsock.LeakWarning, match="slow"):
        recorded = body()
    assert [one.ended is None for one in recorded.operations] == [True, True, False]


def test_coroutines_are_recorded_until_they_have_been_awaited():
    class Store:
        value = 0

        async def read(self):
            await asyncio.sleep(1)
            return self.value

        async def write(self, value):
            await asyncio.sleep(1)
            self.value = value

    async def both(store):
        await asyncio.gather(store.write(1), store.read())
        return await store.read()

    with simsock.Simulation() as sim:
        recorded = sim.history(Register(0))
        assert asyncio.run(both(recorded.of(Store()))) == 1
    first, second, third = recorded.operations
    assert first.ended > second.began and second.ended > first.began and third.began > max(first.ended, second.ended)


def test_it_is_checked_at_the_end_or_when_it_is_asked_and_bad_arguments_are_told():
    with pytest.raises(simsock.NotLinearizable) as caught, simsock.Simulation() as sim:
        recorded = sim.history(Register(0))
        with recorded.operation("read") as call:
            call.returns(3)
    assert "step  main" in str(caught.value) and "read() → 3" in str(caught.value)
    with simsock.Simulation() as sim:
        for arguments, words in [(({},), "expected a model, such as simsock.oracles.Map"), ((None,), "unknown: expected exception classes, got 3")]:
            with pytest.raises(simsock.UsageError, match=words):
                sim.history(*arguments, unknown=3)
        with pytest.raises(simsock.UsageError, match="expected a model"):
            sim.history().check()
        with pytest.raises(simsock.UsageError, match="of: expected names of methods, got 'nothing'"):
            sim.history().of({}, "nothing")
        with pytest.raises(simsock.UsageError, match="operation: expected a name, got 5"):
            sim.history().operation(5)


@pytest.mark.parametrize("keeps", [True, False])
def test_a_write_whose_answer_never_came_may_have_happened(keeps):
    store = {}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            for line in self.rfile:
                name, _, value = line.decode().strip().partition(" ")
                if value and keeps:
                    store[name] = value
                self.wfile.write(f"{store.get(name)}\n".encode())

    with simsock.Simulation() as sim:
        served = sim.serve(Handler)
        recorded = sim.history(Map({"k": "None"}))

        def ask(text, is_lost=False):
            with sim.connect(served, timeout=1) as sock:
                sock.sendall(text.encode() + b"\n")
                if is_lost:
                    sim.partition("server", "client", one_way=True)
                return sock.makefile("r").readline().strip()

        with pytest.raises(TimeoutError), recorded.operation("put", "k", "1"):
            ask("k 1", is_lost=True)
        sim.heal("server", "client")
        with recorded.operation("get", "k") as call:
            assert call.returns(ask("k")) == ("1" if keeps else "None")
