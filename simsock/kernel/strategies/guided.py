"""``guided``: runs that showed something new are changed a little, instead of drawing each anew.

PYTEST_DONT_REWRITE

Owns who goes on in a run that follows a draft. Does not know where drafts come from: a search makes them (``search/guiding.py``). Laws: a run without a
draft is the portfolio's; answers past the cut of a draft are those of the portfolio; a run that follows one has so few deviations that its token has all
of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.choices.drafts import DEVIATIONS_MAX, fitting
from simsock.kernel.strategies.portfolio import portfolio

if TYPE_CHECKING:
    from simsock.kernel.core import Choose, Kernel
    from simsock.kernel.strategies.runs import Run
    from simsock.kernel.task import Task


def guided(run: Run) -> Choose:
    """The answers of ``run.draft``."""
    anew = portfolio(run)
    draft = run.draft
    if draft is None:
        return anew
    cut = 0 if draft.new_order else DEVIATIONS_MAX if draft.cut is None else draft.cut

    def choose(kernel: Kernel, task: Task, index: int, count: int, preempting: bool) -> int:
        made = len(kernel.tape.deviations)
        if made >= DEVIATIONS_MAX:
            return 0
        if made >= cut:
            return anew(kernel, task, index, count, preempting)
        value = task.plan.get(index) if task.plan else None
        return 0 if value is None or count < 2 else fitting(value, 2 * count - 1)

    return choose


__all__ = ["guided"]
