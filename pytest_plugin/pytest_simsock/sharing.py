"""Worlds of tests that follow each other share what stands in for the standard modules.

Owns when that begins and ends, and which tests ask for a world. Does not know what is shared. Laws: a test that asks for no world finds the originals in
place; nothing of simsock is loaded for it; whatever happens to a run, at its end everything is as it was.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from typing import Any

import pytest

MODES = ("run", "test")


class Sharing:
    """A plugin. ``mode``: "run" shares between tests that follow each other, "test" only between the worlds of one test."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._shares = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, Any, Any]:
        if not asks_for_world(item):
            return (yield)
        self._begin()
        try:
            return (yield)
        finally:
            if self._mode == "test" or nextitem is None or not asks_for_world(nextitem):
                self._end()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self._end()

    def _begin(self) -> None:
        from simsock.supported import why_not

        if not self._shares and not why_not():  # else the first world says so
            from simsock.patching import share

            self._shares = True
            share()

    def _end(self) -> None:
        if self._shares:
            from simsock.patching import share_no_more

            share_no_more()
            self._shares = False


def is_ours(fixturedefs: Any) -> bool:
    """Whether a fixture by the name of one of ours is ours, or an override that asks for ours."""
    for fixturedef in reversed(fixturedefs):
        if fixturedef.func.__module__ == "pytest_simsock.fixtures":
            return True
        if fixturedef.argname not in fixturedef.argnames:
            break
    return False


def asks_for_sim(item: Any) -> bool:
    """Whether a test's ``sim`` is ours: a project may have a fixture by that name."""
    return _asks_for("sim", item)


def _asks_for(name: str, item: Any) -> bool:
    return name in getattr(item, "fixturenames", ()) and is_ours(item._fixtureinfo.name2fixturedefs.get(name, ()))


def asks_for_world(item: Any) -> bool:
    """Whether a test runs in a world, or is run by Hypothesis, perhaps in many."""
    return _asks_for("sim", item) or _asks_for("testbed", item) or _is_hypothesis_test(item)


def _is_hypothesis_test(item: Any) -> bool:
    """Whether this is a test of Hypothesis in a process that has worlds."""
    return "simsock.strategies.worlds" in sys.modules and getattr(getattr(item, "obj", None), "is_hypothesis_test", False) is True
