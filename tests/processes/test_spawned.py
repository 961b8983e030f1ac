"""multiprocessing's start methods ``spawn`` and ``forkserver`` in a world."""

from __future__ import annotations

import multiprocessing
import socket
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

counted = 0


def work(queue, number):
    time.sleep(number)
    queue.put((number, counted))


def guarded(lock, conn, event):
    event.wait()
    with lock:
        conn.send("mine")
        conn.close()


def shout(sock):
    sock.sendall(sock.recv(10).upper())


def share(numbers, queue):
    numbers["one"] = 1
    queue.put("done")


def double(number):
    return 2 * number


def leave():
    raise SystemExit(4)


@pytest.fixture(params=["spawn", "forkserver"])
def context(request, world):
    return multiprocessing.get_context(request.param)


def test_processes_begin_with_modules_of_their_own_and_answer_through_queues(context):
    global counted
    counted = 5
    queue = context.Queue()
    processes = [context.Process(target=work, args=(queue, number)) for number in (3, 1)]
    for process in processes:
        process.start()
    assert [queue.get() for _ in processes] == [(1, 0), (3, 0)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    leaving = context.Process(target=leave)
    leaving.start()
    leaving.join()
    assert leaving.exitcode == 4


def test_locks_events_and_pipes_are_shared(context):
    lock, event = context.Lock(), context.Event()
    here, there = context.Pipe()
    process = context.Process(target=guarded, args=(lock, there, event))
    process.start()
    there.close()
    assert not here.poll(5)
    event.set()
    assert here.recv() == "mine"
    process.join()
    with pytest.raises(EOFError):
        here.recv()


def test_sockets_are_given_to_processes(context):
    here, there = socket.socketpair()
    process = context.Process(target=shout, args=(there,))
    process.start()
    here.sendall(b"word")
    assert here.recv(10) == b"WORD"
    process.join()


def test_what_cannot_be_pickled_is_the_real_error(context):
    with pytest.raises(Exception, match=r"[Pp]ickle"):
        context.Process(target=lambda: None).start()


def test_pools_have_such_workers(context):
    with context.Pool(2) as pool:
        assert pool.map(double, range(4)) == [0, 2, 4, 6]
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(double, range(3))) == [0, 2, 4]


def test_managers_serve_what_processes_share(context):
    with context.Manager() as manager:
        numbers, queue = manager.dict(), manager.Queue()
        process = context.Process(target=share, args=(numbers, queue))
        process.start()
        assert queue.get() == "done"
        process.join()
        assert dict(numbers) == {"one": 1}


def test_a_process_is_terminated(context):
    process = context.Process(target=time.sleep, args=(100,))
    process.start()
    time.sleep(1)
    process.terminate()
    process.join()
    assert process.exitcode == -15
