"""Programs that two ends of TLS run, on real sockets or in a world: each returns what its client saw and what its server saw.

They know neither simsock nor pytest. What they return has no addresses, times or lines of C in it.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import struct
import threading
import time

from tests.tls.contexts import AUTHORITY, client_context, make_client_context, make_server_context, server_context


def seen(call, *args):
    """What a call returns or raises, in plain values."""
    try:
        return call(*args)
    except OSError as error:
        texts = [re.sub(r" ?\(?_ssl\.c:?\d*(: |\))?", "", arg) if isinstance(arg, str) else arg for arg in error.args]
        texts = [text.replace("ssl/tls alert", "sslv3 alert") if isinstance(text, str) else text for text in texts]  # the words of OpenSSL from 3.2 on
        return (type(error).__name__, *texts, getattr(error, "reason", None), getattr(error, "library", None))


def read_all(sock, size):
    """So many bytes, however they come."""
    text = b""
    while len(text) < size:
        text += sock.recv(size - len(text))
    return text


class Ends(threading.local):
    """The sockets of one thread that wrap the one that it was given, which is none any more."""

    def __init__(self):
        self.wrapped = []

    def close(self):
        """All of them."""
        while self.wrapped:
            self.wrapped.pop().close()


ENDS = Ends()


def meet(client, server):
    """Run ``server(sock)`` in a thread and ``client(sock)`` here, over one TCP connection; what both return."""
    found = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            sock, _ = listener.accept()
            with sock:
                try:
                    found.append(server(sock))
                finally:
                    ENDS.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with socket.create_connection(listener.getsockname()) as sock:
            try:
                mine = client(sock)
            finally:
                ENDS.close()
        thread.join()
    return mine, found[0]


def wrap_client(sock, context=None, name="localhost", **options):
    """The client's end, which is closed when its function has returned."""
    ENDS.wrapped.append((context or client_context()).wrap_socket(sock, server_hostname=name, **options))
    return ENDS.wrapped[-1]


def wrap_server(sock, context=None, **options):
    """The server's end, likewise."""
    ENDS.wrapped.append((context or server_context()).wrap_socket(sock, server_side=True, **options))
    return ENDS.wrapped[-1]


def echo_and_unwrap():
    """Text to and fro, then plain bytes after ``unwrap``, sent together with it."""

    def client(sock):
        tls = wrap_client(sock)
        tls.sendall(b"hello")
        answer = tls.recv(100)
        facts = tls.version(), tls.cipher()[0], tls.getpeercert()["subjectAltName"], tls.session_reused, tls.pending()
        plain = tls.unwrap()
        plain.sendall(b"plain again")
        return answer, facts, read_all(plain, 8)

    def server(sock):
        tls = wrap_server(sock)
        tls.sendall(tls.recv(100).upper())
        end = tls.recv(100)
        plain = tls.unwrap()
        plain.sendall(b"and here")
        return end, read_all(plain, 11)

    return meet(client, server)


def much_text():
    """More than buffers hold, both ways at once."""
    text = bytes(range(256)) * 4096

    def both(tls):
        writer = threading.Thread(target=tls.sendall, args=(text,))
        writer.start()
        got = b""
        while len(got) < len(text):
            got += tls.recv(70_000)
        writer.join()
        return got == text

    return meet(lambda sock: both(wrap_client(sock)), lambda sock: both(wrap_server(sock)))


def end_without_goodbye():
    """The peer closes its socket and says no ``close_notify``."""

    def client(sock):
        tls = wrap_client(sock)
        return tls.recv(1)  # so that nothing is left unread, which would be answered by a reset

    def server(sock):
        tls = wrap_server(sock)
        tls.sendall(b"x")
        return seen(tls.recv, 10), seen(tls.recv, 10)

    def strict(sock):
        tls = wrap_server(sock, suppress_ragged_eofs=False)
        tls.sendall(b"x")
        return seen(tls.recv, 10)

    return meet(client, server), meet(client, strict)


def goodbye_while_reading():
    """``close_notify`` reads as the end, again and again."""

    def client(sock):
        tls = wrap_client(sock)
        tls.recv(1)
        return seen(tls.unwrap) is not None

    def server(sock):
        tls = wrap_server(sock)
        tls.sendall(b"x")
        first = tls.recv(10), tls.recv(10)
        tls.unwrap()
        return first

    return meet(client, server)


def plain_client():
    """A server that speaks TLS, and a client that does not."""

    def client(sock):
        sock.sendall(b"GET / HTTP/1.0\r\n\r\n")

    return meet(client, lambda sock: seen(wrap_server, sock))[1]


