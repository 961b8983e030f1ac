"""A hang beside a task that polls is told at once; a program that polls and lives is left alone."""

from __future__ import annotations

import math
import queue
import selectors
import socket
import socketserver
import threading
import time

import pytest

import simsock

STATE = {"tries": 0}
tries = 0
ROUNDS = 1_500
"""More than a poller goes round before it is judged."""


def serving():
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.StreamRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def beside(poll):
    threading.Thread(target=poll, daemon=True).start()


# -- hangs: main waits for ever -------------------------------------------------------------------------------------------------------------


def a_server_of_the_standard_library():
    serving()
    threading.Event().wait()


def two_servers():
    serving()
    serving()
    threading.Event().wait()


def an_event_that_is_polled():
    stop = threading.Event()

    def poll():
        while not stop.wait(0.25):
            pass

    beside(poll)
    queue.Queue().get()


def a_condition_with_its_own_lock_that_is_polled():
    changed = threading.Condition()

    def poll():
        with changed:
            while True:
                changed.wait(2)

    beside(poll)
    queue.Queue().get()


def a_flag_under_a_lock_that_is_taken_twice():
    lock, state = threading.RLock(), {"done": False}

    def is_done():
        with lock:
            return state["done"]

    def poll():
        while True:
            with lock:
                if is_done():
                    return
            time.sleep(0.5)

    beside(poll)
    threading.Event().wait()


def a_queue_that_is_polled():
    items = queue.Queue()

    def poll():
        while True:
            try:
                items.get(timeout=1)
            except queue.Empty:
                continue

    beside(poll)
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def a_flag_between_sleeps():
    class Worker:
        done = False

        def poll(self):
            while not self.done:
                time.sleep(0.5)

    beside(Worker().poll)
    threading.Event().wait()


def two_threads_that_wait_for_each_other():
    serving()
    one, other = threading.Lock(), threading.Lock()
    first = threading.Barrier(2)

    def forth():
        with one:
            first.wait()
            other.acquire()

    def back():
        with other:
            first.wait()
            one.acquire()

    threads = [threading.Thread(target=forth), threading.Thread(target=back)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def a_selector_that_is_polled():
    left, right = socket.socketpair()
    chosen = selectors.DefaultSelector()
    chosen.register(left, selectors.EVENT_READ)

    def poll():
        while True:
            chosen.select(0.1)

    beside(poll)
    right.recv(1)


def functions_of_c_in_a_pollers_hands():
    def poll(size=len, round_down=math.floor):
        while size("") == round_down(0.5):
            time.sleep(0.5)

    beside(poll)
    threading.Event().wait()


def numbers_and_errors_of_their_own_kind_in_a_pollers_hands():
    def poll():
        family, error = socket.AF_INET, LookupError("nothing yet")
        while family == socket.AF_INET and error.args:
            time.sleep(0.5)

    beside(poll)
    threading.Event().wait()


HANGS = [
    functions_of_c_in_a_pollers_hands,
    numbers_and_errors_of_their_own_kind_in_a_pollers_hands,
    a_server_of_the_standard_library,
    two_servers,
    an_event_that_is_polled,
    a_condition_with_its_own_lock_that_is_polled,
    a_flag_under_a_lock_that_is_taken_twice,
    a_queue_that_is_polled,
    a_flag_between_sleeps,
    two_threads_that_wait_for_each_other,
    a_selector_that_is_polled,
]


@pytest.mark.parametrize("program", HANGS)
def test_a_hang_is_told_at_once(program):
    with pytest.raises(simsock.Deadlock, match="all that goes on is polling, and what is polled for stays as it is") as caught, simsock.Simulation() as sim:
        program()
    assert sim.now < 5_000
    assert "main " in caught.value.facts["report"]
    assert any("test_polling.py" in wait for wait in caught.value.facts["waits"])


def test_a_hang_in_a_search_is_told_wherever_the_search_was_called():
    def test(sim):
        lock, stop = threading.Lock(), threading.Event()
        lock.acquire()
        beside(lock.acquire)
        while not stop.wait(0.25):
            pass

    for _ in range(1):  # as a loop of the program's it could not be read
        error = simsock.explore(test, 1).error
    assert isinstance(error, simsock.Deadlock)


# -- healthy twins: what polls, ends it ----------------------------------------------------------------------------------------------------


def live(poll):
    """Main waits until ``poll`` lets it go."""
    done = threading.Event()
    beside(lambda: poll(done))
    done.wait()


def counts_in_a_local(done):
    count = 0
    while count < ROUNDS:
        time.sleep(0.5)
        count += 1
    done.set()


def counts_in_a_global(done):
    global tries
    tries = 0
    while tries < ROUNDS:
        time.sleep(0.5)
        tries += 1
    done.set()


def counts_in_a_dict(done):
    STATE["tries"] = 0
    while STATE["tries"] < ROUNDS:
        time.sleep(0.5)
        STATE["tries"] += 1
    done.set()


def counts_in_a_dict_of_its_own_kind(done):
    class Table(dict):
        pass

    state = Table(tries=0)
    while state["tries"] < ROUNDS:
        time.sleep(0.5)
        state["tries"] += 1
    done.set()


def counts_in_a_list_of_its_own_kind(done):
    class Row(list):
        pass

    state = Row([0])
    while state[0] < ROUNDS:
        time.sleep(0.5)
        state[0] += 1
    done.set()


def counts_in_an_attribute(done):
    class Poller:
        def __init__(self):
            self.left = ROUNDS

        def once(self):
            self.left -= 1
            return self.left

    poller = Poller()
    while poller.once():
        time.sleep(0.5)
    done.set()


def counts_in_a_class(done):
    class Poller:
        left = ROUNDS

    def once():
        Poller.left -= 1
        return Poller.left

    while once():
        time.sleep(0.5)
    done.set()


def counts_in_a_slot(done):
    class Poller:
        __slots__ = ("left",)

    poller = Poller()
    poller.left = ROUNDS
    while poller.left:
        poller.left -= 1
        time.sleep(0.5)
    done.set()


def counts_in_a_cell(done):
    left = ROUNDS

    def once():
        nonlocal left
        left -= 1
        return left

    while once():
        time.sleep(0.5)
    done.set()


def counts_in_a_default(done):
    def once(box=[0]):  # noqa: B006 (what is tested)
        box[0] += 1
        return box[0] < ROUNDS

    while once():
        time.sleep(0.5)
    done.set()


def counts_in_a_function_s_attribute(done):
    def once():
        once.left -= 1
        return once.left

    once.left = ROUNDS
    while once():
        time.sleep(0.5)
    done.set()


def goes_round_a_for_loop(done):
    for _ in range(ROUNDS):
        time.sleep(0.5)
    done.set()


def goes_round_in_a_generator(done):
    def rounds():
        left = ROUNDS
        while left:
            left -= 1
            yield left

    moments = rounds()
    while next(moments):
        time.sleep(0.5)
    done.set()


def takes_from_an_iterator(done):
    rounds = iter(range(ROUNDS))
    while next(rounds, None) is not None:
        time.sleep(0.5)
    done.set()


def adds_up_floats(done):
    waited = 0.0
    while waited < ROUNDS / 2:
        time.sleep(0.5)
        waited += 0.5
    done.set()


def looks_at_the_clock(done):
    until = time.monotonic() + ROUNDS
    while time.monotonic() < until:
        time.sleep(0.5)
    done.set()


def looks_at_the_date(done):
    from datetime import datetime, timedelta

    until = datetime.now() + timedelta(seconds=ROUNDS)
    while datetime.now() < until:
        time.sleep(0.5)
    done.set()


def fills_a_list(done):
    seen = []
    while len(seen) < ROUNDS:
        time.sleep(0.5)
        seen.append(None)
    done.set()


def empties_a_queue(done):
    items = queue.Queue()
    for number in range(ROUNDS):
        items.put(number)
    while not items.empty():
        time.sleep(0.5)
        items.get_nowait()
    done.set()


def fills_a_socket(done):
    left, _right = socket.socketpair()
    left.setblocking(False)
    while True:
        time.sleep(0.5)
        try:
            left.send(b"x" * 500)
        except BlockingIOError:
            break
    done.set()


def draws_lots(done):
    import random

    while random.randrange(ROUNDS):
        time.sleep(0.5)
    done.set()


def releases_a_semaphore(done):
    places = threading.Semaphore(0)
    while places._value < ROUNDS:
        time.sleep(0.5)
        places.release()
    done.set()


def counts_in_a_thread(done):
    me = threading.current_thread()
    me.rounds = 0
    while threading.current_thread().rounds < ROUNDS:
        time.sleep(0.5)
        threading.current_thread().rounds += 1
    done.set()


def asks_a_service(done):
    server = socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)
    rounds = []

    def service_actions():
        rounds.append(1)
        if len(rounds) == ROUNDS:
            done.set()

    server.service_actions = service_actions
    server.serve_forever(0.5)


