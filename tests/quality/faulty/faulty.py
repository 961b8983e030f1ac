"""Five servers with a mistake that shows only when something goes wrong AND two handlers meet on the way out of it; and each done right.

The fault is rare in each scenario, and the order has to come in the few lines that are run because of it. ``python -m tests.quality.guided`` counts
schedules until each is found.
"""

from simsock.socketserver import BaseRequestHandler, StreamRequestHandler, ThreadingTCPServer, ThreadingUDPServer

# -- a datagram that comes twice, and two handlers that both find it new -----------------------------------------------------------------------------


class BookingHandler(BaseRequestHandler):
    """A payment is "id amount"; one that was booked before is only answered."""

    def handle(self):
        data, sock = self.request
        number, amount = data.split()
        self.book(number, int(amount))
        sock.sendto(b"booked " + number, self.client_address)

    def book(self, number, amount):
        with self.server.lock:
            if number not in self.server.seen:
                self.server.booked.append((number, amount))
                self.server.seen.add(number)


class BookingServer(ThreadingUDPServer):
    """Healthy: looks and books under a lock."""

    handler = BookingHandler

    def __init__(self, address):
        super().__init__(address, self.handler)
        self.lock = self.network.threading.Lock()
        self.seen, self.booked = set(), []


class LookingHandler(BookingHandler):
    def book(self, number, amount):
        if number not in self.server.seen:
            self.server.booked.append((number, amount))
            self.server.seen.add(number)


class LookingServer(BookingServer):
    handler = LookingHandler


def pays(sim, served, number):
    """Pays twice, one after the other."""
    with sim.datagram(host=f"client-{number}") as sock:
        sock.settimeout(5)
        for payment in range(2):
            wanted = b"%d/%d" % (number, payment)
            sock.sendto(wanted + b" 10", served.address)
            while sock.recv(100) != b"booked " + wanted:
                pass


def booked_once(server):
    numbers = [number for number, _ in server.booked]
    assert len(numbers) == len(set(numbers)), f"booked twice: {numbers}"


# -- a connection that is reset, and a session that another handler begins while the table is copied without it --------------------------------------


class SessionHandler(StreamRequestHandler):
    """Answers lines, with a session for as long as its connection lasts."""

    def handle(self):
        me = self.client_address
        with self.server.lock:
            self.server.sessions = {**self.server.sessions, me: 0}
        try:
            for line in self.rfile:
                self.server.sessions[me] += 1
                self.wfile.write(line)
        except ConnectionError:
            self.lost(me)
            return
        with self.server.lock:
            self.server.sessions = {other: count for other, count in self.server.sessions.items() if other != me}

    def lost(self, me):
        with self.server.lock:
            self.server.sessions = {other: count for other, count in self.server.sessions.items() if other != me}


class SessionServer(ThreadingTCPServer):
    """Healthy: changes its table under a lock."""

    request_queue_size = 100
    handler = SessionHandler

    def __init__(self, address):
        super().__init__(address, self.handler)
        self.lock = self.network.threading.Lock()
        self.sessions = {}


class DroppingHandler(SessionHandler):
    def lost(self, me):
        left = {other: count for other, count in self.server.sessions.items() if other != me}
        self.server.sessions = left


class DroppingServer(SessionServer):
    handler = DroppingHandler


def speaks(sim, served, number):
    """Says two lines, each when the one before was answered, twice; the connection may be lost."""
    for _ in range(2):
        try:
            with sim.network.socket.create_connection(served.address[:2]) as connection, connection.makefile("rb") as file:
                for line in (b"one\n", b"two\n"):
                    connection.sendall(line)
                    file.readline()
        except ConnectionError:
            pass


# -- a send that takes a part, and another handler that sends in between ------------------------------------------------------------------------------


class NewsHandler(StreamRequestHandler):
    """A line that comes goes on to one log, which many handlers write."""

    def handle(self):
        for line in self.rfile:
            self.tell(b"<%d:%s>" % (self.client_address[1], line.strip()))

    def tell(self, data):
        with self.server.lock:
            while data:
                data = data[self.server.log.send(data) :]


class NewsServer(ThreadingTCPServer):
    """Healthy: one line at a time."""

    request_queue_size = 100
    handler = NewsHandler

    def __init__(self, address):
        super().__init__(address, self.handler)
        self.lock = self.network.threading.Lock()
        with self.network.socket.create_server(("127.0.0.1", 4_001)) as listener:
            self.log = self.network.socket.create_connection(("127.0.0.1", 4_001))
            self.reader, _ = listener.accept()

    def server_close(self):
        super().server_close()
        self.log.close()
        self.reader.close()


