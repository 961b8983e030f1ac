"""What worlds that follow each other share.

Owns ``simsock.session``: while it lasts, the stand-ins for names of the standard modules stay in place between worlds, which saves most of what
entering a patched world costs. Does not know what stands in for what. Laws: between the worlds each stand-in does what its original does; afterwards,
and before the interpreter ends, everything is as it was.
"""

from __future__ import annotations

import atexit
from typing import TYPE_CHECKING

from simsock import patching
from simsock.errors import UsageError
from simsock.kernel import session as worlds
from simsock.kernel.boundaries import boundary

if TYPE_CHECKING:
    from types import TracebackType


class session:  # it is called like a function
    """A context manager for worlds that follow each other: entering and leaving each takes a fraction of what it takes alone.

    >>> with session():
    ...     for seed in range(3):
    ...         with Simulation(seed=seed) as sim:
    ...             sim.sleep(1)

    Between the worlds ``time.sleep`` and the others are functions of simsock that do exactly what the real ones do. They are taken out, and put in again for
    the next world, when a module of the harness is imported, and when ``originals`` is called. Sessions nest. Raises ``UsageError`` inside a world.
    """

    def __init__(self) -> None:
        self._is_open = False

    @boundary
    def __enter__(self) -> session:
        if self._is_open:
            raise UsageError("this session is open already; make another one: they nest")
        _refuse_in_world("a session begins")
        self._is_open = True
        patching.share()
        return self

    @boundary
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._is_open:
            _refuse_in_world("a session ends")
            patching.share_no_more()
            self._is_open = False

    @staticmethod
    def originals() -> None:
        """Between two worlds: whatever comes now finds the originals in place, by identity."""
        _refuse_in_world("originals are put back")
        patching.put_back()


def _refuse_in_world(what: str) -> None:
    if worlds.active is not None or worlds.suspended is not None:
        raise UsageError(f"{what} outside of worlds: leave the world first")


atexit.register(patching.put_back)
