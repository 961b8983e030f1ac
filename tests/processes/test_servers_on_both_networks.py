"""The forking servers on the real network and in a world, by one and the same test."""

from __future__ import annotations

import os
import socketserver as standard

import pytest

from simsock import Simulation, socketserver
from simsock.world.testbed import RealTestbed, SimTestbed

pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real), "sim"])
def bed(request):
    if request.param == "real":
        with RealTestbed() as testbed:
            yield testbed
    else:
        with Simulation() as sim:
            yield SimTestbed(sim)


class Stream(standard.StreamRequestHandler):
    handled = 0

    def handle(self):
        Stream.handled += 1
        self.wfile.write(b"%d %d %s" % (os.getpid(), Stream.handled, self.rfile.readline()))


class Datagram(standard.DatagramRequestHandler):
    handled = 0

    def handle(self):
        Datagram.handled += 1
        self.wfile.write(b"%d %d %s" % (os.getpid(), Datagram.handled, self.rfile.read()))


@pytest.mark.parametrize("library", [standard, socketserver], ids=["standard", "ours"])
@pytest.mark.parametrize(("name", "limit"), [("ForkingTCPServer", 1), ("ForkingTCPServer", 40), ("ForkingUDPServer", 40)])
def test_each_request_has_a_process_and_a_memory_of_its_own(bed, library, name, limit):
    kind = type(name, (getattr(library, name),), {"max_children": limit})
    handler = Stream if name == "ForkingTCPServer" else Datagram
    served = bed.serve(kind, handler)
    replies = []
    for number in range(3):
        client = bed.connect(served) if handler is Stream else bed.datagram()
        if handler is Datagram:
            client.connect(served.address)
        client.sendall(b"number %d\n" % number)
        replies.append(client.recv(100).split())
        client.close()
    assert len({os.getpid(), *(int(pid) for pid, *_ in replies)}) == 4
    assert [words for _, *words in replies] == [[b"1", b"number", b"%d" % number] for number in range(3)]
    assert handler.handled == 0
