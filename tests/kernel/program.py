"""The program that the tests of determinism run: a threaded server of our framework, three clients, sockets of both kinds and a queue.

Everything in it reaches the world through the network, so that the same calls happen on every Python. Run as a script it prints digests.
"""

from __future__ import annotations

import sys
from typing import Any

import simsock
from simsock import socketserver


class Counter(socketserver.StreamRequestHandler):
    """Answers each line with how many there were, and puts it into the server's queue."""

    def handle(self) -> None:
        for line in self.rfile:
            self.server.seen.put(line)  # type: ignore[attr-defined]
            self.wfile.write(b"%d %s" % (self.server.seen.qsize(), line))  # type: ignore[attr-defined]


def run(sim: simsock.Simulation) -> None:
    """Three clients in threads, a datagram each way, a consumer with a timeout."""
    from simsock.stdlib import queue

    network: Any = sim.network
    served = sim.serve(Counter)
    served.server.seen = queue.Queue(maxsize=4)
    peer = sim.datagram(host="peer")

    def client(number: int) -> None:
        with sim.connect(served, host=f"client-{number}") as sock, sock.makefile("rwb") as file:
            for word in (b"one\n", b"two\n", b"three\n"):
                file.write(word)
                file.flush()
                assert file.readline().endswith(word)
        with network.socket.socket(network.socket.AF_INET, network.socket.SOCK_DGRAM) as sock:
            sock.sendto(b"%d" % number, peer.getsockname())

    threads = [network.threading.Thread(target=client, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    lines = []
    while True:
        try:
            lines.append(served.server.seen.get(timeout=2.5))
        except queue.Empty:
            break
    for thread in threads:
        thread.join()
    assert len(lines) == 9
    peer.settimeout(5)
    while True:  # some may be lost
        try:
            assert peer.recvfrom(10)[0] in (b"0", b"1", b"2")
        except TimeoutError:
            break


LOSSY = {"latency": 0.01, "jitter": 0.005, "loss": 0.1}
"""A link that asks the tape all the time."""


def digest(strategy: str, lossy: bool, seed: int | str = 7, **options: Any) -> str:
    """The digest of one world that ran the program."""
    condition = simsock.Link(**LOSSY) if lossy else "perfect"
    with simsock.Simulation(seed=seed, strategy=strategy, link=condition, **options) as sim:
        run(sim)
    return sim.digest


if __name__ == "__main__":
    print(digest("fifo", False), digest("random", True), sys.version_info[1], hash("x"))
