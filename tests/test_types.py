"""What a type checker says of programs that use simsock. Run with ``python -m pytest -m exhaustive tests/test_types.py``."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PROGRAM = """
import socket
import simsock
from simsock.stubs import Answer

def right(sim: simsock.Simulation, served: object) -> bytes:
    with sim.connect(served, timeout=1.0) as client:
        client.sendall(b"hello")
    with sim.datagram(host="client") as one:
        one.sendto(b"hello", ("server", 9))
    plain: socket.socket = sim.connect(served)
    return plain.recv(10)

def right_stubs(sim: simsock.Simulation) -> str:
    sim.stub(lines={"PING": ["PONG", "PANG"], "QUIT": Answer("bye", then="close")}, otherwise=lambda request: request.line)
    stub = sim.stub(routes={"GET /": 503, "/json": {"a": 1}}, host="api", port=80)
    sim.connect(stub).close()
    return stub.url + stub.requests[0].path

def wrong_stubs(sim: simsock.Simulation) -> None:
    sim.stub(route={"GET /": 503})  # wrong
    sim.stub(data=1.5)  # wrong
    sim.stub(data=b"").requests[0].lines  # wrong

async def right_on_trio(sim: simsock.Simulation, served: object) -> bytes | bytearray:
    async with await sim.aconnect(served, host="client") as stream:
        await stream.send_all(b"hello")
        return await stream.receive_some(10)

async def wrong_on_trio(sim: simsock.Simulation, served: object) -> None:
    await (await sim.aconnect(served)).send_all("text")  # wrong
    await (await sim.aconnect(served)).recv(10)  # wrong
    await sim.aconnect(served, timeout=5)  # wrong

def wrong(sim: simsock.Simulation, served: object) -> None:
    sim.connect(served).sendall("text")  # wrong
    sim.connect(served).receive(10)  # wrong
    text: str = sim.connect(served).recv(10)  # wrong
    sim.datagram().sendto("text", ("server", 9))  # wrong
    sim.datagram(port=9)  # wrong
"""


@pytest.mark.exhaustive
def test_mypy_finds_each_planted_mistake_and_no_other(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir", str(tmp_path / "cache"), "program.py"]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    told = {int(number) for number in re.findall(r"^program\.py:(\d+): error", done.stdout, re.MULTILINE)}
    assert told == {number for number, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}, done.stdout
