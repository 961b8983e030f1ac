"""TLS in a world: where ``ssl`` turns to C for a conversation, it gets one over simulated sockets.

Owns two methods of ``_ssl._SSLContext`` while the process is patched, through which every ``SSLSocket`` and ``SSLObject`` is made, whoever has
derived classes from what. Does not know how bytes travel. Laws: the standard ``ssl`` stays as this Python has it; outside a world's thread both do
what they always did.
"""

from __future__ import annotations

from _thread import get_ident
from typing import Any

from simsock.kernel import Kernel
from simsock.kernel import session as _session
from simsock.kernel.units import NS
from simsock.patching.classes import exchange, names_of
from simsock.patching.fence import refuse_outsider
from simsock.patching.room import Room
from simsock.stdlib._allowed import Allowed
from simsock.stdlib._ciphertext import look_for_it
from simsock.stdlib._makers import made_by
from simsock.stdlib._openssl import chance_is_the_tapes, forget_time, set_time
from simsock.stdlib._openssl import module as _ssl
from simsock.stdlib._socketobject import socket as simulated
from simsock.stdlib._tls import Conversation, StreamConversation

_context: Any = _ssl._SSLContext if _ssl is not None else None
_real_socket: Any = vars(_context)["_wrap_socket"] if _context is not None else None
_real_bio: Any = vars(_context)["_wrap_bio"] if _context is not None else None


def _wrap_socket(self: Any, sock: Any, server_side: Any, server_hostname: Any = None, *, owner: Any = None, session: Any = None) -> Any:
    kernel = _session.active
    if kernel is None or kernel.thread != get_ident():
        return _real_socket(self, sock, server_side, server_hostname, owner=owner, session=session)
    if isinstance(sock, Allowed):
        return _real_socket(self, sock, server_side, server_hostname, owner=owner, session=session)
    if not isinstance(sock, simulated):
        refuse_outsider("SSLContext.wrap_socket", repr(sock), made_by(sock), sock)
    incoming, outgoing = _ssl.MemoryBIO(), _ssl.MemoryBIO()
    made = _made(kernel, self, incoming, outgoing, server_side, server_hostname, owner=owner if owner is not None else sock, session=session)
    return StreamConversation(kernel, sock, incoming, outgoing, made, bool(server_side), kernel.room(Room).draws_from_world)


def _made(kernel: Kernel, context: Any, *args: Any, **kwargs: Any) -> Any:
    """The conversation in C. What it takes over from its context is by which time it checks certificates: now."""
    if not kernel.room(Room).judges_certificates:
        return _real_bio(context, *args, **kwargs)
    host = kernel.current.host
    set_time(context, (kernel.epoch_ns + kernel.now + (host.skew_ns if host is not None else 0)) // NS)
    try:
        return _real_bio(context, *args, **kwargs)
    finally:
        forget_time(context)


def _wrap_bio(self: Any, incoming: Any, outgoing: Any, server_side: Any, server_hostname: Any = None, *, owner: Any = None, session: Any = None) -> Any:
    kernel = _session.active
    if kernel is None or kernel.thread != get_ident():
        return _real_bio(self, incoming, outgoing, server_side, server_hostname, owner=owner, session=session)
    made = _made(kernel, self, incoming, outgoing, server_side, server_hostname, owner=owner, session=session)
    draws = kernel.room(Room).draws_from_world
    look_for_it(kernel, draws and chance_is_the_tapes())
    return Conversation(kernel, made, draws)


_METHODS: Any = (
    [(_context, names_of(_context), [("_wrap_socket", _real_socket, _wrap_socket), ("_wrap_bio", _real_bio, _wrap_bio)])] if _context is not None else []
)


def apply() -> None:
    """The patched state begins."""
    exchange(_METHODS)


def remove() -> None:
    """The patched state ends."""
    exchange(_METHODS, back=True)


__all__ = ["apply", "remove"]
