"""A server of frames: two bytes of length, then so many bytes of text, answered with the text backwards in a frame of its own."""

from simsock.clients.outcome import Line, attempt
from simsock.socketserver import BaseRequestHandler, ThreadingTCPServer


def frame(text):
    return len(text).to_bytes(2, "big") + text


class FrameHandler(BaseRequestHandler):
    def handle(self):
        while head := self.exactly(2):
            self.request.sendall(frame(self.exactly(int.from_bytes(head, "big"))[::-1]))

    def exactly(self, count):
        """So many bytes, however often it takes; fewer at the end."""
        data = b""
        while len(data) < count and (more := self.request.recv(count - len(data))):
            data += more
        return data


class FrameServer(ThreadingTCPServer):
    request_queue_size = 100

    def __init__(self, address, handler=FrameHandler):
        super().__init__(address, handler)


class OneRecvHandler(FrameHandler):
    """The usual mistake: what was sent at once arrives at once."""

    def exactly(self, count):
        return self.request.recv(count)


class OneRecvServer(FrameServer):
    def __init__(self, address):
        super().__init__(address, OneRecvHandler)


def framer(address, words=("one", "two", "three"), size=1000):
    """Says some words in frames and checks that each comes back backwards. The last one is long."""

    def act(line):
        texts = [word.encode() for word in words] + [b"0123456789" * (size // 10)]
        line.send(b"".join(map(frame, texts)))
        line.say_no_more()
        line.read(None)
        return "served" if bytes(line.reply) == b"".join(frame(text[::-1]) for text in texts) else "closed"

    return attempt("framer", Line(address, 60), act)
