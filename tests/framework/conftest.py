"""What the tests of the framework share: a testbed of each kind, servers and clients on it that are closed at the end, and a network that
notes what is asked of it.

The same test runs on real loopback and in a world. It reaches either through ``bed`` only, so it cannot tell which it is on.
"""

from __future__ import annotations

import pytest

from simsock.world.testbed import RealTestbed, SimTestbed

PATIENCE = 10.0
"""Seconds after which a wait that should have ended long ago gives up. In a world they cost nothing, on loopback they are never used up."""


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "sim"])
def bed(request):
    """A testbed: real loopback, then a world."""
    if request.param == "real":
        with RealTestbed() as testbed:
            yield testbed
        return
    from simsock.world.simulation import Simulation

    with Simulation(patch=False) as sim:
        yield SimTestbed(sim)


@pytest.fixture
def real_bed():
    """Real loopback only, for what worlds do not have."""
    with RealTestbed() as testbed:
        yield testbed


@pytest.fixture
def make_server(bed):
    """Make a server on this host that nobody serves yet: ``make_server(server_class, handler, **options)``."""
    made = []

    def make(server_class, handler, *, address=("127.0.0.1", 0), network=None, **options):
        server = server_class(address, handler, network=network or bed.network, **options)
        made.append(server)
        return server

    yield make
    for server in made:
        server.server_close()


@pytest.fixture
def dial(bed):
    """Connect from this host to a server on it: ``dial(server)``."""
    made = []

    def connect(server, timeout=PATIENCE):
        sock = bed.network.socket.create_connection(server.server_address[:2], timeout)
        made.append(sock)
        return sock

    yield connect
    for sock in made:
        sock.close()


@pytest.fixture
def errors_of(bed):
    """Take the errors of a type that the testbed has noted: ``errors_of(ValueError)`` is their list."""

    def take(kind):
        found = [error for error in bed.errors if isinstance(error, kind)]
        bed.expect_errors(kind)
        return found

    return take


@pytest.fixture
def event(bed):
    """Make an event of the testbed's network whose wait gives up: ``event().wait()``."""

    def make():
        plain = bed.network.threading.Event()
        wait = plain.wait

        def wait_or_fail():
            assert wait(PATIENCE), "what this test waits for has not happened"

        plain.wait = wait_or_fail
        return plain

    return make


@pytest.fixture
def spy(bed):
    """The testbed's network, noting what a server asks of it: ``spy.sockets``, ``.backlogs``, ``.waits``; ``spy.after_select`` may change what select found."""
    return SpyNetwork(bed.network)


class SpyNetwork:
    """A network that passes everything on to another and notes some of it."""

    def __init__(self, network):
        self.threading = network.threading
        self.time = network.time
        self.os = network.os
        self.sockets = []
        self.backlogs = []
        self.waits = []
        self.selectors_open = 0
        self.after_select = lambda ready: ready
        spy = self

        class SpySocket(network.socket.socket):
            def __init__(self, *args, **options):
                super().__init__(*args, **options)
                spy.sockets.append(self)

            def listen(self, *args):
                spy.backlogs.append(args)
                super().listen(*args)

        def socketpair():
            pair = network.socket.socketpair()
            spy.sockets.extend(pair)
            return pair

        class SpySelector(network.selectors.PollSelector):
            def __init__(self):
                super().__init__()
                spy.selectors_open += 1

            def select(self, timeout=None):
                spy.waits.append(timeout)
                return spy.after_select(super().select(timeout))

            def close(self):
                spy.selectors_open -= 1
                super().close()

        self.socket = Module(network.socket, socket=SpySocket, socketpair=socketpair)
        self.selectors = Module(network.selectors, PollSelector=SpySelector)


class Module:
    """A module with some names replaced."""

    def __init__(self, module, **replaced):
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name):
        return getattr(self._module, name)
