"""A service that keeps a value in a primary, and readers and writers who must live through a partition."""

from simsock.clients import Outcome
from simsock.clients.outcome import Line, attempt
from simsock.network import in_force
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class RegistryHandler(StreamRequestHandler):
    """Speaks lines: "set KEY VALUE ID" sets a value, once for each ID; "get KEY" tells it."""

    timeout = 30

    def handle(self):
        try:
            for line in self.rfile:
                self.wfile.write(self.answer(*line.split()))
        except (TimeoutError, ConnectionError):
            pass  # the client is gone, or out of reach: it will come back

    def answer(self, verb, key, value=b"", number=b""):
        if verb == b"get":
            return self.server.values.get(key, b"0") + b"\n"
        with self.server.lock:
            if self.is_new(number):
                self.server.seen.append(number)
                self.server.values[key] = b"%d" % (int(self.server.values.get(key, b"0")) + int(value))
        return b"ok\n"

    def is_new(self, number):
        return number not in self.server.seen


class RegistryServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=RegistryHandler):
        super().__init__(address, handler)
        self.lock = self.network.threading.Lock()
        self.values, self.seen = {}, []


class ForgetfulHandler(RegistryHandler):
    """The usual mistake: a request that is said again is another request."""

    def is_new(self, number):
        return True


class ForgetfulServer(RegistryServer):
    def __init__(self, address):
        super().__init__(address, ForgetfulHandler)


def adder(address, times=5, patience=2, tries=40):
    """Adds one to the total several times; when no answer comes in two seconds it connects anew and says the same again."""
    network = in_force()
    began = network.time.monotonic()
    name = network.socket.gethostname()
    for number in range(times):
        request = f"set total 1 {name}/{number}\n".encode()
        for _ in range(tries):
            outcome = attempt("adder", Line(address, patience), lambda line, request=request: _ask(line, request))
            if outcome.served:
                break
            network.time.sleep(0.5)
        else:
            return outcome._replace(seconds=network.time.monotonic() - began)
        network.time.sleep(0.2)
    return Outcome("adder", "served", b"", network.time.monotonic() - began)


def _ask(line, request):
    line.send(request)
    return line.read(b"\n")


def total_is_right(server, report):
    total = int(server.values.get(b"total", b"0"))
    wanted = 5 * len(report.outcomes["adder"])
    assert total == wanted, f"{wanted} were added, the total is {total}"
