"""One clerk behind a counter, with room for three in the queue."""

from simsock.socketserver import StreamRequestHandler, TCPServer


class ClerkHandler(StreamRequestHandler):
    work = 0.2

    def handle(self):
        self.rfile.readline()
        self.server.network.time.sleep(self.work)
        self.wfile.write(b"done\n")


class Clerk(TCPServer):
    request_queue_size = 3

    def __init__(self, address, handler=ClerkHandler):
        super().__init__(address, handler)


class SlowClerkHandler(ClerkHandler):
    work = 1


class SlowClerk(Clerk):
    def __init__(self, address):
        super().__init__(address, SlowClerkHandler)
