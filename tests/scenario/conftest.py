"""Small scenarios in folders of their own."""

import sys
from pathlib import Path

import pytest

COUNTER = """
from simsock.socketserver import BaseRequestHandler, StreamRequestHandler, TCPServer, ThreadingTCPServer


class Handler(StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        count = self.server.count
        count += 1
        self.server.count = count


class Server(ThreadingTCPServer):
    count = 0


class Whole(Server):
    def __init__(self, address):
        super().__init__(address, Handler)


class Careful(Whole):
    def __init__(self, address):
        super().__init__(address)
        self.RequestHandlerClass = LockedHandler
        self.lock = self.network.threading.Lock()


class LockedHandler(StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        with self.server.lock:
            self.server.count += 1


def check(server):
    if server.count != 3:  # no assert: pytest rewrites those of modules that are named like a scenario of an editable installation
        raise AssertionError(f"{server.count} counted")


def is_three(server):
    return server.count == 3


def client(sim, served, number):
    with sim.connect(served, host=f"guest-{number}") as connection:
        connection.sendall(b"%d\\n" % number)
        connection.recv(1)


def failing_client(sim, served, number):
    raise RuntimeError(f"client {number} fails")


async def later(address):
    pass


A_VALUE = 3
"""

SCENARIO = """
[scenario]
name = "counting"
about = "It counts."
expect = "{expect}"

[server]
{server}

[clients]
count = 3
{clients}

[check]
function = "{check}"

[search]
schedules = {schedules}
seed = 0
"""


@pytest.fixture(autouse=True)
def _forgetful(modules_stay_as_they_are):
    """Each test has a ``counter`` of its own."""


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Writes ``counter.py`` and a scenario beside it, makes their folder the working directory, and returns the scenario's path."""
    monkeypatch.chdir(tmp_path)

    def write(
        name="it.toml",
        source=COUNTER,
        server='class = "counter:Server"\nhandler = "counter:Handler"',
        clients='send = "x\\n"',
        expect="fails",
        check="counter:check",
        schedules=200,
        more="",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "counter.py").write_text(source)
        path.write_text(SCENARIO.format(expect=expect, server=server, clients=clients, check=check, schedules=schedules) + more)
        return name

    return write


@pytest.fixture
def folder_with(tmp_path, monkeypatch):
    """What writes files to a folder of their own, by name, and makes it the working directory. Their modules are not kept."""
    modules = []

    def write(files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
            modules.extend([Path(name).stem] if name.endswith(".py") else [])
        monkeypatch.chdir(tmp_path)
        return tmp_path

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield write
    for name in modules:
        sys.modules.pop(name, None)
