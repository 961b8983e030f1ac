"""The greenlet that starts tasks: kept between sessions, and holding on to nothing."""

from __future__ import annotations

import gc
import threading
import weakref

from greenlet import greenlet

from simsock import Simulation
from simsock.kernel import launcher


def test_it_is_kept_between_worlds():
    with Simulation() as sim:
        first = sim._session.launcher
    with Simulation() as sim:
        assert sim._session.launcher is first
    assert launcher._kept is first and not first.dead


def test_at_rest_it_holds_nothing_of_a_world():
    class Held:
        pass

    held = Held()
    with Simulation() as sim:
        sim.spawn(lambda thing: None, held).result()
        kernel = weakref.ref(sim._kernel)
    seen = weakref.ref(held)
    del held, sim
    gc.collect()
    assert seen() is None and kernel() is None


def test_one_made_deep_down_is_not_used_where_the_stack_is_shallow():
    def depth(levels):
        return 1 + depth(levels - 1) if levels else 1

    def enter(levels):
        if levels:
            return enter(levels - 1)
        if launcher._kept is not None:
            launcher._kept.throw()
            launcher._kept = None
        with Simulation() as sim:
            return sim._session.launcher

    deep = enter(600)
    with Simulation() as sim:
        assert sim.spawn(depth, 600).result() == 601
        assert sim._session.launcher is not deep and deep.dead


def test_a_world_in_a_greenlet_has_one_of_its_own():
    def enter():
        with Simulation() as sim:
            sim.spawn(lambda: None).result()
            return sim._session.launcher

    main = enter()
    other = greenlet(enter).switch()
    assert other is not main and other.dead
    assert enter() is not None and not launcher._kept.dead


def test_threads_leave_none_behind(living_greenlets):
    before = living_greenlets()
    ended = []

    def work():
        with Simulation() as sim:
            ended.append(sim.spawn(lambda: 7).result())

    for _ in range(3):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert ended == [7, 7, 7] and living_greenlets() == before
