"""A server that books payments, which come as datagrams and may come twice: clients ask again until they have an answer."""

from simsock.clients import Outcome
from simsock.network import in_force
from simsock.socketserver import BaseRequestHandler, UDPServer


class PaymentHandler(BaseRequestHandler):
    """A payment is "id amount"; the answer is "booked id". One that was booked before is only answered."""

    def handle(self):
        data, sock = self.request
        number, amount = data.split()
        self.book(number, int(amount))
        sock.sendto(b"booked " + number, self.client_address)

    def book(self, number, amount):
        if number not in self.server.seen:
            self.server.seen.add(number)
            self.server.booked.append((number, amount))


class PaymentServer(UDPServer):
    def __init__(self, address, handler=PaymentHandler):
        super().__init__(address, handler)
        self.seen = set()
        self.booked = []


class TwiceHandler(PaymentHandler):
    """The usual mistake: each datagram is a payment."""

    def book(self, number, amount):
        self.server.booked.append((number, amount))


class TwiceServer(PaymentServer):
    def __init__(self, address):
        super().__init__(address, TwiceHandler)


def payer(address, payments=5, patience=1.0, tries=20):
    """Pays, and asks again every second until the payment is booked."""
    network = in_force()
    names, began = network.socket, network.time.monotonic()
    with names.socket(names.AF_INET, names.SOCK_DGRAM) as sock:
        sock.connect(address.address[:2])
        sock.settimeout(patience)
        for number in range(payments):
            wanted = f"{names.gethostname()}/{number}".encode()
            if not any(_is_booked(sock, wanted) for _ in range(tries)):
                return Outcome("payer", "timed out", seconds=network.time.monotonic() - began)
    return Outcome("payer", "served", seconds=network.time.monotonic() - began)


def _is_booked(sock, number):
    """Whether the answer to this payment comes in time. Answers to earlier ones may come first: they were sent twice."""
    sock.send(number + b" 10")
    try:
        while sock.recv(100) != b"booked " + number:
            pass
    except TimeoutError:
        return False
    return True


def each_payment_once(server):
    numbers = [number for number, _ in server.booked]
    twice = sorted({number.decode() for number in numbers if numbers.count(number) > 1})
    assert not twice, f"booked twice: {', '.join(twice)}"
    assert len(numbers) == 50, f"{len(numbers)} of 50 payments were booked"
