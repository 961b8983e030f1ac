"""Servers of the standard library, and functions that make a server or serve by themselves."""

from __future__ import annotations

import pytest

from simsock.scenario import read, run

SERVERS = """
import asyncio
import http.server
import socket
import socketserver
import threading


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline())


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def makes_one(address):
    return Server(address, Echo)


def answers(connection):
    with connection:
        connection.sendall(connection.recv(100))


def accepts(address):
    with socket.create_server(address) as listener:
        while True:
            threading.Thread(target=answers, args=(listener.accept()[0],), daemon=True).start()


def runs_a_loop(address):
    async def answer(reader, writer):
        writer.write(await reader.readline())
        writer.close()

    async def main():
        server = await asyncio.start_server(answer, *address)
        await server.serve_forever()

    asyncio.run(main())


def starts_a_thread(address):
    threading.Thread(target=accepts, args=(address,), daemon=True).start()


def connects(sim, served, number):
    with sim.connect(served, host=f"guest-{number}") as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"


def returns_something(address):
    return 3


def listens_nowhere(address):
    threading.Event().wait()


def fails(address):
    raise ValueError("no such place")
"""

FILE = """
[scenario]
name = "every-kind"
about = "A server of some kind."
expect = "{expect}"

[server]
{server}

[[populations]]
kind = "polite"
count = 3
arrivals = "every 5s"
request = "hello\\n"

{more}
[expectations]
replies = {{ polite = "hello\\n" }}

[search]
schedules = 4
preempt = "calls"
"""
RESTART = '[[timeline]]\nat = "2s"\ndo = "crash"\nhost = "server"\n\n[[timeline]]\nat = "3s"\ndo = "restart"\nhost = "server"\n'


@pytest.fixture
def ran(tmp_path):
    def ran(server, more="", expect="inconclusive", given=None):
        (tmp_path / "kinds.py").write_text(SERVERS)
        (tmp_path / "kinds.toml").write_text(FILE.format(server=server, more=more, expect=expect))
        return run(read(str(tmp_path / "kinds.toml")), server=given)

    return ran


@pytest.mark.parametrize(
    "server",
    [
        'class = "kinds:Server"\nhandler = "kinds:Echo"',
        'handler = "kinds:Echo"',
        'function = "kinds:makes_one"',
        'function = "kinds:accepts"',
        'function = "kinds:runs_a_loop"',
        'function = "kinds:starts_a_thread"',
    ],
)
@pytest.mark.parametrize("more", ["", RESTART])
def test_a_server_of_any_kind_serves_its_clients_also_after_a_restart(ran, server, more, capfd):
    result = ran(server, more)
    assert result.as_expected, result.surprise
    assert result.rows[0].results["served"] == 12
    assert capfd.readouterr().err == ""  # what a loop says of its unfinished tasks


def test_a_server_on_the_command_line_may_be_a_function(ran):
    result = ran('handler = "kinds:Echo"', given="kinds:accepts")
    assert result.rows[0].results["served"] == 12


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("returns_something", "returned 3, and nothing listens on host 'server'. Expected a server"),
        ("listens_nowhere", "nothing listens on host 'server' after 60s"),
        ("fails", "no such place"),
    ],
)
def test_a_function_that_does_not_serve_fails_the_run_and_is_told(ran, name, told):
    result = ran(f'function = "kinds:{name}"', expect="fails")
    error = str(result.verdict.error)
    assert told in error and (name in error or name == "fails")


def test_a_function_stands_alone(ran):
    with pytest.raises(Exception, match=r"server.function = 'kinds:accepts': not together with server.handler = 'kinds:Echo'"):
        ran('function = "kinds:accepts"\nhandler = "kinds:Echo"')


def test_a_client_of_ones_own_connects_to_whatever_serves(ran):
    result = ran('function = "kinds:accepts"', '[clients]\ncount = 2\nclient = "kinds:connects"\n')
    assert result.as_expected, result.surprise
