"""What nobody handles in a server or an event loop of the standard library fails the test, as what a handler of simsock's own servers raises.

Owns methods of the standard library's classes while the process is patched: those to which it brings an error that the program has let through, to print or
to log it and go on. Does not know what is done with errors: they are the kernel's. Laws:

* the program sees what it would see without a world, its own ``handle_error`` and the traceback on standard error included;
* what a program handles itself (an exception handler of its own for asyncio, ``handle_error`` of its own in a WSGI handler), and what the standard library
  passes on to somebody (a fault of XML-RPC, a future's exception), fails nothing. ``socketserver`` is the exception: there a handler fails the test whatever
  ``handle_error`` the server has, as in simsock's own;
* nothing is imported for it; what a world is the first to import has the same.
"""

from __future__ import annotations

import functools
import socketserver
import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.patching import unseen
from simsock.patching.classes import changed, names_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel

_OUT_OF_RESOURCES = "socket.accept() out of system resource"
"""A loop that has no descriptor for who comes says so, and tries again later: it is handled."""


def _world() -> Kernel | None:
    """The world whose task this is, unless that is being ended: what happens on its way is nobody's mistake."""
    kernel = session.active
    if kernel is None or kernel.thread != get_ident() or kernel.ending or kernel.current.pending is not None:
        return None
    return kernel


def _note(error: BaseException | None, said: str = "") -> None:
    kernel = session.active
    if kernel is None or kernel.thread != get_ident() or not isinstance(error, Exception):
        return
    if any(known is error for _, known in kernel.errors):
        return
    if said:
        error.add_note(said)
    kernel.task_failed(kernel.current, error)


def _finish_request(original: Any) -> Any:
    def finish_request(self: Any, request: Any, client_address: Any) -> None:
        try:
            original(self, request, client_address)
        except Exception as error:
            _note(error)
            raise

    return finish_request


def _handle_error(original: Any) -> Any:
    """Of ``socketserver``, ``wsgiref`` and ``asyncore``: called while the error is being handled."""

    def handle_error(self: Any, *args: Any) -> None:
        error = sys.exception()
        if original is _SERVER_S:
            _note(error)
        try:
            original(self, *args)
        finally:
            if original is not _SERVER_S and _world() is not None:
                _note(error)

    return handle_error


def _default_exception_handler(original: Any) -> Any:
    """Of asyncio's event loops: where errors come that a callback, a protocol or a task raised and nobody asked for, unless the program has its own handler."""

    def default_exception_handler(self: Any, context: dict[str, Any]) -> None:
        original(self, context)
        message = str(context.get("message"))
        if message != _OUT_OF_RESOURCES and _world() is not None:
            _note(context.get("exception"), f"asyncio: {message}{_whose(context)}")

    return default_exception_handler


def _whose(context: dict[str, Any]) -> str:
    """Which task it was, in words without addresses."""
    task = context.get("task") or context.get("future")
    if task is None or not hasattr(task, "get_coro"):
        return ""
    code = getattr(task.get_coro(), "__qualname__", "")
    return f" ({task.get_name()}{f', {code}' if code else ''})"


_METHODS: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
    ("socketserver", "BaseServer", "finish_request", _finish_request),
    ("socketserver", "BaseServer", "handle_error", _handle_error),
    ("wsgiref.handlers", "BaseHandler", "handle_error", _handle_error),
    ("asyncio.base_events", "BaseEventLoop", "default_exception_handler", _default_exception_handler),
    ("asyncore", "dispatcher", "handle_error", _handle_error),
)
"""(module, class, method, what makes of it the one that is there in a patched process)."""
_SERVER_S = socketserver.BaseServer.handle_error
_made: dict[tuple[str, str, str], tuple[Any, Any]] = {}
"""The method as it was, and what stands in for it."""
_stood_for: dict[int, tuple[Any, Any]] = {}
"""By the identity of what stands in: it, and the method as it was."""
_applied: dict[tuple[str, str, str], tuple[type, str, Any, Any]] = {}


def apply() -> None:
    """The patched state begins, or goes on after an import."""
    unseen.apply()
    for module, name, attribute, make in _METHODS:
        key = module, name, attribute
        if key in _applied:
            continue
        cls = getattr(sys.modules.get(module), name, None)
        if not isinstance(cls, type):
            continue  # not there, or half imported
        names = names_of(cls)
        method = names.get(attribute)
        if method is None:
            continue
        method = _stood_for.get(id(method), (None, method))[1]  # what a mock has put back was in its place when the mock came
        before, now = _made.get(key, (None, None))
        if method is not before:
            now = functools.update_wrapper(make(method), method, updated=())
            del now.__wrapped__
            _made[key] = method, now
            _stood_for[id(now)] = now, method
        _applied[key] = cls, attribute, method, now
        names[attribute] = now
        changed(cls)


def remove() -> None:
    """The patched state ends."""
    unseen.remove()
    while _applied:
        key, (cls, attribute, method, now) = next(iter(_applied.items()))
        names = names_of(cls)
        if names.get(attribute) is now:
            names[attribute] = method
            changed(cls)
        del _applied[key]
