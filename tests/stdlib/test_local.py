"""``local``: attributes that each task has for itself."""

from __future__ import annotations

import weakref

import pytest

import simsock
from simsock.stdlib import threading, time


def started(std, *programs):
    """A thread for each program, started."""
    threads = [std.threading.Thread(target=program) for program in programs]
    for thread in threads:
        thread.start()
    return threads


def finish(threads):
    for thread in threads:
        thread.join()


def test_every_thread_has_attributes_of_its_own(std):
    mine = std.threading.local()
    mine.value = "main"
    seen = []

    def work(value):
        seen.append(hasattr(mine, "value"))
        mine.value = value
        seen.append(mine.value)
        seen.append(mine.__dict__)
        del mine.value
        seen.append(hasattr(mine, "value"))

    thread = std.threading.Thread(target=work, args=("thread",))
    thread.start()
    thread.join()
    assert seen == [False, "thread", {}, False]
    assert mine.value == "main" and mine.__dict__ == {"value": "main"}


def test_a_local_with_arguments_is_initialised_by_every_thread_that_comes_to_it(std):
    class Mine(std.threading.local):
        kind = "class"
        made = []

        def __init__(self, number, *, text):
            self.number, self.text = number, text
            self.made.append(number)

        @property
        def both(self):
            return f"{self.number}{self.text}"

    mine = Mine(7, text="x")
    mine.number = 8
    seen = []
    for _ in range(2):
        finish(started(std, lambda: seen.append((mine.number, mine.both, mine.kind))))
    assert seen == [(7, "7x", "class")] * 2
    assert mine.both == "8x" and Mine.made == [7, 7, 7]


def test_the_errors_of_a_local(std):
    mine = std.threading.local()
    with pytest.raises(AttributeError, match=r"local' object has no attribute 'missing'$"):
        _ = mine.missing
    with pytest.raises(AttributeError, match=r"local' object has no attribute 'missing'$"):
        del mine.missing
    with pytest.raises(AttributeError, match=r"local' object attribute '__dict__' is read-only$"):
        mine.__dict__ = {}
    with pytest.raises(TypeError, match=r"^Initialization arguments are not supported$"):
        std.threading.local(1)


def test_what_a_thread_kept_goes_with_it_and_with_the_local(std):
    class Thing:
        pass

    kept = [std.threading.local()]
    gone = []

    def work():
        kept[0].thing = Thing()
        gone.append(weakref.ref(kept[0].thing))

    finish(started(std, work))
    assert gone[0]() is None
    work()
    assert gone[1]() is not None
    kept.clear()
    assert gone[1]() is None


def test_a_getter_that_lets_others_run_still_sees_its_own_tasks_values(world):
    class Mine(threading.local):
        @property
        def slow(self):
            first = self.value
            time.sleep(1)
            return (first, self.value)

    with world() as kernel:
        mine = Mine()

        def work(value):
            mine.value = value
            assert mine.slow == (value, value)

        for task in [kernel.spawn(work, (value,)) for value in range(3)]:
            task.result()


def test_worlds_see_what_code_outside_had_set_and_nothing_of_each_other(world):
    mine = threading.local()
    mine.value = "outside"
    for _ in range(2):
        with world() as kernel:
            assert mine.value == "outside"
            mine.value = "inside"
            assert kernel.spawn(lambda: hasattr(mine, "value")).result() is False
    assert mine.value == "outside"


def test_what_was_made_in_one_world_is_each_task_s_own_in_the_next(world):
    class Mine(threading.local):
        def __init__(self, value):
            self.value = value

    with world():
        mine = Mine(5)
    with world() as kernel:
        mine.value = 6
        assert kernel.spawn(lambda: mine.value).result() == 5
        assert mine.value == 6


def test_what_the_first_task_has_is_put_aside_while_its_world_stands_still():
    with simsock.Simulation(patch=True) as sim:
        carrier = sim._session.patching._carrier
        sim._suspend()
        aside = carrier._aside
        sim._resume()
        assert aside is not None and carrier._aside is None
