"""Random sequences of calls on up to eight sockets of several kinds, and on pipes and signals: Linux and a world say the same at each step."""

from __future__ import annotations

import socket as real_socket
from os import environ

import pytest
from hypothesis import HealthCheck, given, settings

from simsock import Simulation
from tests.net import differential_descriptors as descriptors
from tests.net.conftest import real_net, sim_net
from tests.net.differential import INTERNET, PROGRAMS, TCP, UDP, UNIX, Machine, Step

FEW, MANY = 400, int(environ.get("SIMSOCK_TEST_SEQUENCES", "20000"))
SLOW_MOTION = (0.005, 0.05)
"""Seconds between calls, when a run at full speed differed."""
FIXED = {"derandomize": True, "database": None, "deadline": None, "suppress_health_check": list(HealthCheck)}


def outcomes(make, kinds, steps, pause=0.0):
    seen = None
    for net in make():
        seen = Machine(net, kinds, pause).run(steps)
    return seen


def compare(directory, program):
    kinds, steps = program
    world = outcomes(sim_net, kinds, steps)

    def on_linux(pause):
        seen = outcomes(real_net, kinds, steps, pause)
        for path in directory.iterdir():
            path.unlink()
        return seen

    tell(world, on_linux, "socket")


def compare_descriptors(steps):
    with Simulation():
        world = descriptors.Machine(0.0).run(steps)
    tell(world, lambda pause: descriptors.Machine(pause).run(steps), "descriptor")


def tell(world, on_linux, of_what):
    for pause in (0.0, *SLOW_MOTION):
        # The kernel of a busy machine may deliver late; only what also happens in slow motion is a difference.
        linux = on_linux(pause)
        if linux == world:
            return
    different = [(number, real, sim) for number, (real, sim) in enumerate(zip(linux, world)) if real != sim]
    number, real, sim = different[0]
    raise AssertionError(f"step {number}, {real[0]} of {of_what} {real[1]}:\n    Linux  {real[2]}\n    world  {sim[2]}\nin {world[: number + 1]}")


@pytest.fixture
def check(tmp_path, monkeypatch):
    """``check(program)``: run it on both and compare. Paths are relative to an empty directory."""
    monkeypatch.chdir(tmp_path)
    return lambda program: compare(tmp_path, program)


@pytest.mark.once
@pytest.mark.real
def test_random_sequences_of_calls_have_linuxs_outcomes(check):
    settings(max_examples=FEW, **FIXED)(given(PROGRAMS)(check))()


@pytest.mark.real
@pytest.mark.differential
@pytest.mark.timeout(3600)
def test_many_random_sequences_of_calls_have_linuxs_outcomes(check):
    settings(max_examples=MANY, **FIXED)(given(PROGRAMS)(check))()


