"""A stub at work: the server, what it does with one connection, and what tests see of it.

Owns ``Stub``. Acts as a program, on any network, by the server framework. Laws of the file:

* a request is kept before it is answered, in the order in which the last byte of each came;
* what a client or a network does to a connection ends the connection, and nothing else;
* a request that there is no answer to is an error of the test, also when the client takes it well.
"""

from __future__ import annotations

import socket
from http import HTTPStatus
from itertools import count
from struct import pack
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.errors import UsageError
from simsock.kernel.units import NS
from simsock.socketserver import BaseRequestHandler, ThreadingTCPServer
from simsock.stubs.answers import BROKEN, HANG, KEEP, SHUT, Answer
from simsock.stubs.requests import BODY_BYTES_MAX, LINE_BYTES_MAX, Malformed, Request, hear_http
from simsock.stubs.scripts import Script, read_script

if TYPE_CHECKING:
    from ssl import SSLContext

_BODYLESS = (204, 304)
_AT_ONCE = pack("ii", 1, 0)
"""What SO_LINGER is set to for a close that resets."""


class StubServer(ThreadingTCPServer):
    """The server of a stub: each connection has a thread, for which nobody waits at the end."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, address: Any, handler: Any, *, script: Script, tls: SSLContext | None = None, ip: str | None = None, **options: Any) -> None:
        self.script = script
        self.tls = tls
        self.requests: list[Request] = []
        self.numbers = count(1)
        super().__init__(address if ip is None else (ip, address[1]), handler, **options)
        self.began_ns = self.network.time.monotonic_ns()

    def keep(self, line: str, connection: int, client: Any, body: bytes = b"", headers: dict[str, str] | None = None) -> Request:
        """Write a request down."""
        at = (self.network.time.monotonic_ns() - self.began_ns) / NS
        request = Request(line, body, headers or {}, at, connection, client)
        self.requests.append(request)
        return request


class StubHandler(BaseRequestHandler):
    """One connection of a stub."""

    server: StubServer

    def handle(self) -> None:
        """Answer until the client goes, or an answer ends it."""
        self.number = next(self.server.numbers)
        self.line: Any = self.request
        try:
            if self.server.tls is not None:
                self.line = self.server.tls.wrap_socket(self.request, server_side=True)
            with self.line, self.line.makefile("rb") as file:
                {"lines": self._lines, "routes": self._routes, "data": self._data}[self.server.script.kind](file)
        except OSError:
            return  # the client has gone, or does not trust us

    # -- the three kinds -------------------------------------------------------------------------------------------------------------

    def _lines(self, file: Any) -> None:
        script = self.server.script
        if script.greeting is not None and not self._say(script.greeting, _with_end(script.greeting, b"\n")):
            _leave(script.greeting, file)
            return
        while (said := file.readline(LINE_BYTES_MAX + 1)).endswith(b"\n"):
            end = b"\r\n" if said.endswith(b"\r\n") else b"\n"
            answer = self._answer(self._keep(said.removesuffix(end).decode("utf-8", "surrogateescape")))
            if not self._say(answer, _with_end(answer, end)):
                _leave(answer, file)
                return
        if len(said) > LINE_BYTES_MAX:
            self._refuse(400, f"a line has at most {LINE_BYTES_MAX:,} bytes, got {said[:80]!r}...")

    def _routes(self, file: Any) -> None:
        while True:
            try:
                heard = hear_http(file, self.line.sendall)
            except Malformed as wrong:
                self._refuse(400, str(wrong))
            if heard is None:
                return
            request = self._keep(heard.line, heard.body, heard.headers)
            answer = self._answer(request)
            if not self._say(answer, b"", is_http=True, is_head=request.method == "HEAD", keeps=heard.keeps):
                _leave(answer, file)
                return

    def _data(self, file: Any) -> None:
        """The answer is said at once; what the client says until it goes is its request."""
        answers = self.server.script.otherwise
        assert answers is not None, "data is what is said to everybody"
        request = self._keep("")
        answer = answers.answer(request)
        self._say(answer, answer.body)
        if answer.then == KEEP:
            self.line.shutdown(socket.SHUT_WR)
        if answer.then in (KEEP, HANG):
            kept = self.server.requests
            kept[kept.index(request)] = request._replace(body=file.read(BODY_BYTES_MAX))

    # -- what they share -------------------------------------------------------------------------------------------------------------

    def _keep(self, line: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Request:
        return self.server.keep(line, self.number, self.client_address, body, headers)

    def _answer(self, request: Request) -> Answer:
        answers = self.server.script.find(request)
        if answers is None:
            self._refuse(404, self.server.script.unfit(request))
        return answers.answer(request)

    def _refuse(self, status: int, told: str) -> NoReturn:
        """The client is told, if it speaks HTTP, and the test is."""
        __tracebackhide__ = True  # the error says what to do
        if self.server.script.kind == "routes":
            try:
                self._say(Answer(f"{told}\n", status=status, then=SHUT), b"", is_http=True)
            except OSError:
                pass  # it has gone, which is no excuse
        host, port = self.server.server_address[:2]
        raise AssertionError(f"stub at {host}:{port}: {told}")

    def _say(self, answer: Answer, body: bytes, *, is_http: bool = False, is_head: bool = False, keeps: bool = True) -> bool:
        """Say it, as it is to be said. Returns whether the connection goes on."""
        sleep = self.server.network.time.sleep
        if answer.delay_s:
            sleep(answer.delay_s)
        if answer.says:
            if is_http:
                self.line.sendall(_head(answer, keeps and answer.then == KEEP))
                body = b"" if is_head or answer.status in _BODYLESS else answer.body
            body = body[: answer.cut]
            if answer.every_s:
                for place in range(len(body)):
                    sleep(answer.every_s)
                    self.line.sendall(body[place : place + 1])
            elif body:
                self.line.sendall(body)
        if answer.then == BROKEN:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        return keeps and answer.then == KEEP


def _leave(answer: Answer, file: Any) -> None:
    """What is left to do on a connection on which nothing more is said."""
    while answer.then == HANG and file.read1(LINE_BYTES_MAX):
        pass


def _head(answer: Answer, keeps: bool) -> bytes:
    """The head of an answer of HTTP. Headers that were given go as they are."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    if not answer.has("content-length") and not answer.has("transfer-encoding") and answer.status not in _BODYLESS:
        lines.append(f"Content-Length: {len(answer.body)}")
    if not keeps and not answer.has("connection"):
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _with_end(answer: Answer, end: bytes) -> bytes:
    """A line to be said: text has the end that the client's line has, bytes go as they are."""
    return answer.body if not answer.is_text or answer.body.endswith(b"\n") else answer.body + end


