"""``sys.path`` of a Python that begins, without the folder of its program.

Owns what ``site`` and CPython's ``Modules/getpath.py`` make of an environment. Law: nothing is run: lines of ``.pth`` files that import something have done so
in this process already.
"""

from __future__ import annotations

import os
import site
import sys

from simsock.kernel.looking import absolute, exists, is_folder
from simsock.kernel.originals import original

_listdir = original(os, "listdir")
_PTH, _PARTS_IN_C = ".pth", "lib-dynload"


def of(env: dict[str, str], users: bool, site: bool) -> list[str]:
    """With an environment; ``users``: with the user's own packages, ``site``: with any packages at all."""
    found: list[str] = []
    for folder in env.get("PYTHONPATH", "").split(os.pathsep) if env.get("PYTHONPATH") else []:
        _add(found, folder)
    library = os.path.dirname(os.__file__)
    zipped = os.path.join(sys.base_prefix, sys.platlibdir, f"python{sys.version_info[0]}{sys.version_info[1]}.zip")
    parts_in_c = next((folder for folder in sys.path if os.path.basename(folder) == _PARTS_IN_C), os.path.join(library, _PARTS_IN_C))
    for folder in (zipped, library, parts_in_c):
        _add(found, folder)
    if site:
        for folder in _package_folders(users and not env.get("PYTHONNOUSERSITE")):
            _add_folder(found, folder)
    return found


def _package_folders(users: bool) -> list[str]:
    found = []
    if users and site.ENABLE_USER_SITE:
        found.append(site.getusersitepackages())
    prefixes = [sys.prefix]
    if sys.prefix != sys.base_prefix and sys.base_prefix in site.PREFIXES:
        prefixes.append(sys.base_prefix)
    return [folder for folder in [*found, *site.getsitepackages(prefixes)] if is_folder(folder)]


def _add(found: list[str], folder: str) -> None:
    folder = absolute(folder)
    if folder not in found:
        found.append(folder)


def _add_folder(found: list[str], folder: str) -> None:
    _add(found, folder)
    for name in sorted(_listdir(folder)):
        if not name.endswith(_PTH) or name.startswith("."):
            continue
        try:
            with open(os.path.join(folder, name), encoding="utf-8-sig") as file:
                lines = file.read().splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        for line in lines:
            line = line.rstrip()
            if line and not line.startswith(("#", "import ", "import\t")) and exists(path := os.path.join(folder, line)):
                _add(found, path)


__all__ = ["of"]
