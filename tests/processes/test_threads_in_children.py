"""Threads in forked processes: servers of threads, pools, locks, and what becomes of them when their process ends."""

from __future__ import annotations

import concurrent.futures
import multiprocessing
import os
import queue
import signal
import socket
import socketserver
import threading
import time

import pytest

import simsock
from simsock import Deadlock, Simulation
from tests.processes.children import child, status_of


class Slow(socketserver.StreamRequestHandler):
    def handle(self):
        time.sleep(5)
        self.wfile.write(b"%s" % threading.current_thread().name.encode())


def serve(server):
    with server:
        server.serve_forever()


def test_a_server_of_threads_runs_in_a_process(world):
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Slow)
    process = multiprocessing.get_context("fork").Process(target=serve, args=(server,))
    process.start()
    clients = [socket.create_connection(server.server_address) for _ in range(3)]
    server.server_close()
    names = {client.makefile("rb").read() for client in clients}
    assert len(names) == 3
    assert round(world.now) == 5
    process.terminate()
    process.join()
    assert process.exitcode == -signal.SIGTERM


def test_threads_of_a_child_take_turns_and_hand_things_to_each_other(world):
    def work():
        asked, answers = queue.Queue(), queue.Queue()
        local = threading.local()

        def serve():
            local.served = 0
            while (number := asked.get()) is not None:
                local.served += 1
                time.sleep(number)
                answers.put((threading.current_thread().name, number, local.served))

        threads = [threading.Thread(target=serve, name=f"server-{number}") for number in range(2)]
        for thread in threads:
            thread.start()
        for number in (3, 1, 1):
            asked.put(number)
        found = [answers.get() for _ in range(3)]
        assert found == [("server-1", 1, 1), ("server-1", 1, 2), ("server-0", 3, 1)], found
        assert not hasattr(local, "served")
        for _ in threads:
            asked.put(None)
        for thread in threads:
            thread.join()
        assert threading.active_count() == 1
        return 7

    assert status_of(child(work)) == 7
    assert round(world.now) == 3


def test_a_pool_of_threads_works_in_a_child(world):
    def work():
        with concurrent.futures.ThreadPoolExecutor(3) as pool:
            list(pool.map(time.sleep, [2, 2, 2]))
        return round(time.monotonic()) - 1000

    assert status_of(child(work)) == 2


def test_a_process_waits_for_its_threads_but_for_daemons(world):
    reading, writing = os.pipe()

    def say(seconds, word):
        time.sleep(seconds)
        os.write(writing, word)

    def begin():
        threading.Thread(target=say, args=(2, b"thread ")).start()
        threading.Thread(target=say, args=(9, b"daemon "), daemon=True).start()

    process = multiprocessing.get_context("fork").Process(target=begin)
    process.start()
    process.join()
    assert round(world.now) == 2
    pid = os.fork()
    if not pid:
        begin()
        raise SystemExit(4)
    assert status_of(pid) == 4
    assert round(world.now) == 4
    assert os.read(reading, 100) == b"thread thread "


def test_whoever_ends_a_process_ends_all_of_its_threads(world):
    def by_a_thread():
        threading.Thread(target=lambda: time.sleep(1) or os._exit(6)).start()
        time.sleep(100)

    assert status_of(child(by_a_thread)) == 6

    def killed():
        threading.Thread(target=time.sleep, args=(100,)).start()
        time.sleep(100)

    pid = child(killed)
    time.sleep(1)
    world.kill(pid)
    assert status_of(pid) == -signal.SIGKILL
    assert round(world.now) == 2


def test_a_handler_runs_in_the_main_thread_of_a_child(world):
    def work():
        seen = []
        signal.signal(signal.SIGUSR1, lambda number, frame: seen.append(threading.current_thread().name))
        thread = threading.Thread(target=lambda: time.sleep(1) or os.kill(os.getpid(), signal.SIGUSR1))
        thread.start()
        time.sleep(2)
        return 0 if seen == ["MainThread"] else 1

    assert status_of(child(work)) == 0


def test_what_a_thread_of_a_child_raises_fails_the_test():
    def fail():
        raise LookupError("in a thread of a child")

    with pytest.raises(LookupError, match="in a thread of a child"), Simulation():
        pid = os.fork()
        if not pid:
            threading.Thread(target=fail).start()
            time.sleep(1)
            os._exit(0)
        status_of(pid)


def test_a_deadlock_of_two_threads_of_a_child_is_told():
    def embrace():
        locks = [threading.Lock(), threading.Lock()]

        def take(one, other):
            with one:
                time.sleep(1)
                with other:
                    pass

        threading.Thread(target=take, args=(*locks,), name="one").start()
        take(*reversed(locks))

    with pytest.raises(Deadlock, match="held by process-1/one") as caught, Simulation():
        os.waitpid(child(embrace), 0)
    assert "process-1/one" in str(caught.value)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_race_between_threads_of_a_child_is_found(preempt):
    def count(sim):
        def work():
            seen = []

            def add():
                before = len(seen)
                time.time()
                seen[before:] = [before]

            threads = [threading.Thread(target=add) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return len(seen)

        assert status_of(child(work)) == 2

    verdict = simsock.explore(count, schedules=50, preempt=preempt)
    assert verdict.status == "fails"
    assert len(verdict.deviations) == 1
    with pytest.raises(AssertionError):
        simsock.replay(count, verdict.token)
