"""The counting server done right: reading the count and writing it back happen under one lock."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class CountingHandler(StreamRequestHandler):
    def handle(self):
        self.server.visitors.append(self.rfile.readline())
        with self.server.lock:
            count = self.server.count
            count += 1
            self.server.count = count
        self.wfile.write(b"you are visitor %d\n" % count)


class CountingServer(ThreadingTCPServer):
    def __init__(self, address):
        super().__init__(address, CountingHandler)
        self.lock = self.network.threading.Lock()
        self.visitors = []
        self.count = 0


def check(server):
    assert server.count == len(server.visitors), f"{len(server.visitors)} visitors came, {server.count} were counted"
