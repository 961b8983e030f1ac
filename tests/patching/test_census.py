"""Whether something new has captured an original is a matter of counting: nothing is missed, nothing is searched for in vain, nothing is kept alive."""

from __future__ import annotations

import _socket
import _thread
import functools
import gc
import queue
import sys
import threading
import time
import weakref
from types import ModuleType

import pytest

from simsock.patching import heap
from simsock.patching.captured import Holds, _is_left
from simsock.patching.census import Census, is_of_heap
from simsock.patching.module_names import Names

from . import before_world as program

pytestmark = pytest.mark.heap


class Box:
    """Something that was there before."""


class Slotted:
    """Likewise."""

    __slots__ = ("__weakref__", "nap")


class Record:
    """Likewise; nothing can refer to it weakly."""

    __slots__ = ("nap", "other")


@pytest.fixture
def searches(monkeypatch):
    """How often the heap was searched."""
    made = []
    search = Holds._search
    monkeypatch.setattr(Holds, "_search", lambda self, originals: (made.append(originals), search(self, originals))[1])
    return made


def settle(world):
    """What was imported or made until now has been looked at."""
    gc.collect()
    for _ in range(2):
        with world():
            pass


_QUIET = """
import functools, gc, selectors, threading, time
import simsock
from simsock.patching.captured import Holds

NAP = functools.partial(time.sleep, 1)
made, search = [], Holds._search
Holds._search = lambda self, originals: (made.append(originals), search(self, originals))[1]
for number in range(7):
    if number == 2:
        made.clear()  # the first worlds have loaded something
    gc.collect()
    with simsock.Simulation(max_real_time=10) as sim:
        NAP()
        assert round(sim.now, 4) == 1
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        thread.join()
print(made)
"""


def test_nothing_is_searched_for_after_a_garbage_collection_when_nothing_is_new(in_process):
    """In a process of its own: a test run's other threads, and what it collects late, are news."""
    assert in_process(_QUIET).strip() == "[]"


def in_attribute():
    box = Box()
    box.nap = time.sleep
    return lambda: box.nap, box


def in_slot():
    slotted = Slotted()
    slotted.nap = time.sleep
    return lambda: slotted.nap, slotted


def in_class():
    class Napping:
        nap = time.sleep

    return lambda: Napping.nap, Napping


def in_staticmethod():
    class Napping:
        nap = staticmethod(time.sleep)

    return lambda: Napping.nap, Napping


def in_dict():
    table = {"nap": time.sleep}
    return lambda: table["nap"], table


def in_list():
    table = [1, time.sleep]
    return lambda: table[1], table


def in_closure():
    nap = time.sleep

    def closure():
        return nap

    return closure, closure


def in_default():
    def default(nap=time.sleep):
        return nap

    return default, default


def in_keyword_default():
    def default(*, nap=time.sleep):
        return nap

    return default, default


def in_partial():
    nap = functools.partial(time.sleep)
    return lambda: nap, nap


def in_an_argument_of_a_partial():
    nap = functools.partial(call, time.sleep)
    return lambda: nap, nap


def call(function, *args):
    function(*args)


def in_module():
    program.late = time.sleep
    return lambda: program.late, None


PLACES = [
    in_attribute,
    in_slot,
    in_class,
    in_staticmethod,
    in_dict,
    in_list,
    in_closure,
    in_default,
    in_keyword_default,
    in_partial,
    in_an_argument_of_a_partial,
    in_module,
]


@pytest.fixture(autouse=True)
def late(monkeypatch):
    """A module's name that is there before any world and means nothing yet."""
    monkeypatch.setattr(program, "late", None, raising=False)


@pytest.mark.parametrize("place", PLACES)
def test_what_was_captured_before_a_garbage_collection_is_found(world, place):
    with world():
        pass
    for _ in range(2):
        get, _kept = place()
        gc.collect()
        with world(max_real_time=10) as sim:
            get()(3)
            assert round(sim.now, 4) == 3
        assert time.sleep in (get(), getattr(get(), "func", None), *getattr(get(), "args", ()))
        program.late = None


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_it_is_found_although_somebody_else_let_go_at_the_same_time(world, every):
    """The number of references is then what it was."""
    get = kept = None
    for place in [*PLACES, *reversed(PLACES)][::every]:
        get = kept = program.late = None  # what was captured before is let go
        get, kept = place()
        gc.collect()
        with world(max_real_time=10) as sim:
            get()(3)
            assert round(sim.now, 4) == 3, place
    assert kept is None or get is not None


