"""``portfolio``: several strategies in turn, because none is the best for every program.

PYTEST_DONT_REWRITE

Owns who is when. Six schedules in seven go to ``surw``, ``pcth`` with depths 2 and 3, and ``surw:selective`` in turn: the first finds what takes many
small steps, the second what takes a few long ones, the third what many tasks do to one name. The seventh is ``random``, ``pct`` or ``pos``. Law: the
number of the schedule alone decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.strategies.draws import Draws
from simsock.kernel.strategies.events_left import selective, surw
from simsock.kernel.strategies.hot_names import pcth
from simsock.kernel.strategies.partial_orders import pos
from simsock.kernel.strategies.priorities import pct
from simsock.kernel.strategies.random_walk import random_walk

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.core import Choose
    from simsock.kernel.strategies.runs import Run


def _pcth_2(run: Run) -> Choose:
    return pcth(run, 2)


def _pcth_3(run: Run) -> Choose:
    return pcth(run, 3)


_SIX: tuple[Callable[[Run], Choose], ...] = (surw, _pcth_2, selective, surw, _pcth_3, selective)
_SEVENTH: tuple[Callable[[Run], Choose], ...] = (random_walk, pct, pos)


def portfolio(run: Run) -> Choose:
    """The strategy whose turn it is. In a world that no search made, one that is drawn."""
    turn = run.number - 2 if run.number else Draws(run.seed).below((len(_SIX) + 1) * len(_SEVENTH))
    place = turn % (len(_SIX) + 1)
    if place < len(_SIX):
        return _SIX[place](run)
    return _SEVENTH[turn // (len(_SIX) + 1) % len(_SEVENTH)](run)
