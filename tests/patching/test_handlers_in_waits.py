"""A signal's handler runs in the world's first task, and interrupts what that waits for, as on Linux with CPython."""

from __future__ import annotations

import asyncio
import os
import queue
import select
import signal
import socket
import sys
import threading
import time

import pytest

import simsock

pytestmark = pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals are set in the main thread")


class Stop(Exception):
    """What handlers raise here."""


def later(seconds, call=lambda: os.kill(os.getpid(), signal.SIGUSR1)):
    """Another thread calls, some time from now."""
    thread = threading.Thread(target=lambda: (time.sleep(seconds), call()), name="later")
    thread.start()
    return thread


def handle(raises=False):
    """Set a handler that notes in which thread it runs, and when."""
    seen = []

    def handler(number, frame):
        seen.append((threading.current_thread().name, round(time.monotonic() % 1000, 3)))
        if raises:
            raise Stop

    signal.signal(signal.SIGUSR1, handler)
    return seen


def sleep():
    time.sleep(0.4)


def recv():
    a, b = socket.socketpair()
    with a, b:
        done = later(0.4, lambda: b.send(b"x"))
        assert a.recv(1) == b"x"
        done.join()


def recv_with_timeout():
    a, b = socket.socketpair()
    with a, b, pytest.raises(TimeoutError):
        a.settimeout(0.4)
        a.recv(1)


def accept():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = later(0.4, lambda: socket.create_connection(listener.getsockname()).close())
        listener.accept()[0].close()
        done.join()


def send_when_full():
    a, b = socket.socketpair()
    with a, b:
        a.setblocking(False)
        with pytest.raises(BlockingIOError):
            while True:
                a.send(bytes(65536))
        a.setblocking(True)
        done = later(0.4, lambda: b.recv(1 << 20))
        a.sendall(b"x")
        done.join()


def select_():
    a, b = socket.socketpair()
    with a, b:
        assert select.select([a], [], [], 0.4) == ([], [], [])


def poll():
    a, b = socket.socketpair()
    with a, b:
        poller = select.poll()
        poller.register(a, select.POLLIN)
        assert poller.poll(400) == []


def epoll():
    a, b = socket.socketpair()
    with a, b, select.epoll() as poller:
        poller.register(a, select.EPOLLIN)
        assert poller.poll(0.4) == []


def pipe():
    reader, writer = os.pipe()
    done = later(0.4, lambda: os.write(writer, b"x"))
    assert os.read(reader, 1) == b"x"
    done.join()
    os.close(reader)
    os.close(writer)


def readline():
    a, b = socket.socketpair()
    with a, b, a.makefile("rb") as lines:
        done = later(0.4, lambda: b.sendall(b"line\n"))
        assert lines.readline() == b"line\n"
        done.join()


def lock():
    held = threading.Lock()
    held.acquire()
    done = later(0.4, held.release)
    assert held.acquire()
    done.join()


def lock_with_timeout():
    held = threading.Lock()
    held.acquire()
    assert not held.acquire(timeout=0.4)


def rlock():
    held, has = threading.RLock(), threading.Event()

    def hold():
        with held:
            has.set()
            time.sleep(0.4)

    thread = threading.Thread(target=hold)
    thread.start()
    has.wait()
    with held:
        pass
    thread.join()


def condition():
    waited = threading.Condition()
    with waited:
        assert not waited.wait(0.4)


def event():
    happens = threading.Event()
    done = later(0.4, happens.set)
    assert happens.wait(5)
    done.join()


def get():
    items = queue.Queue()
    done = later(0.4, lambda: items.put(1))
    assert items.get() == 1
    done.join()


def simple_get():
    items = queue.SimpleQueue()
    done = later(0.4, lambda: items.put(1))
    assert items.get(timeout=3) == 1
    done.join()


def join():
    thread = threading.Thread(target=time.sleep, args=(0.4,))
    thread.start()
    thread.join()


def wait_for_another_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    assert signal.sigtimedwait([signal.SIGUSR2], 0.4) is None


WAITS = [
    sleep, recv, recv_with_timeout, accept, send_when_full, select_, poll, epoll, pipe, readline, lock, lock_with_timeout, rlock, condition, event, get,
    simple_get, join, wait_for_another_signal,
]  # fmt: skip


@pytest.mark.parametrize("wait", WAITS)
def test_a_handler_that_returns_lets_the_wait_go_on_with_what_is_left_of_it(world, wait):
    with world() as sim:
        seen = handle()
        sent = later(0.2)
        wait()
        assert seen == [("MainThread", 0.2)]
        assert round(sim.now, 4) == 0.4
        sent.join()


