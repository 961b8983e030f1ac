"""Methods of classes in C that read and write files, or tell their times, inside a world.

Owns ``io.FileIO``'s ``write`` and ``truncate``, to which all buffers come in the end, its ``read`` and kin, which wait for nobody real, and ``stat`` of what
``os.scandir`` finds, while the patched state lasts; and that imports, for which the time of a source decides whether its compiled form is still good, are told
real times. Law: outside the world's thread all of these are what they were.
"""

from __future__ import annotations

import io
import os
from _thread import get_ident
from importlib import import_module
from typing import Any

from simsock.kernel import session
from simsock.kernel.file_times import CHANGED, WRITTEN
from simsock.patching.classes import exchange, pairs_of, swap_of
from simsock.patching.descriptors import ask
from simsock.stdlib._file_calls import note_descriptor, told

_external: Any = import_module("importlib._bootstrap_external")
_stat = os.stat
_of_imports = _external._path_stat


def _inside() -> bool:
    kernel = session.active
    return kernel is not None and kernel.thread == get_ident()


def _noting(real: Any) -> Any:
    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        if not _inside():
            return real(self, *args, **keywords)
        if not self.closed:
            ask(f"FileIO.{real.__name__}", self.fileno())
        answer = real(self, *args, **keywords)
        note_descriptor(self.fileno(), WRITTEN, CHANGED)
        return answer

    return _like(method, real)


def _asking(real: Any) -> Any:
    def method(self: Any, *args: Any, **keywords: Any) -> Any:
        if _inside() and not self.closed:
            ask(f"FileIO.{real.__name__}", self.fileno())
        return real(self, *args, **keywords)

    return _like(method, real)


def _telling(real: Any) -> Any:
    def stat(self: Any, *, follow_symlinks: bool = True) -> Any:
        found = real(self, follow_symlinks=follow_symlinks)
        return told(found) if _inside() else found

    return _like(stat, real)


def _like(function: Any, real: Any) -> Any:
    function.__name__, function.__qualname__, function.__doc__ = real.__name__, real.__qualname__, real.__doc__
    return function


def _path_stat(path: Any) -> Any:
    return _stat(path)


_OF_FILES = [*pairs_of(io.FileIO, ("write", "truncate"), _noting), *pairs_of(io.FileIO, ("read", "readall", "readinto"), _asking)]
_OF_ENTRIES = pairs_of(os.DirEntry, ("stat",), _telling)


def apply() -> None:
    """The patched state begins."""
    exchange([swap_of(_OF_FILES), swap_of(_OF_ENTRIES)])
    _external._path_stat = _path_stat


def remove() -> None:
    """The patched state ends."""
    exchange([swap_of(_OF_FILES), swap_of(_OF_ENTRIES)], back=True)
    if _external._path_stat is _path_stat:
        _external._path_stat = _of_imports
