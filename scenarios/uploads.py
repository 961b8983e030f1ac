"""A server that takes uploads and answers with their digest."""

import hashlib

from simsock.clients.outcome import Line, attempt
from simsock.socketserver import BaseRequestHandler, ThreadingTCPServer

UPLOAD = bytes(range(256)) * 400  # 100 KiB


class UploadHandler(BaseRequestHandler):
    patience = 30

    def handle(self):
        self.request.settimeout(self.patience)
        digest = hashlib.sha256()
        try:
            while data := self.request.recv(65536):
                digest.update(data)
        except TimeoutError:
            self.request.sendall(b"too slow\n")
            return
        self.request.sendall(digest.hexdigest().encode() + b"\n")


class UploadServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=UploadHandler):
        super().__init__(address, handler)


class HastyHandler(UploadHandler):
    """A quarter of a second between two packets is plenty on a cable."""

    patience = 0.25


class HastyServer(UploadServer):
    def __init__(self, address):
        super().__init__(address, HastyHandler)


def uploader(address, timeout=120):
    """Uploads, and is served when the digest is right."""

    def act(line):
        line.send(UPLOAD)
        line.say_no_more()
        line.read(None)
        wanted = hashlib.sha256(UPLOAD).hexdigest().encode() + b"\n"
        return "served" if bytes(line.reply) == wanted else "closed"

    return attempt("uploader", Line(address, timeout), act)
