"""Loops of asyncio whose selector never waits, as tests of loops have them: their rounds are looks in vain.

PYTEST_DONT_REWRITE

Owns one name of such a loop, ``_run_once``, from its first run in a world on. Does not know what a round does. Laws: a round in which nothing simulated
was called lets other tasks go on, and in the end time; a loop with a selector of the standard library, which waits, is left alone.
"""

from __future__ import annotations

import selectors
from _thread import get_ident
from typing import Any

from simsock.kernel import session

_WAITING: Any = selectors._BaseSelectorImpl  # what all selectors of the standard library are made of


def let_others_run(loop: Any) -> None:
    """A loop begins to run in a world."""
    if isinstance(getattr(loop, "_selector", None), _WAITING) or "_run_once" in getattr(loop, "__dict__", ("_run_once",)):
        return
    run_once = loop._run_once

    def run_once_and_look() -> None:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            run_once()
            return
        before = kernel.steps
        run_once()
        if kernel.steps == before and kernel is session.active and not kernel.ending:
            kernel.point()
            kernel.fruitless()

    loop._run_once = run_once_and_look


__all__ = ["let_others_run"]
