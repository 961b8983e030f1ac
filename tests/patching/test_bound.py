"""Methods that a program has bound before the world: ``recv = sock.recv``, ``now = datetime.now``, ``submit = pool.submit``."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import datetime
import functools
import gc
import queue
import select
import selectors
import socket
import threading
import time
import weakref

import pytest

from simsock import Fenced, Simulation
from simsock.patching import bound, known

pytestmark = pytest.mark.heap


class Moment(datetime.datetime):
    """A subclass of the program's."""


@dataclasses.dataclass
class Record:
    """Such as every ORM makes them."""

    at: datetime.datetime = dataclasses.field(default_factory=datetime.datetime.now)


class Holder:
    """A class with one, and an object."""

    now = datetime.datetime.now
    clocks = {datetime.datetime.now: "local", datetime.datetime.utcnow: "utc"}

    def __init__(self):
        self.now_of_moment = Moment.now


HOLDER = Holder()
NOW, UTC = datetime.datetime.now, datetime.datetime.utcnow
LATE = functools.partial(datetime.datetime.now, datetime.UTC)
CLOCKS = [datetime.datetime.now], (Moment.utcnow,), {"now": Moment.now}, {datetime.datetime.now}, frozenset((Moment.now,))
LOCK, RLOCK, CONDITION, EVENT, SEMAPHORE = threading.Lock(), threading.RLock(), threading.Condition(), threading.Event(), threading.Semaphore(0)
ACQUIRE, RELEASE, RACQUIRE, WAIT, TAKE = LOCK.acquire, LOCK.release, RLOCK.acquire, EVENT.wait, SEMAPHORE.acquire
METHODS = {"acquire": LOCK.acquire}
ACQUIRES = {LOCK.acquire}
SIMPLE, QUEUE = queue.SimpleQueue(), queue.Queue()
PUT, GET, QPUT, QGET = SIMPLE.put, SIMPLE.get, QUEUE.put, QUEUE.get
IS_SET, EMPTY = EVENT.is_set, QUEUE.empty


@pytest.mark.filterwarnings("ignore:.*utcnow:DeprecationWarning")
def test_a_bound_clock_is_the_world_s_and_afterwards_what_it_was(world):
    before = NOW, UTC, LATE.func, Holder.now, HOLDER.now_of_moment, [*Holder.clocks], CLOCKS[4]
    start = datetime.datetime(2026, 1, 1)
    for _ in range(2):
        with world() as sim:
            sim.sleep(5)
            late = start + datetime.timedelta(seconds=5)
            assert UTC() == late and LATE() == late.replace(tzinfo=datetime.UTC)
            local = datetime.datetime.now()
            assert NOW() == Record().at == Holder.now() == HOLDER.now == local or HOLDER.now() == local
            assert HOLDER.now_of_moment() == local and type(HOLDER.now_of_moment()) is Moment
            found = [CLOCKS[0][0], CLOCKS[2]["now"], *CLOCKS[3], *CLOCKS[4], *Holder.clocks]
            assert [clock() for clock in found] == [local] * 5 + [late] and CLOCKS[1][0]() == late
            assert Holder.clocks[datetime.datetime.utcnow] == "utc" and datetime.datetime.now in CLOCKS[3]
        after = NOW, UTC, LATE.func, Holder.now, HOLDER.now_of_moment, [*Holder.clocks], CLOCKS[4]
        assert all(one is other or one == other for one, other in zip(before, after, strict=True)) and CLOCKS[4] is before[6] and NOW is before[0]
        assert abs(NOW() - datetime.datetime.fromtimestamp(time.time())) < datetime.timedelta(minutes=1)


def test_methods_of_locks_and_queues_work_in_virtual_time(world):
    with world(max_real_time=10) as sim:
        assert ACQUIRE() and not METHODS["acquire"](timeout=1) and not next(iter(ACQUIRES))(timeout=1)
        RELEASE()
        assert RACQUIRE()
        RLOCK.release()
        assert not WAIT(1) and not TAKE(timeout=1)
        threading.Timer(1, PUT, (7,)).start()
        assert GET() == 7
        threading.Timer(1, QPUT, (8,)).start()
        assert QGET() == 8
        assert round(sim.now, 4) == 6


