"""Running again the one run that a token stands for, once or many times, and telling whether it is the same each time.

Owns the comparison of two failures, and the capture of a run. Does not know where a test comes from, nor prints. Law: two failures are the
same when the exception's class, the innermost line of the program and the message (memory addresses aside) are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.choices import Token
from simsock.kernel.program_lines import innermost_line, short_path
from simsock.report.sight import Seen
from simsock.report.story import Story, Teller, one_line
from simsock.search.runner import Outcome, Runner, signature
from simsock.world.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.watchers import Watcher
    from simsock.report.sight import Sight
    from simsock.world.simulation import Simulation

RAISED_MAX = 5
"""Errors of tasks and handlers that are told, each once."""
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}\b")


class Raised(NamedTuple):
    """An error of tasks or handlers: its class, the first line of its text, the innermost line of the program, and how often it came."""

    type: str
    message: str
    place: str
    times: int

    def text(self) -> str:
        """In one line."""
        told = f"{self.type}: {self.message}" if self.message else self.type
        return told + (f" ({self.place})" if self.place else "") + (f", {self.times:,} times" if self.times > 1 else "")


class Again(NamedTuple):
    """What came of repeating a run ``times`` times. ``error`` (None if it passes), ``story`` and ``mismatches`` are those of the first time."""

    error: BaseException | None
    story: Story | None
    mismatches: tuple[str, ...]
    differences: tuple[str, ...]
    times: int
    same: int
    other: str
    """The first run that came out differently, in words; empty when all were the same."""
    digest: str | None = None
    raised: tuple[Raised, ...] = ()
    """What tasks and handlers raised in the first of them besides ``error`` itself: often its cause."""

    def same_failure(self, error: BaseException) -> bool:
        """Whether every one of them failed as ``error`` did."""
        return self.error is not None and self.same == self.times and failure(self.error) == failure(error)

    def outcome_text(self) -> str:
        """In one line: how it ended."""
        return self.other or ("it passes" if self.error is None else one_line(self.error))

    def raised_lines(self) -> list[str]:
        """What tasks and handlers raised, under a title; nothing if that was nothing but the error itself."""
        if not self.raised:
            return []
        more = len(self.raised) - RAISED_MAX
        shown = [f"  {one.text()}" for one in self.raised[:RAISED_MAX]]
        return ["raised by handlers and tasks in that run:", *shown, *([f"  and {more:,} more"] if more > 0 else [])]


def repeat(
    test: Callable[[Simulation], object],
    token: str,
    *,
    scope: Any = None,
    times: int = 1,
    watcher: Watcher | None = None,
    progress: Callable[[int], object] | None = None,
    **consent: Any,
) -> Again:
    """Run ``test`` as ``token`` says, ``times`` times. Raises ``BadToken``; what the test raises is in what is returned.

    ``watcher`` watches the first of the runs. ``progress`` is called with how many have been made, after each.
    ``consent``: the options by which the token may let the test reach out of its world (``patch=False``, ``entropy="real"``).
    """
    carried = Token.decode(token)
    options = Options.from_dict(carried.options, scope=scope, **consent)
    other = ""
    same = 1
    with Runner(test, options) as runner:
        teller = Teller()
        worlds: list[Simulation] = []

        def prepare(sim: Simulation) -> None:
            worlds.append(sim)
            if watcher is not None:
                sim.add_watcher(watcher)
            teller.listen(sim)

        first = runner.repeat(carried, digest=True, prepare=prepare)
        raised = _raised([error for error in worlds.pop().errors if error is not first.error])
        story = teller.story(first.error, first.deviations) if first.error is not None else None
        known = _told(first)
        for count in range(1, times):
            if progress is not None:
                progress(count)
            came = _told(runner.repeat(carried, digest=True))
            if came == known:
                same += 1
            elif not other:
                other = "it passes" if came[0] is None else came[0][1] if came[0] != known[0] else f"the same error, but digest {came[1]} instead of {known[1]}"
    return Again(first.error, story, first.mismatches, tuple(carried.differences_here()), times, same, other, first.digest, raised)


def capture(
    test: Callable[[Simulation], object], token: str, path: str | None, again: Again, *, scope: Any = None, sight: Sight | None = None, **consent: Any
) -> bool:
    """Run ``test`` as ``token`` says once more, and say whether it is the same run as it was ``again``.

    What passes between its hosts is written to ``path`` as pcapng, and ``sight`` looks at it, if there are such.
    """
    carried = Token.decode(token)
    with Runner(Seen(test, sight, path), Options.from_dict(carried.options, scope=scope, **consent)) as runner:
        came = _told(runner.repeat(carried, digest=True))
    return came == (failure(again.error) if again.error is not None else None, again.digest)


def _raised(errors: list[BaseException]) -> tuple[Raised, ...]:
    """Equal errors once, in the order in which they came."""
    counts: dict[tuple[str, str, str], int] = {}
    for error in errors:
        kind = type(error).__name__
        key = (kind, one_line(error).removeprefix(kind).removeprefix(": "), failure_place(error))
        counts[key] = counts.get(key, 0) + 1
    return tuple(Raised(*key, count) for key, count in counts.items())


def _told(outcome: Outcome) -> tuple[tuple[Any, str] | None, str | None]:
    return (failure(outcome.error) if outcome.error is not None else None, outcome.digest)


def failure(error: BaseException) -> tuple[Any, str]:
    """What is equal for equal failures."""
    return (signature(error), _ADDRESS.sub("0x...", one_line(error)))


def failure_place(error: BaseException) -> str:
    """``"scenarios/counter.py:31"``: the innermost line of the program; for several errors at once, that of each."""
    if isinstance(error, BaseExceptionGroup):
        return ", ".join(dict.fromkeys(filter(None, map(failure_place, error.exceptions))))
    place = innermost_line(error)
    return f"{short_path(place[0])}:{place[1]}" if place is not None else ""


# -- what a token says of what it was made for ----------------------------------------------------------------------------------------------


_WITH_SERVER = " --server "


def with_server(target: str | None, server: str | None) -> str | None:
    """What a token says that it was made for, if another server was used than the scenario's."""
    return target if target is None or server is None else f"{target}{_WITH_SERVER}{server}"


def without_server(target: str | None) -> tuple[str | None, str | None]:
    """The other way: the scenario, and the server that was used instead of its own."""
    if target is None:
        return None, None
    scenario, found, server = target.partition(_WITH_SERVER)
    return scenario, server if found else None