def test_an_old_object_that_comes_to_hold_an_original_is_found_after_a_garbage_collection(world):
    box, slotted = Box(), Slotted()
    settle(world)
    box.nap, slotted.nap, program.late = time.sleep, time.sleep, time.sleep
    gc.collect()
    for _ in range(2):
        with world(max_real_time=10) as sim:
            box.nap(1)
            slotted.nap(1)
            program.late(1)
            assert round(sim.now, 4) == 3
        assert box.nap is slotted.nap is program.late is time.sleep


def test_a_holder_that_holds_it_in_another_place_or_once_more_is_looked_at_anew(world):
    box, table = Box(), Box()
    settle(world)
    box.nap, table.items = time.sleep, [Box(), time.sleep]
    settle(world)
    box.other = time.sleep
    gc.collect()
    with world(max_real_time=10) as sim:
        box.other(3)
        assert round(sim.now, 4) == 3
    table.items.insert(0, None)
    gc.collect()
    with world(max_real_time=10) as sim:
        table.items[2](3)
        assert round(sim.now, 4) == 3
    assert box.nap is box.other is table.items[2] is time.sleep


def test_a_container_that_its_holder_comes_to_hold_twice_hides_nothing(world):
    table, box = Box(), Box()
    table.items = [Box(), time.sleep]
    settle(world)
    settle(world)
    table.same, box.nap = table.items, time.sleep
    gc.collect()
    with world(max_real_time=10) as sim:
        box.nap(3)
        assert round(sim.now, 4) == 3


def test_a_module_s_name_that_comes_to_be_an_original_while_another_module_is_imported_is_found(world, monkeypatch):
    monkeypatch.setattr(program, "later", None, raising=False)  # not yet known for a place
    settle(world)
    monkeypatch.setitem(sys.modules, "for_a_while", ModuleType("for_a_while"))
    program.later = time.sleep
    with world(max_real_time=10) as sim:
        program.later(3)
        assert round(sim.now, 4) == 3
    assert program.later is time.sleep


@pytest.mark.parametrize(("owner", "method"), [(Holds, "_has_new"), (Names, "lacking"), (Names, "forget"), (Names, "_look_around")])
def test_a_module_s_name_that_an_interrupted_search_has_seen_is_found_by_the_next(world, monkeypatch, owner, method):
    def interrupted(self, *arguments):
        raise KeyboardInterrupt

    name = f"late{method}"  # not yet known for a place
    monkeypatch.setattr(program, name, None, raising=False)
    settle(world)
    setattr(program, name, time.sleep)
    gc.collect()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, method, interrupted)
        with pytest.raises(KeyboardInterrupt), world():
            pass
    with world(max_real_time=10) as sim:
        getattr(program, name)(3)
        assert round(sim.now, 4) == 3
    assert getattr(program, name) is time.sleep


def test_it_is_found_although_another_os_thread_let_go_of_it(world):
    """References on the stack of a thread are seen by nobody."""
    held, done = threading.Event(), threading.Event()

    def hold():
        nap = time.sleep
        held.set()
        done.wait()
        del nap

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    box = Box()
    settle(world)
    done.set()
    thread.join()
    box.nap = time.sleep
    gc.collect()
    with world(max_real_time=10) as sim:
        box.nap(3)
        assert round(sim.now, 4) == 3


def test_what_a_function_holds_in_a_variable_is_not_followed_and_so_it_is_said_to_be_unsure():
    def original():
        """Nobody else has it."""

    census = Census([original])
    census.take()
    assert census.unsure == {0}
    holders = [original]
    watched = Census(holders)
    del original, holders
    watched.take()
    assert watched.news() == {}
    more = [watched._watched[0]]
    assert watched.news() == {0: 1}
    more.clear()
    assert watched.news() == {}


class Storage(threading.local):
    """The program's own."""


