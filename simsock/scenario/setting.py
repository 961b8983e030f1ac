"""Values that the command line puts in the place of a scenario file's: ``--set links.1.loss=5%``, ``--sweep links.1.loss=0%,1%,5%``.

Owns the reading of such words and where a value goes. Does not judge values: the file's own checks do, and complain as of the file. Laws:

* tables that there may be many of are numbered from 1, as complaints about a file number them; a number that the file has no table for is an error;
* a value is what TOML reads (``5``, ``true``, ``["a", "b"]``, ``"5"``), and text where TOML reads nothing (``5%``, ``80ms``).
"""

from __future__ import annotations

import re
import shlex
import tomllib
from copy import deepcopy
from itertools import product
from typing import TYPE_CHECKING, Any

from simsock.errors import ScenarioError, UsageError

if TYPE_CHECKING:
    from simsock.scenario.schema import Plan

RUNS_MAX = 1_000
"""Of a sweep: the product of all its values."""
_KEY = re.compile(r"[A-Za-z_][\w-]*(?:\.[A-Za-z_][\w-]*|\.\d{1,6}|\[\d{1,6}\])*")
_MARK = " --set "
_COMMA = re.compile(r""",(?=(?:[^"\[\]]|"[^"]*"|\[[^\]]*\])*$)""")


def checked(text: str, option: str = "--set") -> str:
    """``KEY=VALUE`` as it is. Raises ``UsageError``."""
    key, equals, value = text.partition("=")
    if not equals or not value or not _KEY.fullmatch(key):
        raise UsageError(f"{option}: expected KEY=VALUE, such as links.1.loss=5%, got {text!r}")
    return text


def swept(sweeps: list[str]) -> list[tuple[str, ...]]:
    """What to set in each run of a sweep: every value of the first with every value of the others."""
    ways = []
    for text in sweeps:
        key, _, values = checked(text, "--sweep").partition("=")
        ways.append([checked(f"{key}={value.strip()}", "--sweep") for value in _COMMA.split(values)])
    count = 1
    for way in ways:
        count *= len(way)
    if count > RUNS_MAX:
        raise UsageError(f"--sweep: {count:,} runs, and at most {RUNS_MAX:,} are made at once")
    return list(product(*ways))


def put_in(document: dict[str, Any], settings: tuple[str, ...], path: str) -> dict[str, Any]:
    """The document with other values. Raises ``ScenarioError``."""
    changed = deepcopy(document)
    for text in settings:
        key, _, value = checked(text).partition("=")
        *way, last = re.findall(r"[\w-]+", key)
        place: Any = changed
        gone: list[str] = []
        for part in way:
            gone.append(part)
            place = _step(place, part, path, ".".join(gone))
        if not isinstance(place, dict) or last.isdigit():
            raise ScenarioError(f"{path}: --set {text}: expected the name of a value, such as links.1.loss", path=path, key=key)
        place[last] = _value(value)
    return changed


def _step(place: Any, part: str, path: str, where: str) -> Any:
    if part.isdigit():
        if not isinstance(place, list) or not 1 <= int(part) <= len(place):
            there = f"there are {len(place)}, counted from 1" if isinstance(place, list) else "there is no list of tables"
            raise ScenarioError(f"{path}: --set {where}: {there}", path=path, key=where)
        return place[int(part) - 1]
    if isinstance(place, list):
        raise ScenarioError(f"{path}: --set {where}: there are {len(place)} of them: say which, counted from 1", path=path, key=where)
    if not isinstance(place, dict):
        raise ScenarioError(f"{path}: --set {where}: its table is a value", path=path, key=where)
    return place.setdefault(part, {})


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"] if "\n" not in text and "\r" not in text else text
    except (ValueError, RecursionError):
        return text


# -- in a token --------------------------------------------------------------------------------------------------------------------------------


def with_settings(target: str | None, settings: tuple[str, ...]) -> str | None:
    """What a token says that it was made for, if values were set."""
    return target if target is None else target + words(settings)


def without_settings(target: str | None) -> tuple[str | None, tuple[str, ...]]:
    """The other way. What a stranger has written there in another form is no setting."""
    if target is None or _MARK not in target:
        return target, ()
    named, _, rest = target.partition(_MARK)
    try:
        parts = shlex.split(f"--set {rest}")
    except ValueError:
        return target, ()
    return (named, tuple(parts[1::2])) if set(parts[::2]) == {"--set"} and len(parts) % 2 == 0 else (target, ())


def words(settings: tuple[str, ...]) -> str:
    """As they are typed behind a command."""
    return "".join(f"{_MARK}{shlex.quote(text)}" for text in settings)


def title_of(plan: Plan, server: str | None) -> str:
    """What a search of a scenario is called: its file, what is not as the file says, and what it shows."""
    other = f" --server {server}" if server is not None else ""
    return f"{plan.path}{words(plan.settings)}{other}: {plan.table('scenario')['about']}"


__all__ = ["checked", "put_in", "swept", "title_of", "with_settings", "without_settings", "words"]