@pytest.mark.parametrize("wait", WAITS)
def test_what_a_handler_raises_is_raised_in_the_wait(world, wait):
    with world() as sim, simsock_errors_of_peers(sim):
        seen = handle(raises=True)
        later(0.2)
        with pytest.raises(Stop):
            wait()
        assert seen == [("MainThread", 0.2)]
        assert round(sim.now, 4) == 0.2
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        time.sleep(1)


class simsock_errors_of_peers:
    """Whoever was to end a wait that an error has left finds its peer gone."""

    def __init__(self, sim):
        self._sim = sim

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self._sim._kernel.errors[:] = [entry for entry in self._sim._kernel.errors if not isinstance(entry[1], OSError)]


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_nobody_who_waits_misses_anything_because_of_a_signal(preempt):
    """Whatever the order: a lock is never lost, nor had by two; each item of a queue is had once."""

    def program(sim):
        seen = handle()
        items, held, got, inside = queue.SimpleQueue(), threading.Lock(), [], []

        def work():
            for number in range(3):
                with held:
                    inside.append(1)
                    assert len(inside) == 1
                    os.kill(os.getpid(), signal.SIGUSR1)
                    inside.pop()
                items.put(number)

        workers = [threading.Thread(target=work) for _ in range(2)]
        for worker in workers:
            worker.start()
        while len(got) < 6:
            with held:
                inside.append(1)
                assert len(inside) == 1
                inside.pop()
            got.append(items.get())
        for worker in workers:
            worker.join()
        assert sorted(got) == [0, 0, 1, 1, 2, 2]
        assert 1 <= len(seen) <= 6
        assert {name for name, _ in seen} == {"MainThread"}

    verdict = simsock.explore(program, schedules=60, preempt=preempt)
    assert not verdict.failed, str(verdict)


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_a_handler_that_raises_never_keeps_a_lock_from_being_given_back(preempt):
    def program(sim):
        handle(raises=True)
        held = threading.Lock()
        again = threading.RLock()
        try:
            sent = later(0)
            for _ in range(4):
                with held:
                    number = 1
                    with again:
                        number += 1
                    number += 1
            sent.join()
            time.sleep(1)
        except Stop:
            pass
        assert held.acquire(blocking=False)
        assert not again._is_owned()

    verdict = simsock.explore(program, schedules=150, preempt=preempt)
    assert not verdict.failed, str(verdict)


def test_the_same_run_has_the_same_signals(world):
    def run():
        with world(seed=3, strategy="random") as sim:
            seen = handle()
            for wait in (sleep, lock, get):
                later(0.2)
                wait()
        return seen, sim.digest

    assert run() == run()


def test_a_signal_is_recorded_by_who_sent_it_and_who_handled_it(world):
    with world() as sim:
        handle()
        signal.signal(signal.SIGALRM, lambda *_: None)
        later(0.1).join()
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        time.sleep(1)
        told = [(round(record[0] / 1e9, 1), *record[1:]) for record in sim.records if record[2] in ("signal", "handler", "rings")]
    assert told == [
        (0.1, "later", "signal", "SIGUSR1"),
        (0.1, "main", "handler", "SIGUSR1"),
        (0.6, "timer", "rings", "SIGALRM"),
        (0.6, "main", "handler", "SIGALRM"),
    ]


def test_a_handler_may_wait_itself_and_be_interrupted(world):
    order = []

    def slow(number, frame):
        order.append("in")
        time.sleep(0.3)
        order.append("out")

    with world() as sim:
        signal.signal(signal.SIGUSR1, slow)
        signal.signal(signal.SIGUSR2, lambda *_: order.append("other"))
        later(0.1)
        later(0.2, lambda: os.kill(os.getpid(), signal.SIGUSR2))
        time.sleep(0.25)
        assert order == ["in", "other", "out"]
        assert round(sim.now, 4) == 0.4


def test_a_handler_may_take_what_the_task_waits_for(world):
    with world() as sim:
        held, took = threading.Lock(), []
        held.acquire()
        signal.signal(signal.SIGUSR1, lambda *_: took.append(held.acquire(timeout=0.2)))
        later(0.1)
        later(0.2, held.release)
        assert not held.acquire(timeout=1)
        assert took == [True]
        assert round(sim.now, 4) == 1


def test_a_handler_that_wants_a_lock_that_its_own_task_holds_is_a_deadlock(world):
    with pytest.raises(simsock.Deadlock, match=r"main.*Lock-1"), world():
        held = threading.Lock()
        signal.signal(signal.SIGUSR1, lambda *_: held.acquire())
        with held:
            later(0.1)
            time.sleep(1)


def test_the_frame_of_a_handler_is_the_program_s(world):
    names = []

    def inner():
        time.sleep(0.2)

    with world():
        signal.signal(signal.SIGUSR1, lambda number, frame: names.append(frame.f_code.co_name))
        later(0.1)
        inner()
    assert names == ["inner"]


