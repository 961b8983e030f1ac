"""Queues: order, limits, timeouts, what is done, shutting down, and programs that reach into them."""

from __future__ import annotations

import queue as real_queue
import sys

import pytest

from simsock.errors import Deadlock, Unsupported, UsageError, WorldEnded
from simsock.stdlib import queue, threading, time

SECOND = 1_000_000_000
SEEDS = range(12)
QUEUES = ["Queue", "LifoQueue", "PriorityQueue"]
NEW_IN_313 = pytest.mark.skipif(sys.version_info < (3, 13), reason="the real module has no shutdown")


# As the real ones


@pytest.mark.parametrize(("kind", "expected"), [("Queue", [3, 1, 2]), ("LifoQueue", [2, 1, 3]), ("PriorityQueue", [1, 2, 3]), ("SimpleQueue", [3, 1, 2])])
def test_items_leave_in_the_order_of_the_class(std, kind, expected):
    q = getattr(std.queue, kind)()
    for item in (3, 1, 2):
        assert q.put(item) is None
    assert q.qsize() == 3 and not q.empty()
    assert [q.get() for _ in range(3)] == expected
    assert q.qsize() == 0 and q.empty()


@pytest.mark.parametrize("kind", [*QUEUES, "SimpleQueue"])
def test_an_empty_queue_has_nothing_to_give(std, kind):
    q = getattr(std.queue, kind)()
    for get in (q.get_nowait, lambda: q.get(False), lambda: q.get(block=False, timeout=-1), lambda: q.get(timeout=0)):
        with pytest.raises(std.queue.Empty):
            get()
    with pytest.raises(ValueError, match=r"^'timeout' must be a non-negative number$"):
        q.get(timeout=-1)
    q.put(1)
    with pytest.raises(ValueError, match=r"^'timeout' must be a non-negative number$"):
        q.get(True, -0.5)
    assert q.get(True, 5) == 1


@pytest.mark.parametrize("kind", QUEUES)
def test_a_full_queue_takes_nothing(std, kind):
    q = getattr(std.queue, kind)(2)
    assert q.maxsize == 2 and not q.full()
    q.put(1)
    q.put_nowait(2)
    assert q.full()
    for put in (lambda: q.put_nowait(3), lambda: q.put(3, False), lambda: q.put(3, block=False, timeout=-1), lambda: q.put(3, timeout=0)):
        with pytest.raises(std.queue.Full):
            put()
    with pytest.raises(ValueError, match=r"^'timeout' must be a non-negative number$"):
        q.put(3, timeout=-1)
    q.get()
    q.put(3)
    assert q.qsize() == 2


def test_what_is_done_is_counted(std):
    q = std.queue.Queue()
    with pytest.raises(ValueError, match=r"^task_done\(\) called too many times$"):
        q.task_done()
    q.join()
    for item in range(3):
        q.put(item)
    done = []

    def work():
        for _ in range(3):
            done.append(q.get())
            q.task_done()

    thread = std.threading.Thread(target=work)
    thread.start()
    q.join()
    assert done == [0, 1, 2] and q.unfinished_tasks == 0
    thread.join()