def plain_server():
    """The other way round."""

    def server(sock):
        sock.recv(2000)
        sock.sendall(b"220 mail at your service, and a long line of it\r\n")

    return meet(lambda sock: seen(wrap_client, sock), server)[0]


def wrong_name():
    return meet(lambda sock: seen(wrap_client, sock, None, "elsewhere"), lambda sock: seen(wrap_server, sock))


def stranger():
    """A certificate of an authority that the client does not know."""
    return meet(lambda sock: seen(wrap_client, sock), lambda sock: seen(wrap_server, sock, make_server_context("stranger")))


def expired():
    return meet(lambda sock: seen(wrap_client, sock), lambda sock: seen(wrap_server, sock, make_server_context("expired")))


def old_client():
    """No version that both speak."""
    old = make_client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    new = make_server_context(minimum_version=ssl.TLSVersion.TLSv1_3)
    return meet(lambda sock: seen(wrap_client, sock, old), lambda sock: seen(wrap_server, sock, new))


def without_a_certificate():
    """The server wants one; with TLS 1.3 the client hears of it when it reads."""
    strict = make_server_context(verify_mode=ssl.CERT_REQUIRED)
    strict.load_verify_locations(AUTHORITY)

    def client(sock):
        tls = wrap_client(sock)
        return seen(tls.recv, 10)

    return meet(client, lambda sock: seen(wrap_server, sock, strict))


def timeouts():
    """A handshake and a read that take too long."""

    def client(sock):
        sock.settimeout(0.05)
        first = seen(wrap_client, sock)
        return first

    def server(sock):
        return len(sock.recv(1)), time.sleep(0.2)

    def reader(sock):
        tls = wrap_client(sock)
        tls.settimeout(0.05)
        return seen(tls.recv, 1), seen(tls.recv, 1)

    def quiet(sock):
        tls = wrap_server(sock)
        return tls.recv(1)

    return meet(client, server), meet(reader, quiet)


def non_blocking():
    """A client that does not block: the handshake, reads and writes in steps."""

    def client(sock):
        sock.setblocking(False)
        tls = wrap_client(sock, do_handshake_on_connect=False)
        steps = []
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                select.select([tls], [], [])
        steps.append(seen(tls.recv, 10))
        tls.send(b"go")
        select.select([tls], [], [])
        while True:
            try:
                steps.append(tls.recv(3))
                break
            except ssl.SSLWantReadError:  # session tickets
                select.select([tls], [], [])
        steps += [tls.pending(), tls.recv(10), seen(tls.recv, 10)]
        tls.send(b"end")
        return steps

    def server(sock):
        tls = wrap_server(sock)
        tls.recv(10)
        tls.sendall(b"abcdef")
        return tls.recv(10)

    return meet(client, server)


def a_full_socket():
    """A write that does not fit is to be tried again, and not with less: then OpenSSL gives the connection up."""
    text = b"x" * 16_000

    def fill(sock):
        tls = wrap_client(sock)
        tls.setblocking(False)
        while True:
            try:
                tls.send(text)
            except ssl.SSLWantWriteError as error:
                return tls, (error.args[0], type(error).__name__)

    def again(sock):
        tls, first = fill(sock)
        tls.setblocking(True)
        count = tls.send(text + b"more")
        tls.sendall(b"end")
        return first, count, tls.recv(10)

    def with_less(sock):
        tls, first = fill(sock)
        return first, seen(tls.send, b"x" * 10), seen(tls.send, b"x" * 10), seen(tls.send, text), seen(tls.recv, 10)

    def server(sock):
        tls = wrap_server(sock)
        got = b""
        time.sleep(0.05)
        while not got.endswith(b"end"):
            got += tls.recv(100_000)
        tls.sendall(b"done")
        return set(got[:-7]), len(got) % 16_000

    def other_server(sock):
        tls = wrap_server(sock)
        time.sleep(0.05)
        return tls.recv(10)

    return meet(again, server), meet(with_less, other_server)


def reset_while_reading():
    """The connection is reset under a reader."""

    def client(sock):
        tls = wrap_client(sock)
        tls.recv(1)
        tls.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return

    def server(sock):
        tls = wrap_server(sock)
        tls.sendall(b"x")
        return seen(tls.recv, 10)

    def writer(sock):
        tls = wrap_server(sock)
        tls.sendall(b"x")
        time.sleep(0.1)
        return seen(tls.send, b"more")

    return meet(client, server)[1], meet(client, writer)[1]


