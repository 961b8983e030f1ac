"""A server that gives each visitor a room, and keeps a list of the rooms that are taken; a room takes itself off the list when it goes."""

from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer


class Room:
    """It knows its door and the door knows it, so that only the garbage collector ends it."""

    def __init__(self, server, name):
        self.server, self.name = server, name
        self.door = [self]
        with server.lock:
            server.taken = [*server.taken, name]

    def __del__(self):
        with self.server.lock:
            self.server.taken = [name for name in self.server.taken if name != self.name]


class RoomHandler(StreamRequestHandler):
    def handle(self):
        name = self.rfile.readline()
        Room(self.server, name)
        self.wfile.write(b"room for " + name)


class RoomServer(ThreadingTCPServer):
    def __init__(self, address):
        super().__init__(address, RoomHandler)
        self.lock = self.make_lock()
        self.taken = []

    def make_lock(self):
        """A room may go at any moment, also while its own thread has the lock."""
        return self.network.threading.RLock()


class PlainLockServer(RoomServer):
    """The usual mistake: nobody calls __del__ here, so a plain lock will do."""

    def make_lock(self):
        return self.network.threading.Lock()


def check(server):
    assert len(set(server.taken)) == len(server.taken), f"a room was taken twice: {server.taken}"
