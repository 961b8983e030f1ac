"""TLS of asyncio and of trio, which move what is encrypted themselves: it works, it is the same in every run, and digests know what was said."""

from __future__ import annotations

import asyncio
import socket
import ssl

import pytest
import trio

from simsock import Simulation
from tests.tls.contexts import client_context, make_client_context, make_server_context, server_context


async def shout(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()


async def ask(*lines, name="localhost", context=None):
    reader, writer = await asyncio.open_connection("127.0.0.1", 443, ssl=context or client_context(), server_hostname=name)
    answers = []
    for line in lines:
        writer.write(line)
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers


async def with_streams(*lines):
    async with await asyncio.start_server(shout, "127.0.0.1", 443, ssl=server_context()):
        return await ask(*lines)


async def with_start_tls(*lines):
    """Plain text first, then TLS on the same connection, from both ends."""

    async def serve(reader, writer):
        await reader.readline()
        writer.write(b"go ahead\n")
        await writer.start_tls(server_context())
        await shout(reader, writer)

    async with await asyncio.start_server(serve, "127.0.0.1", 443):
        reader, writer = await asyncio.open_connection("127.0.0.1", 443)
        writer.write(b"STARTTLS\n")
        answers = [await reader.readline()]
        await writer.start_tls(client_context(), server_hostname="localhost")
        for line in lines:
            writer.write(line)
            answers.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return answers


async def with_trio(*lines):
    async def serve(stream):
        async with stream:
            async for data in stream:
                await stream.send_all(data.upper())

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_ssl_over_tcp_listeners(443, server_context(), host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        answers = []
        async with await trio.open_ssl_over_tcp_stream("127.0.0.1", 443, ssl_context=client_context()) as stream:
            for line in lines:
                await stream.send_all(line)
                got = b""
                while not got.endswith(b"\n"):
                    got += await stream.receive_some()
                answers.append(got)
        nursery.cancel_scope.cancel()
        return answers


PROGRAMS = {
    "asyncio streams": lambda *lines: asyncio.run(with_streams(*lines)),
    "asyncio start_tls": lambda *lines: asyncio.run(with_start_tls(*lines))[1:],
    "trio": lambda *lines: trio.run(with_trio, *lines),
}


@pytest.mark.parametrize("options", [{}, {"chunks": "bytes"}, {"link": "flaky-wifi", "loopback": True}], ids=["plain", "cut", "bad way"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_said_arrives_and_every_run_is_the_same(name, options):
    digests = set()
    for _ in range(2):
        with Simulation(seed=1, **options) as sim:
            assert PROGRAMS[name](b"one\n", b"two\n") == [b"ONE\n", b"TWO\n"]
        digests.add(sim.digest)
    assert len(digests) == 1


@pytest.mark.parametrize("name", PROGRAMS)
def test_digests_know_what_was_said(name):
    digests = set()
    for line in (b"one\n", b"two\n"):
        with Simulation(seed=1) as sim:
            PROGRAMS[name](line)
        digests.add(sim.digest)
    assert len(digests) == 2


def test_plain_text_before_and_beside_tls_keeps_its_check_sums():
    with Simulation(seed=1) as sim:
        PROGRAMS["asyncio start_tls"](b"one\n")
    sums = [record[5] for record in sim.records if record[2] in ("send", "recv") and "->" in record[3]]
    assert all(sums[:4]) and not any(sums[4:]), "two lines of plain text, of both ends; then what is encrypted"


def test_asyncio_is_told_of_a_wrong_certificate():
    async def main():
        async with await asyncio.start_server(shout, "127.0.0.1", 443, ssl=make_server_context("stranger")):
            with pytest.raises(ssl.SSLCertVerificationError, match=r"unable to get local issuer|self.signed"):
                await ask()

    with Simulation(seed=1):
        asyncio.run(main())


def test_asyncio_speaks_with_a_client_that_blocks():
    found = []

    def client():
        with socket.create_connection(("127.0.0.1", 443)) as sock, make_client_context().wrap_socket(sock, server_hostname="localhost") as tls:
            tls.sendall(b"hello\n")
            found.append(tls.recv(100))

    async def main():
        async with await asyncio.start_server(shout, "127.0.0.1", 443, ssl=server_context()):
            await asyncio.to_thread(client)

    with Simulation(seed=1):
        asyncio.run(main())
    assert found == [b"HELLO\n"]
