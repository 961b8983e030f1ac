"""The same test body on this machine's loopback and in a world.

``net`` is one of the two: the modules ``socket``, ``select``, ``selectors``, ``threading`` and a few helpers. ``twins`` runs one program on both
and compares what it noted.
"""

from __future__ import annotations

import select as real_select
import selectors as real_selectors
import socket as real_socket
import threading as real_threading
import time

import pytest

from simsock.world.simulation import Simulation
from simsock.world.testbed import RealTestbed

PATIENCE = 10.0
"""Seconds after which something that should have happened long ago is taken for lost. In a world they cost nothing."""


class Net:
    """What both have in common."""

    kind = ""

    def __init__(self):
        self._kept = []

    def keep(self, sock):
        """Close ``sock`` with the test."""
        self._kept.append(sock)
        return sock

    def close(self):
        """Close what was kept, the newest first."""
        while self._kept:
            self._kept.pop().close()

    def tcp(self, family=real_socket.AF_INET):
        """A new stream socket."""
        return self.keep(self.socket.socket(family, self.socket.SOCK_STREAM))

    def udp(self, family=real_socket.AF_INET, bind=True):
        """A datagram socket, bound to loopback and a free port."""
        sock = self.keep(self.socket.socket(family, self.socket.SOCK_DGRAM))
        if bind:
            sock.bind(("127.0.0.1" if family == real_socket.AF_INET else "::1", 0))
        return sock

    def listener(self, family=real_socket.AF_INET, **options):
        """A listening stream socket on loopback and a free port."""
        host = "127.0.0.1" if family == real_socket.AF_INET else "::1"
        return self.keep(self.socket.create_server((host, 0), family=family, **options))

    def pair(self, family=real_socket.AF_INET):
        """(client, server): the two ends of a connection."""
        with self.socket.create_server(("127.0.0.1" if family == real_socket.AF_INET else "::1", 0), family=family) as listener:
            client = self.keep(self.socket.create_connection(listener.getsockname()[:2]))
            server, _ = listener.accept()
            return client, self.keep(server)

    def nobody(self, kind=real_socket.SOCK_STREAM):
        """An address on loopback where nobody listens."""
        with self.socket.socket(self.socket.AF_INET, kind) as sock:
            sock.bind(("127.0.0.1", 0))
            return sock.getsockname()

    def bits(self, sock, mask=0x2007):
        """What poll(2) says of a socket now."""
        poll = self.select.poll()
        poll.register(sock, mask)
        ready = poll.poll(0)
        return ready[0][1] if ready else 0


class RealNet(Net):
    kind = "real"
    socket, select, selectors, threading = real_socket, real_select, real_selectors, real_threading

    def __init__(self):
        super().__init__()
        self._bed = RealTestbed()

    def spawn(self, fn, *args):
        """Run ``fn`` at the same time; ``.result(timeout)``."""
        return self._bed.spawn(fn, *args)

    def settle(self):
        """Give others the time to come to their next wait."""
        time.sleep(0.01)

    def nap(self):
        """Let a moment pass."""
        time.sleep(0.01)

    def now(self):
        """Seconds of whichever clock counts here."""
        return time.monotonic()


class SimNet(Net):
    kind = "sim"

    def __init__(self, sim):
        super().__init__()
        self.sim = sim
        self.spawn, self.settle = sim.spawn, sim.settle
        network = sim.network
        self.socket, self.selectors, self.threading = network.socket, network.selectors, network.threading
        from simsock.stdlib import select

        self.select = select

    def nap(self):
        self.sim.sleep(0.01)

    def now(self):
        return self.sim.now


def real_net():
    net = RealNet()
    with net._bed:
        try:
            yield net
        finally:
            net.close()


def sim_net(**options):
    with Simulation(**options) as sim:
        net = SimNet(sim)
        try:
            yield net
        finally:
            net.close()


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "sim"])
def net(request):
    """This machine's loopback, then a world."""
    yield from real_net() if request.param == "real" else sim_net()


@pytest.fixture
def sim():
    """A world of its own."""
    with Simulation() as sim:
        yield sim


class Notes(list):
    """What a program saw, call by call: ``notes(label, fn, *args)`` notes what the call returned, or its error's type, number and text."""

    def __call__(self, label, fn, *args):
        try:
            outcome = fn(*args)
        except Exception as error:
            outcome = (type(error).__name__, getattr(error, "errno", None), str(error))
        self.append((label, outcome))
        return outcome


@pytest.fixture
def twins():
    """Run ``program(net, notes)`` on loopback and in a world; what it notes has to be the same."""

    def run(program):
        seen = {}
        for make in (real_net, sim_net):
            notes = Notes()
            for net in make():
                program(net, notes)
            seen[net.kind] = list(notes)
        assert seen["real"], "the program noted nothing"
        different = [(real, sim) for real, sim in zip(seen["real"], seen["sim"], strict=True) if real != sim]
        assert not different, "\n".join(f"{label}:\n    Linux  {real}\n    world  {sim}" for (label, real), (_, sim) in different)

    return run