def reset_in_the_handshake():
    def client(sock):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.send(b"\x16\x03\x01")
        time.sleep(0.05)

    def gone(sock):
        sock.send(b"\x16\x03\x01")

    return meet(client, lambda sock: seen(wrap_server, sock))[1], meet(gone, lambda sock: seen(wrap_server, sock))[1]


def sni():
    """Several certificates, chosen by the name that is asked for; and a name that raises an alert."""
    names = []
    front = make_server_context()
    other = make_server_context("other")

    def choose(sock, name, context):
        names.append(name)
        if name == "nobody":
            return ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
        if name == "other.example":
            sock.context = other
        return None

    front.sni_callback = choose

    def client(name):
        def run(sock):
            try:
                tls = wrap_client(sock, None, name)
            except ssl.SSLError as error:
                return error.reason
            return tls.getpeercert()["subjectAltName"][0]

        return run

    return [meet(client(name), lambda sock: seen(wrap_server, sock, front) is None) for name in ("localhost", "other.example", "nobody")], names


def alpn():
    server = make_server_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    client = make_client_context()
    client.set_alpn_protocols(["http/1.1", "spdy"])
    return meet(
        lambda sock: wrap_client(sock, client).selected_alpn_protocol(),
        lambda sock: wrap_server(sock, server).selected_alpn_protocol(),
    )


def mutual():
    """Both show a certificate."""
    server = make_server_context(verify_mode=ssl.CERT_REQUIRED)
    server.load_verify_locations(AUTHORITY)

    def serve(sock):
        tls = wrap_server(sock, server)
        tls.sendall(b"welcome")
        return tls.getpeercert()["subjectAltName"]

    return meet(lambda sock: wrap_client(sock, make_client_context("client")).recv(100), serve)


def resumption():
    """A second connection goes on from the first one's session, with TLS 1.2 and 1.3."""
    found = []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server, client = make_server_context(maximum_version=version), make_client_context(maximum_version=version)
        session = None
        for _ in range(2):

            def connect(sock, session=session, client=client):
                tls = wrap_client(sock, client, session=session)
                tls.sendall(b"x")
                tls.recv(1)
                return tls.session_reused, tls.session

            def serve(sock, server=server):
                tls = wrap_server(sock, server)
                tls.sendall(tls.recv(1))
                return tls.session_reused

            (reused, session), theirs = meet(connect, serve)
            found.append((reused, theirs, session.has_ticket))
    return found


def files():
    """Lines by ``makefile``, over TLS."""

    def client(sock):
        tls = wrap_client(sock)
        with tls.makefile("rwb") as file:
            file.write(b"one\ntwo\n")
            file.flush()
            return file.readline(), file.read()

    def server(sock):
        with wrap_server(sock) as tls, tls.makefile("rwb") as file:
            file.write(file.readline().upper() + file.readline().upper())
        return

    return meet(client, server)


def wrap_before_connecting():
    """``connect`` of a wrapped socket, ``accept`` of a wrapped listener, and what is refused."""
    with socket.create_server(("127.0.0.1", 0)) as plain:
        listener = wrap_server(plain)
        found = []

        def serve():
            tls, _ = listener.accept()
            with tls:
                found.append(tls.recv(10))

        thread = threading.Thread(target=serve)
        thread.start()
        with wrap_client(socket.socket()) as tls:
            before = seen(tls.recv, 1)
            tls.connect(listener.getsockname())
            tls.sendall(b"hello")
            with_flags = []
            for call in (lambda: tls.recv(1, socket.MSG_PEEK), lambda: tls.sendmsg([b"x"]), tls.dup):
                try:
                    call()
                except (ValueError, NotImplementedError) as error:
                    with_flags.append(type(error).__name__)
        thread.join()
        listener.close()
    return before, found, with_flags


WHATEVER_THE_WAY = (echo_and_unwrap, much_text, non_blocking, sni, alpn, mutual, resumption, files)
"""Those in which nothing is thrown away, and nobody goes while the other still talks: a bad way may delay them and no more."""
PROGRAMS = (
    echo_and_unwrap,
    much_text,
    end_without_goodbye,
    goodbye_while_reading,
    plain_client,
    plain_server,
    wrong_name,
    stranger,
    expired,
    old_client,
    without_a_certificate,
    timeouts,
    non_blocking,
    a_full_socket,
    reset_while_reading,
    reset_in_the_handshake,
    sni,
    alpn,
    mutual,
    resumption,
    files,
    wrap_before_connecting,
)
