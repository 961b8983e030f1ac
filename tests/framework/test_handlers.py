"""The request handler classes: ``setup``, ``handle``, ``finish``, and the files that they read and write."""

from __future__ import annotations

import io

import pytest

from simsock import socketserver

BIG = 1 << 20


@pytest.fixture
def pair(bed):
    """Two connected sockets: what a handler gets, and its client's."""
    request, client = bed.network.socket.socketpair()
    client.settimeout(10)
    with request, client:
        yield request, client


def test_setup_handle_and_finish_are_called_in_this_order(bed):
    told = []

    class Handler(socketserver.BaseRequestHandler):
        def setup(self):
            told.append(("setup", self.request, self.client_address, self.server))

        def handle(self):
            told.append("handle")

        def finish(self):
            told.append("finish")

    server = object()
    Handler("a request", "an address", server)
    assert told == [("setup", "a request", "an address", server), "handle", "finish"]


def test_none_of_them_has_to_be_overridden():
    handler = socketserver.BaseRequestHandler("a request", "an address", None)
    assert (handler.setup(), handler.handle(), handler.finish()) == (None, None, None)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_finish_is_called_after_an_error_of_handle_and_the_error_goes_on(error):
    told = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            raise error

        def finish(self):
            told.append("finish")

    with pytest.raises(error):
        Handler(None, None, None)
    assert told == ["finish"]


def test_after_an_error_of_setup_nothing_else_is_called():
    told = []

    class Handler(socketserver.BaseRequestHandler):
        def setup(self):
            raise ValueError

        def handle(self):
            told.append("handle")

        def finish(self):
            told.append("finish")

    with pytest.raises(ValueError):  # noqa: PT011 - this test has just raised it
        Handler(None, None, None)
    assert told == []


