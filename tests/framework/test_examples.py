"""The four examples that the Python library reference gives for ``socketserver``, in our own words: the same programs, the same output.

Reference: "socketserver", sections "Examples" (TCPServer with ``recv``, with ``StreamRequestHandler``; UDPServer; asynchronous mix-ins).
"""

from __future__ import annotations

import re

import pytest

from simsock import socketserver


class MyTCPHandler(socketserver.BaseRequestHandler):
    """Answers what it received, in upper case."""

    def handle(self):
        self.data = self.request.recv(1024).strip()
        print(f"{self.client_address[0]} wrote:")
        print(self.data)
        self.request.sendall(self.data.upper())


class MyLineHandler(socketserver.StreamRequestHandler):
    """The same with the files of a stream handler."""

    def handle(self):
        self.data = self.rfile.readline().strip()
        print(f"{self.client_address[0]} wrote:")
        print(self.data)
        self.wfile.write(self.data.upper())


class MyUDPHandler(socketserver.BaseRequestHandler):
    """The same for datagrams."""

    def handle(self):
        data, sock = self.request
        data = data.strip()
        print(f"{self.client_address[0]} wrote:")
        print(data)
        sock.sendto(data.upper(), self.client_address)


def tcp_client(network, address, data):
    with network.socket.socket(network.socket.AF_INET, network.socket.SOCK_STREAM) as sock:
        sock.connect(address)
        sock.sendall(bytes(data + "\n", "utf-8"))
        received = str(sock.recv(1024), "utf-8")
    print(f"Sent:     {data}")
    print(f"Received: {received}")


def udp_client(network, address, data):
    with network.socket.socket(network.socket.AF_INET, network.socket.SOCK_DGRAM) as sock:
        sock.sendto(bytes(data + "\n", "utf-8"), address)
        received = str(sock.recv(1024), "utf-8")
    print(f"Sent:     {data}")
    print(f"Received: {received}")


@pytest.mark.parametrize("handler", [MyTCPHandler, MyLineHandler])
def test_the_tcp_example_prints_what_the_documentation_shows(bed, handler, capsys):
    with socketserver.TCPServer(("localhost", 0), handler, network=bed.network) as server:
        serving = bed.spawn(server.serve_forever)
        tcp_client(bed.network, server.server_address, "hello world with TCP")
        tcp_client(bed.network, server.server_address, "python is nice")
        server.shutdown()
        serving.result()
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        [
            "127.0.0.1 wrote:",
            "b'hello world with TCP'",
            "127.0.0.1 wrote:",
            "b'python is nice'",
            "Sent:     hello world with TCP",
            "Received: HELLO WORLD WITH TCP",
            "Sent:     python is nice",
            "Received: PYTHON IS NICE",
        ]
    )


def test_the_udp_example_prints_what_the_documentation_shows(bed, capsys):
    with socketserver.UDPServer(("localhost", 0), MyUDPHandler, network=bed.network) as server:
        serving = bed.spawn(server.serve_forever)
        udp_client(bed.network, server.server_address, "hello world with UDP")
        udp_client(bed.network, server.server_address, "python is nice")
        server.shutdown()
        serving.result()
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(
        [
            "127.0.0.1 wrote:",
            "b'hello world with UDP'",
            "127.0.0.1 wrote:",
            "b'python is nice'",
            "Sent:     hello world with UDP",
            "Received: HELLO WORLD WITH UDP",
            "Sent:     python is nice",
            "Received: PYTHON IS NICE",
        ]
    )


def test_the_threaded_example_prints_what_the_documentation_shows(bed, capsys):
    network = bed.network

    class ThreadedTCPRequestHandler(socketserver.BaseRequestHandler):
        def handle(self):
            data = str(self.request.recv(1024), "ascii")
            response = bytes(f"{network.threading.current_thread().name}: {data}", "ascii")
            self.request.sendall(response)

    class ThreadedTCPServer(socketserver.ThreadingMixIn, socketserver.TCPServer):
        pass

    def client(address, message):
        with network.socket.socket(network.socket.AF_INET, network.socket.SOCK_STREAM) as sock:
            sock.connect(address)
            sock.sendall(bytes(message, "ascii"))
            print(f"Received: {str(sock.recv(1024), 'ascii')}")

    server = ThreadedTCPServer(("localhost", 0), ThreadedTCPRequestHandler, network=network)
    with server:
        server_thread = network.threading.Thread(target=server.serve_forever)
        server_thread.daemon = True
        server_thread.start()
        print("Server loop running in thread:", server_thread.name)
        client(server.server_address, "Hello World 1")
        client(server.server_address, "Hello World 2")
        client(server.server_address, "Hello World 3")
        server.shutdown()
    server_thread.join()

    # The documentation's numbers begin at 1; in a process that has had threads before they go on from there. Since 3.10 the name tells
    # the function too.
    out = capsys.readouterr().out
    first = int(re.search(r"Thread-(\d+)", out)[1])
    assert out.splitlines() == [
        f"Server loop running in thread: Thread-{first} (serve_forever)",
        f"Received: Thread-{first + 1} (process_request_thread): Hello World 1",
        f"Received: Thread-{first + 2} (process_request_thread): Hello World 2",
        f"Received: Thread-{first + 3} (process_request_thread): Hello World 3",
    ]
