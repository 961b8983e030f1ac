"""What the tests of ``SelectorMixIn`` share: a way to serve and close, handlers, and what a client says and hears."""

from __future__ import annotations

import pytest

from simsock import socketserver

Base = socketserver.SelectorRequestHandler


class Upper(Base):
    """Answers lines in upper case."""

    def handle(self):
        while line := (yield self.readline()):
            yield self.write(line.upper())


class Leave(BaseException):
    """Not an ``Exception``."""


@pytest.fixture
def serve(bed, make_server):
    """Serve a handler: ``serve(Handler, attribute=...)``; it is shut down at the end, before it is closed."""
    running = []

    def run(handler, server_class=socketserver.SelectorTCPServer, *, network=None, **attributes):
        server = make_server(server_class, handler, network=network)
        vars(server).update(attributes)
        running.append((server, bed.spawn(server.serve_forever)))
        return server

    yield run
    for server, serving in running:
        server.shutdown()
        try:
            serving.result(10)
        except Leave:
            pass


def all_of(client):
    """What comes until the end."""
    data = b""
    while piece := client.recv(1 << 16):
        data += piece
    return data


def saying(client, data=b""):
    """Say something, and then that it was the last."""
    client.sendall(data)
    client.shutdown(1)


class Report(Base):
    """Says what the generator ``script`` of its class makes of the client's bytes."""

    def handle(self):
        try:
            result = yield from self.script()
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        self.write(repr(result).encode())


def reporting(script, **attributes):
    """A handler class that runs ``script(self)`` and reports what it returned or raised."""
    return type("Reporting", (Report,), {"script": script, **attributes})
