"""A server that lets four clients in at a time: a slot must come back however the client ends."""

from simsock.socketserver import BaseRequestHandler, ThreadingTCPServer

SLOTS = 4


class SlotHandler(BaseRequestHandler):
    """Reads ten bytes and answers. The slot comes back whatever happens meanwhile."""

    def handle(self):
        with self.server.slots:
            self.answer()

    def answer(self):
        data = b""
        while len(data) < 10:
            more = self.request.recv(10 - len(data))
            if not more:
                return
            data += more
        self.request.sendall(data[::-1])


class SlotServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=SlotHandler):
        super().__init__(address, handler)
        self.slots = self.network.threading.Semaphore(SLOTS)


class LosingHandler(SlotHandler):
    """The usual mistake: what is raised in between keeps the slot."""

    def handle(self):
        self.server.slots.acquire()
        self.answer()
        self.server.slots.release()


class LosingServer(SlotServer):
    def __init__(self, address):
        super().__init__(address, LosingHandler)
