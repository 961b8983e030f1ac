"""``asyncio`` with its own event loop over the world's selectors: streams, threads, and the company of threaded servers."""

from __future__ import annotations

import asyncio
import gc
import socket
import socketserver
import threading
import time
import weakref

import pytest

from .servers import serving


async def upper(reader, writer):
    """Answer lines in upper case until the client is done, or the loop ends: either way nothing is left open."""
    try:
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
    finally:
        writer.close()
    await writer.wait_closed()


async def ask(host, port, *lines):
    """Send lines, and read as many."""
    reader, writer = await asyncio.open_connection(host, port)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answers


class UpperStream(socketserver.StreamRequestHandler):
    """The same in the standard server."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


def test_a_server_and_many_clients_in_one_loop(run_everywhere):
    async def main():
        server = await asyncio.start_server(upper, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await asyncio.gather(*(ask("127.0.0.1", port, b"client %d" % number, b"again") for number in range(10)))

    assert run_everywhere(lambda sim: asyncio.run(main())) == [[b"CLIENT %d\n" % number, b"AGAIN\n"] for number in range(10)]


def serve_in_a_loop(started, stop):
    """An asyncio server in a thread's own loop until ``stop`` is set."""

    async def main():
        server = await asyncio.start_server(upper, "", 8000, family=socket.AF_INET)
        async with server:
            started.set()
            await asyncio.to_thread(stop.wait)

    asyncio.run(main())


def test_a_server_in_one_host_s_loop_and_clients_in_another_s(run_everywhere):
    def program(sim):
        started, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=serve_in_a_loop, args=(started, stop))
        with sim.host("server"):
            thread.start()
            started.wait()
        with sim.host("client"):

            async def main():
                return await asyncio.gather(*(ask("server", 8000, b"x" * number, b"y") for number in (1, 1000, 60_000)))

            answers = asyncio.run(main())
        stop.set()
        thread.join()
        return answers

    assert run_everywhere(program) == [[b"X" * number + b"\n", b"Y\n"] for number in (1, 1000, 60_000)]


def test_a_threaded_server_with_asyncio_clients(run_everywhere):
    def program(sim):
        with sim.host("server"), serving(socketserver.ThreadingTCPServer(("", 0), UpperStream)) as port, sim.host("client"):

            async def main():
                return await asyncio.gather(*(ask("server", port, b"client %d" % number) for number in range(5)))

            return asyncio.run(main())

    assert run_everywhere(program) == [[b"CLIENT %d\n" % number] for number in range(5)]


def test_an_asyncio_server_with_blocking_clients(run_everywhere):
    def program(sim):
        started, stop = threading.Event(), threading.Event()
        thread = threading.Thread(target=serve_in_a_loop, args=(started, stop))
        with sim.host("server"):
            thread.start()
            started.wait()
        seen = []
        with sim.host("client"), socket.create_connection(("server", 8000)) as sock, sock.makefile("rwb") as stream:
            for number in range(3):
                stream.write(b"blocking %d\n" % number)
                stream.flush()
                seen.append(stream.readline())
        stop.set()
        thread.join()
        return seen

    assert run_everywhere(program) == [b"BLOCKING %d\n" % number for number in range(3)]


def test_an_hour_of_sleep_takes_an_hour_of_the_world_s_time(run):
    async def main():
        loop = asyncio.get_running_loop()
        before = loop.time(), time.time()
        await asyncio.gather(asyncio.sleep(3600), asyncio.sleep(1800))
        return loop.time() - before[0], time.time() - before[1]

    assert run(lambda sim: asyncio.run(main())) == (pytest.approx(3600, abs=0.1), pytest.approx(3600, abs=0.1))


def test_work_in_threads_and_timeouts(run_everywhere):
    async def main():
        started = asyncio.get_running_loop().time()
        results = await asyncio.gather(*(asyncio.to_thread(lambda n=n: (time.sleep(n), n)[1]) for n in (30, 10, 20)))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.sleep(60)
        return results, round(asyncio.get_running_loop().time() - started)

    assert run_everywhere(lambda sim: asyncio.run(main())) == ([30, 10, 20], 35)


def test_a_loop_in_each_of_several_threads(run_everywhere):
    def program(sim):
        seen = []

        async def main(number):
            await asyncio.sleep(number)
            seen.append((number, asyncio.get_running_loop() is not None))

        threads = [threading.Thread(target=lambda n=n: asyncio.run(main(n))) for n in (3, 1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return seen

    assert run_everywhere(program) == [(1, True), (2, True), (3, True)]


def test_datagrams(run):
    class Upper(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(data.upper(), addr)

    class Ask(asyncio.DatagramProtocol):
        def __init__(self):
            self.answer = asyncio.get_running_loop().create_future()

        def datagram_received(self, data, addr):
            self.answer.set_result(data)

    async def main():
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Upper, ("127.0.0.1", 0))
        client, protocol = await loop.create_datagram_endpoint(Ask, remote_addr=server.get_extra_info("sockname"))
        client.sendto(b"hello")
        answer = await asyncio.wait_for(protocol.answer, 5)
        client.close()
        server.close()
        return answer

    assert run(lambda sim: asyncio.run(main())) == b"HELLO"


def test_a_loop_is_freed_when_its_program_lets_go_of_it(run):
    def program(sim):
        async def main():
            await asyncio.to_thread(time.sleep, 1)  # other tasks run meanwhile, and the loop is put aside
            return weakref.ref(asyncio.get_running_loop())

        loop = asyncio.run(main())
        gc.collect()
        return loop() is None

    assert run(program)
