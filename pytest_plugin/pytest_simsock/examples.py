"""The worlds of a test under ``@given``: one for each example, with a tape that Hypothesis draws.

Owns their making and ending. Does not know how the test came to be called. Laws: worlds of one test share a session, as those of a search
do; what is reported is the last example that failed, which is the one that Hypothesis reports; an ``@example`` draws nothing, and has the
world that a test without ``@given`` would have.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis.control import current_build_context, currently_in_test_context

from pytest_simsock import mistakes
from pytest_simsock.configuring import CHOSEN, STAGE
from pytest_simsock.marking import marked
from pytest_simsock.plans import Plan, Shared
from pytest_simsock.worlds import Stage, World, settings_of_test, words_of
from simsock.errors import SimsockError
from simsock.kernel.strategies import DEFAULT
from simsock.report.story import Teller
from simsock.strategies.explaining import pass_over
from simsock.strategies.worlds import ENDS_AN_EXAMPLE, DrawnSimulation, is_told

pass_over(os.path.dirname(__file__))


class Examples:
    """A context manager around the call of one test."""

    def __init__(self, item: pytest.Function, hands_sim: bool = True) -> None:
        __tracebackhide__ = True
        mistake = ""
        if item.config.stash[CHOSEN].replay is not None:
            mistake = "a token repeats one world, and this test has many: enter simsock.Simulation(token=...) yourself"
        elif "schedules" in marked(item):
            mistake = "schedules= under @given: Hypothesis looks for schedules itself, settings(max_examples=) times"
        if mistake:
            raise mistakes.plain_mistake(f"Unsupported: {mistake}")
        self.item = item
        self.hands_sim = hands_sim
        self.settings = settings_of_test(item, item._request.getfixturevalue("simsock_config"), Plan())
        self.shared = Shared(searched=True, defaults={})
        self.failed: Stage | None = None

    @property
    def preempts(self) -> bool:
        """Whether tasks are switched between lines; known once it is entered."""
        return self.shared.options is not None and self.shared.options.preempt != "calls"

    def __enter__(self) -> Examples:
        self.stage = self._enter_and_leave()  # the first world of a process looks for what it has to replace: none of an example's time
        return self

    def _enter_and_leave(self) -> Stage:
        __tracebackhide__ = True
        try:
            stage, world = self._begin()
        except SimsockError as error:
            mistake = f"options of sim: {words_of(error)}"
        else:
            world.leave()
            return stage
        raise mistakes.plain_mistake(mistake)

    def __exit__(self, *exc: object) -> None:
        self.shared.close()
        self.item.stash[STAGE] = self.failed or self.stage

    def _begin(self) -> tuple[Stage, World]:
        stage = Stage()
        teller = Teller() if is_told() else None
        return stage, World(stage, self.item, Plan(self.shared, teller=teller), self.settings, make=DrawnSimulation, prepare=self._draw)

    def _draw(self, sim: Any) -> None:
        """Let the example that is being run answer what its world leaves open."""
        data: Any = _data()
        if data is not None:
            sim.draw_from(data.draw, self.settings.options.get("strategy", DEFAULT))

    def run(self, inner: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """One example."""
        __tracebackhide__ = True
        stage, world = self._begin()
        self.stage = stage
        sim = world.sim
        assert isinstance(sim, DrawnSimulation)
        try:
            answer = inner(*args, **({**kwargs, "sim": sim} if self.hands_sim else kwargs))
        except BaseException as error:
            stage.end(error)
            stopped = sim.ended_by()
            if stopped is not None and stopped is not error and not isinstance(error, KeyboardInterrupt):
                raise stopped from None
            if not isinstance(error, ENDS_AN_EXAMPLE):
                self.failed = stage
            raise
        try:
            stage.end(None)
        except BaseException as late:
            if not isinstance(late, ENDS_AN_EXAMPLE):
                self.failed = stage
            raise
        return answer


def _data() -> Any:
    """What Hypothesis draws an example from; None when there is none, or nothing to draw: an explicit example's has no choices."""
    data: Any = current_build_context().data if currently_in_test_context() else None
    return None if getattr(data, "max_choices", None) == 0 else data
