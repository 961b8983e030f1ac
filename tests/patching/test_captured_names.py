"""Names that programs captured before the world, or while it runs: virtual inside, the real thing outside, and nothing of ours left behind."""

from __future__ import annotations

import datetime
import functools
import gc
import os
import pickle
import queue
import socket
import sys
import threading
import time
from collections import OrderedDict, deque
from datetime import date
from datetime import datetime as captured_datetime
from types import FunctionType, ModuleType
from typing import NamedTuple

import pytest

from simsock.harness import is_harness
from simsock.patching import doctor, heap, known

from . import before_world as program

pytestmark = pytest.mark.heap

START = captured_datetime(2026, 1, 1, tzinfo=datetime.UTC)


def test_captured_functions_are_virtual_wherever_they_are_kept(world):
    with world(max_real_time=10) as sim:
        start = time.monotonic()
        program.NAP()
        assert round(sim.now, 4) == 1
        assert round(program.nap_by_default(1), 4) == start + 2
        program.NAP_CLOSED(1)
        assert round(sim.now, 4) == 3
        for clock in (
            program.CLOCKS["monotonic"],
            program.CLOCK_LIST[0],
            program.Clock.monotonic,
            program.CLOCK.monotonic,
            program.Clock.bare,
            program.CLOCK.bare,
            program.CLOCK.now,
        ):
            assert round(clock(), 4) == start + 3, clock


def test_after_the_world_they_are_the_very_originals(world):
    with world():
        pass
    assert program.NAP.func is time.sleep
    assert program.NAP.args == (1,)
    assert program.CLOCKS["monotonic"] is program.CLOCK_LIST[0] is program.Clock.bare is program.CLOCK.now is time.monotonic
    assert isinstance(vars(program.Clock)["monotonic"], staticmethod)
    assert program.nap_by_default.__defaults__ == (time.sleep,)
    assert program.nap_by_default.__kwdefaults__ == {"now": time.monotonic}
    assert type(time.sleep) is not FunctionType


def test_what_a_test_captures_just_before_the_world_is_found(world):
    for _ in range(3):
        nap, table = functools.partial(time.sleep, 1), {"sleep": time.sleep}
        later = functools.partial(map, time.sleep)
        arguments = later.args
        with world(max_real_time=10) as sim:
            nap()
            table["sleep"](1)
            assert list(later([1, 1])) == [None, None]
            assert round(sim.now, 4) == 4
        assert nap.func is table["sleep"] is later.args[0] is time.sleep
        assert later.args == arguments


@pytest.mark.parametrize("first", [None, time.sleep])
@pytest.mark.parametrize("make", [tuple, list])
def test_a_world_may_begin_while_a_tuple_is_being_made(world, make, first):
    def parts():
        yield first
        for collect in (bool, gc.collect):  # at first it is among the young objects
            collect()
            with world() as sim:
                time.sleep(1)
            yield round(sim.now, 4)

    gc.collect()
    for _ in range(2):
        with world():
            pass
    assert list(make(parts())) == [first, 1, 1]


def test_a_copy_of_a_module_s_namespace_is_no_module(world):
    """As attrs gives it to the methods that it makes."""
    copy = {**vars(program), "doze": time.sleep}
    exec("def nap(): doze(3)", copy)
    for _ in range(2):
        with world(max_real_time=10) as sim:
            copy["nap"]()
            assert round(sim.now, 4) == 3
        assert copy["doze"] is time.sleep


def test_what_our_own_copies_of_standard_modules_have_is_not_taken_for_captured(world):
    from simsock.stdlib import threading as copy

    table = {"lseek": os.lseek}
    with world():
        assert table["lseek"] is os.lseek
    boxes = [spot.box for spot, _ in known()[1]._captured]
    assert any(box is table for box in boxes)
    assert not any(box is vars(copy._os) for box in boxes), "each world would put stand-ins into it, for nobody"


