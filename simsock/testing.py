"""Worlds for ``unittest``: each test method runs in one.

Owns ``SimulationTestCase``. Does not know pytest, which runs these classes as it runs any other. Laws of the file:

* a world begins before ``setUp`` and ends after ``tearDown`` and the clean-ups; what its tasks and handlers raised fails the test;
* every failure says the command that repeats the run, by a token; a run whose test was interrupted leaves no world behind.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import shlex
import unittest
from typing import TYPE_CHECKING, Any

from simsock.choices import Token
from simsock.choices.tape import misfit
from simsock.errors import Unsupported, UsageError
from simsock.kernel import Session
from simsock.kernel.scope import make_scope
from simsock.patching import make_patching
from simsock.search.runner import source_file
from simsock.search.telling import make_token
from simsock.world.expecting import note
from simsock.world.options import NEED_CONSENT, WORLD_OPTIONS
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Iterator

SIMSOCK_ROOM = "outside"

REPLAY = "SIMSOCK_REPLAY"
"""The environment variable that a token is given in; the test that the token names is then that run."""

OPTIONS = ("seed", *WORLD_OPTIONS)
"""What may be a class attribute, with ``sim_`` in front."""

_BESIDE_A_TOKEN = ("scope", "max_real_time", *NEED_CONSENT)
"""What a token does not carry, and what it may not decide alone."""


class SimulationTestCase(unittest.TestCase):
    """A ``TestCase`` whose test methods, ``setUp``, ``tearDown`` and clean-ups run in a world of their own: ``self.sim``.

    The options of the world are class attributes with ``sim_`` in front. It may also stand in front of another ``TestCase`` class.

        >>> class TestUpper(SimulationTestCase):
        ...     sim_seed = 7
        ...     sim_link = "perfect"
        ...
        ...     def test_an_hour_takes_no_time(self):
        ...         self.sim.sleep("1h")
        ...         self.assertEqual(self.sim.now, 3600)

    ``setUpClass`` and ``setUpModule`` run outside. ``sim`` is an attribute during a test only.
    """

    sim: Simulation

    _sim_open: Simulation | None = None
    _sim_failed = False

    def _callSetUp(self) -> None:
        if isinstance(self, unittest.IsolatedAsyncioTestCase):
            raise Unsupported(f"{type(self).__name__}: IsolatedAsyncioTestCase makes its event loop before the world begins; use asyncio.run() inside a test")
        self.addCleanup(self._leave_world)  # the first to be added is the last to be called
        self._enter_world()
        with self._telling():
            super()._callSetUp()  # type: ignore[misc]  # as IsolatedAsyncioTestCase does; typeshed leaves it out

    def _callTestMethod(self, method: Any) -> None:
        if inspect.iscoroutinefunction(method):
            raise Unsupported(f"{self.id()} is an async function, which nobody would run: let a plain one call trio.run or asyncio.run")
        with self._telling():
            super()._callTestMethod(method)  # type: ignore[misc]

    def _callTearDown(self) -> None:
        with self._telling():
            super()._callTearDown()  # type: ignore[misc]

    def _callCleanup(self, function: Any, /, *args: Any, **kwargs: Any) -> None:
        with self._telling():
            super()._callCleanup(function, *args, **kwargs)  # type: ignore[misc]

    @contextlib.contextmanager
    def subTest(self, *args: Any, **params: Any) -> Iterator[None]:
        """As in ``TestCase``: its failure is one of its own, and says the command too."""
        with super().subTest(*args, **params), self._telling():
            yield

    def run(self, result: Any = None) -> Any:
        """Run the test; a world that an interrupt left behind is left here."""
        try:
            return super().run(result)
        finally:
            self._abandon_world()

    def debug(self) -> None:
        """Run the test without collecting its errors."""
        try:
            super().debug()
        finally:
            self._abandon_world()

    # -- the world -------------------------------------------------------------------------------------------------------------------

    def _enter_world(self) -> None:
        self._sim_failed = False
        given = self._options()
        test = getattr(self, self._testMethodName)
        token = os.environ.get(REPLAY)
        if token is not None and Token.decode(token).target in (None, self.id()):
            given = {name: value for name, value in given.items() if name in _BESIDE_A_TOKEN}
            sim = Simulation(token=token, **given)
        else:
            sim = Simulation(**given)
        if sim.options.preempt != "calls":  # the scope is that of the test's file, and not of this one
            sim._session = Session(sim.options.preempt, make_scope(sim.options.scope, source_file(test)), make_patching(sim.options))
        sim.__enter__()
        self.sim = self._sim_open = sim

    def _options(self) -> dict[str, Any]:
        found = {}
        for name in dir(type(self)):
            if name.startswith("sim_"):
                option = name.removeprefix("sim_")
                if option not in OPTIONS:
                    raise UsageError(f"{type(self).__name__}.{name}: there is no such option of a world; known are sim_{', sim_'.join(OPTIONS)}")
                found[option] = getattr(type(self), name)
        return found

    def _leave_world(self) -> None:
        sim, self._sim_open = self._sim_open, None
        if sim is None:
            return
        if self._sim_failed:  # already told, with what tasks and handlers had raised by then
            failed = self.failureException("the test has failed")
            sim.__exit__(type(failed), failed, None)
        else:
            try:
                sim.__exit__(None, None, None)
                if sim._planned is not None and sim._kernel is not None and (wrong := misfit(sim._kernel.tape.mismatches())) is not None:
                    raise wrong
            except Exception as error:
                self._tell(sim, error)
                raise

    def _abandon_world(self) -> None:
        sim, self._sim_open = self._sim_open, None
        if sim is not None:
            interrupt = KeyboardInterrupt()
            sim.__exit__(type(interrupt), interrupt, None)
        self.__dict__.pop("sim", None)

    # -- failures ----------------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except unittest.SkipTest:
            raise
        except Exception as error:
            sim = self._sim_open
            if sim is not None and not any(REPLAY in text for text in getattr(error, "__notes__", ())):
                if not self._sim_failed and sim._kernel is not None:
                    note(error, sim._unexpected(sim._kernel))
                self._sim_failed = True
                self._tell(sim, error)
            raise

    def _tell(self, sim: Simulation, error: BaseException) -> None:
        told = make_token(sim.seed, sim.options, tuple(sim.deviations), self.id())
        error.add_note(f"to repeat this run:\n  {REPLAY}={told} {_command(self)}")


def _command(test: unittest.TestCase) -> str:
    """What runs this test alone."""
    under_pytest = os.environ.get("PYTEST_CURRENT_TEST")
    if under_pytest is not None:
        return f"pytest {shlex.quote(under_pytest.rpartition(' (')[0])}"
    return f"python -m unittest {test.id()}"


__all__ = ["SimulationTestCase"]
