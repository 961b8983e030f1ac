"""A world for every test of a suite, without a word in it: ``simsock_autoworld = on`` in the ini file, or ``--simsock-autoworld=on``.

Owns who gets one, and that it comes first. Does not know worlds: a test gets one because it is taken to ask for ``sim``. Laws:

* the world begins before all else of the test's own scope (or of the scope of ``simsock_world``), autouse fixtures and plugins' among them;
* a test under ``@given`` gets one for each example, without its fixtures, which Hypothesis has one of for all; none where worlds are wider than a test;
* one that asks for ``testbed`` has that;
* a suite that has a fixture ``sim`` of its own is told so: nobody finds out later that its tests ran for real.
"""

from __future__ import annotations

from typing import Any

import pytest

from pytest_simsock import wide
from pytest_simsock.configuring import CHOSEN, WIDTHS
from pytest_simsock.sharing import is_ours


def begin(session: pytest.Session) -> None:
    """Before anything is collected."""
    if session.config.stash[CHOSEN].autoworld:
        session.add_marker(pytest.mark.usefixtures("sim"))


def gives_worlds(collector: Any) -> bool:
    """Whether tests under ``@given`` get a world for each example."""
    if not collector.config.stash[CHOSEN].autoworld:
        return False
    try:
        return bool(wide.width_of(collector) == WIDTHS[0])
    except ValueError:  # told by each test
        return False


def knows_nothing(item: Any) -> bool:
    """Whether a test has its world from here, and has not asked for it by itself."""
    info = getattr(item, "_fixtureinfo", None)
    return bool(item.config.stash[CHOSEN].autoworld) and info is not None and "sim" not in info.argnames


def place(item: Any) -> None:
    """A test was collected: its world comes first, or it gets none."""
    if not item.config.stash[CHOSEN].autoworld or "sim" not in getattr(item, "fixturenames", ()):
        return
    names, defs = item.fixturenames, item._fixtureinfo.name2fixturedefs
    if not is_ours(defs.get("sim", ())):
        where = defs["sim"][-1].func.__module__ if "sim" in defs else "somebody"
        raise pytest.UsageError(f"simsock_autoworld: {item.nodeid} has a fixture `sim` that is not simsock's ({where}): ask for worlds test by test here")
    if "testbed" in names or getattr(item.obj, "is_hypothesis_test", False) is True:
        if "sim" not in item._fixtureinfo.argnames:
            names.remove("sim")
    elif defs["sim"][-1].scope == "function":
        names.remove("sim")
        names.insert(next((at for at, name in enumerate(names) if _is_narrow(name, defs)), len(names)), "sim")


def _is_narrow(name: str, defs: Any) -> bool:
    return name not in defs or defs[name][-1].scope == wide.SCOPES[0]


__all__ = ["begin", "gives_worlds", "knows_nothing", "place"]
