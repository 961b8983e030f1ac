"""An HTTP server in miniature that gives each request ten seconds as a whole, however it comes."""

from simsock.socketserver import BaseRequestHandler

WHOLE_REQUEST = 10
HEAD_MAX = 8192


class DeadlineHandler(BaseRequestHandler):
    """Each wait for more of the head may take what is left of the ten seconds, and no more."""

    def handle(self):
        clock = self.server.network.time.monotonic
        deadline = clock() + WHOLE_REQUEST
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_MAX:
            self.request.settimeout(max(self.rest(clock, deadline), 0.001))
            try:
                data = self.request.recv(1000)
            except TimeoutError:
                return
            if not data:
                return
            head += data
        self.request.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")

    def rest(self, clock, deadline):
        return deadline - clock()


class EachByteHandler(DeadlineHandler):
    """The usual mistake: the ten seconds begin again with every byte."""

    def rest(self, clock, deadline):
        return WHOLE_REQUEST
