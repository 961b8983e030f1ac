"""A server with sessions that are good for a minute."""

from simsock.clients.outcome import Line, attempt
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

GOOD_FOR = 60


class SessionHandler(StreamRequestHandler):
    """Speaks lines: "login" begins a session, "work" says whether it is still good."""

    timeout = 100

    def handle(self):
        began = self.now()
        for line in self.rfile:
            if line == b"login\n":
                began = self.now()
            self.wfile.write(b"ok\n" if 0 <= self.now() - began <= GOOD_FOR else b"expired\n")

    def now(self):
        """What can only go forwards, a second a second."""
        return self.server.network.time.monotonic()


class SessionServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=SessionHandler):
        super().__init__(address, handler)


class WallClockHandler(SessionHandler):
    """The usual mistake: the clock on the wall, which somebody sets."""

    def now(self):
        return self.server.network.time.time()


class WallClockServer(SessionServer):
    def __init__(self, address):
        super().__init__(address, WallClockHandler)


def worker(address, times=10):
    """Logs in, works once a second, and is served when the session is good all the time."""

    def act(line):
        for word in [b"login\n", *[b"work\n"] * times]:
            line.send(word)
            line.reply.clear()
            if line.read(b"\n") != "served" or line.reply != b"ok\n":
                return "closed"
            line.pause(1)
        return "served"

    return attempt("worker", Line(address, 60), act)
