"""What a test hopes to see at some time: states that some schedule must show, and what must come true once nothing is at fault any more.

PYTEST_DONT_REWRITE

Owns ``sometimes``, ``reachable`` and ``eventually``. Does not know searches, which add up what is noted here. Law: to note something is no step, no question
and no record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import LivenessBroken, NeverHappened, UsageError
from simsock.kernel.happened import Happened
from simsock.kernel.moments import Moments
from simsock.kernel.program_lines import short_path
from simsock.kernel.task_table import task_table
from simsock.kernel.units import duration_ns
from simsock.net.fabric import fabric_of
from simsock.net.healing import heal_all

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel
    from simsock.kernel.units import Duration
    from simsock.world.hosts import Host
    from simsock.world.options import Options

NAME_MAX = 200
NAMES_MAX = 10_000


class Hoping:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        options: Options
        _is_one_of_many: bool
        _hosts: dict[str, Host]

        def run_until(self, predicate: Callable[[], object], timeout: Duration | None = None) -> Any: ...

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

    def eventually(self, predicate: Callable[[], object], *, within: Duration) -> Any:
        """End all faults, and wait until ``predicate()`` is true, for ``within`` of virtual time at most. Returns what it returned.

        What ends: partitions, holds, rules, orders for names, what links lose, damage or hurt (how long they take stays), pauses, crashes (such a host is
        up again, with nothing on it), ``stalls``, and kills of processes that are still to come. Clocks stay as they are. Raises ``LivenessBroken`` if it
        is still false then.
        """
        kernel = self._running()
        if not callable(predicate):
            raise UsageError(f"eventually: expected a function without arguments, got {predicate!r}")
        duration_ns(within, "eventually: within")
        kernel.log.append((kernel.now, kernel.current.path, "heal", "everything"))
        heal_all(fabric_of(kernel))
        for host in list(self._hosts.values()):
            host.thaw()
        stalls = getattr(kernel.timers, "stalls", None)
        if stalls is not None:
            stalls.is_over = True
        kernel.room(Moments).call_off("kill")
        try:
            return self.run_until(predicate, within)
        except TimeoutError:
            words = called(predicate)
            raise LivenessBroken(
                f"{words} did not come true within {within} of virtual time, although nothing was at fault any more\n{task_table(kernel)}", same=(words,)
            ) from None

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


def called(function: Any) -> str:
    """What a function is called and where it stands: the same text in every run, other than its ``repr``."""
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    code = getattr(function, "__code__", None)
    return f"{name}()" if code is None else f"{name}() ({short_path(code.co_filename)}:{code.co_firstlineno})"


__all__ = ["Hoping", "called"]
