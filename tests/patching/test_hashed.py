"""What a program keeps in sets, as keys and in weak containers: the world's inside, the very containers as they were outside."""

from __future__ import annotations

import _thread
import functools
import gc
import random
import socket
import threading
import time
import warnings
import weakref
from collections import Counter, OrderedDict, UserDict, defaultdict

import pytest

from simsock import KeptWarning, Simulation
from simsock.patching import doctor
from simsock.patching.hashed import Mark, WeakMark

pytestmark = pytest.mark.heap


class Names(set):
    """Whose methods are not asked."""

    def __iter__(self):
        raise AssertionError("the program's")

    add = remove = discard = clear = update = __contains__ = __len__ = __iter__


class Frozen(frozenset):
    """Which can be made anew."""

    __slots__ = ()


class Table(OrderedDict):
    """Likewise."""

    def __setitem__(self, key, value):
        raise AssertionError("the program's")

    __iter__ = keys = items = clear = __setitem__


class Keeps:
    """A class of the program's."""

    SET = {time.monotonic, "a"}
    FROZEN = frozenset((time.monotonic, "a"))
    TABLE = {"before": 1, time.monotonic: 2, "after": 3}
    LOCK = frozenset((_thread.RLock,))

    def __init__(self):
        self.set = {time.monotonic}
        self.nested = [{"a": (frozenset(((time.monotonic, 1),)),)}]


def default(some=frozenset((time.monotonic,)), *, other={time.monotonic: 1}):  # noqa: B006  # that it is made once is the point
    return [*some, *other]


def ordered():
    made = Table()
    for key in ("before", time.monotonic, time.sleep, "after"):
        OrderedDict.__setitem__(made, key, str(key))
    return made


KEEPS = Keeps()
SET = {time.monotonic, time.sleep, "a", 1}
FROZEN = frozenset((time.monotonic, time.sleep, "a"))
OWN_FROZEN = Frozen((time.monotonic, 1))
KEYS = {"before": 1, time.monotonic: 2, ("nested", time.sleep): 3, "after": 4}
ORDERED = OrderedDict.fromkeys(("before", time.monotonic, time.sleep, "after"))
TABLE = ordered()
DEFAULTS = defaultdict(list, {1: 1, time.monotonic: [2], 3: 3})
COUNTER = Counter((time.monotonic, time.monotonic, 1))
USER = UserDict({time.monotonic: 1})
NAMES = Names()
set.update(NAMES, {time.monotonic, 1})
PAIRS = {("nap", time.sleep), ("now", time.monotonic)}
SETS = {frozenset((time.monotonic, time.sleep))}
WEAK_SET = weakref.WeakSet((time.monotonic, threading.current_thread))
WEAK_KEYS = weakref.WeakKeyDictionary({time.monotonic: 1, len: 2})
WEAK_VALUES = weakref.WeakValueDictionary({"now": time.monotonic})
MAKERS = (_thread.RLock, _thread.allocate_lock)
LOCKS = {threading.Lock()}


@functools.lru_cache
def cached(_function):
    return object()


def all_kept():
    """Every function that is kept here, with a name of the place."""
    nested = next(iter(KEEPS.nested[0]["a"][0]))
    kept = {
        "class": [*Keeps.SET, *Keeps.FROZEN, *Keeps.TABLE],
        "object": [*KEEPS.set, nested[0]],
        "default": default(),
        "set": [*SET],
        "frozenset": [*FROZEN, *OWN_FROZEN],
        "key": [*KEYS, next(key[1] for key in KEYS if type(key) is tuple)],
        "ordered": [*ORDERED, *OrderedDict.__iter__(TABLE)],
        "default dict": [*DEFAULTS],
        "counter": [*COUNTER],
        "user dict": [*USER],
        "own set": [*set.__iter__(NAMES)],
        "pairs": [function for _, function in PAIRS],
        "sets": [*next(iter(SETS))],
        "weak": [*WEAK_SET, *WEAK_KEYS, *WEAK_VALUES.values()],
    }
    return [(place, function) for place, found in kept.items() for function in found if callable(function)]


