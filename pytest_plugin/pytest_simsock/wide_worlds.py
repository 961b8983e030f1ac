"""Where the world of many tests begins and ends, and where each of its tests does.

Owns the life of that world. Does not know which tests share one, nor how it runs. Law: it ends with the class, module or session, after the fixtures in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_simsock import turns
from pytest_simsock.configuring import STAGE
from pytest_simsock.sharing import asks_for_sim
from pytest_simsock.worlds import Stage, World, enter_wide
from simsock.kernel.watchdog import watchdog

if TYPE_CHECKING:
    from simsock.world.simulation import Simulation

WORLD = pytest.StashKey[Any]()
"""Of a class, module or session: the world of its tests (a ``worlds.World``), while it runs."""


def enter(request: Any) -> Iterator[Simulation]:
    """What the wide fixture ``sim`` does."""
    __tracebackhide__ = True
    node = request.node
    world: World | None = node.stash.get(WORLD, None)
    if world is not None:  # another class's fixture of this name has begun it, and ends it
        yield world.sim
        return
    world = enter_wide(request._pyfuncitem, node, request._pyfuncitem._request.getfixturevalue("simsock_config"))
    node.stash[WORLD] = world
    try:
        yield world.sim
    finally:
        del node.stash[WORLD]
        world.leave()


def begin_test(item: Any) -> None:
    """A test's setup begins: whether it lives in the wide world that runs, if one does."""
    current = turns.current
    if current is None or current.node is None:
        return
    current.takes_part = asks_for_sim(item)
    if current.takes_part:
        stage = item.stash[STAGE] = Stage()
        stage.world = current.world
        current.world.forget()
        watchdog.let_go()  # each test has max_real_time
