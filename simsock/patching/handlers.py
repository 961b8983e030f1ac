"""What a request handler raises in a server of the standard ``socketserver`` fails the test, as with simsock's own.

Owns two methods of ``socketserver.BaseServer`` while the process is patched: through one of them every error of a handler comes, also where a
program has its own ``handle_error``. Does not know what is done with errors: they are the kernel's. Law: the program sees what it would see
without a world, its own ``handle_error`` and the traceback on standard error included.
"""

from __future__ import annotations

import socketserver
import sys
from _thread import get_ident
from typing import Any

from simsock.kernel import session
from simsock.patching.classes import exchange, names_of

_server: Any = socketserver.BaseServer
_finish_request, _handle_error = _server.finish_request, _server.handle_error


def _note(error: BaseException | None) -> None:
    kernel = session.active
    if kernel is None or kernel.thread != get_ident() or not isinstance(error, Exception):
        return
    if not any(known is error for _, known in kernel.errors):
        kernel.task_failed(kernel.current, error)


def finish_request(self: Any, request: Any, client_address: Any) -> None:
    """Finish one request by instantiating RequestHandlerClass."""
    try:
        _finish_request(self, request, client_address)
    except Exception as error:
        _note(error)
        raise


def handle_error(self: Any, request: Any, client_address: Any) -> None:
    """Handle an error gracefully. May be overridden."""
    _note(sys.exception())
    _handle_error(self, request, client_address)


def apply() -> None:
    """The patched state begins."""
    exchange(_METHODS)


def remove() -> None:
    """The patched state ends."""
    exchange(_METHODS, back=True)


_METHODS: Any = [(_server, names_of(_server), [("finish_request", _finish_request, finish_request), ("handle_error", _handle_error, handle_error)])]
