"""What clients say, made up by Faker: requests, log-ins, log lines, mail, and the hosts of a world.

Owns the provider and where its seed comes from. Does not know who says it to whom. Laws of the file:

* in a world two runs with the same seed say the same, and no two calls of ``make`` in one run do;
* what is made up is right: lengths match, lines end as their protocol says, the world's hosts resolve;
* bytes where a socket wants bytes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from faker import Faker
from faker.providers import BaseProvider

from simsock.clients.dice import dice, world
from simsock.net.fabric import fabric_of
from simsock.network import in_force

SIMSOCK_ROOM = "outside"

_METHODS = ("GET", "GET", "GET", "GET", "HEAD", "POST", "POST", "PUT", "DELETE")
_WITH_BODY = ("POST", "PUT", "PATCH")
_FACILITIES = range(24)
_SEVERITIES = range(8)
_PROGRAMS = ("sshd", "cron", "kernel", "postfix/smtpd", "nginx", "systemd")
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class Login(NamedTuple):
    """A user and a password."""

    user: str
    password: str


class NetworkProvider(BaseProvider):
    """A Faker provider: ``Faker().add_provider(NetworkProvider)``, or ``simsock.faker.make()`` for one that follows the world's seed."""

    # -- HTTP ----------------------------------------------------------------------------------------------------------------------------

    def request_line(self, method: str | None = None, path: str | None = None) -> bytes:
        """``b"GET /blog/tags HTTP/1.1\\r\\n"``."""
        return f"{method or self.random_element(_METHODS)} {path or self.path()} HTTP/1.1\r\n".encode()

    def path(self) -> str:
        """``"/blog/tags?page=3"``: an absolute path, sometimes with a query."""
        path = "/" + str(self.generator.uri_path())
        return f"{path}?page={self.random_int(1, 99)}" if self.random_int(0, 3) == 0 else path

    def form(self) -> bytes:
        """``b"name=Ann+Lee&city=Oslo"``: the body of a form."""
        fields = {"name": self.generator.name(), "city": self.generator.city(), "text": self.generator.sentence()}
        return urlencode(fields).encode()

    def http_request(self, method: str | None = None, *, host: str | None = None, path: str | None = None, body: bytes | None = None) -> bytes:
        """A whole HTTP/1.1 request whose headers match it: ``Host``, and for a body its ``Content-Length`` and ``Content-Type``."""
        chosen = method or ("POST" if body is not None else self.random_element(_METHODS))
        if body is None and chosen in _WITH_BODY:
            body = self.form()
        headers = [f"Host: {host or self.world_host()}", f"User-Agent: {self.generator.user_agent()}", "Accept: */*", "Connection: close"]
        if body is not None:
            headers += ["Content-Type: application/x-www-form-urlencoded", f"Content-Length: {len(body)}"]
        return self.request_line(chosen, path) + "".join(f"{header}\r\n" for header in headers).encode() + b"\r\n" + (body or b"")

    # -- others --------------------------------------------------------------------------------------------------------------------------

    def login(self) -> Login:
        """A user and a password without spaces."""
        return Login(self.generator.user_name(), self.generator.password(length=12, special_chars=False))

    def login_lines(self) -> bytes:
        """A log-in as FTP and POP3 have it: ``b"USER ann\\r\\nPASS secret\\r\\n"``."""
        made = self.login()
        return f"USER {made.user}\r\nPASS {made.password}\r\n".encode()

    def syslog_line(self) -> bytes:
        """A line of syslog in its old form (RFC 3164), of one of the world's hosts and of the world's time, without an end of line."""
        now = datetime.fromtimestamp(in_force().time.time(), UTC)
        priority = self.random_element(_FACILITIES) * 8 + self.random_element(_SEVERITIES)
        moment = f"{_MONTHS[now.month - 1]} {now.day:2} {now:%H:%M:%S}"
        return f"<{priority}>{moment} {self.world_host()} {self.random_element(_PROGRAMS)}[{self.random_int(2, 32_768)}]: {self.generator.sentence()}".encode()

    def mail_message(self, sender: str | None = None, recipient: str | None = None) -> bytes:
        """A mail as it goes over the wire: headers, an empty line, text; lines end with CR LF, and a dot at a line's beginning is doubled (RFC 5321)."""
        headers = [
            f"From: <{sender or self.generator.ascii_safe_email()}>",
            f"To: <{recipient or self.generator.ascii_safe_email()}>",
            f"Subject: {self.generator.sentence(nb_words=4)}",
        ]
        text = [self.generator.sentence() for _ in range(self.random_int(1, 5))]
        if self.random_int(0, 1):
            text.append(f".{self.generator.word()}")
        lines = ["." + line if line.startswith(".") else line for line in [*headers, "", *text]]
        return "".join(f"{line}\r\n" for line in lines).encode()

    def mail_dialogue(self) -> list[bytes]:
        """What a client says to an SMTP server, turn by turn, from ``EHLO`` to ``QUIT``; the server greets first and answers each."""
        sender, recipient = self.generator.ascii_safe_email(), self.generator.ascii_safe_email()
        return [
            f"EHLO {self.world_host()}\r\n".encode(),
            f"MAIL FROM:<{sender}>\r\n".encode(),
            f"RCPT TO:<{recipient}>\r\n".encode(),
            b"DATA\r\n",
            self.mail_message(sender, recipient) + b".\r\n",
            b"QUIT\r\n",
        ]

    # -- the world -----------------------------------------------------------------------------------------------------------------------

    def world_host(self) -> str:
        """The name of one of the world's hosts, which resolves there; without a world, or without hosts in it, a name that is reserved for examples."""
        names = [host.name for host in _hosts()]
        return str(self.random_element(names)) if names else f"{self.generator.domain_word()}.example"

    def world_address(self) -> str:
        """An IPv4 address of one of the world's hosts; without any, one that is reserved for documentation (RFC 5737)."""
        found = [ip for host in _hosts() for ip in host.addresses if ":" not in ip]
        return str(self.random_element(found)) if found else f"192.0.2.{self.random_int(1, 254)}"

    def client_address(self) -> tuple[str, int]:
        """Where a client may come from, as ``talk`` takes it: an address of the world and a port of the range that Linux picks from."""
        return self.world_address(), self.random_int(32_768, 60_999)


PAYLOADS = ("form", "http_request", "login_lines", "mail_message", "request_line", "syslog_line")
"""What a client can say as a whole: methods without arguments that return bytes."""


def _hosts() -> list[Any]:
    """The world's hosts but for ``localhost``, in the order in which they were made."""
    kernel = world()
    if kernel is None:
        return []
    net = fabric_of(kernel)
    return [host for host in net.hosts() if host is not net.localhost]


def make(seed: int | str | None = None, locale: str = "en_US") -> Any:
    """A ``Faker`` with our provider that follows ``seed``; without one the world's, or where there is none always the same."""
    fake = Faker(locale)
    fake.add_provider(NetworkProvider)
    fake.seed_instance(dice("faker", seed).getrandbits(64))
    return fake
