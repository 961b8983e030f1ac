"""What a search says in the end.

Owns ``Verdict`` and its words. Law: a search that ran out of budget is *inconclusive*; only one that tried every schedule says *holds*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simsock.errors import SearchFailure, UsageError
from simsock.escaping import printable, told
from simsock.search.evidence import Evidence

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

    from simsock.report.story import Story
    from simsock.search.happenings import Seen

FAILS: Final = "fails"
HOLDS: Final = "holds"
INCONCLUSIVE: Final = "inconclusive"


class Verdict:
    """``status`` is ``"fails"``, ``"holds"`` (every schedule was tried) or ``"inconclusive"``; ``schedules`` says how many were tried.

    One that fails because of what no schedule showed (``NeverHappened``) has ``error`` only, and no failing run. Each has ``faults`` and ``places``.

    A failing one has ``error`` (what the shortest failing run raised), ``deviations`` (its story, step by step), ``token``, ``story``
    (the whole report as text), ``failing_schedule`` (which one failed first, from 1) and ``shrink_runs``. Each has ``orders``,
    ``new_at_the_end`` and ``alive``: what was seen.
    """

    def __init__(self, status: Literal["fails", "holds", "inconclusive"], schedules: int, seed: int | str, evidence: Evidence | None = None) -> None:
        self.status: Literal["fails", "holds", "inconclusive"] = status
        self.schedules = schedules
        self.seed = seed
        self.evidence = evidence if evidence is not None else Evidence()
        self.bound: int | None = None
        """With ``strategy="dfs"``: every schedule with at most so many preemptions was tried."""
        self.is_pruned = False
        """Whether it holds because every order that can differ was tried: the others only exchange independent steps."""
        self.where = ""
        self.error: BaseException | None = None
        self.deviations: list[Any] = []
        self.token: str | None = None
        self.story: Story | None = None
        self.failing_schedule: int | None = None
        self.is_kept = False
        """Whether the failure is one that an earlier search had kept: then nothing else was tried."""
        self.shrink_runs = 0
        self.notes: list[str] = []
        self._replay: Any = None
        self._found: tuple[int | str, tuple[Any, ...]] | None = None
        """The run that failed first, before it was shrunk: the seed of its world, and its deviations."""

    @property
    def failed(self) -> bool:
        """Whether a failing schedule was found."""
        return self.status == FAILS

    @property
    def orders(self) -> int:
        """How many different orders were seen: those that only exchange independent steps are one. With ``strategy="dfs"``: orders of turns."""
        return self.evidence.orders

    @property
    def new_at_the_end(self) -> float:
        """The share of the last tenth of the schedules (of those that were looked at) whose order was new: near 0, more will hardly show more."""
        return self.evidence.new_at_the_end(self.schedules)

    @property
    def alive(self) -> int:
        """Most tasks alive at once in any schedule, the first task included."""
        return self.evidence.alive

    @property
    def faults(self) -> dict[str, Seen]:
        """Every fault that was configured, in words: in how many schedules it was, in how many it took effect, and how often in all."""
        return self.evidence.happenings.faults

    @property
    def places(self) -> dict[str, Seen]:
        """Every name that was given to ``sometimes`` or ``reachable``: in how many schedules it was asked for, and in how many it held."""
        return self.evidence.happenings.places

    def require(self, faults: bool, expected: Mapping[str, str]) -> None:
        """Fail if something that should have come in some schedule never did."""
        missing = self.evidence.happenings.missing(self.schedules, faults, expected)
        if missing is not None:
            self.status, self.error = FAILS, missing

    def replay(self) -> None:
        """Run the failing run again: raises what it raises. ``UsageError`` when nothing failed, or no run by itself."""
        if self._replay is None and self.failed:
            raise UsageError("the search fails because of what none of its runs showed: there is no failing run to replay")
        if self._replay is None:
            raise UsageError(f"the search was {self.status}: there is no failing run to replay")
        self._replay()

    def raise_if_failed(self) -> None:
        """Raise the failing run's error, with the story and the token as a note; return quietly otherwise.

        Raises ``SearchFailure`` with the same text where the error cannot be raised as itself.
        """
        if self.error is None:
            return
        text = str(self)
        if text not in getattr(self.error, "__notes__", ()):
            try:
                self.error.add_note(text)
            except Exception:
                raise SearchFailure(text) from self.error
        raise self.error

    def __str__(self) -> str:
        if not self.failed:
            tried = f"{self.schedules:,} schedule" + ("" if self.schedules == 1 else "s")
            if self.status == INCONCLUSIVE:
                said = f"{self.status}, {tried} tried (seed {self.seed!r})"
                if self.bound is not None:
                    said += f": no failure with at most {self.bound} preemption" + ("" if self.bound == 1 else "s")
            else:
                said = f"{self.status}: all {tried}{' that can differ' if self.is_pruned else ''} passed{self.where}"
            return "\n".join([said, *self._seen(), *self.notes])
        if self.failing_schedule is None:
            return printable("\n".join([f"fails: {self.error}", *self._seen(), *self.notes]), lines=True)
        kept = ", kept from an earlier search," if self.is_kept else ""
        lines = [f"fails: schedule {self.failing_schedule} of seed {self.seed!r}{kept} raised {_named(self.error)}"]
        if self.story is not None:
            lines.append(self.story.text())
        lines.extend(self.notes)
        if self.token is not None:
            lines.append(f"token: {self.token}")
        return printable("\n".join(lines), lines=True)

    def _seen(self) -> list[str]:
        """What the schedules showed, in lines."""
        orders = [self.evidence.text(self.schedules)] if self.schedules > 1 and self.orders else []
        return [*orders, *self.evidence.happenings.lines(self.schedules)]

    def __repr__(self) -> str:
        return f"<Verdict {self.status}, {self.schedules} schedules>"


def _named(error: BaseException | None) -> str:
    if error is None:
        return "nothing"
    from simsock.report.asserted import asserted  # late: it is of use to few, once

    said = told(error) or asserted(error, values=True)
    return f"{type(error).__name__}: {said}" if said else type(error).__name__
