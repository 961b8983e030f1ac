"""``simsock.session``: worlds that follow each other share what stands in for the standard modules, and nobody between them sees a difference."""

from __future__ import annotations

import gc
import pickle
import queue
import random
import signal
import socket
import socketserver
import sys
import threading
import time
import types
from concurrent import futures
from datetime import datetime
from unittest import mock

import pytest

import simsock
from simsock import Fenced, Simulation, UsageError, patching

from . import before_world as program

WATCHED = [(time, "sleep"), (time, "monotonic"), (socket, "socket"), (socket, "getaddrinfo"), (threading, "Lock"), (queue, "SimpleQueue"), (program, "NAP")]


def seen():
    """What programs see of the standard modules, and what is kept for the process, by identity: a list of the very objects would be one more holder."""
    held = [getattr(module, name) for module, name in WATCHED]
    held += [program.NAP.func, vars(threading.Thread)["join"], vars(datetime)["now"], random.Random.seed, program.nap_by_default.__defaults__]
    return list(map(id, held))


with Simulation():  # what stands in for what is looked up before a test has a mock somewhere
    pass


@pytest.fixture
def session():
    """One that is open, and after which everything is as it was."""
    before = seen()
    with simsock.session() as opened:
        yield opened
    assert seen() == before
    assert patching._resting is None


def test_stand_ins_stay_in_place_between_worlds_and_go_with_the_session():
    before = seen()
    with simsock.session():
        assert seen() == before
        for _ in range(3):
            with Simulation() as sim:
                time.sleep(5)
                program.NAP()
                assert round(sim.now, 4) == 6
            assert seen()[0] != before[0]
    assert seen() == before


def test_a_world_alone_leaves_everything_as_it_was_by_identity():
    before = seen()
    with Simulation():
        pass
    assert seen() == before


def test_between_worlds_each_stand_in_does_what_its_original_does(session):
    with Simulation(start_time="2000-01-01"):
        pass
    began = time.perf_counter()
    time.sleep(0.02)
    assert 0.02 <= time.perf_counter() - began < 5
    assert datetime.now().year > 2020
    assert socket.socket is patching.sockets.real_class
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        assert type(client) is socket.socket
        peer, _ = listener.accept()
        peer.sendall(b"real")
        assert client.recv(10) == b"real"
        peer.close()
    lock, jobs = threading.Lock(), queue.SimpleQueue()
    thread = threading.Thread(target=lambda: (lock.acquire(), jobs.put(1)))
    thread.start()
    thread.join()
    assert jobs.get() == 1
    assert lock.locked()
    assert pickle.loads(pickle.dumps(time.sleep)) is time.sleep
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert gc.isenabled()


def test_chance_between_worlds_goes_on_as_if_there_were_none(session):
    random.seed(4)
    expected = [random.random() for _ in range(4)] + [random.gauss() for _ in range(3)]
    random.seed(4)
    drawn = []
    for _ in range(4):
        drawn.append(random.random())
        with Simulation():
            random.random()
            random.gauss()
    for _ in range(3):
        drawn.append(random.gauss())
        with Simulation():
            random.gauss()
    assert drawn == expected


