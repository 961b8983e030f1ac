"""A program that uses simsock, rightly and wrongly: what type checkers say of it is the affair of ``test_types.py``. Nobody runs it.

Each line that ends in ``# wrong`` is a mistake that a type checker must find, and no other line is one.
"""

from __future__ import annotations

import http.server
import socket
import socketserver
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

import simsock
from pytest_simsock import marker
from simsock.socketserver import StreamRequestHandler, ThreadingTCPServer
from simsock.strategies import links, requests, simulations
from simsock.stubs import Answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from simsock.world.typed import WorldOptions


class Echo(StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.readline())


class Counting(ThreadingTCPServer):
    count = 0


def add(first: int, second: int) -> int:
    return first + second


def test(sim: simsock.Simulation) -> None:
    sim.sleep(1)


def right(sim: simsock.Simulation, made: http.server.HTTPServer) -> bytes:
    with sim.connect(sim.serve(Echo), timeout=1.0) as client:
        client.sendall(b"hello")
    with sim.datagram(host="client", address=("10.0.0.1", 9)) as one:
        one.sendto(b"hello", ("server", 9))
    counted = sim.serve(Echo, server_class=Counting)
    counted.server.count += 1
    also = sim.serve(Counting, Echo, host="other", port=7)
    also.server.count += 1
    alone = sim.serve(Counting)
    alone.server.count += 1
    standard = sim.serve(http.server.ThreadingHTTPServer, http.server.BaseHTTPRequestHandler)
    standard.server.server_name.upper()
    sim.serve(made).server.server_port.bit_count()
    sim.serve(Echo, server_class=socketserver.TCPServer).stop()
    sim.connect(made)
    sim.connect(("server", 80), host=sim.host("client", clock_skew="-5s"))
    number = sim.spawn(add, 1, 2, name="adder").result("1min")
    number.bit_count()
    sim.host("far").spawn(add, 1, 2).result().bit_count()
    sim.link("client", "server", "3g", loss="1%", jitter=0.01, slice=[1, 2])
    sim.link("client", condition=simsock.Link(loss=simsock.GilbertElliott(0.1, 0.2)).but(rate="1Mbit"))
    sim.partition("client", ["server", sim.host("far")])
    sim.heal()
    sim.resolver("server", fail="temporary", chance=0.5)
    plain: socket.socket = sim.connect(counted)
    return plain.recv(10)


def right_worlds(options: WorldOptions) -> None:
    simsock.Simulation(seed="seven", records=0)
    simsock.Simulation(link="busy")
    simsock.Simulation(strategy="pct:3", preempt="lines", scope=[simsock, "src"], link="flaky-wifi", chunks=[1, 2], sends="bytes")
    simsock.Simulation(stalls="50ms", collect="random", start_time=datetime.now(UTC), max_time="1h", fresh=["package"], allow="127.0.0.1:5432")
    simsock.Simulation(**options)
    verdict = simsock.explore(test, 10, jobs=2, strategy="dfs")
    assert verdict.status == "holds"
    simsock.check_determinism(test, processes=1, preempt="lines")
    simulations(link=links(), seed=3)
    simsock.fuzz(Echo, requests("lines"), check=lambda request, talk: talk.reply == request)


def right_talks() -> bytes:
    def dialogue() -> Generator[bytes, bytes, None]:
        greeting = yield b""
        yield greeting.upper()

    simsock.talk(Echo, simsock.Datagram(b"hello"))
    simsock.talk(Echo, dialogue)
    return simsock.talk(Echo, b"hello", chunks=[1]).reply


def right_stubs(sim: simsock.Simulation) -> str:
    sim.stub(lines={"PING": ["PONG", "PANG"], "QUIT": Answer("bye", then="close")}, otherwise=lambda request: request.line)
    stub = sim.stub(routes={"GET /": 503, "/json": {"a": 1}}, host="api", port=80)
    sim.connect(stub).close()
    return stub.url + stub.requests[0].path


def wrong_stubs(sim: simsock.Simulation) -> None:
    sim.stub(route={"GET /": 503})  # wrong
    sim.stub(data=1.5)  # wrong
    print(sim.stub(data=b"").requests[0].lines)  # wrong


