"""Worlds as examples: what happens in them by chance is drawn by Hypothesis, together with the test's inputs.

Owns ``simulations`` and how Hypothesis's ways of ending an example leave a world. Does not know pytest. Laws:

* what a world leaves open is drawn sparsely (``choices.drawn``), so the simplest world is one in which nothing deviates;
* what ends an example (too many draws, ``assume``) reaches Hypothesis as it is, wherever in the world it came up;
* an error that leaves a world carries the code that repeats it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from hypothesis import errors
from hypothesis import strategies as st
from hypothesis.control import current_build_context, currently_in_test_context

from simsock.choices import DrawnSource
from simsock.errors import UsageError
from simsock.kernel import session
from simsock.kernel.boundaries import boundary
from simsock.kernel.happened import Happened
from simsock.kernel.strategies import DEFAULT, FIFO
from simsock.patching import look_around
from simsock.report.listening import Listener
from simsock.report.story import Teller
from simsock.search.together import Together
from simsock.strategies.explaining import explain_the_program_only, stop_explaining
from simsock.world.simulation import Simulation

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Unpack

    from simsock.strategies.typed import DrawnOptions

ENDS_AN_EXAMPLE = (errors.StopTest, errors.UnsatisfiedAssumption, errors.Frozen)


def outside(draw: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """A draw, outside the world that it is made in: Hypothesis looks things up once in a while, which must be no steps of that world."""
    kernel = session.active
    if kernel is None:
        return draw(*args, **options)
    session.active = None
    kernel.atomic += 1
    try:
        return draw(*args, **options)
    finally:
        kernel.atomic -= 1
        session.active = kernel


def is_told() -> bool:
    """Whether the example at work is the one that Hypothesis reports: it runs once more, and may be listened to."""
    return currently_in_test_context() and bool(current_build_context().is_final)


class DrawnSimulation(Simulation):
    """A world whose tape is drawn. Entered once, like any other."""

    given: dict[str, Any] = {}
    """What the world was made of, as it was written."""
    _data: Any = None
    """Hypothesis's example, while draws from it step outside the world."""
    _teller: Teller | None = None
    """Listens to the world of the example that is reported."""
    _together: Together | None = None
    """Who judges it together with the other examples of its test, if its faults are to take effect at some time."""

    def draw_from(self, draw: Callable[[st.SearchStrategy[int]], int], strategy: Any = FIFO) -> None:
        """Let ``draw`` answer what the world leaves open, and who runs next as ``strategy`` says."""
        self.answer_by(lambda low, high: int(outside(draw, st.integers(low, high))), strategy)

    def answer_by(self, answer: Callable[[int, int], int], strategy: Any = FIFO) -> None:
        """Let ``answer(low, high)`` answer it, with a number of that range, both ends included."""
        self._drawn_strategy = strategy
        self._drawn = DrawnSource(answer)

    @boundary
    def __enter__(self) -> Simulation:
        (explain_the_program_only if self.options.preempt == "calls" else stop_explaining)()
        if is_told() and not any(isinstance(watcher, Listener) for watcher in self._watchers):
            self._teller = Teller()
            self._teller.listen(self)
        self._together = Together.current if self.options.require_faults else None
        self._is_one_of_many = self._together is not None
        super().__enter__()
        if currently_in_test_context():  # the test's own draws, in any of the world's tasks
            data: Any = current_build_context().data
            if "draw" not in vars(data):
                data.draw = partial(outside, data.draw)
                self._data = data
        return self

    def __repr__(self) -> str:
        return f"Simulation({', '.join(f'{name}={value!r}' for name, value in self.given.items())})"

    @boundary
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        data, self._data = self._data, None
        if data is not None:
            del data.draw
        try:
            super().__exit__(kind, error, trace)
        except BaseException as late:
            told = self._to_be_told(late)
            if told is late:
                raise
            raise told from None
        if error is None and self._together is not None and self._kernel is not None:
            self._together.note(self._kernel.room(Happened).counts())
        told = self._to_be_told(error)
        if told is not None and told is not error:
            raise told from None

    def ended_by(self) -> BaseException | None:
        """What ended the example from within the world, if something did."""
        if self._drawn is not None and self._drawn.stopped is not None:
            return self._drawn.stopped
        errors = self._kernel.errors if self._kernel is not None else []
        return next((error for _, error in errors if isinstance(error, ENDS_AN_EXAMPLE)), None)

    def _to_be_told(self, raised: Any) -> Any:
        """What ended the example, if that is what became of ``raised``; else ``raised`` itself, with the code that repeats it."""
        drawn, kernel = self._drawn, self._kernel
        if isinstance(raised, (*ENDS_AN_EXAMPLE, KeyboardInterrupt)) or drawn is None or kernel is None:
            return raised
        if (stopped := self.ended_by()) is not None:
            return stopped
        if raised is not None:
            raised.add_note(f'this world again: simsock.Simulation(token="{self.token}")')
            if self._teller is not None:
                raised.add_note(self._teller.story(raised, tuple(self.deviations)).text())
                self._teller = None
        return raised


def simulations(*, seed: int | str | st.SearchStrategy[int] | st.SearchStrategy[str] = 0, **options: Unpack[DrawnOptions]) -> st.SearchStrategy[Simulation]:
    """Worlds to be entered with ``with``. What they leave open is drawn in them, as it comes up, and shrinks with the test's inputs.

    ``seed`` and the options are those of ``Simulation``; each may be a strategy for its values: ``simulations(link=links())``. What is left
    open: what a ``link`` does by chance, cuts by ``chunks="random"`` and ``sends="random"``, who runs next (unless ``strategy="fifo"``; by default
    ``"portfolio"``). The simplest world is one in which none of that deviates from the dull. A world with an error tells its token.
    Raises ``UsageError`` at once for values that make no sense.

    >>> from hypothesis import given, settings
    >>> from simsock import Link
    >>> @settings(deadline=None, max_examples=10)
    ... @given(simulations(link=Link(loss="1%")))
    ... def test_it(sim):
    ...     with sim:
    ...         sim.sleep("1h")
    >>> test_it()
    """
    keywords: dict[str, Any] = {"seed": seed, **options}
    for name in ("token", "records"):
        if name in keywords:
            raise UsageError(f"simulations: {name} makes no sense here, got {keywords[name]!r}")
    drawn = {name: value for name, value in keywords.items() if isinstance(value, st.SearchStrategy)}
    plain = {name: value for name, value in keywords.items() if name not in drawn}
    checked = DrawnSimulation(**plain).options  # a mistake is told at once

    @st.composite
    def worlds(draw: st.DrawFn) -> Simulation:
        given = {**plain, **{name: draw(value) for name, value in drawn.items()}}
        if drawn.keys() - {"seed"}:
            sim = DrawnSimulation(**given)
        else:
            sim = DrawnSimulation(seed=given["seed"])
            sim.options = checked
        if sim.options.patch and session.active is None:
            look_around()  # here and not in the test, whose deadline does not know of it
        sim.given = given
        sim.draw_from(draw, given.get("strategy", DEFAULT))
        return sim

    def made() -> st.SearchStrategy[Simulation]:
        if checked.patch and session.active is None:
            for _ in range(2):  # the first world looks for what it has to replace, the second for what the first has loaded: no example's time
                with Simulation():
                    pass
        return worlds()

    return st.deferred(made)


__all__ = ["ENDS_AN_EXAMPLE", "DrawnSimulation", "simulations"]
