"""Programs of the usual kinds in several processes: workers before requests, asyncio, HTTP, logging, unittest and Hypothesis."""

from __future__ import annotations

import asyncio
import http.server
import logging
import os
import signal
import socket
import socketserver
import threading
import time
import unittest
import urllib.request

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import simsock
from simsock import Simulation
from tests.processes.children import status_of


class Shout(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


class Number(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"%d" % os.getpid()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class ForkingHTTPServer(socketserver.ForkingMixIn, http.server.HTTPServer):
    pass


def test_workers_that_are_forked_before_serve_from_one_listener_until_they_are_told_to_end():
    with Simulation():
        server = socketserver.TCPServer(("127.0.0.1", 8000), Shout)
        workers = []
        for _ in range(2):
            pid = os.fork()
            if not pid:
                server.serve_forever()
            workers.append(pid)
        server.server_close()
        for _ in range(4):
            with socket.create_connection(("127.0.0.1", 8000)) as client:
                client.sendall(b"abc\n")
                assert client.recv(10) == b"ABC\n"
        for pid in workers:
            os.kill(pid, signal.SIGTERM)
        assert [status_of(pid) for pid in workers] == [-signal.SIGTERM] * 2


def test_an_http_server_that_forks_serves_an_unmodified_client():
    with Simulation():
        server = ForkingHTTPServer(("127.0.0.1", 8080), Number)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        numbers = [int(urllib.request.urlopen("http://127.0.0.1:8080/").read()) for _ in range(2)]
        server.shutdown()
        server.server_close()
        thread.join()
    assert len({*numbers, os.getpid()}) == 3


def test_asyncio_runs_in_a_child_and_in_its_parent():
    async def wait_and_count():
        await asyncio.sleep(5)
        return 3

    async def receive(sock):
        sock.setblocking(False)
        return await asyncio.get_running_loop().sock_recv(sock, 10)

    with Simulation() as sim:
        here, there = socket.socketpair()
        pid = os.fork()
        if not pid:
            number = asyncio.run(wait_and_count())
            there.sendall(b"x")
            os._exit(number)
        assert asyncio.run(receive(here)) == b"x"
        assert status_of(pid) == 3
        assert round(sim.now) == 5


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_who_logs_while_another_thread_forks_does_not_keep_the_child_from_logging(preempt):
    log = logging.getLogger(__name__)

    def noise():
        for _ in range(5):
            log.warning("noise")
            time.sleep(0.1)

    with Simulation(strategy="random", preempt=preempt):
        thread = threading.Thread(target=noise)
        thread.start()
        for _ in range(3):
            pid = os.fork()
            if not pid:
                log.warning("child")
                os._exit(7)
            assert status_of(pid) == 7
        thread.join()


class TestOfUnittest(unittest.TestCase):
    def test_a_child_ends_in_a_method_of_a_test_case(self):
        with Simulation():
            pid = os.fork()
            if not pid:
                raise SystemExit(4)
            assert status_of(pid) == 4

    def test_a_child_that_comes_to_the_end_of_it_ends_there(self):
        with Simulation():
            pid = os.fork()
            if pid:
                assert status_of(pid) == 0


@settings(max_examples=4, deadline=None)
@given(st.integers(0, 255))
def test_a_child_ends_within_an_example_of_hypothesis(sim, number):
    pid = os.fork()
    if not pid:
        raise SystemExit(number)
    assert status_of(pid) == number


@pytest.mark.parametrize("strategy", ["random", "pct", "portfolio", "dfs"])
def test_every_strategy_orders_processes(strategy):
    def two_write(sim):
        reading, writing = os.pipe()
        for number in range(2):
            if not os.fork():
                os.write(writing, b"%d" % number)
                os._exit(0)
        os.wait()
        os.wait()
        assert os.read(reading, 10) == b"01"

    assert simsock.explore(two_write, schedules=30, strategy=strategy).status == "fails"
