"""Replacements that ask who calls.

Owns the question: does this run in the world's OS thread while a world is live? If not, the call is handed to the original: so what outlives
its world, and what other threads do meanwhile, works as ever.
"""

from __future__ import annotations

import functools
from _thread import get_ident
from typing import Any

from simsock.kernel import session
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.stdlib._buffers import FAILURES, shed


def guarded(original: Any, simulated: Any) -> Any:
    """What is ``simulated`` for the tasks of a live world and ``original`` for everyone else."""
    if isinstance(original, type):
        return Either(original.__name__, (), {"__module__": original.__module__, "__doc__": original.__doc__, "sides": (original, simulated)})

    def call(*args: Any, **kwargs: Any) -> Any:
        kernel = session.active
        if kernel is None or kernel.thread != get_ident():
            return original(*args, **kwargs)
        try:
            return simulated(*args, **kwargs)
        except FAILURES as error:
            del args, kwargs
            shed(error)
            raise

    functools.update_wrapper(call, original, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    call.__module__ = getattr(original, "__module__", None) or "builtins"
    call.__code__ = call.__code__.replace(co_qualname=call.__qualname__)  # stories name a call by it
    return call


def guarded_close(original: Any, simulated: Any) -> Any:
    """``os.close``, for which a descriptor of a world that has ended is closed already: objects that outlive their world close theirs late."""
    by_guard = guarded(original, simulated)

    def close(fd: int) -> None:
        try:
            by_guard(fd)
        except OSError:
            if session.active is not None or not isinstance(fd, int) or fd < FIRST_DESCRIPTOR:
                raise

    functools.update_wrapper(close, original, assigned=("__name__", "__qualname__", "__doc__"), updated=())
    close.__module__ = original.__module__
    return close


class Either(type):
    """The class of a replacement of a class: makes instances of one side or the other, and takes both for its own."""

    sides: tuple[Any, Any]

    def _side(cls) -> Any:
        kernel = session.active
        return cls.sides[kernel is not None and kernel.thread == get_ident()]

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._side()(*args, **kwargs)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.sides)

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, cls.sides)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls._side(), name)
