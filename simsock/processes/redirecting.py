"""Turning a function into another one where it stands, in a process of its own.

PYTEST_DONT_REWRITE

Owns the exchange of a function's code. Does not know which functions. Laws: whoever holds the function (a module, a mock, a bound method, a closure) has the
other one from then on, so there is nothing to search for; it is done in children only, whose memory is their own, and is never taken back. What can be made
ready before a fork is: whatever a child writes to is a page of memory that the system copies for it.
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PLACE = "where what is called instead is found"
_ready: dict[FunctionType, tuple[CodeType, CodeType, list[Any]]] = {}
"""Of functions that children redirect: the code that each has, which is kept, the one that it will have, and where that finds what it calls."""
_is_making_ready = False


def _template(*args: Any, **kwargs: Any) -> Any:
    target: Any = "where what is called instead is found"
    return target[0](*args, **kwargs)


_CODE: CodeType = _template.__code__


def redirect(function: Any, target: Any) -> None:
    """From now on a call of ``function`` is one of ``target`` with the same arguments."""
    while not isinstance(function, FunctionType):
        function = function.__func__ if hasattr(function, "__func__") else function.__wrapped__
    code = function.__code__
    before, made, place = _ready.get(function) or (None, code, [])
    if before is not code:
        place = [None]
        made = _CODE.replace(
            co_consts=tuple(place if constant == _PLACE else constant for constant in _CODE.co_consts),
            co_name=code.co_name,
            co_qualname=code.co_qualname,
            co_freevars=code.co_freevars,
            co_filename=code.co_filename,
        )
    if _is_making_ready:
        if function.__closure__ is None and function.__module__.startswith("simsock."):  # others would be kept alive by this
            _ready[function] = code, made, place
        return
    place[0] = target
    function.__code__ = made
    if function.__defaults__ or function.__kwdefaults__:
        function.__defaults__ = function.__kwdefaults__ = None


def make_ready(redirections: Callable[[], None]) -> None:
    """Before a fork: make what a child's ``redirections`` will need, and change nothing."""
    global _is_making_ready
    _is_making_ready = True
    try:
        redirections()
    finally:
        _is_making_ready = False


def original_of(function: Any) -> Any:
    """What a function does now, as another function that no redirection reaches."""
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


__all__ = ["make_ready", "original_of", "redirect"]
