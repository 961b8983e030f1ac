"""``ftplib``, ``smtplib``, ``poplib`` and ``imaplib`` against the small servers of this folder."""

from __future__ import annotations

import email.message
import ftplib
import imaplib
import io
import poplib
import smtplib
import time

import pytest

from .servers import Ftp, Imap, Pop, Smtp, ThreadingServer, serving

LETTER = b"Subject: one\r\n\r\n.a line with a dot\r\n..and two\r\nend\r\n"


def running(sim, handler, **things):
    """A server of the small ones on its host; (server, context)."""
    with sim.host("server"):
        server = ThreadingServer(handler, **things)
    return server, serving(server, sim.host("server"))


@pytest.mark.parametrize("passive", [True, False], ids=["passive", "active"])
def test_files_are_listed_fetched_stored_and_deleted(passive, run_everywhere):
    big = bytes(range(256)) * 300

    def program(sim):
        server, context = running(sim, Ftp, files={"a.txt": b"first\r\nsecond\r\n", "big.bin": big})
        with context as port, sim.host("client"), ftplib.FTP(timeout=600) as ftp:
            seen = [ftp.connect("server", port), ftp.login("me", "secret")]
            ftp.set_pasv(passive)
            seen.append(ftp.nlst())
            lines = []
            ftp.retrlines("RETR a.txt", lines.append)
            seen.append(lines)
            pieces = []
            ftp.retrbinary("RETR big.bin", pieces.append, blocksize=1000)
            seen.append(b"".join(pieces) == big)
            seen.append(ftp.storbinary("STOR new.bin", io.BytesIO(big[:70_000])))
            seen.append(ftp.size("new.bin"))
            with pytest.raises(ftplib.error_perm, match="550 no such file"):
                ftp.retrbinary("RETR nothing", pieces.append)
            ftp.delete("a.txt")
            seen.append(ftp.nlst())
            return seen, server.things["files"]["new.bin"] == big[:70_000]

    assert run_everywhere(program) == (
        ["220 files here", "230 come in", ["a.txt", "big.bin"], ["first", "second"], True, "226 done", 70_000, ["big.bin", "new.bin"]],
        True,
    )


def test_files_over_version_six(run):
    def program(sim):
        class Six(ThreadingServer):
            address_family = 10

        with serving(Six(Ftp, files={"a": b"six"})) as port, ftplib.FTP() as ftp:
            ftp.connect("::1", port)
            ftp.login("me", "secret")
            pieces = []
            ftp.retrbinary("RETR a", pieces.append)
            return b"".join(pieces)

    assert run(program) == b"six"


def test_a_wrong_password_is_refused(run):
    def program(sim):
        _, context = running(sim, Ftp, files={})
        with context as port, sim.host("client"), ftplib.FTP() as ftp:
            ftp.connect("server", port)
            with pytest.raises(ftplib.error_perm, match="530 no"):
                ftp.login("me", "guess")
        return True

    assert run(program)


def test_mail_is_taken_and_wrong_recipients_are_reported(run_everywhere):
    def program(sim):
        server, context = running(sim, Smtp, mails=[])
        with context as port, sim.host("client"), smtplib.SMTP("server", port, local_hostname="client", timeout=600) as smtp:
            refused = smtp.sendmail("a@x", ["b@x", "nobody@x", "c@x"], LETTER)
            message = email.message.EmailMessage()
            message["From"], message["To"], message["Subject"] = "d@x", "e@x", "two"
            message.set_content("hello\n.\nthere\n")
            smtp.send_message(message)
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                smtp.sendmail("a@x", "nobody@x", b"never")
        return refused, server.things["mails"][0], [server.things["mails"][1][:2], server.things["mails"][1][2].endswith(b"hello\r\n.\r\nthere\r\n")]

    assert run_everywhere(program) == (
        {"nobody@x": (550, b"nobody of that name")},
        ("a@x", ("b@x", "c@x"), LETTER),
        [("d@x", ("e@x",)), True],
    )


def test_a_silent_mail_server_is_given_up_after_virtual_time(run):
    class Silent(Smtp):
        def handle(self):
            time.sleep(100)

    def program(sim):
        _, context = running(sim, Silent)
        with context as port, sim.host("client"):
            before = time.monotonic()
            with pytest.raises(smtplib.SMTPServerDisconnected, match="timed out"):
                smtplib.SMTP("server", port, timeout=40)
            return time.monotonic() - before

    assert run(program) == pytest.approx(40)


def test_letters_are_fetched_and_deleted(run_everywhere):
    def program(sim):
        server, context = running(sim, Pop, mails=[LETTER, b"Subject: two\r\n\r\nshort\r\n"])
        with context as port, sim.host("client"):
            box = poplib.POP3("server", port, timeout=600)
            box.user("me")
            seen = [box.pass_("secret"), box.stat(), box.list()[1]]
            seen.append(b"\r\n".join(box.retr(1)[1]) + b"\r\n")
            box.dele(1)
            seen.append(box.quit())
        return seen, server.things["mails"]

    assert run_everywhere(program) == (
        [b"+OK", (2, len(LETTER) + 23), [b"1 %d" % len(LETTER), b"2 23"], LETTER, b"+OK bye"],
        [b"Subject: two\r\n\r\nshort\r\n"],
    )


def test_a_box_is_searched_fetched_from_and_added_to(run_everywhere):
    def program(sim):
        server, context = running(sim, Imap, mails=[LETTER, b"Subject: two\r\n\r\nshort\r\n"])
        with context as port, sim.host("client"), imaplib.IMAP4("server", port, timeout=600) as box:
            seen = [box.login("me", "secret")[0], box.select()]
            seen.append(box.search(None, "TEXT", "short"))
            seen.append(box.fetch("1", "(RFC822)")[1][0])
            seen.append(box.append("INBOX", None, None, b"Subject: three\n\nnew\n")[0])
            seen.append(box.fetch("3", "(RFC822)")[1][0][1])
        return seen, len(server.things["mails"])

    assert run_everywhere(program) == (
        [
            "OK",
            ("OK", [b"2"]),
            ("OK", [b"2"]),
            (b"1 (RFC822 {%d}" % len(LETTER), LETTER),
            "OK",
            b"Subject: three\r\n\r\nnew\r\n",
        ],
        3,
    )
