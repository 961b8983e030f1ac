"""Turning a function into another one where it stands, in a process of its own.

PYTEST_DONT_REWRITE

Owns the exchange of a function's code. Does not know which functions. Laws: whoever holds the function (a module, a mock, a bound method, a closure) has the
other one from then on, so there is nothing to search for; it is done in children only, whose memory is their own, and is never taken back.
"""

from __future__ import annotations

from types import CodeType, FunctionType
from typing import Any

_PLACE = "what is called instead"


def _template(*args: Any, **kwargs: Any) -> Any:
    target: Any = "what is called instead"
    return target(*args, **kwargs)


_CODE: CodeType = _template.__code__


def redirect(function: Any, target: Any) -> None:
    """From now on a call of ``function`` is one of ``target`` with the same arguments."""
    while not isinstance(function, FunctionType):
        function = function.__func__ if hasattr(function, "__func__") else function.__wrapped__
    code = function.__code__
    constants = tuple(target if constant == _PLACE else constant for constant in _CODE.co_consts)
    function.__code__ = _CODE.replace(
        co_consts=constants, co_name=code.co_name, co_qualname=code.co_qualname, co_freevars=code.co_freevars, co_filename=code.co_filename
    )
    function.__defaults__ = function.__kwdefaults__ = None


def original_of(function: Any) -> Any:
    """What a function does now, as another function that no redirection reaches."""
    made = FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__)
    made.__kwdefaults__ = function.__kwdefaults__
    return made


__all__ = ["original_of", "redirect"]
