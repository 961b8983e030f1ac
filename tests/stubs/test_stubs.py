"""Canned servers: what each kind says, what they keep, in worlds and on real sockets alike."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request

import pytest

import simsock
from simsock.errors import Unsupported, UsageError
from simsock.stubs import CLOSE, NEVER, RESET, Answer, begin_stub
from simsock.world.testbed import RealTestbed, SimTestbed
from tests.tls.contexts import make_client_context, server_context


@pytest.fixture(params=["sim", pytest.param("real", marks=pytest.mark.real)])
def bed(request):
    """The same face twice: a world, and sockets of this machine."""
    if request.param == "real":
        with RealTestbed() as real:
            yield real
    else:
        with simsock.Simulation() as sim:
            yield SimTestbed(sim)


def said(bed, stub, words):
    """All that a client hears which says something and then no more."""
    client = bed.connect(stub)
    client.sendall(words)
    client.shutdown(socket.SHUT_WR)
    return b"".join(iter(lambda: client.recv(1000), b""))


def fetch(stub, path="/", **more):
    return urllib.request.urlopen(urllib.request.Request(stub.url + path, **more), timeout=5)


# -- lines ---------------------------------------------------------------------------------------------------------------------------------


def test_a_line_has_its_reply_with_the_end_that_the_line_had(bed):
    stub = bed.stub(lines={"PING": "PONG", b"RAW": b"no end", "": "empty"})
    assert said(bed, stub, b"PING\nPING\r\nRAW\n\n") == b"PONG\nPONG\r\nno endempty\n"
    assert [request.line for request in stub.requests] == ["PING", "PING", "RAW", ""]


def test_replies_come_one_after_the_other_and_the_last_for_ever(bed):
    stub = bed.stub(lines={"NEXT": ["one", "two"]})
    assert said(bed, stub, b"NEXT\nNEXT\n") + said(bed, stub, b"NEXT\n") == b"one\ntwo\ntwo\n"
    assert [request.connection for request in stub.requests] == [1, 1, 2]


def test_a_greeting_is_said_first_and_a_function_may_say_the_rest(bed):
    stub = bed.stub(lines={"QUIT": Answer("bye", then="close")}, greeting="hello", otherwise=lambda request: request.line[::-1])
    assert said(bed, stub, b"abc\nQUIT\nabc\n") == b"hello\ncba\nbye\n"


def test_a_line_that_nothing_fits_fails_the_test_and_names_what_there_is(bed):
    stub = bed.stub(lines={"PING": "PONG"})
    bed.expect_errors(AssertionError, match=r"^stub at 1[\d.]+:\d+: no answer to 'PNIG': there is one to 'PING'; otherwise= is the answer to all others$")
    assert said(bed, stub, b"PNIG\n") == b""


# -- HTTP ----------------------------------------------------------------------------------------------------------------------------------


def test_routes_are_found_by_method_path_query_and_the_longest_beginning(bed):
    stub = bed.stub(
        routes={"GET /": "root", "/any": "any", "GET /q?a=1": "query", "GET /q": "path", "GET /deep/*": "deep", "GET /deep/er/*": "deeper"}, otherwise="else"
    )
    paths = ["/", "/any", "/q?a=1", "/q?a=2", "/deep/x", "/deep/er/x", "/nowhere"]
    assert [fetch(stub, path).read() for path in paths] == [b"root", b"any", b"query", b"path", b"deep", b"deeper", b"else"]
    assert fetch(stub, "/any", data=b"x").read() == b"any"
    assert fetch(stub, "/", data=b"x").read() == b"else"


def test_an_answer_has_status_headers_and_body(bed):
    stub = bed.stub(routes={"GET /teapot": Answer("tea", status=418, headers={"X-Pot": "blue"}), "GET /new": 204, "GET /json": {"a": [1]}})
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(stub, "/teapot")
    with caught.value as teapot:
        assert (teapot.status, teapot.headers["X-Pot"], teapot.read()) == (418, "blue", b"tea")
    assert (fetch(stub, "/new").status, fetch(stub, "/new").read()) == (204, b"")
    assert (fetch(stub, "/json").headers["Content-Type"], fetch(stub, "/json").read()) == ("application/json", b'{"a": [1]}')


def test_a_connection_is_kept_for_several_requests_and_head_has_no_body(bed):
    stub = bed.stub(routes={"/": "hello"})
    client = http.client.HTTPConnection(*stub.address, timeout=5)
    answers = []
    for method, body in (("GET", None), ("POST", b"some"), ("PUT", iter([b"in ", b"pieces"])), ("HEAD", None)):
        client.request(method, "/", body)
        answer = client.getresponse()
        answers.append((answer.headers["Content-Length"], answer.read()))
    client.close()
    assert answers == [("5", b"hello")] * 3 + [("5", b"")]
    assert [(request.method, request.body, request.connection) for request in stub.requests] == [
        ("GET", b"", 1),
        ("POST", b"some", 1),
        ("PUT", b"in pieces", 1),
        ("HEAD", b"", 1),
    ]


def test_what_was_asked_is_kept(bed):
    stub = bed.stub(routes={"POST /users": 201})
    fetch(stub, "/users?by=me&by=you", data=b'{"name": "x"}', headers={"X-Who": "me"})
    (request,) = stub.requests
    assert (request.method, request.target, request.path, request.query) == ("POST", "/users?by=me&by=you", "/users", "by=me&by=you")
    assert (request.json(), request.headers["x-who"], request.client[0][:1]) == ({"name": "x"}, "me", "1")


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(bed):
    stub = bed.stub(routes={"POST /": "done"})
    client = bed.connect(stub)
    client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.sendall(b"abc")
    assert client.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
    assert stub.requests[0].body == b"abc"


def test_a_request_without_a_route_is_404_and_fails_the_test(bed):
    stub = bed.stub(routes={"GET /a": "a", "/b": "b"})
    bed.expect_errors(AssertionError, match=r"no route for 'GET /c': there is GET /a, /b; otherwise= is the answer to all others$")
    with pytest.raises(urllib.error.HTTPError, match="404") as caught:
        fetch(stub, "/c")
    with caught.value as answer:
        assert b"no route for 'GET /c'" in answer.read()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (b"hello\r\n", "expected a line such as 'GET / HTTP/1.1', got b'hello"),
        (b"GET / HTTP/1.1\r\nno header\r\n\r\n", "expected a header, got b'no header"),
        (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", "expected a Content-Length, got '-1'"),
        (b"GET / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", "a body has at most 67,108,864 bytes"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", "expected Transfer-Encoding: chunked, got 'gzip'"),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", "expected the size of a chunk, got b'x"),
        (b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\n\r\n", "a line has at most 65,536 bytes"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 201 + b"\r\n", "a request has at most 200 headers"),
    ],
)
def test_what_is_no_http_is_400_and_fails_the_test(words, told):
    with simsock.Simulation() as sim:
        stub = sim.stub(routes={"/": 200})
        sim.expect_errors(AssertionError, match=told.replace("(", r"\("))
        client = sim.connect(stub)
        client.sendall(words)
        assert client.recv(1000).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert stub.requests == []


@pytest.mark.parametrize("words", [b"", b"GET / HT", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", b"\r\n"])
def test_a_client_that_goes_in_the_middle_has_asked_nothing(words):
    with simsock.Simulation() as sim:
        stub = sim.stub(routes={"/": 200})
        client = sim.connect(stub)
        client.sendall(words)
        client.close()
        sim.settle()
        assert stub.requests == []


# -- what goes wrong -------------------------------------------------------------------------------------------------------------------------


def test_an_answer_may_be_a_reset_a_close_or_cut_short(bed):
    stub = bed.stub(routes={"GET /": [RESET, CLOSE, Answer("hello", cut=2), Answer("hello", cut=2, then="reset"), "whole"]})
    with pytest.raises(ConnectionResetError):
        fetch(stub)
    with pytest.raises(http.client.RemoteDisconnected):
        fetch(stub)
    for error in (http.client.IncompleteRead, ConnectionResetError):
        with pytest.raises(error), fetch(stub) as answer:
            answer.read()
    assert fetch(stub).read() == b"whole"
    assert len(stub.requests) == 5


def test_an_answer_that_never_comes_is_a_timeout(bed):
    stub = bed.stub(lines={"HELLO": NEVER})
    client = bed.connect(stub, timeout=0.01)
    client.sendall(b"HELLO\nHELLO\n")
    with pytest.raises(TimeoutError):
        client.recv(10)
    assert [request.line for request in stub.requests] == ["HELLO"]


def test_answers_take_the_time_that_they_are_to_take():
    with simsock.Simulation() as sim:
        stub = sim.stub(routes={"GET /": [Answer("ab", delay="2s", every="500ms"), 200]})
        assert fetch(stub).read() == b"ab"
        assert fetch(stub).read() == b""
        assert sim.now == pytest.approx(3, abs=1e-3)
        assert [round(request.at, 3) for request in stub.requests] == [0, 3]


# -- bytes ---------------------------------------------------------------------------------------------------------------------------------


def test_data_is_said_to_every_connection(bed):
    stub = bed.stub(data=["one", CLOSE, b"three"])
    assert [said(bed, stub, b"") for _ in range(4)] == [b"one", b"", b"three", b"three"]
    assert [request.connection for request in stub.requests] == [1, 2, 3, 4]


def test_what_a_client_says_to_data_is_its_request():
    with simsock.Simulation() as sim:
        stub = sim.stub(data=["one", Answer("two", then="hang")])
        client = sim.connect(stub)
        client.sendall(b"hello")
        assert (client.recv(10), client.recv(10)) == (b"one", b"")
        client.close()
        client = sim.connect(stub)
        client.sendall(b"there")
        assert client.recv(10) == b"two"
        client.close()
        sim.settle()
        assert [request.body for request in stub.requests] == [b"hello", b"there"]


# -- where it runs, and TLS ------------------------------------------------------------------------------------------------------------------


def test_a_stub_is_a_host_of_the_world_or_a_local_address():
    with simsock.Simulation() as sim:
        far = sim.stub(routes={"/": "far"}, host="api.example.com", port=80)
        near = sim.stub(routes={"/": "near"}, host="localhost", port=8080)
        assert (far.url, near.url, near.address) == ("http://api.example.com", "http://localhost:8080", ("127.0.0.1", 8080))
        assert urllib.request.urlopen("http://api.example.com/").read() == b"far"
        assert urllib.request.urlopen("http://127.0.0.1:8080/").read() == b"near"
        sim.partition("localhost", "api.example.com")
        with pytest.raises(urllib.error.URLError, match="timed out"):
            urllib.request.urlopen(far.url, timeout=1)
        far.stop()
        sim.heal()
        with pytest.raises(urllib.error.URLError, match="refused"):
            urllib.request.urlopen(far.url, timeout=1)


def test_a_stub_speaks_tls(bed):
    stub = (
        bed.stub(routes={"/": "secret"}, host="localhost", tls=server_context())
        if bed.kind == "sim"
        else bed.stub(routes={"/": "secret"}, tls=server_context())
    )
    assert stub.url.startswith("https://localhost:")
    trusting = make_client_context()
    trusting.check_hostname = False
    assert urllib.request.urlopen(stub.url, context=trusting, timeout=5).read() == b"secret"
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(stub.url, timeout=5)  # which is the client's affair, and no error of the stub


def test_a_world_without_patching_has_stubs_but_no_tls():
    with simsock.Simulation(patch=False) as sim:
        client = sim.connect(sim.stub(lines={"PING": "PONG"}))
        client.sendall(b"PING\n")
        assert client.recv(10) == b"PONG\n"
        with pytest.raises(Unsupported, match="stub: tls in a world with patch=False"):
            sim.stub(lines={"PING": "PONG"}, tls=server_context())


# -- runs ------------------------------------------------------------------------------------------------------------------------------------


def test_a_run_with_a_stub_is_the_same_each_time():
    def run(seed):
        with simsock.Simulation(seed=seed, strategy="random", link="flaky-wifi") as sim:
            stub = sim.stub(routes={"GET /": [503, RESET, Answer("ok", delay="1s")]})
            for _ in range(3):
                sim.spawn(ask, stub)
            sim.settle()
            sim.sleep("60s")
            return sim.digest

    def ask(stub):
        try:
            fetch(stub)
        except urllib.error.HTTPError as answer:
            answer.close()
        except OSError:
            pass

    assert run(1) == run(1)
    assert run(1) != run(2)


# -- bad input ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "expected one of lines=, routes= and data=, got none of them"),
        ({"lines": {}, "data": "x"}, "got lines= and data="),
        ({"lines": ["PING"]}, r"lines: expected a dict, got \['PING'\]"),
        ({"lines": {"a\nb": "x"}}, r"lines: expected one line of text or bytes, got 'a\\nb'"),
        ({"lines": {3: "x"}}, "lines: expected one line of text or bytes, got 3"),
        ({"lines": {"PING": "x", "PING\r\n": "y"}}, r"lines: 'PING\\r\\n' stands there twice"),
        ({"lines": {"PING": 200}}, r"lines\['PING'\]: expected a text, bytes, an Answer, a function or a list of these, got 200"),
        ({"lines": {"PING": []}}, r"lines\['PING'\]: expected at least one answer, got \[\]"),
        ({"routes": {"users": "x"}}, "routes: expected a method and a path .* got 'users'"),
        ({"routes": {"get /users": "x"}}, "routes: expected a method and a path .* got 'get /users'"),
        ({"routes": {"GET /*/x": "x"}}, r"routes: expected a method and a path .* got 'GET /\*/x'"),
        ({"routes": {"GET /": 99}}, r"routes\['GET /'\]: expected a status from 200 to 599, got 99"),
        ({"routes": {"GET /": [200, None]}}, r"routes\['GET /'\]: expected a text, bytes, a status, .* got None"),
        ({"routes": {"GET /": {"a": object}}}, "json: expected what JSON can hold, got {'a': <class 'object'>}"),
        ({"routes": {"GET /": 200}, "greeting": "hi"}, "greeting: a server of HTTP says nothing before it is asked"),
        ({"data": "x", "otherwise": "y"}, "otherwise: has no meaning with data="),
        ({"lines": {"PING": "PONG"}, "tls": True}, "tls: expected an ssl.SSLContext of a server, got True"),
        ({"lines": {"PING": "PONG"}, "port": 70_000}, "port: expected a whole number from 0 to 65535, got 70000"),
        ({"lines": {"PING": "PONG"}, "port": "80"}, "port: expected a whole number from 0 to 65535, got '80'"),
    ],
)
def test_a_stub_that_cannot_be_is_refused_by_name(given, told):
    names = ("lines", "routes", "data", "otherwise", "greeting")
    with pytest.raises(UsageError, match=told):
        begin_stub(None, "server", given.get("port", 0), given.get("tls"), tuple(map(given.get, names)))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"body": 3}, "body: expected a text or bytes, got 3"),
        ({"status": "200"}, "status: expected a whole number from 200 to 599, got '200'"),
        ({"status": 100}, "status: expected a whole number from 200 to 599, got 100"),
        ({"body": "abc", "cut": 4}, "cut: expected a whole number from 0 to 3, the bytes of the body, got 4"),
        ({"delay": "soon"}, "delay.*'soon'"),
        ({"every": -1}, "every.*-1"),
        ({"then": "explode"}, "then: expected 'keep', 'close', 'reset', 'hang', got 'explode'"),
        ({"body": "abc", "json": 1}, "body and json: expected one of them"),
        ({"headers": {"X Y": "z"}}, "headers: expected the name of a header, got 'X Y'"),
        ({"headers": {"X": "a\r\nSet-Cookie: b"}}, "headers: X: expected a text of Latin letters without control characters"),
        ({"headers": "X: y"}, "headers: expected a mapping or pairs of texts, got 'X: y'"),
    ],
)
def test_an_answer_that_cannot_be_is_refused_by_name(given, told):
    with pytest.raises(UsageError, match=f"^Answer: {told}"):
        Answer(**given)


def test_what_a_function_returns_is_read_like_any_answer():
    with simsock.Simulation() as sim:
        stub = sim.stub(routes={"GET /": lambda request: None})
        sim.expect_errors(UsageError, match=r"routes\['GET /'\]: what the function returned: expected a text, bytes, a status, .* got None")
        with pytest.raises(OSError):  # noqa: PT011  # the connection ends
            fetch(stub)


def test_only_a_stub_of_routes_has_a_url():
    with simsock.Simulation() as sim:
        stub = sim.stub(lines={"PING": "PONG"})
        with pytest.raises(UsageError, match="url: expected a stub with routes=, got one with lines="):
            _ = stub.url
        assert repr(stub) == f"<simsock.Stub lines at {stub.address}, 0 requests>"
