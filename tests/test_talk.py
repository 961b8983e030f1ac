"""One handler, spoken to directly."""

from __future__ import annotations

import socketserver as standard
from http.server import BaseHTTPRequestHandler

import pytest

from simsock import Datagram, socketserver, talk
from simsock.errors import Unsupported, UsageError
from simsock.world.simulation import Simulation


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


class Pieces(socketserver.BaseRequestHandler):
    """Answers with the sizes in which the request came."""

    def handle(self):
        sizes = []
        while data := self.request.recv(1000):
            sizes.append(len(data))
        self.request.sendall(repr(sizes).encode())


class Patient(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(b"hello\n")
        self.rfile.readline()


def test_bytes_go_in_and_a_reply_comes_out():
    said = talk(Upper, b"one\ntwo\n")
    assert (said.reply, said.closed, said.error, said.elapsed) == (b"ONE\nTWO\n", True, None, 0.0)
    assert repr(said) == "Talk(reply=b'ONE\\nTWO\\n', closed=True, error=None, elapsed=0.0)"
    assert talk(Upper, bytearray(b"x")).reply == talk(Upper, memoryview(b"x")).reply == b"X"
    assert talk(Upper, b"").reply == b""


@pytest.mark.parametrize(("chunks", "sizes"), [("whole", [10]), ("bytes", [1] * 10), ([4], [4, 4, 2]), ([1, 5], [1, 5, 1, 3]), ((9,), [9, 1])])
def test_the_bytes_come_cut_as_asked(chunks, sizes):
    assert talk(Pieces, b"0123456789", chunks=chunks).reply == repr(sizes).encode()


def test_random_chunks_depend_on_the_seed():
    replies = {talk(Pieces, b"0123456789" * 5, chunks="random", seed=seed).reply for seed in range(10)}
    assert len(replies) > 5
    assert {sum(eval(reply)) for reply in replies} == {50}
    assert talk(Pieces, b"0123456789", chunks="random", seed=4).reply == talk(Pieces, b"0123456789", chunks="random", seed=4).reply


def test_a_handler_that_waits_for_a_client_that_says_no_more_runs_out_of_time():
    said = talk(Patient, b"no end of line", half_close=False, timeout="5s")
    assert said.reply == b"hello\n"
    assert said.elapsed == 5
    assert isinstance(said.error, TimeoutError)
    assert str(said.error).startswith("the handler had not ended after 5 s of virtual time: it was waiting in recv at ")
    assert "test_talk.py" in str(said.error) and "Patient.handle" in str(said.error)
    assert talk(Patient, b"no end of line").error is None


def test_a_handler_that_does_not_wait_needs_no_half_close():
    said = talk(Patient, b"a line\n", half_close=False)
    assert (said.reply, said.closed, said.error) == (b"hello\n", True, None)


def test_a_handler_that_swallows_its_end_is_left_behind():
    class Stubborn(socketserver.BaseRequestHandler):
        def handle(self):
            while True:
                try:
                    self.request.recv(1)
                except BaseException:
                    continue

    said = talk(Stubborn, b"", half_close=False, timeout=2)
    assert isinstance(said.error, TimeoutError)
    assert (said.closed, said.elapsed) == (False, 2)


def test_a_handlers_own_timeout_is_virtual():
    class Impatient(socketserver.StreamRequestHandler):
        timeout = 30

        def handle(self):
            self.rfile.readline()

    said = talk(Impatient, b"no end of line", half_close=False)
    assert (type(said.error), str(said.error), round(said.elapsed, 4)) == (TimeoutError, "timed out", 30)


def test_what_a_handler_raises_is_the_error_and_nothing_else_fails():
    class Broken(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"so far")
            raise LookupError("its mistake")

    said = talk(Broken, b"")
    assert isinstance(said.error, LookupError)
    assert (said.reply, said.closed) == (b"so far", True)
    with Simulation() as sim:
        assert isinstance(talk(Broken, b"").error, LookupError)
        assert sim.errors == []


def test_the_standard_librarys_handlers_work():
    class Echo(standard.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline().strip() + b" from " + self.client_address[0].encode())

    class Web(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

        def log_message(self, *args):
            pass

    assert talk(Echo, b"hi\n", client_address=("192.0.2.9", 1234)).reply == b"hi from 192.0.2.9"
    for chunks in ("whole", "bytes", "random"):
        said = talk(Web, b"GET / HTTP/1.0\r\nHost: here\r\n\r\n", chunks=chunks, half_close=False)
        assert said.reply.startswith(b"HTTP/1.0 200 OK\r\n") and said.reply.endswith(b"\r\n\r\nhello")
        assert (said.closed, said.error) == (True, None)
    assert b"<!DOCTYPE HTML>" in talk(Web, b"nonsense\r\n\r\n").reply  # behind a status line, from 3.14 on


def test_a_handler_sees_its_client_and_its_server():
    seen = []

    class Nosy(socketserver.BaseRequestHandler):
        def handle(self):
            seen.append((self.client_address, self.request.getpeername(), self.request.getsockname(), self.server))

    class Server:
        pass

    server = Server()
    talk(Nosy, b"", server=server)
    talk(Nosy, b"", client_address=("10.1.1.1", 5))
    assert seen[0] == (("10.0.0.2", 40000), ("10.0.0.2", 40000), ("10.0.0.1", 80), server)
    assert seen[1][:2] == (("10.1.1.1", 5), ("10.1.1.1", 5))
    assert seen[1][3].server_address == ("10.0.0.1", 80)


class Desk(socketserver.ThreadingTCPServer):
    """A server whose handlers share something."""

    def __init__(self, address, handler=None):
        super().__init__(address, handler or AsksItsServer)
        self.asked = []


class AsksItsServer(socketserver.StreamRequestHandler):
    def handle(self):
        self.server.asked.append(self.rfile.readline())
        self.wfile.write(b"%d" % len(self.server.asked))


class Plain:
    def __init__(self):
        self.asked = [b"before"]


@pytest.mark.parametrize(("server", "reply"), [(Desk, b"1"), (Plain, b"2"), (lambda: Plain(), b"2")])
def test_a_server_class_and_a_function_make_a_server_for_each_talk(server, reply):
    for _ in range(2):
        said = talk(AsksItsServer, b"hi\n", server=server)
        assert (said.error, said.leaks, said.reply) == (None, (), reply)


def test_a_server_that_cannot_be_made_or_is_missing_is_told():
    with pytest.raises(UsageError, match="server: expected a server, a server class or a function without arguments that makes one"):
        talk(AsksItsServer, b"", server=lambda address: None)
    with pytest.raises(UsageError, match=r"got the server class Desk: talk\(ItsHandler, \.\.\., server=Desk\)"):
        talk(Desk, b"")
    error = talk(AsksItsServer, b"").error
    told = "a handler whose server has a 'asked' needs one, server=YourServer (the class, a function that makes one, or an object)"
    assert str(error) == f"'BareServer' object has no attribute 'asked': {told}"
    with Simulation(patch=False), pytest.raises(UsageError, match="in a world with patch=False only servers of simsock"):
        talk(AsksItsServer, b"", server=lambda: standard.TCPServer(("127.0.0.1", 0), AsksItsServer))


def test_it_works_inside_a_world_and_leaves_nothing_there():
    with Simulation() as sim:
        sim.sleep(5)
        said = talk(Upper, b"inside\n")
        assert (said.reply, said.elapsed, sim.now) == (b"INSIDE\n", 0, 5)
        assert sim._kernel.files == {}
        with sim.network.socket.socket() as sock:
            sock.bind(("127.0.0.1", 80))  # no TIME_WAIT of a connection that was never on a port


def test_large_requests_and_replies_need_no_buffers():
    class Echo(socketserver.BaseRequestHandler):
        def handle(self):
            data = b""
            while part := self.request.recv(65536):
                data += part
            self.request.sendall(data * 2)

    data = bytes(range(256)) * 4096
    assert talk(Echo, data).reply == data * 2


def test_a_half_closed_reply_counts_as_closed():
    class Finishing(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(b"done")
            self.request.shutdown(1)
            self.request.recv(1)

    said = talk(Finishing, b"", half_close=False, timeout=1)
    assert (said.reply, said.closed) == (b"done", True)


@pytest.mark.parametrize(
    ("args", "options", "error", "text"),
    [
        ((5, b""), {}, UsageError, "expected a request handler class, got 5"),
        ((Upper, "text"), {}, UsageError, "expected the client's bytes, a Datagram or a generator function, got 'text'"),
        ((Upper, None), {}, UsageError, "got None"),
        ((Upper, lambda: None), {}, UsageError, "expected a generator function as client, got <function"),
        ((Upper, b""), {"client_address": "10.0.0.2"}, UsageError, "client_address: expected (host, port), got '10.0.0.2'"),
        ((Upper, Datagram(b"")), {"chunks": "bytes"}, UsageError, "chunks='bytes': a datagram arrives whole"),
        ((Upper, b""), {"chunks": "some"}, UsageError, "chunks: expected"),
        ((Upper, b""), {"timeout": -1}, UsageError, "timeout: expected a duration that is not negative, got -1"),
        ((Upper, b""), {"seed": 1.5}, UsageError, "seed: expected"),
    ],
)
def test_arguments_that_make_no_sense_are_named(args, options, error, text):
    with pytest.raises(error) as caught:
        talk(*args, **options)
    assert text in str(caught.value)


class Mail(socketserver.StreamRequestHandler):
    """Greets first, as SMTP does, and answers in lines."""

    def handle(self):
        self.wfile.write(b"220 ready\n")
        for line in self.rfile:
            self.wfile.write(b"250 ")
            self.wfile.write(line)
            if line == b"QUIT\n":
                return


@pytest.mark.parametrize("chunks", ["whole", "bytes", "random", [3, 1]])
def test_a_client_that_is_a_generator_listens_before_it_speaks(chunks):
    heard = []

    def client():
        heard.append((yield b""))
        heard.append((yield b"HELO me\n"))
        heard.append((yield b"A\nB\n"))
        heard.append((yield b"QUIT\n"))

    said = talk(Mail, client, chunks=chunks, half_close=False)
    assert heard == [b"220 ready\n", b"250 HELO me\n", b"250 A\n250 B\n", b"250 QUIT\n"]
    assert said.replies == tuple(heard) and said.reply == b"".join(heard)
    assert (said.closed, said.error, said.elapsed, said.leaks) == (True, None, 0, ())


def test_what_comes_after_the_last_turn_is_in_the_reply_too():
    def client():
        yield b"one\n"

    said = talk(Mail, client)  # hears two lines and says no more: the half-close ends the handler
    assert said.replies == (b"220 ready\n250 one\n",)

    def leaves():
        return
        yield

    assert talk(Mail, leaves).replies == (b"220 ready\n",)
    said = talk(Mail, leaves, half_close=False, timeout=3)
    assert isinstance(said.error, TimeoutError) and said.reply == b"220 ready\n" and said.elapsed == 3


def test_a_turn_ends_when_the_handler_waits_and_not_when_it_sleeps_or_writes():
    class Slow(socketserver.BaseRequestHandler):
        def handle(self):
            network = simulated()
            self.request.sendall(b"a")
            network.time.sleep(2)
            self.request.sendall(b"b")
            self.request.setblocking(False)
            network.select.select([], [self.request], [])
            self.request.sendall(b"c")
            network.select.select([self.request], [], [])
            self.request.sendall(self.request.recv(10))

    def simulated():
        class Modules:
            from simsock.stdlib import select, time

        return Modules

    heard = []

    def client():
        heard.append((yield b""))
        heard.append((yield b"d"))

    said = talk(Slow, client, half_close=False)
    assert (heard, said.error, round(said.elapsed, 4)) == ([b"abc", b"d"], None, 2)


def test_a_client_without_words_hears_of_every_time_that_the_handler_waits():
    class Beating(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.settimeout(10)
            for _ in range(3):
                try:
                    self.request.recv(1)
                except TimeoutError:
                    self.request.sendall(b"still here\n")

    heard = []

    def client():
        while True:
            heard.append((yield b""))

    said = talk(Beating, client)
    assert heard == [b"", b"still here\n", b"still here\n", b"still here\n"]
    assert (said.error, round(said.elapsed, 4)) == (None, 30)


def test_a_dialogue_in_which_both_wait_runs_out_of_time():
    closed = []

    def client():
        try:
            yield b"no end of line"
            yield b""
        finally:
            closed.append(True)

    said = talk(Patient, client, timeout=5)
    assert str(said.error).startswith("the handler had not ended after 5 s of virtual time: it was waiting in recv at ")
    assert (said.reply, closed) == (b"hello\n", [True])


def test_what_a_client_says_to_a_handler_that_has_ended_is_lost():
    def client():
        assert (yield b"x\n") == b"hello\n"
        yield b"too late"
        raise AssertionError("never comes to this")

    assert talk(Patient, client).replies == (b"hello\n",)


def test_what_a_client_raises_is_the_tests_and_the_handler_is_stopped():
    ended = []

    class Waits(socketserver.BaseRequestHandler):
        def handle(self):
            try:
                self.request.recv(1)
            finally:
                ended.append(True)

    def client():
        assert (yield b"") == b"a greeting", "no greeting"
        yield b""

    def speaks_text():
        yield "text"

    with Simulation() as sim:
        with pytest.raises(AssertionError, match="no greeting"):
            talk(Waits, client)
        assert ended == [True]
        with pytest.raises(UsageError, match="a client in a dialogue yields bytes, got 'text'"):
            talk(Waits, speaks_text)
        assert ended == [True]
        assert (sim.errors, sim._kernel.files, len(sim._kernel.tasks)) == ([], {}, 1)


class Ping(socketserver.DatagramRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.read().upper())


def test_a_datagram_gets_its_replies():
    said = talk(Ping, Datagram(b"ping"))
    assert (said.reply, said.replies, said.closed, said.error, said.leaks) == (b"PING", (b"PING",), False, None, ())
    seen = []

    class Twice(standard.BaseRequestHandler):
        def handle(self):
            data, sock = self.request
            seen.append((self.client_address, sock.getsockname(), self.server.server_address))
            sock.sendto(data, self.client_address)
            sock.sendto(b"", self.client_address)
            sock.sendto(data * 2, self.client_address)

    with Simulation() as sim:
        said = talk(Twice, Datagram(bytearray(b"x")), client_address=("192.0.2.1", 9))
        assert sim._kernel.files == {}
    assert (said.reply, said.replies) == (b"xxx", (b"x", b"", b"xx"))
    assert seen == [(("192.0.2.1", 9), ("10.0.0.1", 80), ("10.0.0.1", 80))]


@pytest.mark.parametrize(
    ("target", "data", "error", "text"),
    [
        (("10.9.9.9", 9), b"x", Unsupported, "sends datagrams to its client ('10.0.0.2', 40000) only, got ('10.9.9.9', 9)"),
        (("10.0.0.2", 40000), bytes(65_508), OSError, "Message too long"),
        (None, b"x", OSError, "Destination address required"),
    ],
)
def test_datagrams_that_cannot_be_sent_are_the_handlers_error(target, data, error, text):
    class Sends(standard.BaseRequestHandler):
        def handle(self):
            sock = self.request[1]
            sock.sendto(data, target) if target else sock.send(data)

    said = talk(Sends, Datagram(b""))
    assert isinstance(said.error, error) and text in str(said.error)
    assert said.replies == ()


def test_a_datagram_is_bytes():
    assert repr(Datagram(b"x")) == "Datagram(b'x')"
    with pytest.raises(UsageError, match="Datagram: expected bytes, got 'x'"):
        Datagram("x")


def test_what_a_handler_leaves_behind_is_named():
    kept = []

    class Leaks(socketserver.BaseRequestHandler):
        def handle(self):
            from simsock.stdlib import socket, threading

            kept.extend(socket.socketpair())
            threading.Thread(target=kept[0].recv, args=(1,)).start()
            threading.Thread(target=kept[1].recv, args=(1,), daemon=True).start()

    with Simulation() as sim:
        with sim.network.socket.socket():
            said = talk(Leaks, b"")
            assert [leak.split(":")[0].split(" ")[0] for leak in said.leaks] == ["descriptor", "descriptor", "task"]
            assert "unix" in said.leaks[0] or "socketpair" in said.leaks[0]
            assert said.leaks[2].startswith("task handler-1/")
            assert "leaks=" in repr(said)
        kept[0].sendall(b"x")
        kept[1].sendall(b"x")
        sim.settle()


def test_a_handler_that_exits_is_no_success():
    class Leaver(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"bye")
            raise SystemExit(3)

    said = talk(Leaver, b"x")
    assert isinstance(said.error, SystemExit) and said.error.code == 3
    assert (said.reply, said.closed) == (b"bye", True)


def test_a_handler_that_computes_without_an_end_is_stopped(monkeypatch):
    monkeypatch.setattr("simsock.talking.REAL_SECONDS_MAX", 0.3)

    class Loop(socketserver.StreamRequestHandler):
        def handle(self):
            while True:
                pass

    said = talk(Loop, b"x", timeout=5)
    assert isinstance(said.error, TimeoutError)
    assert "computed for 0.3 s of real time without an end" in str(said.error)