def test_worlds_say_the_same_as_alone(session):
    def digest(seed):
        with Simulation(seed=seed, strategy="random") as sim:
            lock = threading.Lock()

            def work():
                with lock:
                    time.sleep(random.random())

            threads = [threading.Thread(target=work) for _ in range(3)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return sim.digest

    shared = [digest(seed) for seed in (1, 2, 1)]
    session.originals()
    assert shared[0] == shared[2] != shared[1]
    with simsock.session():
        assert digest(1) == shared[0]
    session.__exit__(None, None, None)
    assert digest(1) == shared[0]
    session.__enter__()


def test_what_was_imported_or_made_between_worlds_is_simulated_in_the_next_and_real_after_the_session(monkeypatch):
    module = types.ModuleType("made_between")
    with simsock.session():
        with Simulation():
            pass
        monkeypatch.setitem(sys.modules, "made_between", module)
        exec("from time import sleep\nfrom threading import Lock\nlock = Lock()\nclass Napping:\n    nap = staticmethod(sleep)", vars(module))
        table = {"nap": time.sleep}
        for _ in range(2):
            with Simulation(max_real_time=10) as sim:
                module.sleep(1)
                module.Napping.nap(1)
                table["nap"](1)
                with module.lock:
                    threads = [threading.Thread(target=module.lock.acquire, args=(True, 1)) for _ in range(2)]
                    for thread in threads:
                        thread.start()
                    for thread in threads:
                        thread.join()
                assert round(sim.now, 4) == 4
    assert module.sleep is time.sleep
    assert type(time.sleep) is types.BuiltinFunctionType
    table["nap"](0)


def test_a_mock_from_before_the_session_that_ends_within_it_is_no_way_to_the_real_one():
    fake = mock.patch("time.sleep")
    fake.start()
    with simsock.session():
        with Simulation():
            assert isinstance(time.sleep, mock.Mock)
        fake.stop()
        with Simulation(max_real_time=10) as sim:
            time.sleep(3)
            assert round(sim.now, 4) == 3
    assert type(time.sleep) is types.BuiltinFunctionType


def test_a_mock_from_within_the_session_that_outlives_it_leaves_no_stand_in_in_the_next_world_s_way():
    before = seen()
    with simsock.session():
        with Simulation():
            pass
        fake = mock.patch("time.sleep")
        fake.start()
        with Simulation():
            assert isinstance(time.sleep, mock.Mock)
    fake.stop()
    with Simulation() as sim:
        time.sleep(2)
        assert round(sim.now, 4) == 2
    assert seen() == before


def test_a_mock_of_a_socket_s_method_between_worlds_is_one_in_the_next(session):
    simsock.session.originals()
    before = dict(vars(socket.socket))
    with Simulation():
        pass
    with mock.patch.object(socket.socket, "connect", return_value="mocked"), Simulation(), socket.socket() as sock:
        assert sock.connect(("server", 1)) == "mocked"
    with Simulation(), socket.socket() as sock, pytest.raises(OSError, match="refused"):
        sock.connect(("127.0.0.1", 9))
    simsock.session.originals()
    assert dict(vars(socket.socket)) == before, "the mock is out of the real class: what it held of that class between worlds was that class"


def test_a_method_that_asks_for_outsiders_is_asked_in_the_next_world_too_whatever_became_of_it_between(session, monkeypatch):
    mocked = []
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()
        with Simulation():
            pass
        with monkeypatch.context() as patched:
            patched.setattr(futures.ThreadPoolExecutor, "submit", lambda self, function: mocked.append(function))
            with Simulation(), pytest.raises(Fenced, match="made outside this world"):
                pool.submit(int)
            pool.submit(len)
        with Simulation(), pytest.raises(Fenced, match="made outside this world"):
            pool.submit(int)
        assert mocked == [len]
        assert pool.submit(int).result() == 0


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (futures.ThreadPoolExecutor, "submit"),
        (threading.Thread, "join"),
        (socketserver.BaseServer, "handle_error"),
        (socketserver.BaseServer, "finish_request"),
    ],
)
def test_a_method_that_a_mock_has_put_back_between_worlds_is_as_it_was_after_the_session(monkeypatch, cls, name):
    before = vars(cls)[name]
    with simsock.session():
        with Simulation():
            pass
        with monkeypatch.context() as patched:
            patched.setattr(cls, name, lambda self, *args: None)
            with Simulation():
                pass
        with Simulation():
            pass
    assert vars(cls)[name] is before


def test_an_original_that_somebody_brings_between_worlds_is_found(session):
    real = time.sleep
    with Simulation():
        pass
    program.late = real
    with Simulation(max_real_time=10) as sim:
        program.late(2)
        assert round(sim.now, 4) == 2
    del program.late, real


