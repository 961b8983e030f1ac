"""Two servers that shout back over TLS, one of which shakes hands where it accepts; and a client that has something shouted."""

import pathlib
import socket
import ssl
import time

from simsock.clients import Outcome
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer

CERTIFICATES = pathlib.Path(__file__).parent / "certificates"
SERVER = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
SERVER.load_cert_chain(CERTIFICATES / "server.pem")
CLIENT = ssl.create_default_context(cafile=CERTIFICATES / "authority.pem")
PATIENCE = 5


class Shout(StreamRequestHandler):
    timeout = PATIENCE

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class AcceptLoopServer(ThreadingTCPServer):
    """The usual mistake: a wrapped listener shakes hands within ``accept``, in the one thread that everybody waits for."""

    def __init__(self, address, handler=Shout):
        super().__init__(address, handler)
        self.socket = SERVER.wrap_socket(self.socket, server_side=True)


class OwnThreadServer(ThreadingTCPServer):
    """Each connection's own thread shakes hands, and not for ever."""

    def __init__(self, address, handler=Shout):
        super().__init__(address, handler)
        self.socket = SERVER.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def finish_request(self, request, client_address):
        request.settimeout(PATIENCE)
        try:
            request.do_handshake()
        except OSError:  # of one that never ends it, say
            return
        super().finish_request(request, client_address)


def visitor(server, *, words=b"hello\n", patience=60):
    """A client that has its words shouted, and how long that took."""
    began = time.monotonic()
    reply, result = b"", "served"
    try:
        with socket.create_connection(server.address[:2], patience) as sock, CLIENT.wrap_socket(sock, server_hostname="server") as tls:
            tls.sendall(words)
            while data := tls.recv(1000):
                reply += data
    except TimeoutError:
        result = "timed out"
    except OSError:
        result = "reset"
    return Outcome("visitor", result, reply, time.monotonic() - began)
