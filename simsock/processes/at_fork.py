"""What a program has done before and after each fork: ``os.register_at_fork``.

PYTEST_DONT_REWRITE

Owns the functions that were registered in a world. Those of the standard library, and those from before the world, are the interpreter's to call. Law: they are
the program's, and run in the world, where they may wait.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from simsock.kernel import session

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel

NAMES = ("before", "after_in_child", "after_in_parent")


class Hooks:
    """``kernel.room(Hooks)``."""

    __slots__ = ("functions",)

    def __init__(self) -> None:
        self.functions: dict[str, list[Callable[[], object]]] = {name: [] for name in NAMES}

    def forget(self) -> None:
        """Another program begins."""
        for functions in self.functions.values():
            functions.clear()


def run(name: str) -> None:
    """All that were registered, ``before`` in the order of CPython: the last first. What one raises is told and ignored."""
    functions = list(session.kernel().room(Hooks).functions[name])
    for function in reversed(functions) if name == "before" else functions:
        try:
            function()
        except BaseException as error:
            about: Any = SimpleNamespace(exc_type=type(error), exc_value=error, exc_traceback=error.__traceback__, err_msg=None, object=function)
            sys.unraisablehook(about)


def register(kernel: Kernel, given: dict[str, Any]) -> None:
    """``os.register_at_fork``, of a program in a world."""
    if not any(name in given for name in NAMES):
        raise TypeError("At least one argument is required.")
    for name, function in given.items():
        if not callable(function):
            raise TypeError(f"'{name}' must be callable, not {type(function).__name__}")
    known = kernel.room(Hooks).functions
    for name, function in given.items():
        known[name].append(function)


__all__ = ["NAMES", "Hooks", "register", "run"]