def test_what_a_program_froze_is_searched_as_well(world):
    class Clock:
        now = time.monotonic

    table = {"sleep": time.sleep}
    gc.collect()
    gc.freeze()
    try:
        for _ in range(2):
            with world(max_real_time=10) as sim:
                table["sleep"](5)
                assert round(sim.now, 4) == 5
                assert Clock.now() == program.CLOCKS["monotonic"]() == pytest.approx(1005)
            assert Clock.now is time.monotonic
            assert table["sleep"] is time.sleep
    finally:
        gc.unfreeze()


def test_a_search_that_is_interrupted_is_made_again(world, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with world():
        pass
    just_imported = ModuleType("just_imported")
    just_imported.table = {"nap": time.sleep}
    monkeypatch.setitem(sys.modules, "just_imported", just_imported)
    with monkeypatch.context() as patch:
        patch.setattr(heap, "search", interrupted)
        with pytest.raises(KeyboardInterrupt), world():
            pass  # pragma: no cover
    for _ in range(2):
        with world(max_real_time=10) as sim:
            program.NAP()
            just_imported.table["nap"](1)
            assert round(sim.now, 4) == 2


def test_what_a_world_s_names_were_captured_in_works_as_the_original_after_it(world):
    with world(start_time="2000-01-01"):
        partial = functools.partial(time.sleep, 0)

        def closure(clock=time.monotonic):
            return clock()

        now, kept = datetime.datetime.now, [time.time, socket.getaddrinfo, threading.Lock, threading.local, queue.SimpleQueue]
        inside = closure()
    partial()
    assert closure() != inside
    assert abs(closure() - time.monotonic()) < 10
    assert now().year > 2020
    assert kept[0]() > 1.6e9
    assert kept[1]("127.0.0.1", 80)[0][4] == ("127.0.0.1", 80)
    with kept[2]():
        pass
    kept[3]().x = 1
    kept[4]().put(1)


def holdings():
    """By identity: every attribute of every module but the harness's, and of every class of the standard library's that worlds touch."""
    found = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType) and not is_harness(name) and not name.startswith(("tests.", "test_")):
            found.update({f"{name}.{key}": value for key, value in list(vars(module).items())})
    for cls in gc.get_objects():
        if issubclass(type(cls), type) and not is_harness(str(vars(cls).get("__module__"))):
            found.update({f"{cls.__module__}.{cls.__qualname__} {key}": value for key, value in list(vars(cls).items())})
    return found


STAYS = {
    "threading.Thread __hash__": "threads of a world may outlive it in somebody's set: see simsock/stdlib/_thread_hashes.py",
    "concurrent.futures._base.Future __hash__": "futures may, too: see simsock/stdlib/_future_hashes.py",
}


def test_no_attribute_of_a_module_or_class_holds_anything_else_after_a_world(world):
    with world():  # adopts the locks
        pass
    before = holdings()
    with world():
        during = holdings()
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        thread.join()
        socket.create_server(("127.0.0.1", 0)).close()
    after = holdings()
    volatile = ("__warningregistry__", "_cache", "_abc_impl", "__pycache__", " __dict__", " __weakref__", "_counter")
    changed = {name for name in before if name in after and after[name] is not before[name] and not name.endswith(volatile)} - STAYS.keys()
    assert changed == set()
    assert len({name for name in before if during.get(name) is not before[name]}) > 50, "the comparison sees stand-ins"
    standins = {id(replacement) for _, replacement in known()[0].replacements.values()}
    assert [name for name, value in after.items() if id(value) in standins] == []


def test_the_doctor_lists_what_is_captured_and_whether_it_is_swapped():
    hidden = frozenset([time.sleep])
    found = doctor.find_captured()
    assert ("time.monotonic", "tests.patching.before_world.Clock.bare", True) in [(item.name, item.place, item.swapped) for item in found]
    assert any(item.name == "time.sleep" and item.place == "frozenset" and not item.swapped for item in found)
    assert hidden


