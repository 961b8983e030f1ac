"""Modules that are imported while a world is live: made once, seen whole, at no step of the world, and put right at its end."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
import time

import pytest

SOURCE = """
    import random, threading, time
    from time import sleep, monotonic
    from random import random as draw
    began = monotonic()
    drawn = draw()
    lock = threading.Lock()
    with lock:
        for _ in range(100):
            monotonic()
    first = 1
    sleep(0.001)      # real: module code runs as if before the world
    last = 2
    class Clock:
        now = staticmethod(monotonic)
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """``fresh(name, source)``: a module that was not imported yet, and is forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    made = []

    def make(name, source=SOURCE):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


def test_an_import_is_no_step_of_the_world_and_draws_nothing(world, fresh):
    import random

    seen = []
    for name in ("once", None):  # the second world finds it imported
        if name:
            fresh("once")
        with world(strategy="random", seed=3) as sim:
            other = threading.Thread(target=time.sleep, args=(1,))
            other.start()
            steps = sim._kernel.steps
            import once

            seen.append((sim._kernel.steps - steps, random.random(), random.SystemRandom().random()))
            other.join()
        seen.append(sim.digest)
    assert seen[0][0] == 0
    assert seen[:2] == seen[2:]
    assert once.last == 2


def test_tasks_that_import_one_module_at_once_all_see_it_whole(world, fresh):
    fresh("shared")
    with world(strategy="random", preempt="lines"):

        def work():
            import shared

            assert shared.last == 2
            modules.append(shared)

        modules = []
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len({id(module) for module in modules}) == 1


def test_what_such_a_module_captured_is_virtual_inside_and_the_original_after(world, fresh):
    name = fresh("captures")
    with world() as sim:
        module = importlib.import_module(name)
        module.sleep(5)
        assert sim.now == 5
        assert module.monotonic() == module.Clock.now() == time.monotonic()
        assert abs(module.began - time.monotonic()) > 0  # the real clock's
        with module.lock:
            pass
    assert module.sleep is time.sleep
    assert module.monotonic is time.monotonic
    assert module.Clock.now() == pytest.approx(time.monotonic(), abs=10)


def test_an_import_that_fails_leaves_the_world_as_it_was(world, fresh):
    fresh("broken", "raise LookupError('at import')")
    with world() as sim:
        with pytest.raises(LookupError, match="at import"):
            import broken  # noqa: F401
        with pytest.raises(ModuleNotFoundError):
            import there_is_no_such_module  # noqa: F401
        time.sleep(1)
        assert sim.now == 1


def test_a_module_that_starts_a_thread_and_waits_for_it_does_so_for_real(world, fresh):
    fresh("threaded", "import threading\ndone = threading.Event()\nthread = threading.Thread(target=done.set)\nthread.start()\ndone.wait()\nthread.join()")
    with world(max_real_time=10) as sim:
        import threaded

        assert threaded.done.is_set()
        assert sim.now == 0


def test_a_module_must_not_talk_to_the_network_while_it_is_imported(world, fresh):
    from simsock import Fenced

    fresh("talker", "import _socket\nsock = _socket.socket()\ntry:\n    sock.connect(('127.0.0.1', 9))\nfinally:\n    sock.close()")
    fresh("looker", "import _socket\n_socket.socket().close()\nlast = 2")
    with world():
        with pytest.raises(Fenced, match=r"socket\.connect"):
            import talker  # noqa: F401
        import looker

        assert looker.last == 2


LAZY = """
    lazy from socket import gethostname as name_of_host
    lazy import socket

    def look():
        return name_of_host(), socket.socket()
"""


@pytest.mark.skipif(sys.version_info < (3, 15), reason="lazy imports are new in 3.15")
@pytest.mark.parametrize("first", ["in a world", "outside"])
def test_names_that_are_imported_lazily_are_simulated_in_worlds_and_real_outside(in_process, first):
    code = """
        import lazily  # first: what is imported already is not imported lazily
        import types
        assert type(vars(lazily)["name_of_host"]) is types.LazyImportType

        import simsock
        import socket

        if FIRST:
            assert lazily.name_of_host is socket.gethostname
        for _ in range(3):
            with simsock.Simulation() as sim:
                name, sock = sim.spawn(lazily.look, host=sim.host("server")).result()
                assert name == "server" and sock.fileno() >= 10_000, (name, sock)
                sock.close()
            assert lazily.name_of_host is socket.gethostname, lazily.name_of_host
        print("as meant")
    """
    assert in_process(code.replace("FIRST", str(first == "outside")), modules={"lazily": LAZY}).strip() == "as meant"