class MixingHandler(NewsHandler):
    def tell(self, data):
        with self.server.lock:
            sent = self.server.log.send(data)
        if sent < len(data):
            self.tell(data[sent:])


class MixingServer(NewsServer):
    handler = MixingHandler


def says(sim, served, number):
    """One line, and waits until it was taken."""
    with sim.network.socket.create_connection(served.address[:2]) as connection:
        connection.sendall(b"%d\n" % number)
        connection.shutdown(sim.network.socket.SHUT_WR)
        connection.recv(1)


def lines_are_whole(server):
    server.reader.setblocking(False)
    said = server.reader.recv(10_000)
    assert said.startswith(b"<") and said.endswith(b">") and b"<" not in said.replace(b"><", b"")[1:], f"mixed up: {said!r}"


# -- a name that cannot be looked up for the moment, and a handler that reads what another one is changing ---------------------------------------------


class FallbackHandler(StreamRequestHandler):
    """Says where the store is; a name that cannot be looked up makes the server fall back to another one."""

    def handle(self):
        names = self.server.network.socket
        try:
            names.getaddrinfo(self.server.store, None, names.AF_INET, names.SOCK_STREAM)
        except names.gaierror:
            self.fall_back()
        self.wfile.write(self.server.store.encode() + b"\n")

    def fall_back(self):
        self.server.store = "spare" if self.server.store == "store" else "store"


class FallbackServer(ThreadingTCPServer):
    """Healthy: there is a store at any moment."""

    request_queue_size = 100
    handler = FallbackHandler

    def __init__(self, address):
        super().__init__(address, self.handler)
        self.store = "store"


class ForgettingHandler(FallbackHandler):
    def fall_back(self):
        before = self.server.store
        self.server.store = None
        self.server.store = "spare" if before == "store" else "store"


class ForgettingServer(FallbackServer):
    handler = ForgettingHandler


def asks_where(sim, served, number):
    """Two times."""
    for _ in range(2):
        with sim.network.socket.create_connection(served.address[:2]) as connection:
            connection.recv(100)


# -- an answer that is late, and a handler that has just looked whether there is a connection ----------------------------------------------------------


class StoreHandler(StreamRequestHandler):
    """Passes each line on to a store behind one connection, and gives up on it after a while."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(self.ask(line))

    def ask(self, line):
        with self.server.lock:
            return self.server.ask(line)


class StoreServer(ThreadingTCPServer):
    """Healthy: one question at a time."""

    request_queue_size = 100
    handler = StoreHandler

    def __init__(self, address):
        super().__init__(address, self.handler)
        self.lock = self.network.threading.Lock()
        self.store = self.network.socket.create_server(("", 4_000))
        self.connection = None
        self.thread = self.network.threading.Thread(target=self.serve_store, daemon=True)
        self.thread.start()

    def serve_store(self):
        while True:
            try:
                accepted, _ = self.store.accept()
            except OSError:
                return
            self.network.threading.Thread(target=answer, args=(accepted,), daemon=True).start()

    def ask(self, line):
        if self.connection is None:
            self.connect()
        self.connection.sendall(line)
        try:
            return self.connection.recv(100) or b"gone\n"
        except TimeoutError:
            self.connection.close()
            self.connection = None
            return b"later\n"
        except OSError:
            return b"gone\n"

    def connect(self):
        self.connection = self.network.socket.create_connection(("127.0.0.1", 4_000))
        self.connection.settimeout(0.5)

    def server_close(self):
        super().server_close()
        self.store.close()
        if self.connection is not None:
            self.connection.close()


class AskingHandler(StoreHandler):
    def ask(self, line):
        try:
            return self.server.ask(line)
        except OSError:
            return b"gone\n"


class AskingServer(StoreServer):
    handler = AskingHandler


def answer(accepted):
    with accepted, accepted.makefile("rwb", buffering=0) as lines:
        try:
            for line in lines:
                lines.write(line)
        except OSError:
            pass


def asks(sim, served, number):
    """Three questions."""
    with sim.network.socket.create_connection(served.address[:2]) as connection, connection.makefile("rb") as file:
        for question in (b"a\n", b"b\n", b"c\n"):
            connection.sendall(question)
            file.readline()


__all__ = [name for name in globals() if name.endswith("Server")]