@pytest.mark.skipif(sys.version_info < (3, 13), reason="CPython audits time.sleep from 3.13 on")
def test_a_captured_sleep_that_could_not_be_swapped_is_an_error(world):
    hidden = (time.sleep,)
    from simsock import Fenced

    with pytest.raises(Fenced, match=r"time\.sleep"), world():
        hidden[0](1)


# datetime


def test_now_utcnow_and_today_are_virtual_under_every_name(world):
    with world() as sim:
        sim.sleep(90.25)
        for cls in (datetime.datetime, captured_datetime):
            now = cls.now(datetime.UTC)
            assert now == START + datetime.timedelta(seconds=90, microseconds=250_000)
            assert type(now) is captured_datetime
            with pytest.warns(DeprecationWarning, match="utcnow") if sys.version_info >= (3, 12) else _nothing():
                assert cls.utcnow() == now.replace(tzinfo=None)
            assert cls.today() == cls.now() == now.astimezone().replace(tzinfo=None)
        assert date.today() == datetime.date.today() == now.astimezone().date()
    assert abs(captured_datetime.now().timestamp() - time.time()) < 10


class _nothing:
    def __enter__(self):
        return self

    def __exit__(self, *exc):
        return None


class Moment(captured_datetime):
    """A subclass from before."""


def test_datetime_stays_one_class(world):
    with world():
        now = captured_datetime.now()
        assert datetime.datetime is captured_datetime is type(now)
        assert isinstance(now, captured_datetime)
        assert isinstance(START, datetime.datetime)
        assert type(Moment.now()) is Moment
        assert type(Moment.now(datetime.UTC)) is Moment
        assert captured_datetime.now(tz=datetime.UTC).tzinfo is datetime.UTC
        data = pickle.dumps(now)
        with pytest.raises(TypeError):
            captured_datetime.now("UTC")
    assert pickle.loads(data) == now
    assert b"simsock" not in data
    assert type(vars(captured_datetime)["now"]).__name__ == "classmethod_descriptor"


# Classes of C that worlds stand in for


def test_isinstance_and_subclassing_work_inside(world):
    before = queue.SimpleQueue
    with world():
        assert isinstance(queue.SimpleQueue(), queue.SimpleQueue)
        assert isinstance(queue.SimpleQueue(), before) or before is not queue.SimpleQueue
        assert queue.SimpleQueue[int]

        class Mine(queue.SimpleQueue):
            pass

        mine = Mine()
        mine.put(1)
        assert mine.get() == 1
        if isinstance(threading.Lock, type):
            assert isinstance(threading.Lock(), threading.Lock)
            assert threading.Lock | None
    mine.put(2)
    assert mine.get(timeout=1) == 2


class Waits(NamedTuple):
    """Functions by name."""

    nap: object
    clock: object
    seconds: int


class Napper:
    """Has a tuple of its own."""

    waits = (time.sleep, 5)


def test_functions_in_tuples_of_modules_and_classes_are_virtual_and_the_tuples_are_the_very_ones_afterwards(world):
    module = ModuleType("with_tuples")
    sys.modules["with_tuples"] = module
    try:
        module.PLAIN, module.NAMED, module.LOCKS = (time.sleep, len, 2, time.time), Waits(time.sleep, time.monotonic, 3), (threading.Lock(),)
        before = module.PLAIN, module.NAMED, module.LOCKS, Napper.waits
        for _ in range(2):
            with world(max_real_time=10, start_time="2000-01-01") as sim:
                module.PLAIN[0](module.PLAIN[2])
                assert round(sim.now, 4) == 2 and module.PLAIN[1] is len and round(module.PLAIN[3](), 4) == 946_684_802
                nap, clock, seconds = module.NAMED
                begun = clock()
                module.NAMED.nap(seconds)
                assert round(clock() - begun, 4) == 3 and type(module.NAMED) is Waits
                Napper.waits[0](Napper().waits[1])
                assert round(sim.now, 4) == 10
            assert all(now is then for now, then in zip((module.PLAIN, module.NAMED, module.LOCKS, Napper.waits), before, strict=True))
            assert before[0][0] is before[1].nap is before[3][0] is time.sleep
    finally:
        del sys.modules["with_tuples"]