def layout():
    """The containers, and all that is in them in their order."""
    boxes = (
        Keeps.SET,
        Keeps.FROZEN,
        Keeps.TABLE,
        KEEPS.set,
        KEEPS.nested[0]["a"][0],
        FROZEN,
        OWN_FROZEN,
        KEYS,
        ORDERED,
        DEFAULTS,
        COUNTER,
        USER.data,
        PAIRS,
        SETS,
    )
    more = (SET, *default.__defaults__, default.__kwdefaults__["other"], WEAK_SET.data, WEAK_KEYS.data, WEAK_VALUES.data)
    found = [(id(box), [*map(id, box)], [*map(id, getattr(box, "values", list)())]) for box in (*boxes, *more)]
    found += [(id(NAMES), [*map(id, set.__iter__(NAMES))]), (id(TABLE), [*map(id, OrderedDict.__iter__(TABLE))])]
    return found, [*map(id, MAKERS)]


@pytest.fixture(scope="module", autouse=True)
def settled():
    """A first world has seen them: from then on a set is iterated as it will be after each world."""
    with Simulation():
        pass


def test_what_is_kept_in_a_set_or_as_a_key_is_the_world_s(world):
    with world(max_real_time=10) as sim:
        for place, function in all_kept():
            before = sim.now
            if function.__name__ == "monotonic":
                assert function() == 1000 + sim.now, place
            elif function.__name__ == "sleep":
                function(1)
                assert round(sim.now - before, 4) == 1, place
        for box, key in ((KEYS, time.monotonic), (ORDERED, time.sleep), (DEFAULTS, time.monotonic), (WEAK_KEYS, time.monotonic), (USER, time.monotonic)):
            assert key in box
        assert time.monotonic in SET and time.monotonic in FROZEN and time.monotonic in WEAK_SET and COUNTER[time.monotonic] == 2
        assert KEYS["nested", time.sleep] == 3 and ("nap", time.sleep) in PAIRS and frozenset((time.monotonic, time.sleep)) in SETS
        assert [key for key in KEYS if type(key) is str] == ["before", "after"] and [*KEYS.values()] == [1, 2, 3, 4]
        assert list(ORDERED)[1:3] == [time.monotonic, time.sleep] and list(OrderedDict.__iter__(TABLE))[1:3] == [time.monotonic, time.sleep]


def test_afterwards_all_is_in_its_place_and_in_its_order(world):
    before = layout()
    for _ in range(3):
        with world():
            during = layout()
        assert layout() == before != during
        gc.collect()


def test_each_world_iterates_a_set_in_the_same_order(world):
    box = {time.monotonic, time.sleep, time.time, *range(0, 4000, 7), *map(str, range(40))}
    orders = []
    for _ in range(4):
        with world():
            orders.append([*box])
        orders.append([*box])
        gc.collect()
    assert orders[2] == orders[0] == orders[4] == orders[6] and orders[1] == orders[3] == orders[5] == orders[7]


def test_what_a_world_puts_in_and_takes_out_stays(world):
    box, table, tidy = {time.monotonic, "a"}, {"a": 1, time.monotonic: 2, "b": 3}, OrderedDict({"a": 1, time.monotonic: 2, "b": 3})
    with world():
        box.add("b")
        box.discard("a")
        for held in (table, tidy):
            held["c"] = 4
            held["a"] = held[time.monotonic] = 5
            del held["b"]
    assert box == {time.monotonic, "b"}
    assert [*table.items()] == [*tidy.items()] == [("a", 5), (time.monotonic, 5), ("c", 4)]
    with world():
        box.remove(time.monotonic)
        table.clear()
    assert box == {"b"} and table == {}


def test_a_new_set_or_key_is_found_before_and_after_a_garbage_collection(world):
    for collects in (False, True):
        holder = {"set": {time.monotonic}, "keys": {time.monotonic: 1}, "frozen": frozenset((time.monotonic,)), "weak": weakref.WeakSet((time.sleep,))}
        if collects:
            gc.collect()
        with world(max_real_time=10) as sim:
            for kind in ("set", "keys", "frozen"):
                assert next(iter(holder[kind]))() == 1000 + sim.now, (kind, collects)
            next(iter(holder["weak"]))(1)
            assert round(sim.now, 4) == 1, collects
        assert all(time.monotonic in holder[kind] for kind in ("set", "keys", "frozen")) and time.sleep in holder["weak"]


def test_a_class_in_c_that_is_kept_makes_the_world_s(world):
    with world() as sim:
        lock, plain, other = MAKERS[0](), MAKERS[1](), next(iter(Keeps.LOCK))()
        for made in (lock, plain, other):
            assert made.acquire()
        assert not plain.acquire(timeout=1)
        assert round(sim.now, 4) == 1
        assert isinstance(lock, MAKERS[0])


