"""Modules of simsock's own that few worlds need, and that are not there before the first of them does.

PYTEST_DONT_REWRITE

Owns how they are imported while the process is patched. Does not know which they are. Laws:

* such a module finds what it would find before every world: the originals of all that a world replaces, whoever imports it, and when;
* to import it is no step, takes no time of the world's and draws nothing, so that the first world to need it and the second are the same;
* of the standard library's modules that come with it, those which a program can meet have the stand-ins, like any that a world imports.
"""

from __future__ import annotations

import sys
from importlib import import_module as _import
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

originals: Callable[[], AbstractContextManager[None]] | None = None
"""A block in which the originals are where they were; None while nothing is patched. Put here by the patched state."""


def import_module(name: str) -> Any:
    """The module of that name."""
    module = sys.modules.get(name)
    if module is not None and not getattr(module.__spec__, "_initializing", False):
        return module
    if originals is None:
        return _import(name)
    with originals():
        return _import(name)


__all__ = ["import_module", "originals"]