HEALTHY = [
    counts_in_a_local,
    counts_in_a_global,
    counts_in_a_dict,
    counts_in_a_dict_of_its_own_kind,
    counts_in_a_list_of_its_own_kind,
    counts_in_an_attribute,
    counts_in_a_class,
    counts_in_a_slot,
    counts_in_a_cell,
    counts_in_a_default,
    counts_in_a_function_s_attribute,
    goes_round_a_for_loop,
    goes_round_in_a_generator,
    takes_from_an_iterator,
    adds_up_floats,
    looks_at_the_clock,
    looks_at_the_date,
    fills_a_list,
    empties_a_queue,
    fills_a_socket,
    draws_lots,
    releases_a_semaphore,
    counts_in_a_thread,
    asks_a_service,
]


@pytest.mark.once
@pytest.mark.parametrize("poll", HEALTHY)
def test_a_poller_that_lives_is_left_alone(poll):
    with simsock.Simulation():
        live(poll)


def test_a_server_that_waits_for_a_late_client_is_left_alone():
    with simsock.Simulation() as sim:
        server = serving()
        time.sleep(20_000)
        with socket.create_connection(server.server_address):
            pass
        assert sim.now >= 20_000


def test_a_slow_watch_beside_a_quick_one_is_left_alone():
    done = threading.Event()

    def slow():
        time.sleep(3_600)
        done.set()

    with simsock.Simulation() as sim:
        serving()
        beside(slow)
        done.wait()
        assert sim.now >= 3_600


def test_a_test_that_looks_at_the_world_s_clock_is_left_alone():
    with simsock.Simulation() as sim:
        beside(threading.Event().wait)
        while sim.now < 2_000:
            time.sleep(0.5)


def test_a_world_with_a_limit_and_nobody_but_pollers_meets_the_limit():
    with pytest.raises(simsock.TimeLimit), simsock.Simulation(max_time=2_000):
        while True:
            time.sleep(1)
