"""A server that shouts back, careful and careless: it has patience with each line, or with none."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

PATIENCE = 5


class ShoutHandler(StreamRequestHandler):
    """One line, and its echo in capitals. Whoever says nothing for PATIENCE seconds, or does not read that long, is hung up on."""

    timeout = PATIENCE

    def handle(self):
        try:
            self.wfile.write(self.rfile.readline(1000).upper())
        except TimeoutError:
            pass


class ShoutServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, ShoutHandler)


class CarelessHandler(ShoutHandler):
    """The same without patience, which is to say with endless patience."""

    timeout = None


class CarelessServer(ThreadingTCPServer):
    """What happens with it: simsock run scenarios/half-open.toml --server shouting:CarelessServer"""

    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, CarelessHandler)
