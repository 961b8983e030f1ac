"""A server that sells fifty numbered tickets, with a pool of eight threads."""

from simsock.socketserver import StreamRequestHandler, ThreadPoolTCPServer

TICKETS = 50


class TicketHandler(StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.server.network.time.sleep(0.01)  # what a database would take
        number = self.server.sell()
        self.wfile.write(b"ticket %d\n" % number if number is not None else b"sold out\n")


class TicketServer(ThreadPoolTCPServer):
    max_workers = 8
    request_queue_size = 1000

    def __init__(self, address):
        super().__init__(address, TicketHandler)
        self.lock = self.network.threading.Lock()
        self.sold = 0

    def sell(self):
        with self.lock:
            if self.sold == TICKETS:
                return None
            self.sold += 1
            return self.sold


class Oversold(TicketServer):
    """The broken twin asks and takes in two steps, with the database in between."""

    def sell(self):
        number = self.sold + 1
        self.network.time.sleep(0)
        self.sold = number
        return number if number <= TICKETS else None


def each_ticket_once(server, report):
    replies = sorted(outcome.reply for outcome in report.outcomes["polite"])
    assert replies.count(b"sold out\n") == len(replies) - TICKETS, f"{len(replies) - replies.count(b'sold out' + bytes([10]))} sold of {TICKETS}"
    sold = [reply for reply in replies if reply != b"sold out\n"]
    assert len(set(sold)) == TICKETS, "a ticket was sold twice"
