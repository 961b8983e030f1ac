"""What a test hopes to see at some time: states that some schedule must show, and what must come true once nothing is at fault any more.

PYTEST_DONT_REWRITE

Owns ``sometimes`` and ``reachable``. Does not know searches, which add up what is noted here. Law: to note something is no step, no question and no record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import NeverHappened, UsageError
from simsock.kernel.happened import Happened

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.world.options import Options

NAME_MAX = 200
NAMES_MAX = 10_000


class Hoping:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        options: Options
        _is_one_of_many: bool

        def _running(self) -> Kernel: ...

    def sometimes(self, condition: object, name: str) -> bool:
        """Note whether ``condition`` (a value, or a function that gives one) holds here. A search in whose schedules it never did fails, and says so.

        Returns whether it held. It changes no run, and outside of a search nothing comes of it.
        """
        places = self._places("sometimes", name)
        holds = bool(condition() if callable(condition) else condition)
        places[name] = holds or places.get(name, False)
        return holds

    def reachable(self, name: str) -> None:
        """Note that the program has come to this place. A search in none of whose schedules it does fails, and says so.

        A name that is a plain text in the test's function, or in functions and classes of the same file that it names, is known although nobody comes there.
        """
        self._places("reachable", name)[name] = True

    def _places(self, what: str, name: Any) -> dict[str, bool]:
        if not isinstance(name, str) or not name or len(name) > NAME_MAX:
            raise UsageError(f"{what}: name: expected a text of 1 to {NAME_MAX} characters, got {name!r}")
        places = self._running().room(Happened).places
        if name not in places and len(places) >= NAMES_MAX:
            raise UsageError(f"{what}: {name!r} is the {NAMES_MAX + 1:,}th name in one run: names say what happened, not which time")
        return places

    def _faults_missing(self, kernel: Kernel) -> list[NeverHappened]:
        """At the end of a world that is no schedule of a search: what should have taken effect and did not."""
        if not self.options.require_faults or self._is_one_of_many:
            return []
        missing = [words for words, times, is_required in kernel.room(Happened).counts().faults if is_required and not times]
        return [NeverHappened(f"never took effect in this run: {'; '.join(missing)} (require_faults=True)")] if missing else []


__all__ = ["Hoping"]
