"""Chance comes from the tape and is given back; ways to the real outside are errors that name the call; two processes see the same world."""

from __future__ import annotations

import _socket
import multiprocessing
import os
import random
import secrets
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid

import pytest

from simsock import Fenced


def draws():
    return (
        random.random(),
        random.Random().random(),
        random.SystemRandom().random(),
        random.randrange(100),
        secrets.token_hex(8),
        os.urandom(5),
        uuid.uuid4(),
        uuid.uuid1(),
        *([uuid.uuid6(), uuid.uuid7(), uuid.uuid7()] if sys.version_info >= (3, 14) else []),
        next(tempfile._get_candidate_names()),
    )


own_generator = random.Random()
seed_by_name = random.seed


@pytest.mark.parametrize(
    ("reseed", "draw"),
    [
        (lambda: random.seed(), random.random),
        (lambda: random.seed(None, version=1), random.random),
        (lambda: seed_by_name(), random.random),
        (lambda: random._inst.seed(), random.random),
        (lambda: own_generator.seed(), own_generator.random),
    ],
    ids=["by the module", "old version", "by its own name", "of the instance", "a module's own generator"],
)
def test_a_seed_without_a_number_is_the_world_s(world, reseed, draw):
    def run(seed):
        with world(seed=seed):
            reseed()
            return draw()

    assert run(1) == run(1) != run(2)


def test_a_seed_with_a_number_is_that_number(world):
    with world(seed=1):
        random.seed(5)
        first = random.random()
    assert first == random.Random(5).random()


def test_chance_is_the_seed_s(world):
    def run(seed):
        with world(seed=seed):
            return draws() + draws()

    first, again, other = run(1), run(1), run(2)
    assert first == again
    assert len(set(first)) == len(first)
    assert all(one != another for one, another in zip(first, other, strict=True) if not isinstance(one, int))


def test_entropy_real_leaves_chance_alone(world):
    def run():
        with world(entropy="real"):
            return draws()

    first, second = run(), run()
    assert all(one != another for one, another in zip(first, second, strict=True) if not isinstance(one, int))


def test_after_a_world_the_global_generator_goes_on_where_it_was(world):
    random.seed(5)
    expected = [random.random() for _ in range(4)]
    random.seed(5)
    found = [random.random()]
    names = tempfile._get_candidate_names()
    for seed in range(3):
        with world(seed=seed):
            random.seed(99)
            random.random()
            draws()
        found.append(random.random())
    assert found == expected
    assert tempfile._get_candidate_names() is names
    assert len({os.urandom(8) for _ in range(3)}) == 3
    assert random.Random().random() != random.Random().random()


def test_seeding_by_hand_works_as_ever(world):
    expected = random.Random(7).random()
    with world():
        assert random.Random(7).random() == expected
        random.seed(7)
        assert random.random() == expected


OUTSIDE = {
    "socket.__new__": lambda: _socket.socket(),
    "socket.bind": lambda: _socket.socket.bind(REAL, ("127.0.0.1", 0)),
    "socket.connect": lambda: _socket.socket.connect(REAL, ("127.0.0.1", 9)),
    "subprocess.Popen": lambda: subprocess.run(["true"], check=True),
    "os.forkpty": lambda: os.forkpty(),
    "os.system": lambda: os.system("true"),
    "os.posix_spawn": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    "os.exec": lambda: os.execv("/bin/true", ["true"]),
    "fork_exec": lambda: multiprocessing.util.spawnv_passfds(b"/bin/true", [b"true"], []),
}
REAL = socket.socket()
REAL.close()


@pytest.mark.parametrize("call", OUTSIDE)
def test_a_way_to_the_outside_is_an_error_that_names_the_call(world, call):
    import multiprocessing.util  # noqa: F401

    with world(max_real_time=10):
        with pytest.raises(Fenced, match=call.replace(".", r"\.")) as caught:
            OUTSIDE[call]()
        assert "in task main" in str(caught.value)


def test_a_real_initialiser_of_a_socket_is_fenced(world):
    with world():
        sock = socket.socket()
        with pytest.raises(Fenced, match=r"socket\.__new__"):
            _socket.socket.__init__(sock, socket.AF_INET, socket.SOCK_STREAM, 0)
        sock.close()


ONE_INTERPRETER = "worlds have one interpreter"


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
def test_other_interpreters_and_pools_of_them_are_refused_by_name(world):
    from concurrent import interpreters
    from concurrent.futures import InterpreterPoolExecutor

    made = interpreters.list_all()
    with world():
        with pytest.raises(Fenced, match=rf"concurrent\.interpreters\.create.*{ONE_INTERPRETER}"):
            interpreters.create()
        with pytest.raises(Fenced, match=rf"InterpreterPoolExecutor.*{ONE_INTERPRETER}"):
            InterpreterPoolExecutor(2)
    assert interpreters.list_all() == made
    with InterpreterPoolExecutor(1) as pool:
        assert pool.submit(pow, 2, 5).result() == 32


