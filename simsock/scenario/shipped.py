"""The scenarios that come with simsock: where they lie, and how they are named.

Owns the way from a bare name such as ``lost-update`` to its file. Does not know what stands in one. Laws: what is in the working directory comes first, then
what is in its folder ``scenarios``; a name is looked up, and never a path; those that come with simsock lie outside of Python's packages, whose lines no
search switches between.
"""

from __future__ import annotations

import os
import re
import sys

from simsock.errors import UsageError, meant

_CHECKOUT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "scenarios")
SHARED = os.path.join("share", "simsock", "scenarios")
"""Where a wheel puts them, seen from the environment's folder."""
_ONE = "lost-update.toml"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
FOLDER = "scenarios"
"""Where somebody's own scenarios lie, as `simsock init` writes them."""


def shipped_folder() -> str:
    """The folder that they lie in. Raises ``UsageError`` if it is not there."""
    for folder in (_CHECKOUT, os.path.join(sys.prefix, SHARED)):
        if os.path.isfile(os.path.join(folder, _ONE)):
            return folder
    from importlib.metadata import PackageNotFoundError, files  # installed somewhere else, such as pip install --user or --target

    try:
        found = [str(path.locate()) for path in files("simsock") or () if path.name == _ONE]
    except PackageNotFoundError:
        found = []
    for path in found:
        if os.path.isfile(path):
            return os.path.dirname(os.path.abspath(path))
    raise UsageError(f"the scenarios that come with simsock are not in {os.path.join(sys.prefix, SHARED)}: install it anew")


def shipped_names() -> list[str]:
    """What they are called."""
    return sorted(name.removesuffix(".toml") for name in os.listdir(shipped_folder()) if name.endswith(".toml"))


def _own_names() -> list[str]:
    return sorted(name.removesuffix(".toml") for name in os.listdir(FOLDER) if name.endswith(".toml")) if os.path.isdir(FOLDER) else []


def scenario_path(given: str) -> str:
    """The file that somebody means: a path as it is, or, if there is nothing of that name here, a bare name's in the folder ``scenarios``, or else among those
    that come with simsock."""
    if not NAME.fullmatch(given) or os.path.lexists(given):
        return given
    own = os.path.join(FOLDER, f"{given}.toml")
    if os.path.isfile(own):
        return own
    names = shipped_names()
    if given not in names:
        hint = meant(given, [*_own_names(), *names]) or "; `simsock scenarios --shipped` lists what comes with it"
        raise UsageError(f"there is no file {given!r} here, nor {own!r}, and no scenario that is called so comes with simsock{hint}")
    return os.path.join(shipped_folder(), f"{given}.toml")
