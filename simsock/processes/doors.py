"""Where a child must never pass: the ends of worlds, and those of tests.

PYTEST_DONT_REWRITE

Owns the table of functions that are such doors; who has one says so here. In a child each of them ends the process instead of doing what it does.
"""

from __future__ import annotations

from typing import Any

from simsock.errors import Unsupported

doors: list[Any] = []
"""Functions that are called when the code of a world's first task has come to its end, or that end a world."""

refused: dict[Any, str] = {}
"""Functions that are refused in a child, with the names that programs know them by."""


def leave_process(status: int) -> Any:
    """``os._exit``: of a child. At home it is refused."""
    raise Unsupported("os._exit: it would end the process in which the world runs, the tests and all; sys.exit ends the program")


def execute(start: Any) -> Any:
    """``os.exec*``: of a child. At home it is refused."""
    raise Unsupported(
        "os.execv: it would end the process in which the world runs, the tests and all; subprocess starts a program beside it, a child may be one"
    )


__all__ = ["doors", "execute", "leave_process", "refused"]
