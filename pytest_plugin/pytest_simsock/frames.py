"""simsock's frames in the tracebacks of failed tests.

Owns which are shown. Does not know reports. Law: hidden are those below a line of the program that made a call, if the error is what that call
came to (``TimeoutError: timed out``) or what simsock has to say of it; with an error of any other kind every frame is shown, as with ``--full-trace``.
"""

from __future__ import annotations

import sys
from typing import Any

import pytest


def hide_ours() -> None:
    """From now on; what is imported later is looked at when this is called again. Costs nothing while no test fails."""
    for name, module in list(sys.modules.items()):
        if name.startswith("simsock."):
            vars(module).setdefault("__tracebackhide__", _is_told_by_the_program_s_line)


def _is_told_by_the_program_s_line(excinfo: pytest.ExceptionInfo[BaseException] | None) -> bool:
    errors: Any = sys.modules.get("simsock.errors")
    return excinfo is not None and errors is not None and isinstance(excinfo.value, (OSError, errors.SimsockError))


__all__ = ["hide_ours"]
