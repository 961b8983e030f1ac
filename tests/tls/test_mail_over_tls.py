"""Mail, files and records over TLS, from the first byte on or from the middle: the standard library's clients, against the small servers of ``servers.py``."""

from __future__ import annotations

import contextlib
import ftplib
import imaplib
import io
import logging
import logging.handlers
import pickle
import poplib
import smtplib
import socketserver
import ssl
import struct

import pytest

from simsock import Simulation
from tests.tls.contexts import client_context, server_context
from tests.unmodified.servers import Ftp, Imap, Pop, Smtp, ThreadingServer, serving


class Wrapped(ThreadingServer):
    """Speaks TLS from the first byte on; each connection's own thread shakes hands."""

    def finish_request(self, request, client_address):
        with server_context().wrap_socket(request, server_side=True) as tls:
            super().finish_request(tls, client_address)


class Upgrading:
    """Turns to TLS in the midst of a dialogue."""

    def upgrade(self):
        self.request = server_context().wrap_socket(self.request, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", 0)

    def finish(self):
        super().finish()
        self.request.close()


class UpgradingSmtp(Upgrading, Smtp):
    def do_EHLO(self, name):
        self.recipients = []
        self.say("250-post office")
        self.say("250 8BITMIME" if isinstance(self.request, ssl.SSLSocket) else "250 STARTTLS")

    def do_STARTTLS(self, _):
        self.say("220 go ahead")
        self.upgrade()


class UpgradingPop(Upgrading, Pop):
    def do_CAPA(self, _):
        self.say("+OK")
        self.write_with_dot(b"STLS\r\n")

    def do_STLS(self, _):
        self.say("+OK go ahead")
        self.upgrade()


class UpgradingImap(Upgrading, Imap):
    def do_CAPABILITY(self, _):
        return [b"CAPABILITY IMAP4rev1" + (b"" if isinstance(self.request, ssl.SSLSocket) else b" STARTTLS")]

    def handle(self):
        """As without, but for the one command after whose answer all is encrypted."""
        self.wfile.write(b"* OK box\r\n")
        while line := self.rfile.readline():
            tag, name, *words = line.decode().split()
            for item in [] if name == "STARTTLS" else getattr(self, "do_" + name.upper())(words):
                self.wfile.write(b"* " + item + b"\r\n")
            self.wfile.write(f"{tag} OK {name} done\r\n".encode())
            if name == "STARTTLS":
                self.upgrade()
            if name == "LOGOUT":
                return


class SecureFtp(Upgrading, Ftp):
    """AUTH TLS, and data connections over TLS as well, on whose end both sides agree."""

    def do_AUTH(self, _):
        self.say("234 go ahead")
        self.upgrade()

    def do_PBSZ(self, _):
        self.say("200 as you like")

    do_PROT = do_PBSZ

    @contextlib.contextmanager
    def data(self):
        self.say("150 coming")
        channel, _ = self.passive.accept()
        self.passive.close()
        with server_context().wrap_socket(channel, server_side=True) as tls:
            yield tls
            with contextlib.suppress(OSError):
                tls.unwrap()
        self.say("226 done")


@contextlib.contextmanager
def world(server, handler, **things):
    """The port of a server in a world of its own, which is the same world the second time."""
    with Simulation(seed=1, chunks="random"), serving(server(handler, **things)) as port:
        yield port


MAIL = b"Subject: a\r\n\r\nhello\r\n"


@pytest.mark.parametrize("form", ["from the first byte", "upgraded"])
def test_mail_is_sent(form):
    mails = []
    with world(Wrapped if form != "upgraded" else ThreadingServer, Smtp if form != "upgraded" else UpgradingSmtp, mails=mails) as port:
        if form == "upgraded":
            client = smtplib.SMTP("localhost", port)
            client.starttls(context=client_context())
            assert "starttls" not in client.esmtp_features or client.ehlo()
        else:
            client = smtplib.SMTP_SSL("localhost", port, context=client_context())
        with client:
            client.sendmail("me@here", ["you@there"], MAIL)
    assert mails == [("me@here", ("you@there",), MAIL)]


@pytest.mark.parametrize("form", ["from the first byte", "upgraded"])
def test_letters_are_fetched(form):
    with world(Wrapped if form != "upgraded" else ThreadingServer, Pop if form != "upgraded" else UpgradingPop, mails=[MAIL]) as port:
        if form == "upgraded":
            client = poplib.POP3("localhost", port)
            client.stls(client_context())
        else:
            client = poplib.POP3_SSL("localhost", port, context=client_context())
        client.user("me")
        client.pass_("secret")
        assert b"\r\n".join(client.retr(1)[1]) + b"\r\n" == MAIL
        client.quit()


@pytest.mark.parametrize("form", ["from the first byte", "upgraded"])
def test_a_box_is_read_and_added_to(form):
    mails = [MAIL]
    with world(Wrapped if form != "upgraded" else ThreadingServer, Imap if form != "upgraded" else UpgradingImap, mails=mails) as port:
        if form == "upgraded":
            client = imaplib.IMAP4("localhost", port)
            client.starttls(client_context())
        else:
            client = imaplib.IMAP4_SSL("localhost", port, ssl_context=client_context())
        client.login("me", "secret")
        client.select()
        assert client.fetch("1", "(RFC822)")[1][0][1] == MAIL
        client.append("INBOX", None, None, b"Subject: b\r\n\r\n")
        client.logout()
    assert mails[1] == b"Subject: b\r\n\r\n"


def test_files_are_listed_fetched_and_stored():
    files = {"a": b"content of a" * 5_000}
    with world(ThreadingServer, SecureFtp, files=files) as port:
        client = ftplib.FTP_TLS(context=client_context())
        client.connect("localhost", port)
        client.login("me", "secret")
        client.prot_p()
        assert client.nlst() == ["a"]
        got = []
        client.retrbinary("RETR a", got.append)
        client.storbinary("STOR b", io.BytesIO(b"stored"))
        client.quit()
    assert (b"".join(got), files["b"]) == (b"content of a" * 5_000, b"stored")


class Records(socketserver.StreamRequestHandler):
    def handle(self):
        while len(head := self.rfile.read(4)) == 4:
            record = logging.makeLogRecord(pickle.loads(self.rfile.read(struct.unpack(">L", head)[0])))
            self.server.things["taken"].append(record.getMessage())


class TlsHandler(logging.handlers.SocketHandler):
    """What people write who log over TLS."""

    def makeSocket(self, timeout=1):
        return client_context().wrap_socket(super().makeSocket(timeout), server_hostname="localhost")


def test_records_are_logged():
    taken = []
    with world(Wrapped, Records, taken=taken) as port:
        handler = TlsHandler("localhost", port)
        logger = logging.Logger("program")
        logger.addHandler(handler)
        for number in range(20):
            logger.warning("record %d", number)
        handler.close()
    assert taken == [f"record {number}" for number in range(20)]