def test_a_stream_handler_reads_and_writes_by_files(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.connection is self.request is request
            for line in self.rfile:
                self.wfile.write(line.upper())

    client.sendall(b"one\ntwo\n")
    client.shutdown(1)
    Handler(request, None, object())
    request.close()
    assert client.makefile("rb").read() == b"ONE\nTWO\n"


def test_the_handler_s_timeout_is_the_connection_s(pair):
    request, _client = pair

    class Handler(socketserver.StreamRequestHandler):
        timeout = 0.03

        def handle(self):
            assert self.request.gettimeout() == 0.03
            with pytest.raises(TimeoutError):
                self.rfile.readline()

    Handler(request, None, None)


def test_without_a_timeout_the_connection_keeps_its_own(pair):
    request, _client = pair
    request.settimeout(7)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.request.gettimeout() == 7

    Handler(request, None, None)


def test_a_timeout_of_zero_is_a_timeout(pair):
    request, _client = pair

    class Handler(socketserver.StreamRequestHandler):
        timeout = 0

        def handle(self):
            assert self.request.gettimeout() == 0

    Handler(request, None, None)


def test_a_timeout_ends_a_handler_and_not_its_server(bed, errors_of):
    class Handler(socketserver.StreamRequestHandler):
        timeout = 0.03

        def handle(self):
            self.wfile.write(self.rfile.readline().upper())

    served = bed.serve(Handler, server_class=socketserver.TCPServer)
    assert bed.connect(served).recv(1) == b""
    client = bed.connect(served)
    client.sendall(b"hello\n")
    assert client.recv(100) == b"HELLO\n"
    assert len(errors_of(TimeoutError)) == 1


def test_reading_is_buffered_if_not_said_otherwise(pair):
    """So the buffer may take more from the connection than was asked for."""
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert isinstance(self.rfile, io.BufferedIOBase)
            assert self.rfile.read(1) == b"a"
            self.request.setblocking(False)
            with pytest.raises(BlockingIOError):
                self.request.recv(100)
            self.request.setblocking(True)
            assert self.rfile.read(2) == b"bc"

    client.sendall(b"abc")
    Handler(request, None, None)


def test_with_an_rbufsize_of_zero_nothing_is_read_ahead(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        rbufsize = 0

        def handle(self):
            assert self.rfile.read(1) == b"a"
            assert self.request.recv(100) == b"bc"

    client.sendall(b"abc")
    Handler(request, None, None)


def test_an_rbufsize_is_the_size_of_the_buffer(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        rbufsize = 4

        def handle(self):
            assert self.rfile.read(1) == b"a"
            assert self.request.recv(100) == b"efgh"
            assert self.rfile.read(3) == b"bcd"

    client.sendall(b"abcdefgh")
    Handler(request, None, None)


def test_writing_goes_through_at_once_if_not_said_otherwise(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.wfile.write(b"now") == 3
            assert client.recv(100) == b"now"

    Handler(request, None, None)


def test_with_a_wbufsize_writing_waits_for_finish(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        wbufsize = 100

        def handle(self):
            self.wfile.write(b" later")
            self.request.sendall(b"first")

    Handler(request, None, None)
    request.close()
    assert client.makefile("rb").read() == b"first later"


def test_a_negative_wbufsize_is_the_default_size(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        wbufsize = -1

        def handle(self):
            self.wfile.write(b" later")
            self.request.sendall(b"first")

    Handler(request, None, None)
    request.close()
    assert client.makefile("rb").read() == b"first later"


def test_one_write_writes_everything(bed, pair):
    """Also with a timeout, which makes a plain ``send`` stop when the buffers are full."""
    request, client = pair
    got = []

    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self):
            got.append(self.wfile.write(b"x" * BIG))

    def handle():
        with request:
            Handler(request, None, None)

    handling = bed.spawn(handle)
    received = 0
    while data := client.recv(1 << 16):
        received += len(data)
    handling.result()
    assert received == BIG
    assert got == [BIG]


@pytest.mark.parametrize("data", [b"abcd", bytearray(b"abcd"), memoryview(b"abcd"), memoryview(b"abcd").cast("I")])
def test_a_write_says_how_many_bytes_it_wrote(pair, data):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert self.wfile.write(data) == 4

    Handler(request, None, None)
    assert client.recv(100) == b"abcd"


def test_the_unbuffered_wfile_is_a_file_on_the_connection(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            assert isinstance(self.wfile, io.BufferedIOBase)
            assert self.wfile.writable()
            assert not self.wfile.readable()
            assert self.wfile.fileno() == self.request.fileno()
            print("printed", file=io.TextIOWrapper(self.wfile, write_through=True))

    Handler(request, None, None)
    assert client.recv(100) == b"printed\n"


def test_finish_closes_both_files(pair):
    request, _client = pair

    class Handler(socketserver.StreamRequestHandler):
        pass

    handler = Handler(request, None, None)
    assert handler.rfile.closed
    assert handler.wfile.closed
    assert request.fileno() != -1


@pytest.mark.parametrize("bufsize", [0, 100])
def test_a_wfile_that_the_handler_has_closed_is_no_error(pair, bufsize):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        wbufsize = bufsize

        def handle(self):
            self.wfile.write(b"bye")
            self.wfile.close()

    handler = Handler(request, None, None)
    assert client.recv(100) == b"bye"
    assert handler.rfile.closed


def test_a_client_that_is_gone_when_the_buffer_is_flushed_is_no_error(pair):
    """And the file that was read is closed all the same."""
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        wbufsize = 100

        def handle(self):
            self.wfile.write(b"too late")
            client.close()

    handler = Handler(request, None, None)
    assert handler.rfile.closed
    assert handler.wfile.closed


def test_finish_flushes_by_the_file_s_own_flush_before_closing_it(pair):
    told = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile = Note()

    class Note:
        closed = False

        def flush(self):
            told.append("flush")

        def close(self):
            told.append("close")

    Handler(pair[0], None, None)
    assert told == ["flush", "close"]


@pytest.mark.parametrize("disable", [True, False])
def test_disable_nagle_algorithm_sets_tcp_nodelay(bed, disable):
    seen = []
    names = bed.network.socket

    class Handler(socketserver.StreamRequestHandler):
        disable_nagle_algorithm = disable

        def handle(self):
            seen.append(bool(self.request.getsockopt(names.IPPROTO_TCP, names.TCP_NODELAY)))

    assert bed.connect(bed.serve(Handler)).recv(1) == b""
    assert seen == [disable]


def test_a_handler_says_nothing_of_its_own_if_not_overridden():
    stream = socketserver.StreamRequestHandler
    assert (stream.rbufsize, stream.wbufsize, stream.timeout, stream.disable_nagle_algorithm) == (-1, 0, None, False)


def test_the_files_are_usable_in_finish_and_setup(pair):
    request, client = pair

    class Handler(socketserver.StreamRequestHandler):
        def setup(self):
            super().setup()
            self.wfile.write(b"hello ")

        def finish(self):
            self.wfile.write(b"goodbye")
            super().finish()

    Handler(request, None, None)
    request.close()
    assert client.makefile("rb").read() == b"hello goodbye"
