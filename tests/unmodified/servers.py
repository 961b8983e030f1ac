"""Small servers for the clients of the standard library and for redis-py, written with the standard ``socketserver`` alone.

Owns the text protocols (FTP, SMTP, POP3, IMAP, RESP), each as one handler class that knows the commands the tests need and says so politely
about any other. Does not know simsock: a program from outside would look like this. What a server keeps is on the server object.
"""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import socketserver
import threading
import time


@contextlib.contextmanager
def serving(server, host=None):
    """Run ``server`` in a thread until the end of the block; yields its port. The thread is started inside ``host``, a context manager."""
    thread = threading.Thread(target=server.serve_forever)
    with host or contextlib.nullcontext():
        thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class ThreadingServer(socketserver.ThreadingTCPServer):
    """A server on a port of all addresses with an empty shelf of things."""

    allow_reuse_address = True

    def __init__(self, handler, **things):
        super().__init__(("", 0), handler)
        self.things = things


class Lines(socketserver.StreamRequestHandler):
    """A protocol of command lines: ``do_NAME(argument)`` answers one, and returns True when it was the last."""

    greeting = ""
    unknown = "500 no such command"

    def say(self, text):
        """One line to the client."""
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        """Greet, then one command after the other."""
        self.say(self.greeting)
        while line := self.rfile.readline():
            name, _, argument = line.decode().rstrip("\r\n").partition(" ")
            command = getattr(self, "do_" + name.upper(), None)
            if command is None:
                self.say(self.unknown)
            elif command(argument):
                return

    def read_until_dot(self):
        """The lines of a message up to the one with a dot alone, with the stuffed dots taken out."""
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def write_with_dot(self, data):
        """The reverse."""
        for line in data.splitlines(keepends=True):
            self.wfile.write(b"." + line if line.startswith(b".") else line)
        self.wfile.write(b".\r\n")


