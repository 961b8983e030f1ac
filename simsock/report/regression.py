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
        simsock.replay(program, TOKEN{consent})
    except simsock.ReplayMismatch:
        pass  # the program has changed: that schedule is not there any more, and the search below looks for others


def test_{name}_in_other_schedules():
    simsock.explore(program, schedules={schedules}, seed={seed!r}{options}).raise_if_failed()
'''


SCHEDULES = 100
"""Other schedules that the test tries."""
_OF_REPLAYS = ("scope", "patch", "entropy")
"""Options that a token does not carry, or does not ask for by itself."""


def write_test(path: str, target: str, verdict: Any, options: dict[str, Any]) -> None:
    """Write the test to ``path``, which must not be there yet (``UsageError``). ``options``: those of a world that the search was given."""
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
        schedules=SCHEDULES,
        options=_as_arguments(options),
        consent=_as_arguments({name: value for name, value in options.items() if name in _OF_REPLAYS}),
        seed=verdict.seed,
    )
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"--write-test {path}: it is there already") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"--write-test {path}: cannot be written: {error}") from None


def _as_arguments(options: dict[str, Any]) -> str:
    """Keyword arguments that follow others."""
    return "".join(f", {name}={_literal(value)}" for name, value in options.items())


def _literal(value: Any) -> str:
    """Of plain values, lists of them, and links, whose representation is the call that makes them."""
    return repr(value) if isinstance(value, (bool, int, float, str, list, tuple)) else f"simsock.{value!r}"


__all__ = ["SCHEDULES", "write_test"]
