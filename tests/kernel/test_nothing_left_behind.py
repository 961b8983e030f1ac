"""Entering a world is a transaction and leaving it is guaranteed: every operation on the way fails once, and every instruction is struck by a signal once.

Owns an injector, which is a trace function. It is compiled under a file name of no program, so that a signal that it raises counts as one that came in
the traced code itself.
"""

from __future__ import annotations

import _signal
import os
import re
import signal
import subprocess
import sys
import threading
import time
from types import ModuleType
from typing import Any

import pytest

import simsock
from simsock import talking
from simsock.kernel import session
from simsock.kernel.program_lines import PACKAGE
from tests.real_signals import strike_here

_INJECTOR = '''
class Injector:
    """Does ``act`` at the event number ``at`` (from 0) in a frame of the package."""

    def __init__(self, at, kind, act, package):
        self.at, self.kind, self.act, self.package = at, kind, act, package
        self.count = 0
        self.where = ""

    def __call__(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(self.package):
            return None
        if self.kind == "opcode":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        self.look(frame, event)
        return self if self.kind != "call" else None

    def look(self, frame, event):
        if event == self.kind:
            number, self.count = self.count, self.count + 1
            if number == self.at:
                self.where = f"{frame.f_code.co_qualname}:{frame.f_lineno}"
                settrace(None)
                self.act()


def striking(number):
    return lambda: strike_here(int(number))
'''
_space: dict[str, object] = {"settrace": sys.settrace, "strike_here": strike_here}
exec(compile(_INJECTOR, "<injector>", "exec"), _space)
Injector: Any = _space["Injector"]
striking: Any = _space["striking"]


class Injected(Exception):
    """The failure of one operation."""


def fail() -> None:
    raise Injected


def fail_hard() -> None:
    raise MemoryError


KEPT = threading.local()
KEPT.value = "kept"
"""Of this thread, from before every world."""


def state() -> dict[str, object]:
    """All names of all modules, by identity, and what else a world changes."""
    found: dict[str, object] = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not name.startswith(("simsock", "tests", "test_", "_pytest", "pytest", "__main__")):
            for key, value in ((key, value) for key, value in list(vars(module).items()) if not isinstance(value, (int, float))):
                found[f"{name}.{key}"] = id(value)
    found["signals"] = [_signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGINT, signal.SIGALRM)]
    found["world"] = (session.active, session.suspended, session.entered, list(session._open))
    found["new"] = "__new__" in vars(__import__("socket").socket)
    found["now"] = id(vars(__import__("datetime").datetime)["now"])
    found["threads"] = dict(threading._active)
    found["locals"] = KEPT.value
    del found["threading._counter"]  # found again below: a bound method has no identity of its own
    found.pop("gc.callbacks", None)
    return found


def world(**options):
    with simsock.Simulation(**options) as sim:
        sim.spawn(time.sleep, 1).result()


def differences(before):
    after = state()
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def enter_and_leave(injector, **options):
    """Returns what was raised."""
    sim = simsock.Simulation(**options)
    sys.settrace(injector)
    try:
        with sim:
            pass
    except BaseException as error:
        return error
    finally:
        sys.settrace(None)
    return None


def events(kind, **options):
    """How many events there are in one world's entering and leaving, when nothing is new to it. (From 3.12 on the first look misses some instructions.)"""
    for _ in range(2):
        injector = Injector(-1, kind, fail, PACKAGE)
        enter_and_leave(injector, **options)
    assert injector.count > 500, f"{injector.count} events of kind {kind}"
    return injector.count


@pytest.fixture(autouse=True)
def untraced():
    if sys.gettrace() is not None:
        pytest.skip("traced, and so by coverage on this Python")
    look_around()


def look_around():
    """What is new to the first worlds, and makes them take other ways, is new no more."""
    world()
    world()


def numbers(kind, step):
    return range(0, events(kind), step)


pytestmark = pytest.mark.timeout(method="thread")  # the other one is a signal, and whether those strike is what is tested


def failed_all_over(failure, step):
    before = state()
    for number in numbers("call", step):
        injector = Injector(number, "call", failure, PACKAGE)
        error = enter_and_leave(injector)
        if not injector.where.startswith("Simulation.__exit__"):  # which was not called then, as far as Python is concerned
            assert differences(before) == set(), (number, injector.where, error)
        world()
        assert differences(before) == set(), (number, injector.where, error)