def test_a_signal_to_one_thread_interrupts_no_other(world):
    with world() as sim:
        seen = handle()
        thread = threading.Thread(target=time.sleep, args=(2,))
        thread.start()
        later(0.1, lambda: signal.pthread_kill(thread.ident, signal.SIGUSR1))
        time.sleep(1)
        assert seen == [("MainThread", 1.0)]
        later(0.1, lambda: signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1))
        time.sleep(1)
        assert seen[1:] == [("MainThread", 1.1)]
        thread.join()
        with pytest.raises(ProcessLookupError):
            signal.pthread_kill(thread.ident, signal.SIGUSR1)
        assert round(sim.now, 4) == 2


def test_interrupt_main_waits_for_the_wait(world):
    import _thread

    with world() as sim:
        later(0.1, _thread.interrupt_main)
        with pytest.raises(KeyboardInterrupt):
            time.sleep(0.5)
        assert round(sim.now, 4) == 0.5
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
        _thread.interrupt_main(signal.SIGUSR1)
        seen = handle()
        _thread.interrupt_main(signal.SIGUSR1)
        assert len(seen) == 1


def test_sim_signal_sends_one_and_says_what_it_expects(world):
    with world() as sim:
        seen = handle()
        sim.signal(signal.SIGUSR1)
        assert seen == [("MainThread", 0.0)]
        with pytest.raises(KeyboardInterrupt):
            sim.signal(signal.SIGINT)
        sim.spawn(lambda: (time.sleep(1), sim.signal(signal.SIGTERM)))
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
        with pytest.raises(SystemExit):
            threading.Event().wait()
        for bad in ("SIGTERM", 0, 65, True, None):
            with pytest.raises(simsock.UsageError, match=r"expected the number of a signal, such as signal\.SIGTERM, got"):
                sim.signal(bad)
    with simsock.Simulation(patch=False) as sim, pytest.raises(simsock.UsageError, match="patch=False"):
        sim.signal(signal.SIGTERM)


def test_a_signal_that_nobody_handles_says_that_it_would_have_ended_the_program(world):
    with pytest.raises(simsock.KilledBySignal, match="SIGTERM would have ended the program") as caught, world():
        later(0.1, lambda: os.kill(os.getpid(), signal.SIGTERM))
        time.sleep(1)
    assert caught.value.facts == {"signal": "SIGTERM"}
    with pytest.raises(simsock.KilledBySignal, match="SIGALRM"), world():
        signal.alarm(1)
        time.sleep(5)
    with pytest.raises(simsock.KilledBySignal, match="SIGKILL"), world():
        os.kill(0, signal.SIGKILL)
    with world():
        os.kill(os.getpid(), signal.SIGCHLD)
        os.killpg(os.getpgrp(), signal.SIGWINCH)
        os.kill(os.getpid(), 0)


def test_other_processes_are_behind_the_fence_and_stopping_is_refused_by_name(world):
    with world():
        for call in (lambda: os.kill(1, 0), lambda: os.killpg(1, signal.SIGTERM), lambda: signal.pidfd_send_signal(3, signal.SIGTERM)):
            with pytest.raises(simsock.Fenced, match=r"kill|pidfd_send_signal"):
                call()
        with pytest.raises(simsock.Unsupported, match="SIGTSTP would stop the process"):
            os.kill(os.getpid(), signal.SIGTSTP)


def test_asyncio_s_handlers_are_called_in_its_loop(world):
    async def main():
        loop, done, seen = asyncio.get_running_loop(), asyncio.Event(), []
        loop.add_signal_handler(signal.SIGUSR1, lambda: (seen.append(threading.current_thread().name), done.set()))
        sent = later(0.2)
        await done.wait()
        assert seen == ["MainThread"]
        await asyncio.to_thread(sent.join)
        assert loop.remove_signal_handler(signal.SIGUSR1)

    async def forever():
        try:
            await asyncio.sleep(100)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    cancelled = []
    with world() as sim:
        asyncio.run(main())
        later(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
        with pytest.raises(KeyboardInterrupt):
            asyncio.run(forever())
        assert cancelled == [1]
        assert round(sim.now, 4) == 0.4


def test_a_server_is_shut_down_by_a_handler_as_in_production(world):
    import http.server
    import urllib.request

    with world():
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 8080), http.server.SimpleHTTPRequestHandler)
        server.RequestHandlerClass.log_message = lambda *_: None

        def stop(number, frame):
            raise SystemExit

        def client():
            with pytest.raises(urllib.request.HTTPError) as caught:
                urllib.request.urlopen("http://127.0.0.1:8080/nothing/here")
            caught.value.close()
            os.kill(os.getpid(), signal.SIGTERM)

        signal.signal(signal.SIGTERM, stop)
        threading.Thread(target=client).start()
        with pytest.raises(SystemExit):
            server.serve_forever()
        server.server_close()