@marker(seed=7, schedules=50, link="lan", world="test", runner="asyncio")
def test_marked(sim: simsock.Simulation) -> None:
    sim.settle()


@marker(schedule=50)  # wrong
def test_wrongly_marked(sim: simsock.Simulation) -> None:
    sim.settle()


@marker(preempt="line")  # wrong
def test_also_wrongly_marked(sim: simsock.Simulation) -> None:
    sim.settle()


async def right_on_trio(sim: simsock.Simulation) -> bytes | bytearray:
    async with await sim.aconnect(sim.serve(Echo), host="client") as stream:
        await stream.send_all(b"hello")
        return await stream.receive_some(10)


async def wrong_on_trio(sim: simsock.Simulation) -> None:
    await (await sim.aconnect(("server", 80))).send_all("text")  # wrong
    await (await sim.aconnect(("server", 80))).recv(10)  # wrong
    await sim.aconnect(("server", 80), timeout=5)  # wrong


def wrong(sim: simsock.Simulation) -> None:
    sim.connect(("server", 80)).sendall("text")  # wrong
    sim.connect(("server", 80)).receive(10)  # wrong
    text: str = sim.connect(("server", 80)).recv(10)  # wrong
    sim.connect("server")  # wrong
    sim.datagram().sendto(text.upper(), ("server", 9))  # wrong
    sim.datagram(port=9)  # wrong
    sim.datagram(address="server")  # wrong
    print(sim.serve(Echo).server.count)  # wrong
    sim.serve(Echo, server_class=Echo)  # wrong
    sim.serve("server")  # wrong
    print(sim.serve(Echo).adress)  # wrong
    sim.spawn(add, 1, "2")  # wrong
    sim.spawn(add, 1)  # wrong
    sim.spawn(add, 1, 2).result().upper()  # wrong
    sim.spawn(add(1, 2))  # wrong
    sim.host("far").spawn(add, "1", 2)  # wrong
    sim.host("far", "10.0.0.7")  # wrong
    sim.host("far").crashes()  # wrong
    sim.link("client", "server", "4gg")  # wrong
    sim.link("client", "server", "busy")  # wrong
    sim.link("client", "server", latency=[1])  # wrong
    sim.link("client", "server", latancy="80ms")  # wrong
    sim.partition(1, 2)  # wrong
    sim.resolver("server", fail="sometimes")  # wrong
    sim.run_until(True)  # wrong
    sim.expect_errors("ValueError")  # wrong
    sim.sleep(None)  # wrong
    print(sim.nwo)  # wrong


def wrong_worlds() -> None:
    simsock.Simulation(sed=7)  # wrong
    simsock.Simulation(seed=1.5)  # wrong
    simsock.Simulation(strategy="randon")  # wrong
    simsock.Simulation(strategy=object())  # wrong
    simsock.Simulation(preempt="line")  # wrong
    simsock.Simulation(link="wlan")  # wrong
    simsock.Simulation(latency="80ms")  # wrong
    simsock.Simulation(chunks="all")  # wrong
    simsock.Simulation(fresh="package")  # wrong
    simsock.Simulation(max_steps="many")  # wrong
    simsock.Simulation(entropy="tapes")  # wrong
    simsock.Link(latancy="80ms")  # wrong
    simsock.Link(distribution="normally")  # wrong
    simsock.Link(loss="1%").but(los=0)  # wrong
    simsock.explore(test(simsock.Simulation()), 10)  # wrong
    simsock.explore(test, schedule=10)  # wrong
    simsock.explore(test, 10, preempt="line")  # wrong
    simsock.explore(test, 10).raise_if_fails()  # wrong
    failed: Literal["failed"] = simsock.explore(test, 10).status  # wrong
    print(failed)
    simsock.check_determinism(test, preempts="lines")  # wrong
    simsock.replay(test, b"token")  # wrong
    simsock.talk(Echo, "hello")  # wrong
    simsock.talk(Echo, b"hello", chunks="byte")  # wrong
    simsock.talk(Echo, b"hello").reply.encode()  # wrong
    simsock.fuzz(Echo, b"hello")  # wrong
    simsock.fuzz(Echo, requests("lines"), example=20)  # wrong
    simulations(link="wlan")  # wrong
    simulations(preempts="lines")  # wrong