def interrupted_all_over(step):
    before = state()
    for number in numbers("line", step):
        injector = Injector(number, "line", fail, PACKAGE)
        enter_and_leave(injector)
        world()
        assert differences(before) == set(), (number, injector.where)


def in_a_new_process(statement, seconds):
    """After a failure the process is searched anew, and that takes the longer, the more there is in it: of a test run that may be twenty times as much."""
    program = f"import tests.conftest; from tests.kernel.test_nothing_left_behind import *; look_around(); {statement}"
    command = [sys.executable, "-W", "ignore:a world was not left", "-c", program]
    ended = subprocess.run(command, cwd=os.path.dirname(PACKAGE[:-1]), capture_output=True, text=True, timeout=seconds, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.timeout(300, method="thread")
@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("failed_all_over(fail, 29); failed_all_over(fail_hard, 29)", id="every operation may fail"),
        pytest.param("interrupted_all_over(97)", id="what is interrupted at any line is taken back by the next world at the latest"),
        pytest.param("struck_all_over(signal.SIGINT, PACKAGE, 601); struck_all_over(signal.SIGALRM, PACKAGE, 601)", id="a signal at any instruction"),
        pytest.param("struck_all_over(signal.SIGALRM, session.__file__, 5)", id="a signal at any instruction that begins or ends a session"),
    ],
)
def test_entering_and_leaving_may_be_broken_off_anywhere(statement):
    in_a_new_process(statement, 250)


@pytest.mark.exhaustive
@pytest.mark.timeout(700, method="thread")
@pytest.mark.parametrize(
    "statement",
    [
        "failed_all_over(fail, 3)",
        "failed_all_over(fail_hard, 3)",
        "interrupted_all_over(17)",
        "struck_all_over(signal.SIGINT, PACKAGE, 211)",
        "struck_all_over(signal.SIGALRM, PACKAGE, 211)",
        "struck_all_over(signal.SIGINT, session.__file__, 1); struck_all_over(signal.SIGALRM, session.__file__, 1)",
    ],
)
def test_so_it_is_with_many_more_events(statement):
    in_a_new_process(statement, 600)


@pytest.mark.exhaustive
@pytest.mark.timeout(7200, method="thread")
@pytest.mark.parametrize(
    "statement",
    [
        "failed_all_over(fail, 1)",
        "failed_all_over(fail_hard, 1)",
        "interrupted_all_over(1)",
        "struck_all_over(signal.SIGINT, PACKAGE, 1)",
        "struck_all_over(signal.SIGALRM, PACKAGE, 1)",
    ],
)
def test_so_it_is_with_each_single_event(statement):
    in_a_new_process(statement, 7000)


def struck_all_over(number, package, step):
    before_all = signal.getsignal(number)

    def strike(number, frame):
        raise KeyboardInterrupt("struck")

    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else strike)
    struck = 0
    try:
        for _ in range(2):
            injector = Injector(-1, "opcode", fail, package)
            enter_and_leave(injector)
        before = state()
        for at in range(0, injector.count, step):
            injector = Injector(at, "opcode", striking(number), package)
            error = enter_and_leave(injector)
            assert differences(before) == set(), (at, injector.where, error)
            assert not session._opening._is_owned(), (at, injector.where)
            if injector.where:  # a later world takes fewer instructions than the one that was counted
                struck += 1
                assert type(error) is KeyboardInterrupt, (at, injector.where)
            world()
    finally:
        signal.signal(number, before_all)
    assert struck * step > (300 if sys.version_info < (3, 13) else 10)  # from 3.13 on a new trace function is not told of most instructions at first


def test_a_signal_that_comes_with_the_last_statement_of_the_block():
    before = state()
    began = time.perf_counter()
    sum(range(4_000_000))
    lasts_long = range(int(4_000_000 / (time.perf_counter() - began)))  # a second, whatever the machine
    with pytest.raises(simsock.RealTimeLimit), simsock.Simulation(max_real_time=0.2):
        sum(lasts_long)  # keeps the interpreter, so that the signal is looked at in __exit__
    assert differences(before) == set()
    world()


