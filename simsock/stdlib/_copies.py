"""Copies of standard modules that run on the world instead of the machine.

PYTEST_DONT_REWRITE

Owns how such a copy is made: the standard library's own code is executed once more, in another namespace, where the modules below it are others.
Does not know what those are. Laws: a copy is made once, outside every world; it registers nothing with the process (no handler of ``fork``); what
programs catch, its exceptions, are the standard module's own.
"""

from __future__ import annotations

import builtins
from _thread import get_ident
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any

from simsock.kernel import session

_IMPORT = builtins.__import__
_KEPT = ("__name__", "__doc__", "__file__", "__spec__", "__loader__", "__package__", "__cached__", "__getattr__")


class _Module(SimpleNamespace):
    """A copy of a module. Its class is simsock's, so a search for what the program has captured passes it over."""


def execute(name: str, namespace: dict[str, Any], below: dict[str, Any]) -> None:
    """Run the code of the standard module ``name`` in ``namespace``; what it imports by a name in ``below`` is what stands there."""
    spec = find_spec(name)
    code = spec.loader.get_code(name) if spec is not None and spec.loader is not None else None  # type: ignore[attr-defined]  # a module of Python code
    assert code is not None, f"{name} is a module of the standard library"

    def import_(wanted: str, *args: Any, **kwargs: Any) -> Any:
        found = below.get(wanted)
        return _IMPORT(wanted, *args, **kwargs) if found is None else found

    kept = {key: namespace[key] for key in _KEPT if key in namespace}
    namespace["__builtins__"] = {**vars(builtins), "__import__": import_}
    world = session.active
    if world is not None and world.thread == get_ident():  # the first to ask for the module may be a world's task
        session.active = None
    try:
        exec(code, namespace)
    finally:
        session.active = world
    namespace.update(kept)


def shaped_like(module: Any, **changed: Any) -> Any:
    """A module's names, some with other values; None takes one away. Without its ``__spec__``: by that a namespace is known for a module's own."""
    changed["__spec__"] = None
    names = {**vars(module), **changed}
    return _Module(**{name: value for name, value in names.items() if value is not None or name not in changed})


__all__ = ["execute", "shaped_like"]
