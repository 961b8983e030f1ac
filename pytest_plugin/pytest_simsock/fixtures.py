"""The fixtures that tests ask for.

Owns their names and their documentation, which ``pytest --fixtures`` shows; the work is done in ``worlds``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from pytest_simsock.configuring import CHOSEN

if TYPE_CHECKING:
    from simsock.world.simulation import Simulation
    from simsock.world.testbed import Testbed


def _check() -> None:
    """Worlds may not run here: that is told before anything is imported that is not here."""
    from simsock.supported import check

    check()


@pytest.fixture
def simsock_config() -> dict[str, Any]:
    """Options of the worlds of tests: override it to return a dict of what ``@pytest.mark.simsock`` takes (but ``schedules``).

    The marker's options beat these; these beat the command line.
    """
    return {}


@pytest.fixture
def simsock_seed(request: pytest.FixtureRequest, simsock_config: dict[str, Any]) -> int | str:
    """The seed of this test's world: a whole number, or text such as ``"0/17"`` for the 17th schedule of a search with seed 0."""
    _check()
    from pytest_simsock.worlds import seed_of

    return seed_of(request.node, simsock_config)


@pytest.fixture
def sim(request: pytest.FixtureRequest, simsock_config: dict[str, Any]) -> Iterator[Simulation]:
    """A fresh deterministic world around the test, whose body is the world's first task.

    The world ends with the test's body: fixtures that depend on ``sim`` are finished first, then the world ends, and what its tasks and
    handlers raised, or such a fixture, fails the test.
    """
    __tracebackhide__ = True
    _check()
    from pytest_simsock.worlds import enter_world

    world = enter_world(request, simsock_config)
    yield world.sim
    world.leave()


sim_of_a_test: Any = cast("Any", sim)._get_wrapped_function() if hasattr(sim, "_get_wrapped_function") else cast("Any", sim).__pytest_wrapped__.obj
"""The function of the fixture: for a class whose tests have worlds of their own in a module where others share one."""


def wide_sim(request: pytest.FixtureRequest) -> Iterator[Simulation]:
    """``sim`` where a class, a module or a session has one world for all of its tests (``world=`` of the marker, ``simsock_world`` of the ini file)."""
    _check()
    from pytest_simsock.wide_worlds import enter

    yield from enter(request)


@pytest.fixture
def testbed(request: pytest.FixtureRequest) -> Iterator[Testbed]:
    """Servers and clients on a simulated network, on loopback, or on one after the other, as ``--simsock-network=sim|real|both`` says.

    ``.network``, ``.serve()``, ``.connect()``, ``.datagram()``, ``.spawn()``, ``.kind``, ``.errors``, ``.expect_errors()`` are the same on
    both. Ends with the test's body, as ``sim`` does.
    """
    kind = getattr(request, "param", None) or request.config.stash[CHOSEN].networks[0]
    if kind == "sim":
        _check()
    from pytest_simsock.worlds import enter_real, enter_sim

    if kind == "sim":
        yield enter_sim(request)
        return
    bed = enter_real(request)
    yield bed.testbed
    bed.leave()