@pytest.mark.skipif(sys.version_info < (3, 14), reason="new in 3.14")
def test_a_pool_of_interpreters_that_is_first_heard_of_in_a_world_is_refused_too(in_process):
    code = """
        import sys
        import simsock

        with simsock.Simulation():
            assert "concurrent.futures.interpreter" not in sys.modules
            from concurrent.futures import InterpreterPoolExecutor
            try:
                InterpreterPoolExecutor()
            except simsock.Unsupported as error:
                print(error)
        with InterpreterPoolExecutor(1) as pool:
            print(pool.submit(pow, 2, 5).result())
    """
    refused, worked = in_process(code).splitlines()
    assert "InterpreterPoolExecutor" in refused and ONE_INTERPRETER in refused and worked == "32"


@pytest.mark.skipif(sys.version_info < (3, 12), reason="private on 3.11, by another name")
def test_interpreters_by_their_private_names_are_refused(world):
    import importlib

    private = importlib.import_module("_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters")
    with world(), pytest.raises(Fenced, match=ONE_INTERPRETER):
        private.create()


def test_files_and_real_pipes_are_not_fenced(world, tmp_path):
    with world():
        (tmp_path / "file").write_text("text")
        print("captured by pytest", file=sys.stderr)
        assert os.listdir(tmp_path) == ["file"]


def test_after_a_world_the_outside_is_open_again(world):
    with world():
        pass
    subprocess.run([sys.executable, "-c", ""], check=True)
    socket.socket().close()


# Other OS threads


def test_another_os_thread_lives_on_in_real_time_while_a_world_runs(world):
    import queue

    jobs, answers, stop = queue.Queue(), queue.Queue(), threading.Event()
    simple, lock, condition = queue.SimpleQueue(), threading.Lock(), threading.Condition()

    def live():
        server = socket.create_server(("127.0.0.1", 0))
        count = 0
        while not stop.is_set():
            with socket.create_connection(server.getsockname()) as client, server.accept()[0] as accepted:
                client.sendall(b"real")
                assert accepted.recv(10) == b"real"
            began = time.perf_counter()
            time.sleep(0.001)
            assert 0.001 <= time.perf_counter() - began < 5
            with lock, condition:
                condition.notify_all()
            simple.put(count)
            assert simple.get(timeout=1) == count
            helper = threading.Thread(target=answers.put, args=(random.random(),))
            helper.start()
            helper.join()
            assert time.time() > 1.6e9
            assert threading.current_thread().name == "background"
            count += 1
            jobs.put(count)
        server.close()
        answers.put(("done", os.urandom(4)))

    thread = threading.Thread(target=live, name="background")
    thread.start()
    jobs.get(timeout=10)
    digests = set()
    real = time.perf_counter  # the stand-in's original: this test alone needs real time to pass
    for _ in range(5):
        with world(start_time="2000-01-01") as sim:
            workers = [threading.Thread(target=time.sleep, args=(number,)) for number in range(5)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            sum(range(200_000))
            assert round(sim.now, 4) == 4
        digests.add(sim.digest)
        jobs.get(timeout=10)
    assert real is time.perf_counter
    stop.set()
    thread.join(10)
    assert not thread.is_alive()
    assert len(digests) == 1
    assert thread not in threading.enumerate()


def test_a_lock_of_the_world_s_in_another_os_thread_s_hands_is_a_real_one(world):
    box, taken = [], []

    def live():
        for _ in range(5_000):  # and not in a wait: to hand something to who waits out there is refused
            if box:
                with box[0]:
                    taken.append(True)
                return
            time.sleep(0.002)

    thread = threading.Thread(target=live)
    thread.start()
    with world(max_real_time=10):
        lock = threading.Lock()
        condition = threading.Condition(lock)
        with condition:
            box.append(lock)
            assert not condition.wait(0.5)
    thread.join(10)
    assert taken


# Repeatability

REPEAT = """
    import asyncio, concurrent.futures, queue, random, socketserver, threading, time, urllib.request, http.server, uuid, logging, datetime
    from simsock import Simulation

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = f"{uuid.uuid4()} {random.random()} {datetime.datetime.now(datetime.UTC)}".encode()
            self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
        def log_message(self, *args): pass

    def run():
        with Simulation(patch=True, seed=4, strategy="random", chunks="random") as sim:
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            thread = threading.Thread(target=server.serve_forever); thread.start()
            url = f"http://127.0.0.1:{server.server_port}/"
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                bodies = list(pool.map(lambda _: urllib.request.urlopen(url).read(), range(5)))
            async def ask():
                reader, writer = await asyncio.open_connection("127.0.0.1", server.server_port)
                writer.write(b"GET / HTTP/1.0\\r\\n\\r\\n")
                data = await reader.read()
                writer.close()
                return data
            bodies.append(asyncio.run(ask()))
            server.shutdown(); thread.join(); server.server_close()
            names = {"a", "b", "c", "d"}
        return sim.digest, bodies

    first, second = run(), run()
    assert first == second, (first, second)
    print(first)
"""


def test_two_processes_with_different_hash_seeds_see_the_same_world(in_process):
    assert in_process(REPEAT, PYTHONHASHSEED="1") == in_process(REPEAT, PYTHONHASHSEED="2")