def test_a_tuple_that_the_program_puts_there_in_the_world_stays(world, monkeypatch):
    monkeypatch.setattr(Napper, "waits", (time.sleep, 5))
    with world():
        Napper.waits = (7,)
    assert Napper.waits == (7,)


def nap_by_inner_default(waits=((time.sleep, 1), time.monotonic), *, more=(time.sleep,)):
    for wait, _ in waits[:1]:
        wait(1)
    more[0](1)
    return waits[1]()


def closed_over(waits):
    return lambda: waits[0](1)


class Slotted:
    __slots__ = ("waits",)


class Deep:
    table = {"clock": (time.monotonic, "s")}
    pairs = (("nap", time.sleep), ("clock", time.monotonic))


def test_functions_in_tuples_are_virtual_whatever_holds_the_tuple(world):
    slotted, deep, bound = Slotted(), Deep(), functools.partial(lambda waits: waits[0](1), (time.sleep,))
    slotted.waits, deep.waits = (time.sleep,), ((1, (time.sleep, time.time)),)
    table = {"plain": (time.sleep, 1), "listed": [(len, time.sleep)], "named": Waits(time.sleep, time.monotonic, 1)}
    table["ordered"] = OrderedDict(plain=time.sleep, inner=(time.sleep, 1))
    queue_of_calls, closed = deque([(time.sleep, 1)]), closed_over((time.sleep,))
    before = [table["plain"], table["listed"][0], table["named"], slotted.waits, deep.waits, queue_of_calls[0], Deep.pairs, Deep.table["clock"]]
    defaults = nap_by_inner_default.__defaults__
    for _ in range(2):
        with world(max_real_time=10, start_time="2000-01-01") as sim:
            begun = Deep.table["clock"][0]()
            table["plain"][0](1)
            table["listed"][0][1](1)
            table["named"].nap(1)
            slotted.waits[0](1)
            deep.waits[0][1][0](1)
            queue_of_calls[0][0](1)
            Deep.pairs[0][1](1)
            closed()
            bound()
            assert round(sim.now, 4) == 9
            assert round(nap_by_inner_default() - begun, 4) == 11
            assert round(Deep.pairs[1][1]() - begun, 4) == 11
            assert round(deep.waits[0][1][1](), 4) == 946_684_811
            table["ordered"]["plain"](1)
            table["ordered"]["inner"][0](1)
            assert round(sim.now, 4) == 13
            assert type(table["named"]) is Waits
        after = [table["plain"], table["listed"][0], table["named"], slotted.waits, deep.waits, queue_of_calls[0], Deep.pairs, Deep.table["clock"]]
        assert all(now is then for now, then in zip(after, before, strict=True))
        assert nap_by_inner_default.__defaults__ is defaults
        assert closed.__closure__[0].cell_contents[0] is bound.args[0][0] is time.sleep


def test_what_simsock_keeps_of_originals_for_itself_is_left_alone(world):
    table = {"sleep": (time.sleep,)}
    with world():
        assert table["sleep"][0] is time.sleep
    kept = known()[1]
    boxes = [spot.box.box for spot, _ in kept._captured if spot.kind == "inner"]
    assert any(box is table for box in boxes)
    assert not any(box is kept.pairs for box in boxes)
    assert all(original is not replacement for original, replacement in kept.pairs.values())


def test_a_search_does_not_find_its_own_lists():
    target = ("looked for", object())
    inner = (target,)
    holder = {"inner": inner, "outer": (target, inner), "outermost": ((target, inner), inner)}
    boxes = []
    for finding in heap.search([target], []):
        spot = finding.spot
        while spot is not None and spot.kind == "inner":
            spot = spot.box
        boxes.append(None if spot is None else spot.box)
    assert boxes
    assert all(box is holder for box in boxes)
