"""A server that hands out a file, to fast readers and to slow ones."""

from simsock.socketserver import BaseRequestHandler, TCPServer, ThreadingTCPServer

FILE = bytes(range(256)) * 2048  # 512 KiB


class FileHandler(BaseRequestHandler):
    def handle(self):
        if self.request.recv(100):
            self.request.sendall(FILE)


class FileServer(ThreadingTCPServer):
    """A thread for each reader: a slow one keeps its thread, and nobody else."""

    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, FileHandler)


class OneAtATime(TCPServer):
    """The broken twin: a slow reader keeps everybody."""

    request_queue_size = 100

    def __init__(self, address):
        super().__init__(address, FileHandler)


def all_of_it(server, report):
    for outcomes in report.outcomes.values():
        for outcome in outcomes:
            assert outcome.reply == FILE, f"{outcome.kind} got {len(outcome.reply)} bytes of {len(FILE)}"
