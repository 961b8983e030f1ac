"""A failing schedule as a regression test: a file that plain pytest runs.

Owns the text of that file. Does not know how the schedule was found. Laws: nothing is overwritten; what comes from the program is written as a
comment or a literal, escaped.
"""

from __future__ import annotations

import re
from typing import Any

from simsock.errors import UsageError
from simsock.escaping import printable

_FORM = '''\
"""Found by `simsock explore {target}`: a schedule in which it failed.

{story}
"""

import simsock
from {module} import {function} as program

TOKEN = "{token}"


def test_{name}_in_the_schedule_that_failed():
    try:
        simsock.replay(program, TOKEN)
    except simsock.ReplayMismatch:
        pass  # the program has changed: that schedule is not there any more, and the search below looks for others


def test_{name}_in_other_schedules():
    simsock.explore(program, schedules={schedules}, preempt={preempt!r}, strategy={strategy!r}, seed={seed!r}).raise_if_failed()
'''


def write_test(path: str, target: str, verdict: Any, *, schedules: int, preempt: str, strategy: str) -> None:
    """Write the test to ``path``, which must not be there yet (``UsageError``)."""
    module, _, function = target.partition(":")
    story = printable(str(verdict), lines=True).replace("\\", "\\\\").replace('"""', "'''")
    story = "\n".join(line.rstrip() for line in story.splitlines() if not line.startswith("token: "))
    name = re.sub(r"\W+", "_", function).removeprefix("test_")
    text = _FORM.format(
        target=target,
        story=story,
        module=module,
        function=function,
        name=name,
        token=verdict.token,
        schedules=schedules,
        preempt=preempt,
        strategy=strategy,
        seed=verdict.seed,
    )
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"--write-test {path}: it is there already") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"--write-test {path}: cannot be written: {error}") from None


__all__ = ["write_test"]
