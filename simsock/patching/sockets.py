"""``socket.socket`` while a world is live.

Owns ``__new__`` of the class: calling it, or a subclass that was made at import, gives a simulated socket in the world's thread and a real
one elsewhere. The class itself stays: it can be subclassed, patched by ``mock`` and asked about with ``isinstance``.
"""

from __future__ import annotations

import socket as real
from _thread import get_ident
from typing import Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.stdlib._socketobject import socket as simulated

_hidden: dict[type, type] = {}


def _hidden_class(cls: type) -> type:
    """A subclass of ``cls`` whose instances are simulated sockets: ``cls`` first, then ours, then the real class."""
    found = _hidden.get(cls)
    if found is None:
        if any(base.__module__ == "ssl" for base in cls.__mro__):
            raise Unsupported(
                f"{cls.__name__}: TLS on a simulated socket is not there yet, OpenSSL would read and write a real descriptor; use the protocol without TLS"
            )
        try:
            found = type(cls.__name__, (cls, simulated), {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__})
        except TypeError as error:
            raise Unsupported(f"a socket of class {cls.__module__}.{cls.__qualname__} cannot be simulated: {error}") from error
        _hidden[cls] = found
    return found


def _new(cls: type, *args: Any, **kwargs: Any) -> Any:
    kernel = session.active
    if kernel is not None and kernel.thread == get_ident():
        if cls is _class:
            cls = simulated
        elif not issubclass(cls, simulated):
            cls = _hidden_class(cls)
    return _original(cls)


_class = real.socket
"""Taken now: a program or ``mock.patch`` may put another class under this name while a world is live."""
_original = _class.__new__


def apply() -> None:
    """The patched state begins."""
    _class.__new__ = _new  # type: ignore[method-assign]  # undone in remove


def remove() -> None:
    """The patched state ends."""
    if vars(_class).get("__new__") is not None:
        del _class.__new__