_LOOPS = """
def loop():
    with simsock.Simulation(max_real_time=0.2):
        while True: pass

def loop_in_try():
    with simsock.Simulation(max_real_time=0.2):
        try:
            while True: pass
        except ZeroDivisionError:
            pass

def loop_with_a_long_body():
    x = 0
    with simsock.Simulation(max_real_time=0.2):
        while x >= 0:
            x += 1
            y = x + 2 * (x - 1) // 3
            x = max(x, y) - min(x, y)

def loop_over_items():
    with simsock.Simulation(max_real_time=0.2):
        for item in iter(int, 1):
            if item: continue

def loop_with_a_condition():
    x = [1]
    with simsock.Simulation(max_real_time=0.2):
        while x:
            if x == 3: break

def loop_in_a_loop_in_try():
    x = 0
    try:
        with simsock.Simulation(max_real_time=0.2):
            while x is not None:
                while x == 0: pass
    finally:
        x = 2

def loop_twice():
    for _ in range(2):
        try:
            with simsock.Simulation(max_real_time=0.2):
                while True: pass
        except simsock.RealTimeLimit as error:
            found = error
    raise found
"""
"""As text: a formatter would put what loops on a line of its own, where Pythons have a handler. Which jump back has none is another one in each version."""
_programs: dict[str, object] = {"simsock": simsock}
exec(compile(_LOOPS, __file__, "exec"), _programs)


@pytest.mark.parametrize(
    "program", ["loop", "loop_in_try", "loop_with_a_long_body", "loop_over_items", "loop_with_a_condition", "loop_in_a_loop_in_try", "loop_twice"]
)
def test_loops_that_python_leaves_without_an_exit_are_left_all_the_same(program):
    before = state()
    with pytest.raises(simsock.RealTimeLimit):
        _programs[program]()
    assert differences(before) == set()
    world()


def test_a_world_whose_end_was_passed_over_is_taken_back_by_the_next_and_that_is_said(monkeypatch):
    before = state()
    exit_ = simsock.Simulation.__exit__
    monkeypatch.setattr(simsock.Simulation, "__exit__", lambda *exc: None)
    with pytest.raises(LookupError):
        enter_and_lose()
    monkeypatch.setattr(simsock.Simulation, "__exit__", exit_)
    assert session.active is not None
    with pytest.warns(RuntimeWarning, match="was not left"):
        world()
    assert differences(before) == set()


def enter_and_lose():
    with simsock.Simulation():
        pass
    raise LookupError


def test_a_world_that_is_alive_is_not_taken_for_one_that_was_left_behind():
    def fixture():
        with simsock.Simulation() as sim:
            yield sim

    made = fixture()
    sim = next(made)
    with pytest.raises(simsock.UsageError, match="a world inside a world"), simsock.Simulation():
        pass
    assert sim.spawn(lambda: 5).result() == 5
    made.close()


def test_the_interpreters_end_takes_a_world_back_and_says_so(tmp_path):
    program = tmp_path / "program.py"
    program.write_text(
        "import atexit, time, simsock\n"
        "real = time.sleep\n"
        "atexit.register(lambda: print(time.sleep is real))\n"
        "from simsock.world import simulation\n"
        "sim = simsock.Simulation()\n"
        "sim.__enter__()\n"
    )
    run = subprocess.run([sys.executable, program], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": os.path.dirname(PACKAGE[:-1])})
    assert "it has been taken back" in run.stderr
    assert run.returncode == 0


@pytest.mark.once
@pytest.mark.parametrize("where", ["handler", "talk"])
def test_a_regular_expression_is_ended_at_the_limit(where, monkeypatch):
    def search():
        re.match(r"(a|aa)+$", "a" * 60 + "b")

    began = time.monotonic()
    if where == "talk":
        monkeypatch.setattr(talking, "REAL_SECONDS_MAX", 0.5)
        found = simsock.talk(lambda *request: search(), b"")
        assert isinstance(found.error, TimeoutError)
    else:
        with pytest.raises(simsock.RealTimeLimit), simsock.Simulation(max_real_time=0.5) as sim:
            sim.spawn(search).result()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("strategy", ["fifo", "random"])
def test_a_recursion_that_does_not_end_is_an_error_of_its_task(strategy):
    def down(count):
        time.sleep(0)
        return down(count + 1)

    before = state()
    with pytest.raises(RecursionError), simsock.Simulation(strategy=strategy) as sim:
        with sim.expect_errors(RecursionError):
            for _ in range(3):
                sim.spawn(down, 0)
            time.sleep(1)
        down(0)
    assert differences(before) == set()
    world()