@pytest.mark.once
@pytest.mark.real
def test_random_sequences_of_calls_on_descriptors_and_signals_have_linuxs_outcomes():
    settings(max_examples=FEW // 2, **FIXED)(given(descriptors.PROGRAMS)(compare_descriptors))()


@pytest.mark.real
@pytest.mark.differential
@pytest.mark.timeout(3600)
def test_many_random_sequences_of_calls_on_descriptors_and_signals_have_linuxs_outcomes():
    settings(max_examples=MANY, **FIXED)(given(descriptors.PROGRAMS)(compare_descriptors))()


FOUND = {
    "who sends a datagram has a port, also when it fails": ((UDP,), "send 0 0 0, name 0 0 0, bind 0 0 1"),
    "a datagram socket that was shut down": ((UDP,), "shutdown 0 0 2, send 0 0 1, sendto 0 0 1"),
    "a listener that was shut down before": ((TCP,), "shutdown 0 0 2, listen_and_connect 0 0 0, accept 0 0 0, recv 1 0 0"),
    "a listener that is shut down and nobody waits": ((UNIX,), "listen_and_connect 0 0 0, shutdown 0 0 0, accept 0 0 0, accept 0 0 0"),
    "a reset before connect was called again": ((TCP,), "listen_and_connect 0 0 0, shutdown 0 0 0, connect 1 0 1, poll 0 0 0, connect 1 0 0"),
    "a reset, and shutdown before connect": ((TCP,), "listen_and_connect 0 0 0, shutdown 0 0 0, shutdown 1 0 2, connect 1 0 0, error 1 0 0"),
    "a failed connection, and a failed bind": ((TCP,), "connect 0 0 0, new 0 0 0, bind 1 0 0, bind 0 1 3, name 0 0 0"),
    "an accepted socket inherits SO_LINGER": ((TCP,), "reset 0 0 1, listen_and_connect 0 0 0, accept 0 0 0, close 2 0 0, recv 1 0 0"),
    "a datagram socket that is connected to port 0 hears an address": ((UDP,), "to_nowhere 0 0 0, sendto 0 0 1, poll 0 0 0, name 0 0 0, sendto 0 0 0"),
    "a datagram socket that is connected hears no group": ((UDP,), "to_nowhere 0 0 0, member 0 0 1, to_group 0 0 1, new 0 0 0, to_group 1 0 1"),
    "an epoll object does not know another file under a number that it knew": (
        (TCP,),
        "watch 0 2 2, close 0 0 0, new 0 0 0, unwatch 1 0 0, watch 1 3 0, watch 1 2 0, edges 0 0 0",
    ),
    "shutting down is an edge": ((TCP,), "watch 0 2 2, edges 0 0 0, shutdown 0 0 2, edges 0 0 0"),
    "shutting a datagram socket down is an edge": ((UDP,), "watch 0 2 2, edges 0 0 0, shutdown 0 0 1, edges 0 0 0, shutdown 0 0 2, edges 0 0 0"),
    "another limit of what may be sent is an edge": ((UNIX,), "pair 0 0 0, watch 0 2 2, edges 0 0 0, limit 0 0 2, edges 0 0 0"),
    "who fails to send urgent data has a port": ((UDP,), "urgent 0 0 1, bind 0 0 1, name 0 0 0"),
    "the sender's name is that of the reader's time": ((UNIX,), "pair 0 0 0, send 0 0 2, bind 0 0 0, recvfrom 1 0 0"),
}
"""Sequences that random ones came to."""


@pytest.mark.real
@pytest.mark.parametrize("name", FOUND)
def test_what_random_sequences_found(check, name):
    kinds, text = FOUND[name]
    check((kinds, [Step(what, *map(int, numbers)) for what, *numbers in (call.split() for call in text.split(", "))]))


FOUND_OF_DESCRIPTORS = {
    "a descriptor that is duplicated onto itself, not to be inherited": "pipe 0 0 0, dup2 0 0 0, flags 0 0 0",
    "a descriptor that is duplicated onto itself, to be inherited, stays what it is": "pipe 0 0 0, dup2 1 1 1, flags 1 0 0",
    "nothing is written to a pipe that nobody reads": "pipe 0 0 0, close 0 0 0, write 1 0 0, write 1 0 1",
    "a blocked signal that comes to be ignored is pending no more": "block 0 0 0, kill 0 0 0, handler 0 0 0, pending 0 0 0, handler 0 0 1, block 0 0 1",
    "who fails to be woken by a signal": "wakeup 0 0 1, kill 0 0 0, handled 0 0 0",
    "the place in a counter": "event 0 0 3, pipe 0 0 0, odd 0 0 0, odd 0 0 1, odd 0 0 2, odd 0 0 3, odd 1 0 0",
    "who gets a descriptor with a message says whether it is inherited": "pipe 0 0 0, passing 0 0 2, passing 0 0 5, file 0 0 0, passing 1 1 2",
    "the size of what is no pipe": "pair 0 0 0, event 0 0 0, size 0 0 0, size 2 0 4, size 1 0 4",
}


@pytest.mark.real
@pytest.mark.parametrize("name", FOUND_OF_DESCRIPTORS)
def test_what_random_sequences_on_descriptors_found(name):
    text = FOUND_OF_DESCRIPTORS[name]
    compare_descriptors([descriptors.Step(what, *map(int, numbers)) for what, *numbers in (call.split() for call in text.split(", "))])


@pytest.mark.real
def test_a_difference_is_told_with_its_step(check, monkeypatch):
    def shorter(self, step):
        taken = self.sock(step).send(b"x" * 10)
        return taken - 1 if self.net.kind == "sim" else taken

    monkeypatch.setattr(Machine, "send", shorter)
    monkeypatch.setattr("tests.net.test_differential.SLOW_MOTION", ())
    with pytest.raises(AssertionError, match=r"step 1, send of socket 0:\n    Linux  10\n    world  9\n"):
        check(((UNIX,), [Step("pair", 0, 0, 0), Step("send", 0, 0, 1)]))


@pytest.mark.real
def test_a_connection_of_each_kind_carries_bytes(check):
    for choice, kind in enumerate(INTERNET[:2]):
        steps = [Step("new", 0, 0, choice), Step("listen_and_connect", 0, 0, 0), Step("accept", 0, 0, 0), Step("send", 1, 0, 3), Step("wait", 2, 0, 0)]
        check((INTERNET, steps))
        for net in sim_net():
            seen = Machine(net, INTERNET, 0).run(steps)
            assert seen[4][2] == (10, b"A" * 8) and kind[1] == real_socket.SOCK_STREAM
