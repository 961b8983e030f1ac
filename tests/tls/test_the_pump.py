"""The way of bytes between a simulated socket and OpenSSL: what is taken, what is owed, what a finalizer says, and what callbacks may do."""

from __future__ import annotations

import contextlib
import gc
import re
import select
import socket
import ssl
import sys
import threading
import time
import types

import pytest

import simsock
from simsock import Simulation
from simsock.stdlib import _openssl
from simsock.stdlib._tls import StreamConversation
from tests.tls.contexts import client_context, make_server_context, server_context
from tests.tls.programs import meet, seen, wrap_client, wrap_server


class Wire:
    """Both ends of a plain connection, with a tap between: what each side sent is kept."""

    def __init__(self):
        self.sent = {"client": b"", "server": b""}
        self.client, middle = socket.socketpair()
        self.server, other = socket.socketpair()
        for name, source, target in (("client", middle, other), ("server", other, middle)):
            threading.Thread(target=self._carry, args=(name, source, target), daemon=True).start()

    def _carry(self, name, source, target):
        with contextlib.suppress(OSError):  # one end has gone
            while data := source.recv(65_536):
                self.sent[name] += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def over(wire, server):
    """A client's end of TLS over the wire; ``server(tls)`` runs in a thread."""

    def serve():
        with wrap_server(wire.server) as tls:
            server(tls)

    threading.Thread(target=serve, daemon=True).start()
    return wrap_client(wire.client)


def test_select_says_nothing_while_nothing_has_come():
    """A record that lay in a buffer of the pump would be news that nobody is told of."""

    def client(sock):
        tls = wrap_client(sock)
        got = []
        while len(got) < 3:
            assert select.select([tls], [], [], 5)[0], f"after {got} the next record is in the socket"
            tls.setblocking(False)
            try:
                got.append(tls.recv(100))
            except ssl.SSLWantReadError:  # tickets
                pass
            tls.setblocking(True)
        assert select.select([tls], [], [], 1)[0] == []
        tls.sendall(b"end")
        return got

    def server(sock):
        tls = wrap_server(sock)
        for text in (b"one", b"two", b"three"):
            tls.sendall(text)  # all of them lie in the client's socket at once
        return tls.recv(10)

    with Simulation(seed=1):
        assert meet(client, server) == ([b"one", b"two", b"three"], b"end")


def test_what_a_finalizer_still_has_to_say_is_encrypted():
    with Simulation(seed=1) as sim:
        wire, got = Wire(), []
        tls = over(wire, lambda tls: got.append(tls.recv(100)))
        file = tls.makefile("wb")
        file.write(b"a secret that nobody flushed")
        tls.close()
        del tls, file
        gc.collect()
        sim.settle()
        assert b"secret" not in wire.sent["client"]
        assert got == [b"a secret that nobody flushed"]


def test_nothing_that_is_said_is_seen_on_the_way():
    with Simulation(seed=1):
        wire = Wire()
        tls = over(wire, lambda tls: tls.sendall(tls.recv(100)))
        tls.sendall(b"a secret")
        assert tls.recv(100) == b"a secret"
        assert b"secret" not in wire.sent["client"] + wire.sent["server"]


def test_a_client_that_goes_away_before_it_has_read_its_tickets_is_no_error_of_the_handshake(monkeypatch):
    """The reset is there when the server sends tickets: OpenSSL does not mind that nobody takes them."""
    flush = StreamConversation._flush

    def late(self, *args):
        if self._tls.version() and self._outgoing.pending:
            time.sleep(1)
        flush(self, *args)

    def client(sock):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(100_000))
        sock.sendall(outgoing.read())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset
        sock.close()

    with Simulation(seed=1):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            plain = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
        thread = threading.Thread(target=client, args=(plain,))
        thread.start()
        tls = wrap_server(server, do_handshake_on_connect=False)
        tls.settimeout(1)
        with monkeypatch.context() as patched:
            patched.setattr(StreamConversation, "_flush", late)
            tls.do_handshake()
        assert tls.version() == "TLSv1.3"
        tls.close()