@pytest.mark.parametrize("looks", [lambda: not IS_SET(), lambda: EMPTY()])
def test_a_loop_on_a_bound_look_lets_time_pass(world, looks):
    with world(max_real_time=30) as sim:
        for change in (EVENT.set, lambda: QUEUE.put(1)):
            threading.Timer(3, change).start()
        while looks():
            pass
        assert 3 <= sim.now < 4
        EVENT.clear()
        QUEUE.get()


def things():
    """By the words of the error: an object from before, and how to take a method of it."""
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.submit(int).result()
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait, daemon=True)
    thread.start()
    one, other = socket.socketpair()
    listener = socket.create_server(("127.0.0.1", 0))
    selector, poll, epoll = selectors.DefaultSelector(), select.poll(), select.epoll()
    found = {
        "socket.recv": one.recv,
        "socket.recv_into": one.recv_into,
        "socket.send": one.send,
        "socket.sendall": one.sendall,
        "socket.sendmsg": one.sendmsg,
        "socket.shutdown": other.shutdown,
        "socket.accept": listener.accept,
        "socket.connect": socket.socket().connect,
        "socket.makefile": other.makefile,
        "poll.poll": poll.poll,
        "poll.register": poll.register,
        "epoll.poll": epoll.poll,
        "EpollSelector.select": selector.select,
        "Thread.join": thread.join,
        "ThreadPoolExecutor.submit": pool.submit,
    }
    arguments = {
        "socket.recv": (1,),
        "socket.recv_into": (bytearray(1),),
        "socket.send": (b"x",),
        "socket.sendall": (b"x",),
        "socket.sendmsg": ([b"x"],),
        "socket.shutdown": (2,),
        "socket.connect": (("127.0.0.1", 1),),
        "socket.makefile": ("rb",),
        "poll.register": (0,),
        "ThreadPoolExecutor.submit": (int,),
    }
    calls = {name: (method, arguments.get(name, ())) for name, method in found.items()}
    return calls, lambda: (stop.set(), thread.join(), pool.shutdown(), [one.close(), other.close(), listener.close(), selector.close(), epoll.close()])


CALLS, finish = things()
RECV = CALLS["socket.recv"][0]


@pytest.fixture(scope="module", autouse=True)
def finished():
    yield
    finish()


@pytest.mark.parametrize("name", CALLS)
def test_a_bound_method_of_something_real_is_refused_by_name(world, name):
    method = CALLS[name][0]
    box = [method]
    with pytest.raises(Fenced, match=rf"{name} of .*it is a real one, made outside this world") as caught, world(max_real_time=10):
        box[0](*CALLS[name][1])
    assert caught.value.facts["call"] == name
    assert box[0] is method


def test_it_is_refused_under_a_module_s_name_and_works_in_other_threads(world):
    with pytest.raises(Fenced, match=r"socket\.recv of"), world(max_real_time=10):
        RECV(1)
    one, other = socket.socketpair()
    holder = {"recv": one.recv, "send": other.send}
    done, heard = threading.Event(), []

    def talk():
        done.wait()
        holder["send"](b"x")
        heard.append(holder["recv"](1))

    thread = threading.Thread(target=talk)
    thread.start()
    with world():
        real_set = done
    real_set.set()
    thread.join()
    assert heard == [b"x"]
    one.close()
    other.close()


def test_what_is_bound_later_is_found_as_well(world):
    for collects in (False, True):
        with world():
            pass
        one, other = socket.socketpair()
        holder = [one.recv, datetime.datetime.now]
        if collects:
            gc.collect()
        with pytest.raises(Fenced, match=r"socket\.recv of"), world(max_real_time=10):
            assert holder[1]().year == 2026 and holder[1]() == datetime.datetime.now()
            holder[0](1)
        one.close()
        other.close()


def test_nothing_is_kept_alive_for_it(world):
    one, other = socket.socketpair()
    holder = Holder()
    holder.recv = one.recv
    with world():
        pass
    gone = weakref.ref(one)
    one.close()
    other.close()
    del holder, one
    assert gone() is None


def test_what_has_no_stand_in_any_more_is_left_as_it_is():
    with Simulation():
        pass
    methods = bound.methods_by_function()
    assert bound.is_bound(IS_SET, methods) and not bound.is_bound(HOLDER.__init__, methods)
    assert bound.stand_in(IS_SET, {}) is None and bound.stand_in(IS_SET, methods).__self__ is EVENT
    assert not bound.is_bound([].append, methods) and not bound.is_bound(time.sleep, methods)
    assert known()[1]._known_bound
