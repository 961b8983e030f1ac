"""A server that says where things are: it asks the resolver, and remembers what it was told."""

from simsock.clients.outcome import Line, attempt
from simsock.network import in_force
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class DirectoryHandler(StreamRequestHandler):
    """A line is a name; the answer is its address, or "later" when it cannot be said now."""

    def handle(self):
        name = self.rfile.readline().strip()
        self.wfile.write((self.server.known.get(name) or self.look_up(name)) + b"\n")

    def look_up(self, name):
        names = self.server.network.socket
        try:
            found = names.getaddrinfo(name.decode(), None, names.AF_INET, names.SOCK_STREAM)[0][4][0].encode()
        except names.gaierror:
            return self.failed(name)
        self.server.known[name] = found
        return found

    def failed(self, name):
        return b"later"


class DirectoryServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=DirectoryHandler):
        super().__init__(address, handler)
        self.known = {}


class StubbornHandler(DirectoryHandler):
    """The usual mistake: that a name could not be found is remembered as well."""

    def failed(self, name):
        self.server.known[name] = b"later"
        return b"later"


class StubbornServer(DirectoryServer):
    def __init__(self, address):
        super().__init__(address, StubbornHandler)


def visitor(address, name="database", tries=20):
    """Asks for a name, once a second until it is told."""
    network = in_force()
    began = network.time.monotonic()
    for _ in range(tries):
        outcome = attempt("visitor", Line(address, 10), lambda line: _ask(line, name))
        if outcome.served:
            break
        network.time.sleep(1)
    return outcome._replace(seconds=network.time.monotonic() - began)


def _ask(line, name):
    line.send(name.encode() + b"\n")
    line.read(b"\n")
    return "closed" if line.reply == b"later\n" else "served"
