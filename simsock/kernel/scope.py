"""Which code may be preempted between its lines.

Owns the one decision: is this file part of the program under test? Knows nothing of tasks. Laws: never the standard library, an installed
package, a virtual environment, unless a module of it is named; of simsock itself nothing but the server framework, if that is named;
of the harness nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from simsock.errors import UsageError
from simsock.kernel.looking import exists
from simsock.kernel.program_lines import PACKAGE, is_library, is_simsock

_FRAMEWORK = PACKAGE + "socketserver"
_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", ".git", ".hg", "tox.ini")


class Scope:
    """A yes or no for every source file, remembered."""

    __slots__ = ("answers", "files", "folders", "packages", "text")

    def __init__(self, files: Iterable[str], folders: Iterable[str], packages: Iterable[str] = ()) -> None:
        self.files = frozenset(files)
        self.folders = tuple(folder.rstrip(os.sep) + os.sep for folder in folders)
        self.packages = tuple(folder.rstrip(os.sep) + os.sep for folder in packages)
        """Folders of packages that were named: in scope also when they are libraries."""
        self.text = ", ".join([*sorted(self.files), *self.folders, *self.packages])
        self.answers: dict[str, bool] = {}
        """Of files that were asked about."""

    def __contains__(self, filename: str) -> bool:
        answer = self.answers.get(filename)
        if answer is None:
            answer = self.answers[filename] = self._decide(filename)
        return answer

    def _decide(self, filename: str) -> bool:
        if is_simsock(filename) and not filename.startswith(_FRAMEWORK):
            return False
        if filename in self.files or filename.startswith(self.packages or "\0"):
            return True
        if is_library(filename) or filename.startswith(PACKAGE) or not filename.startswith(self.folders or "\0"):
            return False
        return not _in_virtual_environment(filename, self.folders)


def _in_virtual_environment(filename: str, stops: tuple[str, ...]) -> bool:
    folder = os.path.dirname(filename)
    while folder + os.sep not in stops and len(folder) > 1:
        if exists(os.path.join(folder, "pyvenv.cfg")):
            return True
        folder = os.path.dirname(folder)
    return exists(os.path.join(folder, "pyvenv.cfg"))


def make_scope(scope: Any, near: str) -> Scope:
    """Read the ``scope`` option: None (the project that the file ``near`` belongs to), a module, a folder or file, or several of these."""
    if scope is None:
        return Scope([os.path.abspath(near)] if os.path.exists(near) else [], [project_root(near)])
    files: list[str] = []
    folders: list[str] = []
    packages: list[str] = []
    if isinstance(scope, (str, os.PathLike, ModuleType)):
        scope = [scope]
    elif not isinstance(scope, Iterable):
        raise UsageError(f"scope: expected modules, files or folders that exist, got {scope!r}")
    for part in scope:
        if isinstance(part, str) and part in sys.modules:
            part = sys.modules[part]
        if isinstance(part, ModuleType):
            _add_module(part, files, packages)
            continue
        path = os.path.abspath(os.fspath(part)) if isinstance(part, (str, os.PathLike)) else ""
        if os.path.isdir(path):
            folders.append(path)
        elif os.path.isfile(path):
            files.append(path)
        else:
            raise UsageError(f"scope: expected modules, files or folders that exist, got {part!r}")
    return Scope(files, folders, packages)


def _add_module(module: ModuleType, files: list[str], packages: list[str]) -> None:
    filename = getattr(module, "__file__", None)
    if not filename:
        raise UsageError(f"scope: module {module.__name__!r} has no source file")
    files.append(os.path.abspath(filename))
    for folder in getattr(module, "__path__", ()):
        packages.append(os.path.abspath(folder))


def project_root(filename: str) -> str:
    """The folder of the project that a file belongs to: the nearest above it with a pyproject.toml, .git and the like, else its own."""
    own = folder = os.path.dirname(os.path.abspath(filename))
    while True:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _MARKS):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return own
        folder = parent
