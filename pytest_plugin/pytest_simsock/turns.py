"""Whose turn it is: the world's, or pytest's.

Owns the moments in which a patched world goes on and stands still. Knows of worlds only that they can be suspended and resumed. Laws:

* a patched world is live while the body of a fixture of the test's own scope or the test function runs, and while they are finished;
* whenever pytest calls a hook it stands still: what other plugins do is real, and draws nothing from the world;
* while no patched world is there, nothing of this costs anything but a look at one variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from simsock.world.simulation import Simulation

XUNIT = ("_xunit_setup_method_fixture_", "_xunit_setup_function_fixture_", "_unittest_setup_method_fixture_")
WIDE_XUNIT = (*XUNIT, "_xunit_setup_class_fixture_", "_xunit_setup_module_fixture_", "_unittest_setUpClass_fixture_")
"""How pytest calls the fixtures that stand for ``setup_method`` and ``setup_function``: their bodies are the test suite's."""
current: Turns | None = None
"""Of the patched world of the test that is being run."""


class Turns:
    """The turns of one patched world, which is live when this is made."""

    def __init__(self, sim: Simulation, config: pytest.Config, world: Any = None, node: Any = None) -> None:
        global current
        self.sim = sim
        self.world = world
        self.node = node
        """The class, module or session whose tests share the world, if that is one of them."""
        self.takes_part = True
        """Whether the test that is being run is one of them."""
        self._were_live: list[bool] = []
        self._outer = current
        self._undo: Callable[[], None] | None = config.pluginmanager.add_hookcall_monitoring(self._before, self._after)
        current = self

    def close(self) -> None:
        """The world has ended, or is about to end."""
        global current
        undo, self._undo = self._undo, None
        if undo is not None:
            undo()
            current = self._outer

    def _before(self, name: str, implementations: Any, arguments: Any) -> None:
        self._were_live.append(self.sim._suspend())

    def _after(self, outcome: Any, name: str, implementations: Any, arguments: Any) -> None:
        if self._were_live and self._were_live.pop():
            self.sim._resume()


_bodies = 0
"""How many bodies of tests and fixtures are being run, inside each other."""


def begin(own: bool = True, anyway: bool = False) -> Turns | None:
    """A body begins: the world's turn, if there is one and the body belongs to it. Returns what ``finish`` wants to have back.

    ``anyway``: it does whatever test is being run, which may be none of those that share the world.
    """
    global _bodies
    _bodies += 1
    before = current
    if before is not None and own and (before.takes_part or anyway):
        before.sim._resume()
    return before


def finish(before: Turns | None) -> None:
    """Pytest's turn; unless a body has just entered a world inside another body, which goes on in it."""
    global _bodies
    _bodies -= 1
    if current is not None and (not _bodies or current is before):
        current.sim._suspend()


def scopes_in(node: Any) -> tuple[str, ...]:
    """Scopes of fixtures that live in the world of a class, a module, a session (or a function)."""
    import pytest

    if isinstance(node, pytest.Session):
        return ("function", "class", "module", "package", "session")
    return ("function", "class", "module") if isinstance(node, pytest.Module) else ("function", "class")


def is_own(fixturedef: pytest.FixtureDef[Any]) -> bool:
    """Whether a fixture's body belongs into the world: wider ones outlive it, and pytest's own have no business there."""
    node = current.node if current is not None else None
    if node is None:
        if fixturedef.scope != "function":
            return False
    elif fixturedef.scope not in scopes_in(node):
        return False
    return fixturedef.argname.startswith(XUNIT if node is None else WIDE_XUNIT) or not str(getattr(fixturedef.func, "__module__", "")).startswith(
        ("_pytest.", "pytest_simsock.")
    )
