"""What Faker makes up for clients: right by the protocols' own readers, and the world's by its seed."""

import http.server
import io
import re
from email import message_from_bytes
from urllib.parse import parse_qs

import pytest

import simsock
from simsock import Simulation, clients, faker
from simsock.socketserver import StreamRequestHandler


class Reader(http.server.BaseHTTPRequestHandler):
    """The standard library's reader of requests, without a connection."""

    def __init__(self, request):
        self.rfile, self.wfile = io.BytesIO(request), io.BytesIO()
        self.raw_requestline = self.rfile.readline(65537)
        self.error = None
        assert self.parse_request(), self.error

    def send_error(self, code, message=None, explain=None):
        self.error = message


@pytest.fixture
def fake():
    return faker.make(seed=5)


def test_http_requests_are_read_by_the_standard_library_and_their_headers_match(fake):
    seen = set()
    for _ in range(100):
        request = Reader(fake.http_request(host="server"))
        body = request.rfile.read()
        assert request.headers["Host"] == "server"
        assert len(body) == int(request.headers.get("Content-Length", 0))
        assert (request.command in ("POST", "PUT")) == bool(body)
        if body:
            assert set(parse_qs(body.decode(), strict_parsing=True)) == {"name", "city", "text"}
        seen.add(request.command)
    assert seen == {"GET", "HEAD", "POST", "PUT", "DELETE"}


def test_a_body_and_a_path_and_a_method_may_be_given(fake):
    request = Reader(fake.http_request("PATCH", path="/a", body="ä".encode()))
    assert (request.command, request.path, request.headers["Content-Length"]) == ("PATCH", "/a", "2")
    assert fake.request_line("GET", "/x") == b"GET /x HTTP/1.1\r\n"


def test_log_ins_log_lines_and_mail_keep_to_their_protocols(fake):
    for _ in range(50):
        assert re.fullmatch(rb"USER \S+\r\nPASS \w{12}\r\n", fake.login_lines())
        read = re.fullmatch(rb"<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+ [\w/]+\[\d+\]: .+", fake.syslog_line())
        assert read is not None
        assert int(read[1]) < 192
        hello, sender, recipient, data, message, bye = fake.mail_dialogue()
        assert hello.startswith(b"EHLO ")
        assert (data, bye) == (b"DATA\r\n", b"QUIT\r\n")
        assert message.endswith(b"\r\n.\r\n")
        lines = message.removesuffix(b".\r\n").splitlines()
        assert all(line.startswith(b"..") for line in lines if line.startswith(b"."))
        parsed = message_from_bytes(message)
        assert sender == f"MAIL FROM:{parsed['From']}\r\n".encode()
        assert recipient == f"RCPT TO:{parsed['To']}\r\n".encode()


def test_every_payload_that_is_named_is_bytes(fake):
    for name in faker.PAYLOADS:
        assert isinstance(getattr(fake, name)(), bytes)


def test_hosts_and_addresses_are_the_world_s():
    with Simulation() as sim:
        fake = faker.make()
        assert fake.world_host().endswith(".example")
        assert fake.world_address().startswith("192.0.2.")
        sim.host("db")
        sim.host("web", addresses=["10.9.9.9"])
        assert {fake.world_host() for _ in range(30)} == {"db", "web"}
        assert all(sim.network.socket.gethostbyname(fake.world_host()) for _ in range(5))
        assert "10.9.9.9" in {fake.world_address() for _ in range(30)}
        assert fake.client_address()[1] > 32_000
        assert b"Jan  1 00:00:00" in fake.syslog_line()


def test_the_world_s_seed_decides_and_two_of_one_world_differ():
    def said(seed):
        with Simulation(seed=seed):
            return [faker.make().http_request(), faker.make().http_request()]

    assert said(1) == said(1) != said(2)
    assert said(1)[0] != said(1)[1]
    assert faker.make().name() == faker.make().name()


def test_a_handler_is_fed_with_it():
    class Mail(StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 hello\r\n")
            while (line := self.rfile.readline()) and line != b"QUIT\r\n":
                self.wfile.write(b"250 ok\r\n")

    def client():
        for words in (b"", *faker.make(seed=1).mail_dialogue()):
            answers.append((yield words))

    answers = []
    talk = simsock.talk(Mail, client)
    assert talk.error is None
    assert answers[:2] == [b"220 hello\r\n", b"250 ok\r\n"]


def test_clients_say_it(sim):
    class Echo(StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.read())

    request = faker.make().http_request()
    assert clients.polite(sim.serve(Echo), request).reply == request


PROJECT = """
import pytest

NAMES = {}


def test_one(sim, faker):
    print("NAME", faker.name())


def test_two(faker, sim):
    print("NAME", faker.name())


def test_on_a_testbed(faker, testbed):
    print("NAME", faker.name())


def test_without_a_world(faker):
    print("PLAIN", faker.name())


class TestOwn:
    @pytest.fixture
    def faker_seed(self):
        return 12345

    def test_own_seed(self, sim, faker, faker_seed):
        print("OWN", faker.name())


@pytest.mark.simsock(schedules=3)
def test_each_schedule_its_own(sim, faker):
    import pathlib
    with open("names.txt", "a") as file:
        file.write(faker.name() + "\\n")
"""


def test_the_fixture_of_faker_follows_the_world_s_seed_unless_somebody_says_otherwise(pytester):
    pytester.makepyfile(test_it=PROJECT)

    def names(*options):
        result = pytester.runpytest_subprocess("-s", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options)
        result.assert_outcomes(passed=6)
        told = [line.lstrip(".").split(" ", 1) for line in result.outlines if " " in line and line.lstrip(".").split()[0] in ("NAME", "PLAIN", "OWN")]
        schedules = (pytester.path / "names.txt").read_text().split("\n")[:-1]
        (pytester.path / "names.txt").unlink()
        return (
            [name for kind, name in told if kind == "NAME"],
            [name for kind, name in told if kind == "PLAIN"],
            [name for kind, name in told if kind == "OWN"],
            schedules,
        )

    seven, plain, own, schedules = names("--simsock-seed=7")
    assert len(seven) == 3
    assert len(set(seven)) == 1, "the same seed, whatever the order of the fixtures"
    assert len(set(schedules)) == len(schedules) == 3
    assert names("--simsock-seed=7") == (seven, plain, own, schedules)
    eight = names("--simsock-seed=8")
    assert eight[0] != seven
    assert eight[1:3] == (plain, own), "what is not in a world, or has a seed, is left alone"
