"""Worlds with ``patch=True``: programs that use the standard modules run in them as they are, and nothing stays behind."""

import asyncio
import concurrent.futures
import gc
import http.server
import random
import selectors
import socket
import threading
import time
import urllib.request
import weakref

import pytest

from simsock import Simulation
from simsock.errors import Fenced


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"hello " + self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def http_program(sim):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    before = time.monotonic()
    time.sleep(60)
    assert time.monotonic() - before == pytest.approx(60)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.server_port}/there") as answer:
        body = answer.read()
    server.shutdown()
    thread.join()
    server.server_close()
    return body, random.random()


async def shout(reader, writer):
    writer.write((await reader.readline()).upper())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def asyncio_talk():
    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    writer.write(b"hi\n")
    answer = await reader.readline()
    writer.close()
    await writer.wait_closed()
    await asyncio.sleep(3600)
    server.close()
    return answer, await asyncio.to_thread(time.time)


@pytest.mark.parametrize("program", [http_program, lambda sim: asyncio.run(asyncio_talk())], ids=["http", "asyncio"])
def test_a_program_gives_the_same_in_two_worlds(program):
    seen = []
    for _ in range(2):
        with Simulation(seed=3, patch=True) as sim:
            seen.append((program(sim), sim.digest))
    assert seen[0] == seen[1]
    assert seen[0][0][0] in (b"hello /there", b"HI\n")


def test_a_pool_of_threads_works_in_virtual_time():
    with Simulation(patch=True) as sim, concurrent.futures.ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda n: (time.sleep(1), n * n)[1], range(6))) == [0, 1, 4, 9, 16, 25]
        assert round(sim.now, 4) == 2


def test_each_task_has_its_own_locals_and_its_own_event_loop():
    seen = []

    async def wait(seconds):
        await asyncio.sleep(seconds)
        return asyncio.get_running_loop() is not None

    with Simulation(patch=True):
        local = threading.local()
        local.value = "first"

        def work(number):
            assert not hasattr(local, "value")
            local.value = number
            assert asyncio.run(wait(number))
            seen.append(local.value)

        threads = [threading.Thread(target=work, args=(number,)) for number in (3, 1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert local.value == "first"
    assert seen == [1, 2, 3]


KEPT = None


class Counted(threading.local):
    """One whose ``__init__`` has lines and calls."""

    def __init__(self):
        self.lock = threading.Lock()
        with self.lock:
            self.count = 0
            self.began = time.monotonic()


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_local_of_the_program_that_nobody_uses_moves_no_switch(preempt, monkeypatch):
    def run():
        total = []
        with Simulation(preempt=preempt, strategy="random") as sim:

            def add():
                seen = len(total)
                time.sleep(0)
                total.append(seen)

            threads = [threading.Thread(target=add) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return total, sim.deviations, [record[1:] for record in sim.records]

    without = run()
    monkeypatch.setitem(globals(), "KEPT", Counted())
    assert run() == without
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        assert pool.submit(run).result() == without, "in a thread that has not used it yet"
    with Simulation(preempt=preempt, strategy="random"):
        kept, seen = KEPT.lock, []
        thread = threading.Thread(target=lambda: seen.append(KEPT.lock))
        thread.start()
        thread.join()
    assert seen[0] is not kept


def test_a_coroutine_that_blocks_its_loop_lets_other_tasks_run_theirs():
    """CPython keeps the coroutine that runs, from 3.14 on, once for an OS thread."""
    seen = []

    async def block(name, seconds):
        me = asyncio.current_task()
        time.sleep(seconds)  # noqa: ASYNC251  # another task's loop runs meanwhile, in the middle of this one's step
        seen.append((name, asyncio.current_task() is me))
        await asyncio.sleep(seconds)
        seen.append((name, asyncio.current_task() is me))

    with Simulation(patch=True) as sim:
        threads = [threading.Thread(target=lambda *args: asyncio.run(block(*args)), args=args) for args in (("a", 3), ("b", 1))]
        for thread in threads:
            thread.start()
        asyncio.run(block("c", 2))
        for thread in threads:
            thread.join()
        assert round(sim.now, 4) == 6
    assert seen == [("b", True), ("c", True), ("b", True), ("a", True), ("c", True), ("a", True)]
    with pytest.raises(RuntimeError, match="no running event loop"):
        asyncio.current_task()


def test_loops_that_a_program_has_closed_are_freed_and_one_that_ends_with_its_world_says_nothing(caplog):
    left = []

    async def nap():
        left.append(weakref.ref(asyncio.get_running_loop()))
        await asyncio.to_thread(time.sleep, 1)

    async def fail_and_wait():
        failed = asyncio.get_running_loop().create_future()
        failed.set_exception(LookupError("nobody asks"))
        waiting = asyncio.create_task(asyncio.Event().wait())
        await asyncio.wait((failed, waiting))

    with Simulation(patch=True):
        for _ in range(3):
            asyncio.run(nap())
        gc.collect()
        assert [weak() for weak in left[:2]] == [None, None]
        threading.Thread(target=asyncio.run, args=(fail_and_wait(),), daemon=True).start()
        time.sleep(1)
    gc.collect()
    assert caplog.records == []


def test_a_real_socket_from_inside_is_an_error_that_names_the_call():
    import _socket

    with Simulation(patch=True), pytest.raises(Fenced, match=r"socket\.__new__"):
        _socket.socket(socket.AF_INET, socket.SOCK_STREAM)


def test_every_name_holds_what_it_held_before():
    def held():
        return (time.sleep, time.monotonic, socket.getaddrinfo, threading.Lock, threading._allocate_lock, threading.local, selectors.PollSelector._selector_cls)

    before, state, known = held(), random.getstate(), set(threading.enumerate())
    with Simulation(patch=True):
        assert time.sleep is not before[0]
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        thread.join()
    assert held() == before
    assert random.getstate() == state
    assert set(threading.enumerate()) == known
    with socket.socket() as real:
        assert type(real) is socket.socket


def test_another_os_thread_lives_in_real_time_meanwhile():
    seen = []
    thread = threading.Thread(target=lambda: (time.sleep(0.01), seen.append(time.time())))
    thread.start()
    with Simulation(start_time="2000-01-01"):
        inside = time.time()
        while thread.is_alive():
            time.sleep(1)
    assert seen[0] - inside > 20 * 365 * 86400