class Pages(http.server.BaseHTTPRequestHandler):
    """A few pages; ``/count`` says which request of its connection it was."""

    protocol_version = "HTTP/1.1"
    requests_seen = 0

    def log_message(self, format, *args):
        """Nothing to stderr."""

    def reply(self, body, status=200, **headers):
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def parse_request(self):
        """Count what comes on this connection."""
        self.requests_seen += 1
        return super().parse_request()

    def do_GET(self):
        """A page."""
        if self.path == "/count":
            self.reply(b"request %d" % self.requests_seen)
        elif self.path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for piece in (b"one ", b"two " * 1000, b"three"):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/moved":
            self.reply(b"", 302, Location="/hello")
        elif self.path == "/slow":
            time.sleep(30)
            self.reply(b"at last")
        elif self.path == "/big":
            self.reply(bytes(range(256)) * 1000)
        elif self.path == "/nothing":
            self.reply(b"no such page", 404)
        else:
            self.reply(b"hello from " + self.path.encode())

    def do_POST(self):
        """What came, in upper case, with the type that it came with."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(body.upper(), Content_Type=self.headers.get("Content-Type", "unknown"))

    def do_PUT(self):
        """The size of a chunked body."""
        size = 0
        while length := int(self.rfile.readline(), 16):
            size += len(self.rfile.read(length))
            self.rfile.readline()
        self.rfile.readline()
        self.reply(b"%d bytes" % size)


class Ftp(Lines):
    """One folder of files: ``server.things["files"]``, by name. Passive, extended passive and active data connections."""

    greeting = "220 files here"
    unknown = "502 not here"
    passive = None
    active = None

    def do_USER(self, name):
        self.say("331 and the password?")

    def do_PASS(self, password):
        self.say("230 come in" if password == "secret" else "530 no")

    def do_TYPE(self, kind):
        self.say("200 all is bytes")

    def do_PASV(self, _):
        self.passive = socket.create_server((self.request.getsockname()[0], 0))
        host, port = self.passive.getsockname()
        self.say(f"227 at ({host.replace('.', ',')},{port >> 8},{port & 255})")

    def do_EPSV(self, _):
        self.passive = socket.create_server((self.request.getsockname()[0], 0), family=self.request.family)
        self.say(f"229 at (|||{self.passive.getsockname()[1]}|)")

    def do_PORT(self, argument):
        *host, high, low = argument.split(",")
        self.active = (".".join(host), int(high) << 8 | int(low))
        self.say("200 there")

    @contextlib.contextmanager
    def data(self):
        """The data connection, between the two answers that frame it."""
        self.say("150 coming")
        if self.active is not None:
            channel = socket.create_connection(self.active)
        else:
            channel, _ = self.passive.accept()
            self.passive.close()
        with channel:
            yield channel
        self.passive = self.active = None
        self.say("226 done")

    def do_NLST(self, _):
        with self.data() as channel:
            channel.sendall("".join(f"{name}\r\n" for name in sorted(self.server.things["files"])).encode())

    def do_RETR(self, name):
        content = self.server.things["files"].get(name)
        if content is None:
            self.say("550 no such file")
            return
        with self.data() as channel:
            channel.sendall(content)

    def do_STOR(self, name):
        with self.data() as channel, channel.makefile("rb") as stream:
            self.server.things["files"][name] = stream.read()

    def do_SIZE(self, name):
        self.say(f"213 {len(self.server.things['files'][name])}")

    def do_DELE(self, name):
        del self.server.things["files"][name]
        self.say("250 gone")

    def do_QUIT(self, _):
        self.say("221 bye")
        return True


class Smtp(Lines):
    """Takes mail: ``server.things["mails"]`` gets (sender, recipients, message)."""

    greeting = "220 post office"
    sender = ""

    def do_EHLO(self, name):
        self.recipients = []
        self.say("250-post office")
        self.say("250 8BITMIME")

    do_HELO = do_EHLO

    def do_MAIL(self, argument):
        self.sender = re.search("<(.*)>", argument)[1]
        self.recipients = []
        self.say("250 from whom")

    def do_RCPT(self, argument):
        recipient = re.search("<(.*)>", argument)[1]
        if recipient.startswith("nobody"):
            self.say("550 nobody of that name")
            return
        self.recipients.append(recipient)
        self.say("250 to whom")

    def do_DATA(self, _):
        self.say("354 write, and a dot at the end")
        self.server.things["mails"].append((self.sender, tuple(self.recipients), self.read_until_dot()))
        self.say("250 it is on its way")

    def do_RSET(self, _):
        self.recipients = []
        self.say("250 forgotten")

    def do_QUIT(self, _):
        self.say("221 bye")
        return True


class Pop(Lines):
    """Hands out mail: ``server.things["mails"]``, a list of messages; what was deleted goes at QUIT."""

    greeting = "+OK letters"
    unknown = "-ERR not here"

    def handle(self):
        """Number the messages when the client comes."""
        self.mails = dict(enumerate(self.server.things["mails"], 1))
        super().handle()

    def do_USER(self, name):
        self.say("+OK")

    def do_PASS(self, password):
        self.say("+OK" if password == "secret" else "-ERR no")

    def do_STAT(self, _):
        self.say(f"+OK {len(self.mails)} {sum(map(len, self.mails.values()))}")

    def do_LIST(self, _):
        self.say("+OK")
        self.write_with_dot("".join(f"{number} {len(mail)}\r\n" for number, mail in self.mails.items()).encode())

    def do_RETR(self, number):
        self.say("+OK")
        self.write_with_dot(self.mails[int(number)])

    def do_DELE(self, number):
        del self.mails[int(number)]
        self.say("+OK")

    def do_QUIT(self, _):
        self.server.things["mails"][:] = self.mails.values()
        self.say("+OK bye")
        return True


class Imap(socketserver.StreamRequestHandler):
    """One box of mail: ``server.things["mails"]``. Literals both ways."""

    def handle(self):
        """Tagged commands until LOGOUT."""
        self.wfile.write(b"* OK box\r\n")
        while line := self.rfile.readline():
            tag, name, *words = line.decode().split()
            answer = getattr(self, "do_" + name.upper())(words)
            for item in answer:
                self.wfile.write(b"* " + item + b"\r\n")
            self.wfile.write(f"{tag} OK {name} done\r\n".encode())
            if name == "LOGOUT":
                return

    def do_CAPABILITY(self, _):
        return [b"CAPABILITY IMAP4rev1"]

    def do_LOGIN(self, _):
        return []

    do_CLOSE = do_LOGIN

    def do_SELECT(self, _):
        return [b"%d EXISTS" % len(self.server.things["mails"]), b"0 RECENT", b"OK [UIDVALIDITY 1]"]

    def do_SEARCH(self, words):
        wanted = words[-1].strip('"').encode()
        found = [b"%d" % number for number, mail in enumerate(self.server.things["mails"], 1) if wanted in mail]
        return [b"SEARCH " + b" ".join(found)]

    def do_FETCH(self, words):
        number = int(words[0])
        mail = self.server.things["mails"][number - 1]
        return [b"%d FETCH (RFC822 {%d}\r\n%s)" % (number, len(mail), mail)]

    def do_APPEND(self, words):
        size = int(words[-1].strip("{}"))
        self.wfile.write(b"+ go on\r\n")
        self.server.things["mails"].append(self.rfile.read(size))
        self.rfile.readline()
        return []

    def do_LOGOUT(self, _):
        return [b"BYE"]


class Resp(socketserver.StreamRequestHandler):
    """A tiny Redis: strings that expire, counters, lists with a blocking pop."""

    def handle(self):
        """One command after the other; several may come at once."""
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                size = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(size + 2)[:-2])
            command = getattr(self, "do_" + words[0].decode().upper(), None)
            self.wfile.write(self.encoded(command(*words[1:]) if command else ValueError("unknown command")))

    def encoded(self, value):
        """A value as the protocol's version 2 writes it."""
        if value is True:
            return b"+OK\r\n"
        if value is None:
            return b"$-1\r\n"
        if isinstance(value, Exception):
            return b"-ERR %s\r\n" % str(value).encode()
        if isinstance(value, int):
            return b":%d\r\n" % value
        if isinstance(value, bytes):
            return b"$%d\r\n%s\r\n" % (len(value), value)
        return b"*%d\r\n%s" % (len(value), b"".join(map(self.encoded, value)))

    def do_PING(self):
        return b"PONG"

    def do_CLIENT(self, *_):
        return True

    def do_SET(self, key, value, *options):
        lifetime = float(options[1]) if options else float("inf")
        self.server.things["data"][key] = (value, time.monotonic() + lifetime)
        return True

    def do_GET(self, key):
        value, end = self.server.things["data"].get(key, (None, 0))
        return value if time.monotonic() < end else None

    def do_INCRBY(self, key, amount):
        with self.server.things["changed"]:
            number = int(self.do_GET(key) or 0) + int(amount)
            self.do_SET(key, b"%d" % number)
        return number

    def do_RPUSH(self, key, *values):
        with self.server.things["changed"]:
            items = self.server.things["lists"].setdefault(key, [])
            items.extend(values)
            self.server.things["changed"].notify_all()
            return len(items)

    def do_BLPOP(self, key, timeout):
        lists = self.server.things["lists"]
        with self.server.things["changed"]:
            if self.server.things["changed"].wait_for(lambda: lists.get(key), float(timeout) or None):
                return [key, lists[key].pop(0)]
        return []