def test_the_harness_s_imports_see_originals(session, monkeypatch, tmp_path):
    from simsock import harness

    (tmp_path / "a_harness.py").write_text("from time import sleep\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(harness, "extra", {"a_harness"})
    with Simulation():
        pass
    import a_harness

    assert type(a_harness.sleep) is types.BuiltinFunctionType
    with Simulation() as sim:
        time.sleep(1)
        assert round(sim.now, 4) == 1
        assert type(a_harness.sleep) is types.BuiltinFunctionType


def test_sessions_nest_and_do_not_begin_or_end_in_a_world():
    before = seen()
    with simsock.session():
        with simsock.session(), Simulation():
            pass
        assert seen()[0] != before[0]
        with Simulation():
            with pytest.raises(UsageError, match="outside of worlds"):
                simsock.session().__enter__()
            with pytest.raises(UsageError, match="outside of worlds"):
                simsock.session.originals()
        opened = simsock.session()
        with opened, pytest.raises(UsageError, match="open already"):
            opened.__enter__()
    assert seen() == before


def test_searches_and_worlds_of_all_kinds_share_it(session):
    def test(sim):
        time.sleep(1)

    with Simulation():
        pass
    assert simsock.explore(test, schedules=3) is not None
    with Simulation(preempt="lines", strategy="random", entropy="real") as sim:
        time.sleep(1)
        assert round(sim.now, 4) == 1
    with Simulation(patch=False):
        pass
    with pytest.raises(ZeroDivisionError), Simulation():
        time.sleep(1)
        raise ZeroDivisionError
    simsock.replay(test, Simulation().token)


@pytest.mark.once
def test_nothing_is_looked_for_between_worlds_that_share(session, monkeypatch):
    gc.collect()  # what earlier tests have left may hold originals, and letting go of one is news
    for _ in range(2):
        with Simulation():
            pass
    looked = []
    look = patching._look
    monkeypatch.setattr(patching, "_look", lambda: (looked.append(1), look())[1])
    for _ in range(5):
        gc.collect()
        kept = threading.Lock(), open(__file__, "rb"), time.sleep  # noqa: SIM115  # it outlives the world
        with Simulation():
            pass
        kept[1].close()
    assert looked == []


def test_the_interpreter_ends_with_originals_in_place(in_process):
    program = """
        import atexit, time
        before = id(time.sleep)
        atexit.register(lambda: print(id(time.sleep) == before))
        import simsock
        simsock.session().__enter__()
        with simsock.Simulation():
            pass
        print(id(time.sleep) == before)
    """
    assert in_process(program).split() == ["False", "True"]


def test_threads_that_outlive_their_world_are_in_no_table_of_the_next():
    """Worlds of a session may have one table of threads, as long as nobody could tell."""
    kept = []
    with simsock.session():
        with Simulation():
            nobody_s = threading._dangling
        with Simulation():
            assert threading._dangling is nobody_s
            kept.append(threading.Thread(target=int))
            assert kept[0] in threading._dangling
        with Simulation():
            assert kept[0] not in threading._dangling
            assert len(threading._dangling) == 0


def test_methods_that_came_between_worlds_ask_first_in_the_next(monkeypatch):
    """What was found in the classes of the library is not looked for again, unless something else is there now."""
    pool = futures.ThreadPoolExecutor(1)
    pool.submit(int).result()
    calls = []
    original = vars(futures.ThreadPoolExecutor)["submit"]

    def submit(self, *args):
        calls.append(args)
        return original(self, *args)

    for _ in range(2):
        with Simulation(), pytest.raises(Fenced):
            pool.submit(int)
    monkeypatch.setattr(futures.ThreadPoolExecutor, "submit", submit)
    for _ in range(2):
        with Simulation(), pytest.raises(Fenced):
            pool.submit(int)
    assert not calls
    assert pool.submit(int).result() == 0
    assert len(calls) == 1
    pool.shutdown()
