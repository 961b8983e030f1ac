"""``trio`` with its own loop over the world's epoll: streams, threads, an hour of sleep, and the company of threaded servers."""

from __future__ import annotations

import socket
import socketserver
import threading
import time

import pytest
import trio

from .servers import serving


async def upper(stream):
    """Answer in upper case until the client is done."""
    async for data in stream:
        await stream.send_all(data.upper())


async def ask(host, port, *parts):
    """Send each part and read the answer to it."""
    answers = []
    async with await trio.open_tcp_stream(host, port) as stream:
        for part in parts:
            await stream.send_all(part)
            answer = b""
            while len(answer) < len(part):
                answer += await stream.receive_some(100)
            answers.append(answer)
    return answers


class UpperStream(socketserver.StreamRequestHandler):
    """The same in the standard server."""

    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


def test_a_server_and_many_clients_in_one_run(run_everywhere):
    async def main():
        answers = {}

        async def client(number, port):
            answers[number] = await ask("127.0.0.1", port, b"client %d" % number, b"again")

        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(trio.serve_tcp, upper, 0)
            port = listeners[0].socket.getsockname()[1]
            async with trio.open_nursery() as clients:
                for number in range(10):
                    clients.start_soon(client, number, port)
            nursery.cancel_scope.cancel()
        return sorted(answers.items())

    assert run_everywhere(lambda sim: trio.run(main)) == [(number, [b"CLIENT %d" % number, b"AGAIN"]) for number in range(10)]


def test_an_hour_of_sleep_takes_an_hour_of_the_world_s_time(run):
    async def main():
        start = trio.current_time()
        with trio.move_on_after(1800) as scope:
            await trio.sleep(3600)
        await trio.sleep(1800)
        return scope.cancelled_caught, trio.current_time() - start

    def program(sim):
        return trio.run(main), sim.now

    (elsewhere, took), now = run(program)
    assert (elsewhere, round(took, 4), round(now, 4)) == (True, 3600, 3600)


def test_work_in_threads(run):
    def work(number):
        time.sleep(number)
        return number, threading.current_thread() is not threading.main_thread(), trio.from_thread.run_sync(trio.current_time)

    async def main():
        async with trio.open_nursery() as nursery:
            results = []

            async def one(number):
                results.append(await trio.to_thread.run_sync(work, number))

            start = trio.current_time()
            for number in (3, 1, 2):
                nursery.start_soon(one, number)
        return [(number, elsewhere, round(now - start, 4)) for number, elsewhere, now in results]

    assert run(lambda sim: trio.run(main)) == [(1, True, 1.0), (2, True, 2.0), (3, True, 3.0)]


def test_a_threaded_server_with_trio_clients(run_everywhere):
    async def main(port):
        return await ask("server", port, b"one\n", b"two\n")

    def program(sim):
        with sim.host("server"), serving(socketserver.ThreadingTCPServer(("", 0), UpperStream)) as port, sim.host("client"):
            return trio.run(main, port)

    assert run_everywhere(program) == [b"ONE\n", b"TWO\n"]


def test_a_trio_server_with_blocking_clients(run_everywhere):
    def program(sim):
        ports, stop = [], []
        ready = threading.Event()

        async def main():
            async with trio.open_nursery() as nursery:
                listeners = await nursery.start(trio.serve_tcp, upper, 0)
                ports.append(listeners[0].socket.getsockname()[1])
                stop.append((trio.lowlevel.current_trio_token(), nursery.cancel_scope))
                ready.set()

        thread = threading.Thread(target=trio.run, args=(main,))
        thread.start()
        ready.wait()
        with socket.create_connection(("localhost", ports[0])) as sock:
            sock.sendall(b"blocking")
            with sock.makefile("rb") as file:
                answer = file.read(8)
        token, scope = stop[0]
        token.run_sync_soon(scope.cancel)
        thread.join()
        return answer

    assert run_everywhere(program) == b"BLOCKING"


def test_datagrams_and_refused_connections(run_everywhere):
    async def main():
        with trio.socket.socket(type=trio.socket.SOCK_DGRAM) as one, trio.socket.socket(type=trio.socket.SOCK_DGRAM) as other:
            await one.bind(("127.0.0.1", 0))
            await other.sendto(b"ping", one.getsockname())
            data, address = await one.recvfrom(100)
            await one.sendto(data.upper(), address)
            answer = await other.recv(100)
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", 9)
        return answer

    assert run_everywhere(lambda sim: trio.run(main)) == b"PING"


def test_outside_worlds_trio_is_as_it_was():
    from trio._core import _run, _thread_cache

    switch = _run._ALLOW_DETERMINISTIC_SCHEDULING  # Hypothesis turns it on when it looks after trio
    cache, generator, namer = _thread_cache.THREAD_CACHE, _run._r, _thread_cache.set_os_thread_name
    import simsock

    with simsock.Simulation():
        assert _thread_cache.THREAD_CACHE is not cache
        assert _run._r is not generator
    assert _run._ALLOW_DETERMINISTIC_SCHEDULING is switch
    assert _thread_cache.THREAD_CACHE is cache
    assert _run._r is generator
    assert _thread_cache.set_os_thread_name is namer

    async def main():
        listener = (await trio.open_tcp_listeners(0, host="127.0.0.1"))[0]
        async with listener, await trio.open_tcp_stream("127.0.0.1", listener.socket.getsockname()[1]) as client, await listener.accept() as server:
            await client.send_all(b"real")
            return await server.receive_some(10), type(client.socket._sock) is socket.socket

    assert trio.run(main) == (b"real", True)