class Stub:
    """A canned server that is running: ``address`` and ``url`` to connect to, ``requests`` that it got so far, ``stop()``."""

    __slots__ = ("_host", "served")

    def __init__(self, served: Any, host: str) -> None:
        self.served = served
        """What ``serve`` has returned."""
        self._host = host

    @property
    def address(self) -> Any:
        """Where it listens, as ``connect`` takes it."""
        return self.served.address

    @property
    def server_address(self) -> Any:
        """The same, by the name that servers have for it."""
        return self.served.address

    @property
    def url(self) -> str:
        """Of routes: ``"http://server:40001"``, by the host's name and without a slash at the end."""
        server = self.served.server
        if server.script.kind != "routes":
            raise UsageError(f"url: expected a stub with routes=, got one with {server.script.kind}=")
        scheme, usual = ("http", 80) if server.tls is None else ("https", 443)
        port = self.address[1]
        return f"{scheme}://{self._host}" + ("" if port == usual else f":{port}")

    @property
    def requests(self) -> list[Request]:
        """What clients have asked so far, in order."""
        return list(self.served.server.requests)

    def stop(self) -> None:
        """Shut it down: whoever connects from now on is refused."""
        self.served.stop()

    def __repr__(self) -> str:
        return f"<simsock.Stub {self.served.server.script.kind} at {self.address}, {len(self.served.server.requests)} requests>"


def begin_stub(serve: Any, host: Any, port: int, tls: Any, says: tuple[Any, ...]) -> Stub:
    """A stub that ``serve`` runs on a host (its name, or what has one); ``says`` is what ``read_script`` takes."""
    script = read_script(*says)
    if tls is not None and not callable(getattr(tls, "wrap_socket", None)):
        raise UsageError(f"stub: tls: expected an ssl.SSLContext of a server, got {tls!r:.80}")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port <= 65_535:
        raise UsageError(f"stub: port: expected a whole number from 0 to 65535, got {port!r:.80}")
    name = getattr(host, "name", host)
    served = serve(StubServer, StubHandler, host=host, port=port, script=script, tls=tls, ip="127.0.0.1" if name == "localhost" else None)
    return Stub(served, name)


__all__ = ["Stub", "StubHandler", "StubServer", "begin_stub"]
