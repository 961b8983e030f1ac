"""Which suites of other projects there are, and where each is run.

Owns the table in ``suites.toml`` and its check. Does not fetch or run anything.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent


class Suite(NamedTuple):
    """One project's tests, at one version."""

    name: str
    version: str
    tests: tuple[str, ...]
    """What pytest is given, from the folder that the source distribution unpacks to; none if no test comes with it."""
    requires: tuple[str, ...] = ()
    """What else is installed beside the project and simsock's wheel."""
    extras: str = ""
    """Of the project."""
    options: tuple[str, ...] = ()
    """More of pytest's options, for both runs."""
    world: tuple[str, ...] = ()
    """What the suite's ini file would say besides ``simsock_autoworld = on``, such as how wide its worlds are."""
    drop: tuple[str, ...] = ()
    """Folders of the source distribution that would stand before what is installed."""
    aside: tuple[str, ...] = ()
    """Tests that start processes in a fixture of more than one of them; what a test itself starts is seen."""
    note: str = ""
    """What else the table says."""


def load(path: Path = HERE / "suites.toml") -> dict[str, Suite]:
    """All suites by name."""
    found = {}
    for name, entry in tomllib.loads(path.read_text(encoding="utf-8")).items():
        unknown = set(entry) - set(Suite._fields)
        if unknown:
            raise ValueError(f"{path.name}: {name} has {sorted(unknown)}; expected some of {', '.join(Suite._fields)}")
        found[name] = Suite(name=name, **{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
    return found