@pytest.mark.parametrize("how", ["sleeps", "talks"])
def test_a_callback_of_openssl_may_wait(how):
    """Another connection is served meanwhile, by the same thread of the system."""
    context = make_server_context()

    def choose(sock, name, context):
        if name == "slow":
            time.sleep(10) if how == "sleeps" else talk()

    def talk():
        a, b = socket.socketpair()
        with a, b:
            threading.Timer(10, b.sendall, (b"x",)).start()
            a.recv(1)

    context.sni_callback = choose
    unchecked = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    with Simulation(seed=1) as sim, socket.create_server(("127.0.0.1", 443)) as listener:

        def serve():
            with wrap_server(listener.accept()[0], context) as tls:
                tls.sendall(b"hello")

        def ask(name):
            with unchecked.wrap_socket(socket.create_connection(("127.0.0.1", 443)), server_hostname=name) as tls:
                assert tls.recv(10) == b"hello"
                times[name] = round(sim.now)

        times = {}
        threads = [threading.Thread(target=target, args=args) for target, args in ((serve, ()), (serve, ()), (ask, ("slow",)), (ask, ("quick",)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert times == {"quick": 0, "slow": 10}


def test_a_world_that_ends_while_a_callback_waits_ends_all_the_same():
    context = make_server_context()
    context.sni_callback = lambda sock, name, context: time.sleep(1000)
    with Simulation(seed=1) as sim:
        wire = Wire()
        for target in (lambda: wrap_server(wire.server, context), lambda: wrap_client(wire.client)):
            threading.Thread(target=target, daemon=True).start()
        time.sleep(1)
    assert sim.now < 100 and not _openssl._in_openssl


def test_an_error_of_the_world_in_a_callback_is_not_lost():
    """C has to swallow what a callback raises; what is none of the program's errors comes out of the call all the same."""
    context = make_server_context()

    def choose(sock, name, context):
        raise simsock.UsageError("a word of simsock's")

    context.sni_callback = choose
    with Simulation(seed=1):
        wire = Wire()
        client = threading.Thread(target=seen, args=(wrap_client, wire.client))
        client.start()
        with pytest.raises(simsock.UsageError, match="a word of simsock's"):
            wrap_server(wire.server, context)
        client.join()


def test_what_a_program_s_callback_raises_is_told_where_python_tells_it(monkeypatch):
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: heard.append(unraisable.exc_value))
    context = make_server_context()
    context.sni_callback = lambda sock, name, context: 1 // 0
    with Simulation(seed=1):
        wire = Wire()
        client = threading.Thread(target=seen, args=(wrap_client, wire.client))
        client.start()
        with pytest.raises(ssl.SSLError):
            wrap_server(wire.server, context)
        client.join()
    assert [type(error) for error in heard] == [ZeroDivisionError]


def test_a_damaged_record_is_an_error_of_both_ends():
    with Simulation(seed=1):
        client, middle = socket.socketpair()
        server, other = socket.socketpair()
        found = []

        def serve():
            tls = wrap_server(server)
            with pytest.raises(ssl.SSLError) as caught:
                tls.recv(100)
            found.append(caught.value.reason)

        def back():
            while data := other.recv(65_536):
                middle.sendall(data)

        def carry():
            while data := middle.recv(65_536):
                other.sendall(data[:-1] + bytes([data[-1] ^ damage[0]]))

        damage = [0]
        for target in (serve, back, carry):
            threading.Thread(target=target, daemon=True).start()
        tls = wrap_client(client)
        damage[0] = 1
        tls.sendall(b"hello")
        with pytest.raises(ssl.SSLError) as caught:
            tls.recv(10)
        assert found in (["DECRYPTION_FAILED_OR_BAD_RECORD_MAC"], ["RECORD_LAYER_FAILURE"])  # the latter from OpenSSL 3.2 on
        assert caught.value.reason == "SSLV3_ALERT_BAD_RECORD_MAC"


def test_the_text_of_a_handshake_that_takes_too_long_is_this_python_s():
    with Simulation(seed=1):
        client, _server = socket.socketpair()
        client.settimeout(1)
        with pytest.raises(TimeoutError, match=re.compile(r"^_ssl\.c:\d+: The handshake operation timed out$")):
            wrap_client(client)


def test_a_deadlock_of_two_that_wait_for_a_handshake_is_told_as_such():
    with pytest.raises(simsock.Deadlock, match="TLS handshake"), Simulation(seed=1):
        client, server = socket.socketpair()
        threading.Thread(target=wrap_server, args=(server,)).start()
        wrap_server(client)


def test_a_socket_from_outside_cannot_be_wrapped_in_a_world():
    client, server = socket.socketpair()
    with client, server, Simulation(seed=1), pytest.raises(simsock.Fenced, match="it is a real one, made outside this world"):
        server_context().wrap_socket(server, server_side=True)


def test_outside_worlds_everything_is_what_it_was():
    import _ssl

    before = dict(vars(_ssl._SSLContext))
    with Simulation(seed=1):
        assert vars(_ssl._SSLContext)["_wrap_bio"] is not before["_wrap_bio"]
    assert all(vars(_ssl._SSLContext)[name] is value for name, value in before.items())


def test_pyopenssl_on_a_socket_is_refused_by_name_and_without_one_is_let_alone(monkeypatch):
    """A module of that shape stands for it."""

    class Connection:
        def __init__(self, context, socket=None):
            self.socket = socket

    wrapper = types.ModuleType("OpenSSL.SSL")
    wrapper.Connection = Connection
    monkeypatch.setitem(sys.modules, "OpenSSL.SSL", wrapper)
    with Simulation(seed=1):
        assert isinstance(wrapper.Connection(None), Connection)
        one, other = socket.socketpair()
        with one, other, pytest.raises(simsock.Unsupported, match=r"OpenSSL\.SSL\.Connection: pyOpenSSL reads and writes a socket by its number"):
            wrapper.Connection(None, one)
    assert wrapper.Connection is Connection


def test_without_the_world_s_chance_openssl_draws_for_itself():
    """The randoms of two hellos are equal if both were drawn from the world's seed."""

    def hello(**options):
        with Simulation(seed=1, **options):
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            with pytest.raises(ssl.SSLWantReadError):
                client_context().wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
            return outgoing.read()

    if _openssl.chance_is_the_tapes():
        assert hello() == hello()
    assert hello(entropy="real") != hello(entropy="real")


def test_two_tasks_that_write_at_once_do_not_mix_their_words():
    def client(sock):
        tls = wrap_client(sock)
        writers = [threading.Thread(target=tls.sendall, args=(bytes([65 + number]) * 300_000,)) for number in range(2)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        return tls.recv(1)  # and the tickets: whoever closes with bytes unread resets the connection

    def server(sock):
        tls = wrap_server(sock)
        text = b""
        while len(text) < 600_000:
            time.sleep(0.01)
            text += tls.recv(100_000)
        tls.sendall(b"x")
        return sorted({len(run) for run in re.findall(rb"A+|B+", text)})

    with Simulation(seed=1):
        assert meet(client, server)[1] == [300_000]


def test_a_file_is_sent_over_tls(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 300)

    def client(sock):
        with path.open("rb") as file:
            return wrap_client(sock).sendfile(file, 100)

    def server(sock):
        with wrap_server(sock).makefile("rb") as file:
            return file.read()

    with Simulation(seed=1):
        count, got = meet(client, server)
    assert (count, got) == (76_700, path.read_bytes()[100:])


@pytest.mark.skipif(not _openssl.chance_is_the_tapes(), reason="this Python's OpenSSL cannot be told what to draw")
def test_without_tickets_every_byte_on_the_way_is_the_same():
    """Tickets hold the real time; all else comes from the world's seed, keys and signatures included."""
    context = make_server_context(num_tickets=0)

    def sent(seed):
        with Simulation(seed=seed):
            wire = Wire()

            def serve():
                with wrap_server(wire.server, context) as tls:
                    tls.sendall(tls.recv(100))

            threading.Thread(target=serve, daemon=True).start()
            tls = wrap_client(wire.client)
            tls.sendall(b"hello")
            assert tls.recv(100) == b"hello"
        return wire.sent["client"], wire.sent["server"]

    first = sent(1)
    assert len(first[1]) > 500
    assert [sent(1) for _ in range(3)] == [first] * 3
    assert all(one != other for one, other in zip(first, sent(2)))
