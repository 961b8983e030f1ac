"""``sim`` as wide as the world of a class's or a module's tests is to be.

Owns the registering of that fixture before the tests are collected. Does not know worlds. Law: a project that has a ``sim`` of its own keeps it.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from pytest_simsock import fixtures
from pytest_simsock.wide import width_of

_WIDENED = pytest.StashKey[bool]()


def widen(collector: Any) -> None:
    """Before a class's or a module's tests are collected: let their ``sim`` be as wide as their world is to be."""
    if collector.stash.get(_WIDENED, False) or not isinstance(collector, (pytest.Module, pytest.Class)):
        return
    collector.stash[_WIDENED] = True
    says = any("world" in marker.kwargs for marker in collector.own_markers if marker.name == "simsock")
    try:
        width = width_of(collector)
    except ValueError:  # told by each of its tests
        return
    if not says and (width == "test" or isinstance(collector, pytest.Class)):
        return
    manager = collector.session._fixturemanager
    found = manager.getfixturedefs("sim", collector)
    if not found or found[-1].func.__module__ != fixtures.__name__:
        return  # the project's own
    where: dict[str, Any] = {"node": collector} if "node" in inspect.signature(manager._register_fixture).parameters else {"nodeid": collector.nodeid}
    func = fixtures.sim_of_a_test if width == "test" else fixtures.wide_sim
    manager._register_fixture(name="sim", func=func, scope="function" if width == "test" else width, **where)
