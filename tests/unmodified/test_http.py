"""``http.server`` with the clients that people use: urllib.request, http.client and requests."""

from __future__ import annotations

import concurrent.futures
import http.client
import http.server
import time
import urllib.error
import urllib.request

import pytest

from .servers import Pages, serving


def pages(sim):
    """The threading server of the standard library on the host ``server``; yields its port."""
    with sim.host("server"):
        server = http.server.ThreadingHTTPServer(("", 0), Pages)
    return serving(server, sim.host("server"))


def test_urllib_gets_pages_follows_redirects_and_reports_errors(run_everywhere):
    def program(sim):
        with pages(sim) as port, sim.host("client"):
            url = f"http://server:{port}"
            seen = []
            for path in ("/hello", "/moved", "/chunked", "/big"):
                with urllib.request.urlopen(url + path) as answer:
                    seen.append((answer.status, answer.url.removeprefix(url), answer.read()))
            request = urllib.request.Request(url + "/post", data=b"some text", headers={"Content-Type": "text/plain"})
            with urllib.request.urlopen(request) as answer:
                seen.append((answer.headers["Content-Type"], answer.read()))
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(url + "/nothing")
            with caught.value as error:
                seen.append((error.code, error.read()))
        return seen

    assert run_everywhere(program) == [
        (200, "/hello", b"hello from /hello"),
        (200, "/hello", b"hello from /hello"),
        (200, "/chunked", b"one " + b"two " * 1000 + b"three"),
        (200, "/big", bytes(range(256)) * 1000),
        ("text/plain", b"SOME TEXT"),
        (404, b"no such page"),
    ]


def test_http_client_keeps_its_connection(run_everywhere):
    def program(sim):
        with pages(sim) as port, sim.host("client"):
            connection = http.client.HTTPConnection("server", port)
            seen = []
            for _ in range(3):
                connection.request("GET", "/count")
                seen.append(connection.getresponse().read())
            connection.request("GET", "/chunked")
            answer = connection.getresponse()
            seen.append((answer.getheader("Transfer-Encoding"), len(answer.read())))
            connection.request("PUT", "/size", body=iter([b"x" * 10, b"y" * 5000]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
            seen.append(connection.getresponse().read())
            connection.close()
        return seen

    assert run_everywhere(program) == [b"request 1", b"request 2", b"request 3", ("chunked", 4009), b"5010 bytes"]


def test_requests_posts_json_follows_redirects_and_keeps_its_connection(run_everywhere):
    requests = pytest.importorskip("requests")

    def program(sim):
        with pages(sim) as port, sim.host("client"), requests.Session() as session:
            url = f"http://server:{port}"
            seen = [session.get(url + "/count").text, session.get(url + "/count").text]
            answer = session.post(url + "/post", json={"a": [1, 2]})
            seen.append((answer.headers["Content-Type"], answer.text))
            answer = session.get(url + "/moved")
            seen.append((answer.status_code, answer.text, [step.status_code for step in answer.history]))
            with session.get(url + "/chunked", stream=True) as answer:
                seen.append(b"".join(answer.iter_content(7)))
            seen.append(session.get(url + "/nothing").status_code)
            seen.append(session.get(url + "/count").text)
        return seen

    assert run_everywhere(program) == [
        "request 1",
        "request 2",
        ("application/json", '{"A": [1, 2]}'),
        (200, "hello from /hello", [302]),
        b"one " + b"two " * 1000 + b"three",
        404,
        "request 8",
    ]


def test_an_answer_that_takes_too_long_is_a_timeout_after_virtual_time(run):
    requests = pytest.importorskip("requests")

    def get_with_urllib(url):
        with pytest.raises(TimeoutError):
            urllib.request.urlopen(url, timeout=5)

    def get_with_http_client(url):
        connection = http.client.HTTPConnection(url.split("/")[2], timeout=7)
        connection.request("GET", "/slow")
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()

    def get_with_requests(url):
        with pytest.raises(requests.exceptions.ReadTimeout):
            requests.get(url, timeout=9)

    def program(sim):
        seen = []
        sim.expect_errors(BrokenPipeError)  # the handlers' whose clients have left when they answer
        with pages(sim) as port, sim.host("client"):
            url = f"http://server:{port}/slow"
            for get in (get_with_urllib, get_with_http_client, get_with_requests):
                before = time.monotonic()
                get(url)
                seen.append(time.monotonic() - before)
            before = time.monotonic()
            with urllib.request.urlopen(url, timeout=31) as answer:
                seen.append((answer.read(), time.monotonic() - before))
        return seen

    assert run(program) == [pytest.approx(5), pytest.approx(7), pytest.approx(9), (b"at last", pytest.approx(30))]


def test_a_server_that_is_not_there_refuses(run):
    requests = pytest.importorskip("requests")

    def program(sim):
        sim.host("server")
        seen = []
        with sim.host("client"):
            with pytest.raises(urllib.error.URLError) as caught:
                urllib.request.urlopen("http://server:81/")
            seen.append(type(caught.value.reason))
            with pytest.raises(requests.exceptions.ConnectionError):
                requests.get("http://server:81/")
            with pytest.raises(urllib.error.URLError, match="Name or service not known"):
                urllib.request.urlopen("http://nowhere:81/")
        return seen

    assert run(program) == [ConnectionRefusedError]


def test_many_clients_at_once_each_get_their_own_page(run_everywhere):
    def program(sim):
        def fetch(number):
            with urllib.request.urlopen(f"http://server:{port}/page/{number}") as answer:
                return answer.read()

        with pages(sim) as port, sim.host("client"), concurrent.futures.ThreadPoolExecutor(5) as pool:
            return list(pool.map(fetch, range(20)))

    assert run_everywhere(program) == [b"hello from /page/%d" % number for number in range(20)]


def test_a_plain_http_server_serves_one_client_after_the_other(run):
    def program(sim):
        with sim.host("server"):
            server = http.server.HTTPServer(("", 0), Pages)
        with serving(server, sim.host("server")) as port, sim.host("client"), urllib.request.urlopen(f"http://server:{port}/one") as answer:
            return answer.read()

    assert run(program) == b"hello from /one"
