"""A server of letters: it says the whole of one, in one go, to whoever asks for it by its number."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

LETTER = b"Dear reader, " + b"what was sent in part was not sent. " * 20 + b"Yours.\n"


class LetterHandler(StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.say(LETTER)

    def say(self, data):
        """The bytes, however often it takes."""
        while data:
            data = data[self.request.send(data) :]


class LetterServer(ThreadingTCPServer):
    def __init__(self, address, handler=LetterHandler):
        super().__init__(address, handler)


class OneSendHandler(LetterHandler):
    """The usual mistake: what was given to send was sent."""

    def say(self, data):
        self.request.send(data)


class OneSendServer(LetterServer):
    def __init__(self, address):
        super().__init__(address, OneSendHandler)


def reads(sim, served, number):
    """A client that wants the whole letter."""
    with sim.network.socket.create_connection(served.address[:2]) as connection, connection.makefile("rb") as file:
        connection.sendall(b"%d\n" % number)
        assert file.read() == LETTER, "the letter came in part"