def test_a_lock_from_before_in_a_set_is_a_task_s_to_wait_for(world):
    with world(max_real_time=10) as sim:
        (lock,) = LOCKS
        assert lock.acquire() and not lock.acquire(timeout=2)
        lock.release()
        assert round(sim.now, 4) == 2


def test_a_dispatch_by_class_knows_the_world_s_sockets(world):
    @functools.singledispatch
    def kind(_thing):
        return "other"

    @kind.register
    def _(_thing: socket.socket):
        return "socket"

    for _ in range(2):
        with world(), socket.socket() as made:
            assert kind(made) == kind.dispatch(socket.socket)(made) == "socket"
        with socket.socket() as real:
            assert kind(real) == "socket"


def test_what_a_cache_has_for_a_function_is_left_alone(world):
    first = cached(time.sleep)
    with world():
        assert cached(time.sleep) is not first
    assert cached(time.sleep) is first


def test_a_table_that_has_both_is_left_alone(world):
    with world():
        stand_in = time.monotonic
    both, table, weak = {stand_in, time.monotonic}, {stand_in: 1, time.monotonic: 2}, weakref.WeakKeyDictionary({stand_in: 1, time.monotonic: 2})
    with world():
        assert len(both) == len(table) == len(weak) == 2
    assert both == {stand_in, time.monotonic} and table == {stand_in: 1, time.monotonic: 2} and dict(weak) == table


def test_a_key_that_cannot_be_hashed_any_more_leaves_all_as_it_was(world):
    class Key:
        fails = False

        def __hash__(self):
            if self.fails:
                raise TypeError("no more")
            return 1

    key = Key()
    table = {key: 1, time.monotonic: 2}
    Key.fails = True
    with world():
        assert len(table) == 2
    assert [*table] == [key, time.monotonic]


def test_nothing_is_kept_alive_for_it(world):
    class Witness:
        pass

    witness = Witness()
    box = {time.monotonic, witness}
    with world():
        pass
    gone = weakref.ref(witness), weakref.ref(box)
    del box, witness
    assert [reference() for reference in gone] == [None, None]


def test_a_mark_is_taken_back_or_made_anew():
    box = {1, 2}
    mark = Mark(1)
    assert mark.is_in(box)
    with pytest.raises(TypeError):
        mark.exchange(box, 2)
    mark.exchange(box, 3)
    assert box == {2, 3} and mark.value == 3
    box.add(4)
    mark.exchange(box, 1)
    assert box == {1, 2, 4} and not Mark(3).is_in(box)
    values = weakref.WeakValueDictionary({"a": len})
    weak = WeakMark(values.data["a"])
    before = values.data["a"]
    weak.exchange(values.data, repr)
    assert values["a"] is repr and weak.is_in(values.data)
    weak.exchange(values.data, len)
    assert values.data["a"] is before


def test_the_doctor_counts_them_among_what_is_exchanged():
    found = {(item.name, item.place) for item in doctor.find_captured() if item.swapped and __name__ in item.place}
    for place in (f"{__name__}.SET: set", f"{__name__}.KEYS: key", f"{__name__}.NAMES: set", f"{__name__}.Keeps.FROZEN: frozenset"):
        assert ("time.monotonic", place) in found or place.startswith(f"{__name__}.NAMES"), (place, found)


MAP = None


def test_what_an_iterator_keeps_is_told_by_a_warning(monkeypatch):
    held = functools.lru_cache(time.perf_counter), iter(time.time, None), map(time.sleep, [random.random()])
    monkeypatch.setitem(globals(), "MAP", held[2])
    monkeypatch.setitem(globals(), "CACHE", held[0])
    monkeypatch.setattr(KEEPS, "clock", held[1], raising=False)
    gc.collect()
    with pytest.warns(KeptWarning) as told, Simulation():
        pass
    words = " ".join(str(one.message) for one in told)
    assert f"time.sleep is kept by {__name__}.MAP: map, where no world can put another one" in words
    assert f"time.time is kept by {__name__}.Keeps: callable_iterator" in words
    assert f"time.perf_counter is kept by {__name__}.CACHE: lru_cache" in words
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
        with Simulation():
            pass