@pytest.mark.parametrize("maxsize", [0, 1, 3])
@pytest.mark.parametrize("kind", ["Queue", "PriorityQueue"])
def test_producers_and_consumers_lose_nothing(std, kind, maxsize):
    q = getattr(std.queue, kind)(maxsize)
    got = []

    def produce(name):
        for number in range(20):
            q.put((name, number))

    def consume():
        for _ in range(20):
            got.append(q.get())
            q.task_done()

    threads = [std.threading.Thread(target=produce, args=(name,)) for name in range(3)] + [std.threading.Thread(target=consume) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    q.join()
    assert sorted(got) == [(name, number) for name in range(3) for number in range(20)]


def test_the_override_points_are_used(std):
    class Unique(std.queue.Queue):
        def _init(self, maxsize):
            self.items = {}

        def _qsize(self):
            return len(self.items)

        def _put(self, item):
            self.items[item] = None

        def _get(self):
            item = next(iter(self.items))
            del self.items[item]
            return item

    q = Unique(2)
    for item in "aab":
        q.put(item)
    assert q.full() and [q.get(), q.get()] == ["a", "b"] and q.empty()


def test_an_item_that_cannot_be_compared_leaves_the_queue_usable(std):
    q = std.queue.PriorityQueue()
    q.put(1)
    with pytest.raises(TypeError):
        q.put("a")
    assert q.mutex.acquire(False)
    q.mutex.release()


def test_programs_may_hold_the_mutex_and_change_what_is_inside(std):
    q = std.queue.Queue()
    for item in range(3):
        q.put(item)
    with q.mutex:
        q.queue.clear()
        q.unfinished_tasks = 0
        q.all_tasks_done.notify_all()
    q.join()
    assert q.empty()


def test_a_program_may_put_by_hand_and_notify(std):
    q = std.queue.Queue()
    got = []
    thread = std.threading.Thread(target=lambda: got.extend([q.get(), q.get()]))
    thread.start()
    with q.not_empty:
        q.queue.extend(["a", "b"])
        q.not_empty.notify()
    thread.join()
    assert got == ["a", "b"]


def test_a_program_may_wait_by_hand_for_what_the_queue_says(std):
    q = std.queue.Queue(1)
    q.put(1)
    seen = []

    def work():
        with q.not_full:
            while q._qsize():
                q.not_full.wait()
            seen.append("not full")
        with q.not_empty:
            while not q._qsize():
                q.not_empty.wait()
            seen.append("not empty")
        with q.all_tasks_done:
            while q.unfinished_tasks:
                q.all_tasks_done.wait()
            seen.append("done")

    thread = std.threading.Thread(target=work)
    thread.start()
    q.get()
    q.task_done()
    while "not full" not in seen:
        std.threading.active_count()
    q.put(2)
    while "not empty" not in seen:
        std.threading.active_count()
    q.task_done()
    thread.join()
    assert seen == ["not full", "not empty", "done"]


@NEW_IN_313
@pytest.mark.parametrize("kind", QUEUES)
def test_a_queue_that_was_shut_down_gives_what_it_has_and_takes_nothing(std, kind):
    q = getattr(std.queue, kind)()
    q.put(1)
    q.shutdown()
    with pytest.raises(std.queue.ShutDown):
        q.put(2)
    assert q.get() == 1
    for get in (q.get, q.get_nowait):
        with pytest.raises(std.queue.ShutDown):
            get()
    q.task_done()
    q.join()


@NEW_IN_313
def test_shutting_down_wakes_everybody_who_waits(std):
    empty, full = std.queue.Queue(), std.queue.Queue(1)
    full.put(1)
    ends = []

    def expecting(call):
        def program():
            try:
                ends.append(call())
            except std.queue.ShutDown:
                ends.append("shut down")

        thread = std.threading.Thread(target=program)
        thread.start()
        return thread

    threads = [expecting(call) for call in (empty.get, empty.get, lambda: full.put(2), full.join)]
    empty.shutdown()
    full.shutdown(immediate=True)
    for thread in threads:
        thread.join()
    assert sorted(ends, key=str) == [None, "shut down", "shut down", "shut down"]
    assert full.unfinished_tasks == 0


@NEW_IN_313
def test_tasks_that_wait_already_are_woken_by_shutting_down(world):
    with world() as kernel:
        empty, full = queue.Queue(), queue.Queue(1)
        full.put(1)
        ends = []

        def note(call):
            try:
                ends.append((call(), round(kernel.now, -4)))
            except queue.ShutDown:
                ends.append(("shut down", round(kernel.now, -4)))

        for call in (empty.get, lambda: empty.get(timeout=60), lambda: full.put(2), lambda: full.put(3), full.join):
            kernel.spawn(note, (call,))
        time.sleep(1)
        empty.shutdown()
        full.shutdown(immediate=True)
        time.sleep(1)
        assert sorted(ends, key=str) == [("shut down", SECOND)] * 4 + [(None, SECOND)]
        assert full.qsize() == 0


# In virtual time


@pytest.mark.parametrize("kind", [*QUEUES, "SimpleQueue"])
def test_waiting_for_an_item_takes_until_it_is_put_or_the_deadline(world, kind):
    with world() as kernel:
        q = getattr(queue, kind)()
        kernel.spawn(lambda: (time.sleep(2), q.put("late")))
        with pytest.raises(queue.Empty):
            q.get(timeout=0.75)
        assert round(kernel.now, -4) == 0.75 * SECOND
        assert q.get(timeout=60) == "late"
        assert round(kernel.now, -4) == 2 * SECOND


def test_waiting_for_a_place_takes_until_one_is_free_or_the_deadline(world):
    with world() as kernel:
        q = queue.Queue(1)
        q.put(1)
        kernel.spawn(lambda: (time.sleep(2), q.get()))
        with pytest.raises(queue.Full):
            q.put(2, timeout=0.75)
        assert round(kernel.now, -4) == 0.75 * SECOND
        q.put(2, timeout=60)
        assert round(kernel.now, -4) == 2 * SECOND


@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue"])
def test_getters_are_served_first_come_first_served(world, kind):
    with world() as kernel:
        q = getattr(queue, kind)()
        got = []
        for name in "abc":
            kernel.spawn(lambda name=name: got.append((name, q.get())))
        time.sleep(1)
        for item in range(3):
            q.put(item)
        time.sleep(1)
        assert got == [("a", 0), ("b", 1), ("c", 2)]


def test_a_getter_of_a_simple_queue_that_was_overtaken_is_next_and_not_overtaken_again(world):
    with world() as kernel:
        q = queue.SimpleQueue()
        got = []
        kernel.spawn(lambda: got.append(("waiting", q.get())))
        kernel.yield_()
        for item in range(2):
            q.put(item)
            try:
                got.append(("quick", q.get_nowait()))
            except queue.Empty:
                got.append(("quick", None))
            kernel.yield_()
        assert got == [("quick", 0), ("waiting", 1), ("quick", None)]


@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue"])
def test_who_waits_can_be_overtaken_as_with_the_standard_queues_and_gets_what_is_left(world, kind):
    with world() as kernel:
        q = getattr(queue, kind)(1)
        got = []
        getter = kernel.spawn(lambda: got.append(("waiting", q.get())))
        kernel.yield_()
        for item in range(3):
            q.put(item)
            got.append(("quick", q.get_nowait()))
            kernel.yield_()
        q.put("first")
        putter = kernel.spawn(lambda: q.put("waiting"))
        getter.result()
        assert got == [("quick", 0), ("quick", 1), ("quick", 2), ("waiting", "first")]
        putter.result()
        assert q.get_nowait() == "waiting"


@pytest.mark.parametrize("overtaken", [False, True])
@pytest.mark.parametrize("kind", ["Queue", "SimpleQueue", "PriorityQueue"])
def test_an_item_is_not_lost_with_the_task_that_was_woken_for_it(world, kind, overtaken):
    with world() as kernel:
        q = getattr(queue, kind)()
        got = []
        first = kernel.spawn(lambda: got.append(("first", q.get())))
        kernel.spawn(lambda: got.append(("second", q.get())))
        kernel.yield_()
        if overtaken:
            q.put(0)
            assert q.get_nowait() == 0
            kernel.yield_()
        q.put(1)
        first.cancel()
        time.sleep(1)
        assert got == [("second", 1)]
        q.put(2)
        assert q.get_nowait() == 2


def test_a_place_is_not_lost_with_the_task_that_was_woken_for_it(world):
    with world() as kernel:
        q = queue.Queue(1)
        q.put(0)
        first = kernel.spawn(lambda: q.put("first"))
        kernel.spawn(lambda: q.put("second"))
        kernel.yield_()
        assert q.get() == 0
        first.cancel()
        time.sleep(1)
        assert q.get() == "second"


def test_tasks_that_wait_hear_of_what_a_program_did_by_hand(world):
    with world() as kernel:
        q = queue.Queue(1)
        log = []
        kernel.spawn(lambda: log.append(("got", q.get(), round(kernel.now, -4))))
        time.sleep(1)
        with q.mutex:
            q.queue.append("by hand")
            q.not_empty.notify()
        time.sleep(1)
        q.put(1)
        kernel.spawn(lambda: (q.join(), log.append(("joined", round(kernel.now, -4)))))
        kernel.spawn(lambda: (q.put(2), log.append(("put", round(kernel.now, -4)))))
        time.sleep(1)
        with q.mutex:
            q.unfinished_tasks = 0
            q.all_tasks_done.notify_all()
        time.sleep(1)
        with q.mutex:
            q.queue.clear()
            q.not_full.notify_all()
        time.sleep(1)
        assert log == [("got", "by hand", SECOND), ("joined", 3 * SECOND), ("put", 4 * SECOND)]


def test_a_task_that_dies_waiting_for_the_mutex_neither_frees_it_nor_loses_an_item(world):
    with world() as kernel:
        q = queue.Queue()
        log = []
        first = kernel.spawn(lambda: log.append(("first", q.get())))
        kernel.spawn(lambda: log.append(("second", q.get())))
        kernel.yield_()
        with q.mutex:
            q.queue.append("item")
            q.not_empty.notify()
            kernel.spawn(lambda: log.append(("size", q.qsize(), round(kernel.now, -4))))
            time.sleep(1)
            first.cancel()
            time.sleep(1)
            assert log == []
        time.sleep(1)
        assert sorted(log) == [("second", "item"), ("size", 1, 2 * SECOND)]


def test_spinning_on_a_queue_comes_to_an_end(world):
    with world() as kernel:
        q = queue.Queue(2)

        def feed():
            for _ in range(2):
                time.sleep(1)
                q.put(1)
            time.sleep(1)
            q.get()

        kernel.spawn(feed)
        while q.empty():
            pass
        while q.qsize() < 2:
            pass
        while q.full():
            pass
        while True:
            try:
                q.get_nowait()
            except queue.Empty:
                break
        assert 3 * SECOND <= kernel.now < 3.05 * SECOND


def test_while_the_world_ends_items_can_still_be_put_and_taken(world):
    log = []
    with world() as kernel:
        q = queue.Queue()

        def tidy():
            try:
                q.get()
            finally:
                q.put("last words")
                log.append(q.get_nowait())
                try:
                    q.get()
                except WorldEnded:
                    log.append("ended")

        kernel.spawn(tidy)
        kernel.yield_()
    assert log == ["last words", "ended"] or log == ["last words"]
    q.put(1)
    assert q.get() == 1


def test_a_queue_made_outside_works_there_and_in_one_world_after_another(world):
    q = queue.Queue()
    q.put("outside")
    assert q.get() == "outside"
    with pytest.raises(queue.Empty):
        q.get(False)
    with pytest.raises(UsageError, match="no world is running"):
        q.get()
    for _ in range(2):
        with world() as kernel:
            kernel.spawn(q.get)
            kernel.yield_()
        with world() as kernel:
            task = kernel.spawn(q.get)
            kernel.yield_()
            q.put(1)
            assert task.result() == 1


def test_an_empty_queue_that_nobody_fills_is_a_deadlock_that_names_it(world):
    with world() as kernel:
        q = queue.Queue()
        kernel.spawn(q.get, base="consumer")
        with pytest.raises(Deadlock, match=r"consumer-1 +get from Queue-1"):
            q.join() or threading.Event().wait()


# Under many schedules


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
def test_no_item_is_lost_and_no_limit_passed_whatever_the_schedule(world, kind, seed):
    with world(seed, lines_of=__file__) as kernel:
        limit = 0 if kind == "SimpleQueue" else 2
        q = queue.SimpleQueue() if kind == "SimpleQueue" else getattr(queue, kind)(limit)
        got = []

        def produce(name):
            for number in range(5):
                while True:
                    try:
                        q.put((name, number), timeout=0.001 if number % 2 else None)
                        break
                    except queue.Full:
                        pass
                assert not limit or q.qsize() <= limit

        def consume():
            for turn in range(5):
                while True:
                    try:
                        got.append(q.get(timeout=0.001 if turn % 2 else None))
                        break
                    except queue.Empty:
                        pass

        tasks = [kernel.spawn(produce, (name,)) for name in range(3)] + [kernel.spawn(consume) for _ in range(3)]
        for task in tasks:
            task.result()
        assert sorted(got) == [(name, number) for name in range(3) for number in range(5)]
        assert q.empty()


class Weighed:
    """An item whose comparison is code of the program, between whose lines tasks are switched."""

    inside = 0

    def __init__(self, weight):
        self.weight = weight

    def __lt__(self, other):
        Weighed.inside += 1
        assert Weighed.inside == 1
        answer = self.weight < other.weight
        Weighed.inside -= 1
        return answer


@pytest.mark.parametrize("seed", SEEDS)
def test_code_of_the_program_inside_a_queue_is_not_entered_twice(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        Weighed.inside = 0
        q = queue.PriorityQueue()

        def work(name):
            for number in range(4):
                q.put(Weighed(name * 10 + number))
            return [q.get().weight for _ in range(4)]

        tasks = [kernel.spawn(work, (name,)) for name in range(3)]
        got = [weight for task in tasks for weight in task.result()]
        assert sorted(got) == [name * 10 + number for name in range(3) for number in range(4)]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_program_that_holds_the_mutex_is_alone(world, seed):
    with world(seed, lines_of=__file__) as kernel:
        q = queue.Queue()

        def tidy():
            for _ in range(4):
                with q.mutex:
                    before = list(q.queue)
                    time.sleep(0.001)
                    assert list(q.queue) == before
                    q.queue.clear()
                    assert not q.queue

        def fill():
            for number in range(8):
                q.put(number)
                q.qsize()

        for task in [kernel.spawn(tidy), kernel.spawn(fill), kernel.spawn(fill)]:
            task.result()


# The module


def test_what_the_real_module_offers_is_here():
    for name in real_queue.__all__:
        try:
            assert getattr(queue, name) is not None and name in queue.__all__
        except Unsupported as error:
            assert f"queue.{name}" in str(error)  # noqa: PT017
    assert hasattr(queue, "ShutDown") is hasattr(real_queue, "ShutDown")
    assert hasattr(queue.Queue, "shutdown") is hasattr(real_queue.Queue, "shutdown")
    assert set(queue.__all__) == set(real_queue.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Qeueu'"):
        _ = queue.Qeueu


def test_errors_are_the_real_ones_so_programs_catch_them():
    assert queue.Empty is real_queue.Empty and queue.Full is real_queue.Full
    assert queue.Queue[int].__origin__ is queue.Queue and queue.SimpleQueue[int].__args__ == (int,)
