"""Two servers with a planted bug each: the state machine finds it and shrinks it to under ten steps; the healthy twin stays green."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from simsock import Simulation
from simsock.errors import UsageError
from simsock.socketserver import BaseRequestHandler
from simsock.strategies import NetworkStateMachine

FEW = settings(max_examples=40, stateful_step_count=8, deadline=None, database=None)
MANY = settings(FEW, max_examples=3_000, report_multiple_bugs=False)


class Echo(BaseRequestHandler):
    """Healthy: sends back whatever comes."""

    def handle(self):
        while data := self.request.recv(1000):
            self.request.sendall(data)


class SharedBuffer(BaseRequestHandler):
    """Keeps what it has received in one place for all clients until it is a whole line."""

    kept = None

    def handle(self):
        kept = self.server.__dict__.setdefault("kept", bytearray())
        while data := self.request.recv(1000):
            kept += data
            while (end := kept.find(b"\n")) >= 0:
                self.request.sendall(bytes(kept[: end + 1]))
                del kept[: end + 1]
        self.request.sendall(bytes(kept))
        kept.clear()


class GivesUp(BaseRequestHandler):
    """Hangs up on a client that is silent for half a minute, without a word."""

    def handle(self):
        self.request.settimeout(30)
        try:
            while data := self.request.recv(1000):
                self.request.sendall(data)
        except TimeoutError:
            pass


class Machine(NetworkStateMachine):
    handler = Echo


class SharedBufferMachine(NetworkStateMachine):
    handler = SharedBuffer
    requests = st.sampled_from([b"a", b"b\n"])


class GivesUpMachine(NetworkStateMachine):
    handler = GivesUp


@pytest.mark.slow
@pytest.mark.parametrize("machine", [SharedBufferMachine, GivesUpMachine])
def test_a_planted_bug_is_found_and_shrunk_to_under_ten_steps(machine):
    with pytest.raises(AssertionError) as caught:
        run_state_machine_as_test(machine, settings=MANY)
    text = "\n".join([str(caught.value), *caught.value.__notes__])
    assert re.search(r"connection \d: received", text)
    steps = re.findall(r"^ *state\.(?!teardown|no_handler|what_came)\w+\(", text, re.MULTILINE)
    assert 2 <= len(steps) < 10, text
    assert "simsock.Simulation(token=" in text


def test_the_healthy_twin_stays_green():
    run_state_machine_as_test(Machine, settings=FEW)


def test_a_machine_without_a_server_is_an_error():
    with pytest.raises(UsageError, match="NetworkStateMachine: handler: expected"):
        run_state_machine_as_test(NetworkStateMachine, settings=FEW)
    with Simulation():
        pass  # no world is left
