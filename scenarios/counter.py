"""A server that counts its visitors in the obvious way, which is wrong: nothing keeps two handlers from counting at the same time."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class CountingHandler(StreamRequestHandler):
    def handle(self):
        self.server.visitors.append(self.rfile.readline())
        count = self.server.count
        count += 1
        self.server.count = count
        self.wfile.write(b"you are visitor %d\n" % count)


class CountingServer(ThreadingTCPServer):
    def __init__(self, address):
        super().__init__(address, CountingHandler)
        self.visitors = []  # append is atomic, so this one is right
        self.count = 0


def check(server):
    assert server.count == len(server.visitors), f"{len(server.visitors)} visitors came, {server.count} were counted"
