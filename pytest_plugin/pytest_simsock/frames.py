"""simsock's frames in the tracebacks of failed tests.

Owns which are shown. Does not know reports. Law: hidden are those below a line of the program that made a call, if the error is what that call
came to (``TimeoutError: timed out``) or what simsock has to say of it; with an error of any other kind every frame is shown, as with ``--full-trace``. trio's
are hidden in tests that simsock itself runs on it.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest


def hide_ours(runs_loop: bool = False) -> None:
    """From now on; what is imported later is looked at when this is called again. Costs nothing while no test fails.

    ``runs_loop``: the test that has failed is a coroutine function that simsock has run.
    """
    global _hides_loops
    _hides_loops = runs_loop
    for name, module in list(sys.modules.items()):
        if name.startswith("simsock."):
            vars(module).setdefault("__tracebackhide__", _is_told_by_the_program_s_line)
        elif name.startswith(_LOOPS):
            vars(module).setdefault("__tracebackhide__", _is_our_loop_s)


def _is_told_by_the_program_s_line(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    errors: Any = sys.modules.get("simsock.errors")
    return excinfo is not None and errors is not None and isinstance(excinfo.value, (OSError, errors.SimsockError))


_LOOPS = ("trio.", "outcome.")
_hides_loops = False


def _is_our_loop_s(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    """Whatever is raised in a test that simsock runs on trio: nurseries and waits are its floor, as pytest is. Tests of others show what they did."""
    return _hides_loops


__all__ = ["hide_ours"]
