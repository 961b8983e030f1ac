"""``http.server`` over https, with the clients that people use; and that such runs are the same wherever and whenever they happen."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import httpx
import pytest
import requests
import trio
import trustme

import simsock
from simsock import Simulation
from simsock.stdlib import _openssl
from tests.tls.contexts import AUTHORITY, client_context, make_client_context, make_server_context, server_context

ROOT = Path(__file__).parent.parent.parent


class Pages(http.server.BaseHTTPRequestHandler):
    """Says which page was asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(b"page " + self.path.encode())

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])).upper())

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self):
        return "a server"

    def log_message(self, *args):
        """Nothing."""


@contextlib.contextmanager
def https(context=None):
    """A threading server on port 443 of this host."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 443), Pages)
    server.socket = (context or server_context()).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def test_urllib_reads_and_posts():
    with Simulation(seed=1), https():
        with urllib.request.urlopen("https://localhost/a", context=client_context()) as answer:
            assert answer.read() == b"page /a"
        with urllib.request.urlopen("https://localhost/b", data=b"some text", context=client_context()) as answer:
            assert answer.read() == b"SOME TEXT"


def test_http_client_keeps_its_connection():
    with Simulation(seed=1) as sim, https():
        connection = http.client.HTTPSConnection("localhost", context=client_context())
        for page in ("/a", "/b", "/c"):
            connection.request("GET", page)
            assert connection.getresponse().read() == b"page " + page.encode()
        connection.close()
    assert [record[2] for record in sim.records].count("handshake") == 2, "one connection, both ends of it"


def test_requests_believes_the_authority_it_is_told_and_no_other():
    with Simulation(seed=1), https():
        with requests.Session() as session:
            assert session.get("https://localhost/a", verify=AUTHORITY).text == "page /a"
            assert session.post("https://127.0.0.1/b", data="some text", verify=AUTHORITY).content == b"SOME TEXT"
        with pytest.raises(requests.exceptions.SSLError, match=r"self.signed certificate in certificate chain|unable to get local issuer certificate"):
            requests.get("https://localhost/a", timeout=5)


def test_httpx_keeps_its_connection_and_believes_nobody_else():
    with Simulation(seed=1) as sim, https():
        with httpx.Client(verify=client_context()) as client:
            assert [client.get(f"https://localhost/{page}").text for page in "ab"] == ["page /a", "page /b"]
            assert client.post("https://localhost/c", content="some text").content == b"SOME TEXT"
        assert [record[2] for record in sim.records].count("handshake") == 2, "one connection, both ends of it"
        with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
            httpx.get("https://localhost/a", verify=ssl.create_default_context())


def _with_trio(main):
    async def run():
        return await main

    return trio.run(run)


@pytest.mark.parametrize("loop", [asyncio.run, _with_trio], ids=["asyncio", "trio"])
def test_httpx_asks_a_threading_server_from_an_event_loop(loop):
    async def main():
        async with httpx.AsyncClient(verify=client_context()) as client:
            pages = [(await client.get(f"https://localhost/{page}")).text for page in "ab"]
            return pages, (await client.post("https://localhost/c", content=b"some text")).content

    def run():
        with Simulation(seed=1) as sim, https():
            assert loop(main()) == (["page /a", "page /b"], b"SOME TEXT")
        return sim.digest

    assert run() == run()


def test_a_server_whose_certificate_is_for_another_name_is_refused():
    with Simulation(seed=1), https(make_server_context("other")), pytest.raises(urllib.error.URLError, match="Hostname mismatch") as caught:
        urllib.request.urlopen("https://localhost/", context=client_context())
    assert caught.value.reason.verify_code == 62


def test_a_chain_that_trustme_makes_is_a_chain_like_any_other():
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    with Simulation(seed=1), https(server), urllib.request.urlopen("https://localhost/a", context=client) as answer:
        assert answer.read() == b"page /a"


def digest_of_a_world(**options):
    with Simulation(seed=1, **options) as sim, https(), requests.Session() as session:
        for page in ("a", "b"):
            assert session.get(f"https://localhost/{page}", verify=AUTHORITY).text == f"page /{page}"
        with urllib.request.urlopen("https://localhost/c", context=client_context()) as answer:
            assert answer.read() == b"page /c"
    return sim.digest


def test_the_first_world_and_the_hundredth_are_one_run():
    digests = {digest_of_a_world() for _ in range(2)}
    with simsock.session():
        digests |= {digest_of_a_world() for _ in range(10)}
    assert len(digests) == 1


def test_a_fresh_process_has_the_same_run():
    program = "from tests.tls.test_https import digest_of_a_world; print(digest_of_a_world())"
    env = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "pytest_plugin")))}
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == digest_of_a_world()


def test_what_is_said_decides_about_the_digest_and_keys_do_not():
    def run(text):
        server, client = make_server_context(), make_client_context()  # each with keys of its own for tickets
        with Simulation(seed=1) as sim, https(server), urllib.request.urlopen("https://localhost/", data=text, context=client) as answer:
            answer.read()
        return sim.digest

    one, same, other = run(b"one"), run(b"one"), run(b"two")
    assert one == same != other


def test_where_openssl_cannot_be_told_what_to_draw_the_digest_is_the_same_all_the_same(monkeypatch):
    usual = digest_of_a_world()
    monkeypatch.setattr(_openssl, "_chance", lambda: None)
    assert digest_of_a_world() == digest_of_a_world() == usual


def test_a_race_behind_tls_is_found_and_repeated():
    def program(sim):
        visits = []

        def serve(sock):
            with server_context().wrap_socket(sock, server_side=True) as tls:
                before = len(visits)
                tls.sendall(tls.recv(10))
                visits[before:] = [1]

        def visit(sock):
            with client_context().wrap_socket(sock, server_hostname="localhost") as tls:
                tls.sendall(b"hello")
                assert tls.recv(10) == b"hello"

        pairs = [socket.socketpair() for _ in range(2)]
        threads = [threading.Thread(target=target, args=(sock,)) for pair in pairs for target, sock in zip((serve, visit), pair)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(visits) == 2

    verdict = simsock.explore(program, schedules=100, preempt="calls", strategy="random", shrink=False)
    assert verdict.status == "fails"
    with pytest.raises(AssertionError):
        simsock.replay(program, verdict.token)