@pytest.mark.parametrize("make", [threading.Lock, threading.RLock, threading.Condition])
def test_locks_made_before_a_garbage_collection_are_found(world, make):
    for _ in range(3):
        box = Box()
        box.made = make()
        gc.collect()
        with world(max_real_time=10) as sim:

            def work(made):
                with made:
                    time.sleep(1)

            threads = [threading.Thread(target=work, args=(box.made,)) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert round(sim.now, 4) == 3


def test_queues_made_before_a_garbage_collection_are_found(world):
    for _ in range(3):
        box = Box()
        box.made = queue.SimpleQueue()
        gc.collect()
        with world(max_real_time=10):
            threading.Thread(target=lambda box: box.made.put(1), args=(box,)).start()
            assert box.made.get() == 1


@pytest.mark.parametrize("make", [threading.local, Storage])
def test_locals_made_before_a_garbage_collection_are_found(world, make):
    for _ in range(3):
        box = Box()
        box.made = make()
        gc.collect()
        with world(max_real_time=10):

            def work(made):
                assert not hasattr(made, "x")
                made.x = 1
                time.sleep(1)

            threads = [threading.Thread(target=work, args=(box.made,)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()


def test_nothing_is_kept_alive_for_it(world):
    class Witness:
        pass

    box, witness = Box(), Witness()
    box.pair = (time.sleep, witness)
    box.some = {time.monotonic}
    box.clock = time.time
    settle(world)
    gone = [weakref.ref(box), weakref.ref(witness), weakref.ref(box.some)]
    del box, witness
    assert [ref() for ref in gone] == [None] * 3


def test_a_record_is_kept_only_if_what_it_holds_lives_anyway():
    class Witness:
        pass

    def original():
        """Nobody else has it."""

    record, witness, light = Record(), Witness(), Record()
    record.nap, record.other = original, witness
    light.nap, light.other = original, 5
    census = Census([original])
    census.take()
    gone = weakref.ref(witness)
    del record, witness
    assert gone() is None
    owner = next(owner for owner, _, _, _ in census._others if owner() is light)
    del light
    assert owner().other == 5


def test_classes_of_c_that_are_part_of_the_interpreter_are_told_from_those_that_are_made():
    assert is_of_heap(Box) and not is_of_heap(int)


def test_every_reference_to_a_class_of_a_module_is_explained():
    census = Census([Slotted])
    census.take()
    assert census.unsure == set()


def test_a_lock_that_alone_was_made_before_a_garbage_collection_is_found(world, searches):
    settle(world)
    box = Box()
    box.made = _thread.allocate_lock()
    gc.collect()
    searches.clear()
    with world(max_real_time=10) as sim:

        def work():
            with box.made:
                time.sleep(1)

        tasks = [sim.spawn(work) for _ in range(2)]
        for task in tasks:
            task.result()
        assert round(sim.now, 3) == 2
    assert searches


def test_a_search_that_is_interrupted_is_made_again(monkeypatch):
    def interrupted(holds, originals):
        made.append(originals)
        if len(made) == 1:
            raise KeyboardInterrupt

    made = []
    monkeypatch.setattr(Holds, "_search_alone", lambda holds, originals: interrupted(holds, originals) or [])
    holds = Holds({})
    with pytest.raises(KeyboardInterrupt):
        holds.refresh([])
    holds.refresh(None)
    assert made == [True, True]
    holds.settle()
    holds.refresh(None)
    assert made == [True, True]


def test_the_namespace_of_a_class_in_c_is_left_alone_and_a_table_of_its_methods_is_not():
    space = vars(_socket.socket)
    assert _is_left(heap.Spot("item", dict(space), "send"), space["send"])
    assert not _is_left(heap.Spot("item", {"send": space["send"]}, "send"), space["send"])


def test_no_code_of_the_program_runs(world):
    class Meta(type):
        def __getattribute__(cls, name):
            ran.append(name)
            return super().__getattribute__(name)

    class Touchy(metaclass=Meta):
        __slots__ = ("nap",)

        def __getattribute__(self, name):
            ran.append(name)
            return super().__getattribute__(name)

        def __eq__(self, other):
            ran.append("==")
            return self is other

        __hash__ = None

    ran = []
    touchy = [Touchy() for _ in range(2)]
    touchy[0].nap = (time.sleep, touchy)
    touchy[1].nap = time.monotonic
    settle(world)
    ran.clear()
    touchy[0].nap = (time.time, touchy)
    gc.collect()
    with world():
        pass
    assert ran == []


def test_defaults_are_the_very_tuple_that_they_were(world):
    def default(nap=time.sleep, now=time.monotonic):
        return nap, now

    before = default.__defaults__
    for _ in range(2):
        with world():
            assert default()[0] is time.sleep
            assert default()[1] is time.monotonic
        assert default.__defaults__ is before


def test_defaults_that_somebody_else_set_in_the_world_stay(world):
    def default(nap=time.sleep):
        return nap

    with world():
        default.__defaults__ = (7,)
    assert default() == 7


def test_a_module_that_is_gone_is_forgotten(world, monkeypatch):
    module = ModuleType("for_a_while")
    module.nap = time.sleep
    monkeypatch.setitem(sys.modules, "for_a_while", module)
    settle(world)
    del sys.modules["for_a_while"]
    gone = weakref.ref(module)
    del module
    settle(world)
    assert gone() is None
