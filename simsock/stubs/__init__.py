"""Canned servers, for tests of clients: what they say is a table.

Owns the public names; ``sim.stub(...)`` and ``testbed.stub(...)`` make one. Does not know worlds: a stub is a server of the framework, on any network.

    >>> import urllib.request
    >>> import simsock
    >>> with simsock.Simulation() as sim:
    ...     stub = sim.stub(routes={"GET /greeting": "hello"})
    ...     urllib.request.urlopen(stub.url + "/greeting").read()
    ...     [request.line for request in stub.requests]
    b'hello'
    ['GET /greeting']
"""

from __future__ import annotations

from simsock.stubs.answers import CLOSE, NEVER, RESET, Answer
from simsock.stubs.requests import Request
from simsock.stubs.serving import Stub, StubHandler, StubServer, begin_stub

SIMSOCK_ROOM = "outside"

__all__ = ["CLOSE", "NEVER", "RESET", "Answer", "Request", "Stub", "StubHandler", "StubServer", "begin_stub"]
