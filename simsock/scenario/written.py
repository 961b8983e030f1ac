"""A walk through a scenario's world as a file: a scenario with what was done on its timeline, or a test that does it all again.

Owns the text of both, and whether they can be written at all. Does not walk. Laws:

* a scenario is the file that was walked through, word for word, with rows behind it; what rows cannot say is an error that names it;
* a test does the same calls in the same order, and expects the same answers;
* what is written can be run where it lies, and nothing is written over.
"""

from __future__ import annotations

import os
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from simsock.errors import UsageError
from simsock.scenario.running import modules_of

if TYPE_CHECKING:
    from simsock.scenario.schema import Plan


class Deed(NamedTuple):
    """One thing that was done: a method of ``Walk``, what it was called with, and what it answered (None: nothing to speak of)."""

    method: str
    arguments: tuple[Any, ...] = ()
    keywords: dict[str, Any] = {}
    answer: Any = None


class Done(NamedTuple):
    """All that was done, and where: ``ended_ns`` is the virtual time at its end."""

    plan: Plan
    seed: int | str
    server: str | None
    deeds: tuple[Deed, ...]
    faults: tuple[dict[str, Any], ...]
    hosts: tuple[str, ...]
    ended_ns: int


_RATHER = "write a test (a file that ends in .py)"
_BY_HAND = ("connect", "send", "receive", "shut", "close")


def write_walk(path: str, done: Done) -> None:
    """Write it to ``path``, as a scenario (``.toml``) or as a test (``.py``). Raises ``UsageError``."""
    ending = os.path.splitext(path)[1]
    if ending not in (".toml", ".py"):
        raise UsageError(f"write: expected a file that ends in .toml (a scenario) or .py (a test), got {path!r:.200}")
    text = _scenario(path, done) if ending == ".toml" else _test(path, done)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise UsageError(f"write: there is {path} already, and nothing is written over") from None
    except (OSError, ValueError) as error:
        raise UsageError(f"write: cannot write {path!r:.200}: {getattr(error, 'strerror', None) or error}") from None


def _scenario(path: str, done: Done) -> str:
    hand = next((deed.method for deed in done.deeds if deed.method in _BY_HAND), None)
    if hand is not None:
        raise UsageError(f"write: a scenario has no words for {hand!r}, which was done by hand: {_RATHER}")
    for option, given in (("--set", done.plan.settings), ("--server", done.server)):
        if given:
            raise UsageError(f"write: a scenario file does not say {option} {given if isinstance(given, str) else given[0]}: {_RATHER}")
    here, there = (os.path.dirname(os.path.abspath(one)) for one in (done.plan.path, path))
    beside = next((top for name in sorted(modules_of(done.plan)) if _is_in(here, top := name.partition(".")[0])), None)
    if here != there and beside is not None:
        raise UsageError(f"write: the module {beside!r} lies beside {done.plan.path}, and a scenario elsewhere would not find it: write it there")
    with open(done.plan.path, encoding="utf-8") as file:
        text = file.read()
    rows = [*(("hosts", {"name": name}) for name in done.hosts), *(("timeline", row) for row in done.faults)]
    lines = [text.rstrip("\n"), "", f"# What follows was done by hand, in `simsock shell {_comment(done.plan.path)}`."]
    for table, row in rows:
        lines += ["", f"[[{table}]]", *(f"{key} = {_toml(value)}" for key, value in row.items())]
    whole = "\n".join(lines) + "\n"
    try:
        tomllib.loads(whole)
    except tomllib.TOMLDecodeError:
        raise UsageError(f"write: nothing can be added to {done.plan.path}, whose lists are not written as [[timeline]]: {_RATHER}") from None
    return whole


def _is_in(folder: str, top: str) -> bool:
    return any(os.path.exists(os.path.join(folder, *tail)) for tail in ((f"{top}.py",), (top, "__init__.py")))


def _comment(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, str):
        escaped = "".join(letter if letter.isprintable() and letter not in '"\\' else f"\\U{ord(letter):08x}" for letter in value)
        return f'"{escaped}"'
    return repr(value)


def _test(path: str, done: Done) -> str:
    folder = os.path.dirname(os.path.abspath(path))
    scenario = os.path.relpath(os.path.abspath(done.plan.path), folder)
    options = "".join(f", {name}={value!r}" for name, value in (("server", done.server), ("settings", done.plan.settings)) if value)
    lines = [
        f'"""What was done by hand in ``simsock shell``, in the world of {scenario}."""'
        if _is_plain(scenario)
        else '"""What was done by hand in ``simsock shell``."""',
        "",
        "from pathlib import Path",
        "",
        "from simsock.scenario.walking import walk",
        "",
        f"SCENARIO = Path(__file__).parent / {scenario!r}",
        "",
        "",
        "def test_what_was_done_by_hand():",
        f"    with walk(SCENARIO, seed={done.seed!r}{options}) as world:",
        *(f"        {_call(deed)}" for deed in done.deeds),
        f"        assert world.sim.now_ns == {done.ended_ns}",
    ]
    return "\n".join(lines) + "\n"


def _is_plain(text: str) -> bool:
    return text.isprintable() and '"' not in text and "\\" not in text


def _call(deed: Deed) -> str:
    words = [*map(repr, deed.arguments), *(f"{key}={value!r}" for key, value in deed.keywords.items())]
    call = f"world.{deed.method}({', '.join(words)})"
    if deed.answer is None:
        return call
    return f"assert {call} is {deed.answer!r}" if isinstance(deed.answer, bool) else f"assert {call} == {deed.answer!r}"


__all__ = ["Deed", "Done", "write_walk"]
