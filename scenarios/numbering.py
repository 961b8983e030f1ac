"""A server that hands out numbers, each only once, also when it has been restarted meanwhile."""

from simsock.clients import Outcome
from simsock.clients.outcome import Line, attempt
from simsock.network import in_force
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class NumberHandler(StreamRequestHandler):
    timeout = 10

    def handle(self):
        try:
            for _ in self.rfile:
                self.wfile.write(b"%s\n" % self.server.next_number().encode())
        except (TimeoutError, ConnectionError):
            pass  # the client is gone


class NumberServer(ThreadingTCPServer):
    """Memory is lost in a crash, so a number begins with the moment at which the server began."""

    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, NumberHandler)
        self.lock = self.network.threading.Lock()
        self.began = self.beginning()
        self.count = 0

    def beginning(self):
        return self.network.time.time_ns()

    def next_number(self):
        with self.lock:
            self.count += 1
            return f"{self.began}-{self.count}"


class ForgetfulServer(NumberServer):
    """The usual mistake: it always begins the same way."""

    def beginning(self):
        return 1


def collector(address, wanted=20, patience=1, tries=100):
    """Collects numbers over one connection, and over a new one whenever the old one is broken or silent."""
    network = in_force()
    began = network.time.monotonic()
    found = []

    def act(line):
        while len(found) < wanted:
            line.reply.clear()
            line.send(b"next\n")
            if line.read(b"\n") != "served":
                return "closed"
            found.append(bytes(line.reply))
            network.time.sleep(0.05)
            line.deadline = network.time.monotonic() + patience
        return "served"

    for _ in range(tries):
        outcome = attempt("collector", Line(address, patience), act)
        if outcome.served:
            break
        network.time.sleep(0.2)
    return Outcome("collector", outcome.result, b"".join(found), network.time.monotonic() - began)


def each_number_once(server, report):
    numbers = [number for outcome in report.outcomes["collector"] for number in outcome.reply.split()]
    assert len(set(numbers)) == len(numbers), f"{len(numbers) - len(set(numbers))} of {len(numbers)} numbers were handed out twice"
    assert len({number.split(b"-")[0] for number in numbers}) == 2 or server.began == 1, "nobody has seen both lives of the server"
