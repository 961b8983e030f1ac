"""A server that keeps the newest reading of each sensor. Readings come as datagrams, some never, some late."""

from simsock.clients import Outcome
from simsock.network import in_force
from simsock.socketserver import BaseRequestHandler, UDPServer


class NewestHandler(BaseRequestHandler):
    """A reading is "sensor number value"; a smaller number than the newest one is an old reading that was overtaken."""

    def handle(self):
        sensor, number, value = self.request[0].split()
        self.server.arrived.append((sensor, int(number), value))
        newest = self.server.newest.get(sensor, (0, b""))
        if self.is_newer(int(number), newest[0]):
            self.server.newest[sensor] = (int(number), value)

    def is_newer(self, number, newest):
        return number > newest


class NewestServer(UDPServer):
    def __init__(self, address, handler=NewestHandler):
        super().__init__(address, handler)
        self.newest = {}
        self.arrived = []


class LastComeHandler(NewestHandler):
    """The usual mistake: what comes last is newest."""

    def is_newer(self, number, newest):
        return True


class LastComeServer(NewestServer):
    def __init__(self, address):
        super().__init__(address, LastComeHandler)


def sensor(address, readings=30, every=0.02):
    """Sends numbered readings and waits for nothing."""
    network = in_force()
    began = network.time.monotonic()
    host, port = address.address[:2]
    with network.socket.socket(network.socket.AF_INET, network.socket.SOCK_DGRAM) as sock:
        for number in range(1, readings + 1):
            sock.sendto(b"%s %d %d" % (network.socket.gethostname().encode(), number, number * number), (host, port))
            network.time.sleep(every)
    return Outcome("sensor", "left", seconds=network.time.monotonic() - began)


def newest_of_what_came(server):
    for sensor_name, (number, _) in server.newest.items():
        best = max(seen for name, seen, _ in server.arrived if name == sensor_name)
        assert number == best, f"{sensor_name.decode()}: reading {number} is kept, and {best} had come"
    assert len(server.newest) == 5, f"{len(server.newest)} of 5 sensors were heard"
