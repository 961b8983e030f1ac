"""A server that greets as its settings say, which are read anew when it gets SIGHUP."""

import signal

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class GreetingHandler(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(self.server.greet(line.strip()) + b"\n")


class GreetingServer(ThreadingTCPServer):
    def __init__(self, address):
        super().__init__(address, GreetingHandler)
        self.settings = {"greeting": b"hello", "mark": b"!", "language": b"en"}
        signal.signal(signal.SIGHUP, lambda number, frame: self.reload())

    def read(self):
        """What the file of settings says by now."""
        yield "greeting", b"hallo"
        yield "mark", b"."
        yield "language", b"de"

    def reload(self):
        """All of it at once: whoever looks sees the old settings or the new ones."""
        self.settings = dict(self.read())

    def greet(self, name):
        settings = self.settings
        return b"%s: %s %s%s" % (settings["language"], settings["greeting"], name, settings["mark"])


class PiecemealServer(GreetingServer):
    """The usual mistake: the handler of a signal is short, so nobody will look in between."""

    def reload(self):
        for key, value in self.read():
            self.settings[key] = value


def visitor(sim, served, number):
    """A client that knows both greetings, and comes several times. The first one also asks the server to read its settings."""
    if number == 1:
        sim.signal(signal.SIGHUP, within="10ms")
    with sim.network.socket.create_connection(served.address[:2]) as connection, connection.makefile("rb") as file:
        for _ in range(2):
            connection.sendall(b"you\n")
            greeting = file.readline()
            assert greeting in (b"en: hello you!\n", b"de: hallo you.\n"), f"greeted by {greeting!r}"
