"""A ledger that is kept by lines: a balance for each name, asked and changed one line at a time, with patience for distant clients."""

from simsock.clients.outcome import Line, attempt
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class LedgerHandler(StreamRequestHandler):
    timeout = 5

    def handle(self):
        balance = 0
        try:
            for line in self.rfile:
                balance += int(line)
                self.wfile.write(b"%d\n" % balance)
        except TimeoutError:
            self.wfile.write(b"goodbye\n")


class LedgerServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, LedgerHandler)


class ImpatientHandler(LedgerHandler):
    """Half a second is plenty in the office, where this was tested."""

    timeout = 0.5


class ImpatientServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, ImpatientHandler)


def bookkeeper(address, bookings=8, timeout=60):
    """A client that waits for each answer before it says the next line: a round trip for each."""

    def act(line):
        for number in range(1, bookings + 1):
            line.send(b"%d\n" % number)
            seen = len(line.reply)
            while not line.reply.endswith(b"\n") or len(line.reply) == seen:
                if not line.hear():
                    return "closed"
        return "served"

    return attempt("bookkeeper", Line(address, timeout), act)
