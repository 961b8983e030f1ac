"""One world for all tests of a class, a module or a session.

Owns how wide the world of a test is, and what is wrong with a test's place in one. Does not know how it begins, ends or runs. Laws:

* ``sim`` is then a fixture of that width, the first of its width: fixtures as wide or narrower, and xunit's set-up, run in the world;
* the options are those of the class or module (or of ``simsock_config`` and the ini file); a test in it has none of its own;
* after each of its tests, what its tasks and handlers have raised fails that test; the world's end fails the last one's teardown.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_simsock import turns
from pytest_simsock.configuring import WIDTHS

SCOPES = ("function", "class", "module", "package", "session")
"""pytest's names, from the narrowest on."""
_MISMATCH = re.compile(r"ScopeMismatch: You tried to access the function scoped fixture (sim|testbed|simsock_seed) with a (\w+) scoped request")
DEFAULTS = {"max_steps": 500_000_000, "max_time": "3650d"}
"""What many tests may need together."""


def width_of(node: Any) -> Any:
    """How wide the world of a test is, or of those of a collector. Raises ``ValueError`` on a width that there is not."""
    for marker in node.iter_markers("simsock"):
        if "world" in marker.kwargs:
            width = marker.kwargs["world"]
            if width not in WIDTHS:
                raise ValueError(f"@pytest.mark.simsock(world={width!r}): expected one of {', '.join(WIDTHS)}")
            return width
    return node.config.getini("simsock_world") or "test"


def come_first(item: Any) -> None:
    """``sim`` of a wide world is set up before all else of its width."""
    names, defs = item.fixturenames, item._fixtureinfo.name2fixturedefs
    scope = defs["sim"][-1].scope
    if scope == "function":
        return
    names.remove("sim")
    first = next(
        (place for place, name in enumerate(names) if SCOPES.index(defs[name][-1].scope if name in defs else "function") <= SCOPES.index(scope)), len(names)
    )
    names.insert(first, "sim")


def mistake(item: Any, takes_sim: bool) -> str:
    """What is wrong with a test's place in a wide world; empty when nothing is."""
    if any("world" in marker.kwargs for marker in item.own_markers if marker.name == "simsock"):
        return "@pytest.mark.simsock(world=) says how many tests share a world: it belongs on their class or module (pytestmark)"
    width = width_of(item)
    if width == "test":
        return ""
    options = {name for marker in item.iter_markers("simsock") for name in marker.kwargs}
    if "schedules" in options:
        return f"schedules= with a world as wide as a {width}: a search gives each test many worlds of its own; move it to a module whose tests share none"
    if takes_sim:
        return f"@given with a world as wide as a {width}: each example has a fresh world; move it to a module whose tests share none"
    node = _node_of(item, width)
    outside = {id(marker) for above in node.listchain() for marker in above.own_markers}
    for marker in item.iter_markers("simsock"):
        if id(marker) not in outside and (own := sorted(set(marker.kwargs) - {"world", "runner"})):
            return f"{own[0]}= on one of the tests that share the world of a {width}: options of their world belong on the {width}"
    return ""


def _node_of(item: Any, width: str) -> Any:
    kinds: dict[str, Any] = {"class": pytest.Class, "module": pytest.Module, "session": pytest.Session}
    return item.getparent(kinds[width]) or item  # pytest: a function outside every class is its own


def conflict() -> str:
    """Words about a wide world that runs, in which no other can begin; empty when there is none."""
    node = turns.current.node if turns.current is not None else None
    if node is None:
        return ""
    return (
        f"the world of {node.nodeid or 'the session'} still runs, and there is one world at a time: let this test share it (world= of its class or module, "
        "or simsock_world in the ini file), or move one of them to another module"
    )


def explain(error: BaseException) -> None:
    """A wide fixture that asks for a narrow one of ours: pytest's error begins with what to do."""
    found = _MISMATCH.match(str(getattr(error, "msg", ""))) if isinstance(error, pytest.fail.Exception) else None
    if found is None or not isinstance(error, pytest.fail.Exception):
        return
    name, scope = found.groups()
    width = "session" if scope == "package" else scope
    share = f', or give all tests of the {width} one world: @pytest.mark.simsock(world="{width}") or pytestmark, or simsock_world in the ini file'
    error.msg = (
        f"a fixture of scope {scope!r} asks for {name}, which is a test's: make the fixture function-scoped{share if name == 'sim' else ''}\n{error.msg}"
    )


def inside(finalizer: Any) -> Any:
    """The finalizer of a fixture that lives in a wide world."""

    def finalize() -> None:
        __tracebackhide__ = True
        turn = turns.begin(anyway=True)
        try:
            finalizer()
        finally:
            turns.finish(turn)

    return finalize


__all__ = ["DEFAULTS", "SCOPES", "come_first", "conflict", "explain", "inside", "mistake", "width_of"]
