"""simsock's frames in the tracebacks of failed tests.

Owns which are shown. Does not know reports. Law: hidden are those below a line of the program that made a call, if the error is what that call
came to (``TimeoutError: timed out``) or what simsock has to say of it; and those above a line of the program that raised it, by itself or in a library that it
called (``IndexError`` in a handler). With an error of any other kind, which may be simsock's own fault, every frame is shown, as with ``--full-trace``.
trio's are hidden in tests that simsock itself runs on it.
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
    if excinfo is None or errors is None:
        return False
    return isinstance(excinfo.value, (OSError, errors.SimsockError)) or _is_raised_for_the_reader(excinfo.value)


def _is_raised_for_the_reader(error: BaseException) -> bool:
    """Whether the program raised it, or a function of ours that hides itself, since what it raises is about the program."""
    from simsock.kernel.program_lines import is_library, is_simsock

    innermost = None
    trace = error.__traceback__
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        if is_simsock(filename) or not is_library(filename):
            innermost = trace.tb_frame
        trace = trace.tb_next
    if innermost is None:
        return False
    return not is_simsock(innermost.f_code.co_filename) or innermost.f_locals.get("__tracebackhide__") is True


_LOOPS = ("trio.", "outcome.")
_hides_loops = False


def _is_our_loop_s(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    """Whatever is raised in a test that simsock runs on trio: nurseries and waits are its floor, as pytest is. Tests of others show what they did."""
    return _hides_loops


__all__ = ["hide_ours"]
