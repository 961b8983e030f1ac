"""What Hypothesis looks at to explain a failure: the program's lines, and not simsock's.

Owns the one change to how Hypothesis traces. Does not know worlds. Hypothesis watches every line of an example once one has failed, to say
which ran in failing examples only; a world is thousands of lines of simsock's for each of the program's, which nobody wants explained and
which make an example several times slower (much more before Python 3.12). Law: where Hypothesis's insides have changed, nothing happens.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import Any

from hypothesis.internal import scrutineer

from simsock.kernel.program_lines import PACKAGE, is_library

_passed_over: list[str] = []


def pass_over(folder: str) -> None:
    """Explain nothing by the lines of this folder."""
    if not _passed_over and callable(usual := getattr(scrutineer, "should_trace_file", None)):

        def should_trace_file(filename: str) -> bool:
            return not filename.startswith(tuple(_passed_over)) and bool(usual(filename))

        scrutineer.should_trace_file = should_trace_file  # type: ignore[assignment]  # ours in its place
    _passed_over.append(os.path.join(folder, ""))


pass_over(PACKAGE)


def _tracer() -> Any:
    """Hypothesis's trace function, if it is at work as one (before Python 3.12)."""
    tracer = sys.gettrace()
    owner = getattr(tracer, "__self__", None)
    return tracer if type(owner).__module__.startswith("hypothesis.") else None


def stop_explaining() -> None:
    """Take out the trace function: preemption needs its place."""
    if _tracer() is not None:
        sys.settrace(None)


def explain_the_program_only() -> None:
    """Call the trace function for the program's frames alone: it would be called for every line of every function."""
    tracer = _tracer()
    if tracer is None:
        return

    @cache
    def wanted(filename: str) -> bool:
        return not is_library(filename) and scrutineer.should_trace_file(filename)

    def trace(frame: Any, event: str, arg: Any) -> Any:
        return tracer(frame, event, arg) if wanted(frame.f_code.co_filename) else None

    sys.settrace(trace)


__all__ = ["explain_the_program_only", "pass_over", "stop_explaining"]
