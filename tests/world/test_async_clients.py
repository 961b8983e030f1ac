"""``async def`` tests, which the plugin runs in their worlds: ``sim.aconnect``, and what a test may lean on."""

from __future__ import annotations

import asyncio

import pytest
import trio

import simsock
from simsock.socketserver import StreamRequestHandler

on_asyncio = pytest.mark.simsock(runner="asyncio")


class Shout(StreamRequestHandler):
    """Answer one line in upper case."""

    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


async def test_a_stream_of_trio_s_is_connected_from_the_host_client(sim):
    async with await sim.aconnect(sim.serve(Shout)) as stream:
        assert isinstance(stream, trio.SocketStream)
        assert stream.socket.getsockname()[0] == sim.host("client").addresses[0]
        await stream.send_all(b"hello\n")
        assert await stream.receive_some(100) == b"HELLO\n"


async def test_other_tasks_go_on_while_a_connection_is_made_and_it_can_be_cancelled(sim):
    sim.link("far", "server", latency="1s")
    served = sim.serve(Shout)
    ticks = []

    async def tick():
        while True:
            await trio.sleep(0.5)
            ticks.append(sim.now)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await sim.aconnect(served, host="far")
        nursery.cancel_scope.cancel()
    assert len(ticks) >= 3
    with trio.move_on_after(0.5) as scope:
        await sim.aconnect(served, host=sim.host("far"))
    assert scope.cancelled_caught


async def test_a_host_is_called_by_its_name_and_a_refusal_is_the_one_of_connect(sim):
    served = sim.serve(Shout, port=80)
    stream = await sim.aconnect(("server", 80))
    await stream.aclose()
    served.stop()
    with pytest.raises(ConnectionRefusedError):
        await sim.aconnect(("server", 80))
    with pytest.raises(simsock.UsageError, match="expected a served server or an address"):
        await sim.aconnect("server")


async def test_a_stream_that_is_left_open_ends_with_its_world(sim):
    await sim.aconnect(sim.serve(Shout))


@on_asyncio
async def test_under_asyncio_the_error_says_what_to_write(sim):
    served = sim.serve(Shout)
    with pytest.raises(simsock.UsageError, match=r"await asyncio\.open_connection\(sock=sim\.connect\(served\)\)"):
        await sim.aconnect(served)
    reader, writer = await asyncio.open_connection(sock=sim.connect(served))
    writer.write(b"hello\n")
    assert await reader.readline() == b"HELLO\n"
    writer.close()


async def test_an_hour_of_trio_s_is_an_hour_of_the_world(sim):
    await trio.sleep(3_600)
    assert sim.now == pytest.approx(3_600, abs=0.1)


@on_asyncio
async def test_an_hour_of_asyncio_s_is_an_hour_of_the_world(sim):
    await asyncio.sleep(3_600)
    assert sim.now == pytest.approx(3_600, abs=0.1)


async def test_a_testbed_has_streams_too(testbed):
    stream = await testbed.aconnect(testbed.serve(Shout))
    await stream.send_all(b"hello\n")
    assert await stream.receive_some(100) == b"HELLO\n"
    await stream.aclose()


def test_an_async_function_is_no_task_and_the_error_says_what_would_be(sim):
    async def work():
        raise AssertionError

    with pytest.raises(simsock.UsageError, match=r"spawn: work is an async function, which nobody would run: spawn\(trio\.run, work\)"):
        sim.spawn(work)
    with pytest.raises(simsock.UsageError, match="which nobody would run"):
        sim.host("server").spawn(work)
    sim.spawn(trio.run, trio.sleep, 5).result()
