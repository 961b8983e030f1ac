"""Contexts over the certificates in ``chain``, made once: reading keys takes longer than a world."""

from __future__ import annotations

import functools
import ssl
from pathlib import Path

CHAIN = Path(__file__).parent / "chain"
AUTHORITY = str(CHAIN / "authority.pem")


def make_server_context(name: str = "server", **settings) -> ssl.SSLContext:
    """A fresh one of a server that shows the certificate ``name``; ``settings`` are attributes of the context."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(str(CHAIN / f"{name}.pem"))
    for key, value in settings.items():
        setattr(context, key, value)
    return context


def make_client_context(name: str = "", **settings) -> ssl.SSLContext:
    """A fresh one of a client that believes the authority, and shows the certificate ``name`` if asked."""
    context = ssl.create_default_context(cafile=AUTHORITY)
    if name:
        context.load_cert_chain(str(CHAIN / f"{name}.pem"))
    for key, value in settings.items():
        setattr(context, key, value)
    return context


server_context = functools.cache(make_server_context)
client_context = functools.cache(make_client_context)
