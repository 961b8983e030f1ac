"""A server that asks a slow store for each answer, over one connection that it keeps, and does not wait for ever."""

from simsock.clients.outcome import Line, attempt
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class LookupHandler(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(self.server.look_up(line.strip()) + b"\n")


class LookupServer(ThreadingTCPServer):
    request_queue_size = 100
    patience = 0.2

    def __init__(self, address):
        super().__init__(address, LookupHandler)
        self.lock = self.network.threading.Lock()
        self.connection = None

    def look_up(self, key):
        """Asks the store; after a while the client is told to come again."""
        with self.lock:
            if self.connection is None:
                self.connection = self.connect()
            self.connection.sendall(key + b"\n")
            try:
                return self.connection.recv(100).strip()
            except TimeoutError:
                self.gave_up()
                return b"try again"

    def gave_up(self):
        """The answer may still come, and must not be taken for the next one's."""
        self.connection.close()
        self.connection = None

    def connect(self):
        """A new connection to the store, which has a thread for each."""
        here, there = self.network.socket.socketpair()
        here.settimeout(self.patience)
        self.network.threading.Thread(target=self.store, args=(there,), daemon=True).start()
        return here

    def store(self, there):
        with there, there.makefile("rwb", buffering=0) as lines:
            try:
                for line in lines:
                    self.network.time.sleep(0.05)
                    lines.write(b"value of " + line)
            except OSError:
                pass  # whoever asked is gone

    def server_close(self):
        super().server_close()
        if self.connection is not None:
            self.connection.close()


class KeepingServer(LookupServer):
    """The usual mistake: a connection is expensive, so it is kept."""

    def gave_up(self):
        pass


def asker(address, times=2):
    """Asks for several keys of its own, and knows what the answers are."""

    def act(line):
        name = line.network.socket.gethostname().encode()
        for number in range(times):
            key = b"%s/%d" % (name, number)
            before = len(line.reply)
            line.send(key + b"\n")
            while not line.reply[before:].endswith(b"\n"):
                if not line.hear():
                    return "closed"
            answer = bytes(line.reply[before:])
            assert answer in (b"try again\n", b"value of " + key + b"\n"), f"asked for {key.decode()}, got {answer!r}"
        return "served"

    return attempt("asker", Line(address, 60), act)
