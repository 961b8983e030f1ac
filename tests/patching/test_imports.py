"""Modules that are imported while a world is live: their bodies are simulated, seen whole, and the same in every world."""

from __future__ import annotations

import importlib
import sys
import textwrap
import threading
import time

import pytest

import simsock

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
    sleep(0.001)
    last = 2
    class Clock:
        now = staticmethod(monotonic)
"""


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """``fresh(name, source)``: a module that was not imported yet, and is forgotten after the test; ``installed=True``: in an installed package."""
    places = {False: tmp_path / "program", True: tmp_path / "site-packages"}
    for place in places.values():
        place.mkdir()
        monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    made = []

    def make(name, source=SOURCE, installed=False):
        path = places[installed].joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        importlib.invalidate_caches()
        sys.modules.pop(name, None)
        made.append(name)
        return name

    yield make
    for name in made:
        sys.modules.pop(name, None)


# -- the program's ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        ("import socket\nfd = socket.socket().fileno()\nassert fd >= 10000", 0),
        ("import select\nassert 'simsock' in type(select.epoll()).__module__", 0),
        ("import time\nbefore = time.time()\ntime.sleep(5)\nassert round(time.time() - before, 4) == 5", 5),
        ("import signal, time\nsignal.signal(signal.SIGALRM, lambda *a: rang.append(1))\nrang = []\nsignal.alarm(2)\ntime.sleep(3)\nassert rang", 3),
        ("import threading\ndone = threading.Event()\nthread = threading.Thread(target=done.set)\nthread.start()\ndone.wait()\nthread.join()", 0),
        ("import threading, time\nthread = threading.Thread(target=time.sleep, args=(2,))\nthread.start()\nthread.join()", 2),
        ("import queue, threading\nitems = queue.Queue()\nthreading.Timer(1, items.put, (1,)).start()\nassert items.get() == 1", 1),
        ("from concurrent.futures import ThreadPoolExecutor\nwith ThreadPoolExecutor() as pool:\n    assert pool.submit(len, 'abc').result() == 3", 0),
        ("import asyncio\nasyncio.run(asyncio.sleep(3))", 3),
        (
            "import socket, threading\n"  # noqa: ISC004  # one program
            "listener = socket.create_server(('127.0.0.1', 9311))\n"
            "threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()\n"
            "with socket.create_connection(('127.0.0.1', 9311), 1) as client:\n    assert client.recv(1) == b''",
            0,
        ),
    ],
)
def test_what_a_module_s_body_does_is_the_world_s(world, fresh, source, seconds):
    fresh("does", source)
    with world(max_real_time=10) as sim:
        import does  # noqa: F401

        assert round(sim.now, 4) == seconds


def test_a_module_is_the_same_in_every_world_the_first_included(world, fresh):
    import random

    fresh("once")
    seen = []
    for _ in range(3):
        with world(strategy="random", seed=3) as sim:
            other = threading.Thread(target=time.sleep, args=(1,))
            other.start()
            import once

            seen.append((sim._kernel.steps, once.drawn, random.random(), random.SystemRandom().random(), once.began))
            other.join()
        seen[-1] += (sim.digest,)
        assert "once" not in sys.modules
    assert seen[0] == seen[1] == seen[2]
    assert seen[0][0] > 100


def test_schedules_of_a_search_each_import_anew_and_replay(fresh):
    fresh("counts", "import threading, time\nvalue = 0\nlock = threading.Lock()\ntime.sleep(0.1)")

    def test(sim):
        def add():
            import counts

            before = counts.value
            with counts.lock:
                counts.value = before + 1

        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        import counts

        assert counts.value == 2

    verdict = simsock.explore(test, schedules=100, preempt="calls")
    assert verdict.failed, str(verdict)
    with pytest.raises(AssertionError):
        simsock.replay(test, verdict.token)
    simsock.check_determinism(lambda sim: importlib.import_module("counts").lock.acquire())


def test_modules_that_stay_are_the_first_world_s(world, fresh):
    fresh("stays")
    with world(keep_imports=True):
        import stays
    with world():
        assert importlib.import_module("stays") is stays
    assert sys.modules["stays"] is stays
    assert stays.monotonic is time.monotonic


def test_a_submodule_leaves_the_package_that_was_there_before(world, fresh):
    fresh("packed.__init__", "value = 1")
    fresh("packed.inner", "import time\nbegan = time.monotonic()")
    sys.modules.pop("packed", None)
    packed = importlib.import_module("packed")
    with world():
        from packed import inner

        assert packed.inner is inner
        assert inner.began == 1000
    assert not hasattr(packed, "inner")
    assert "packed.inner" not in sys.modules
    assert sys.modules.pop("packed") is packed


@pytest.mark.parametrize("preempt", ["calls", "lines"])
def test_tasks_that_import_one_module_at_once_wait_for_each_other_and_all_see_it_whole(world, fresh, preempt):
    fresh("shared")
    with world(strategy="random", preempt=preempt) as sim:

        def work():
            import shared

            assert shared.last == 2
            modules.append((shared, round(sim.now, 4)))

        modules = []
        threads = [threading.Thread(target=work) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert {now for _, now in modules} == {0.001}
    assert len({id(module) for module, _ in modules}) == 1


def test_nobody_is_switched_in_while_a_module_runs_but_where_it_waits(fresh):
    fresh(
        "runs",
        "import threading, time\nsteps = []\nlock = threading.Lock()\n"
        "for _ in range(3):\n    with lock:\n        steps.append('m')\n    steps.append('m')\n"
        "time.sleep(0.1)\nsteps.append('m')\n",
    )

    def test(sim):
        def other():
            import sys

            for _ in range(3):
                if "runs" in sys.modules and hasattr(sys.modules["runs"], "lock"):
                    sys.modules["runs"].steps.append("o")
                time.sleep(0.01)

        thread = threading.Thread(target=other)
        thread.start()
        import runs

        thread.join()
        assert "".join(runs.steps).replace("o", "") == "m" * 7
        assert "".join(runs.steps).startswith("m" * 6), runs.steps

    verdict = simsock.explore(test, schedules=60, preempt="lines")
    assert not verdict.failed, str(verdict)


def test_tasks_whose_imports_would_wait_for_each_other_go_on_as_in_cpython(world, fresh):
    fresh("one", "import time\ntime.sleep(1)\nimport two\ndone = 1")
    fresh("two", "import time\ntime.sleep(1)\nimport one\ndone = 1")
    with world() as sim:
        threads = [threading.Thread(target=importlib.import_module, args=(name,)) for name in ("one", "two")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sys.modules["one"].done == sys.modules["two"].done == 1
        assert round(sim.now, 4) == 1


def test_modules_that_import_each_other_do_so_in_any_task(world, fresh):
    fresh("left", "import right\ndone = 1")
    fresh("right", "import left\nfrom left import *\ndone = 1")
    with world() as sim:
        assert sim.spawn(importlib.import_module, "left").result().done == 1


def test_who_waits_for_an_import_that_fails_tries_it_anew(world, fresh):
    fresh("fails", "import time\ntime.sleep(1)\nraise LookupError('at import')")
    with world() as sim:
        caught = []

        def work():
            with pytest.raises(LookupError, match="at import"):
                importlib.import_module("fails")  # (an import statement of CPython's takes what is left of it)
            caught.append(round(sim.now, 4))

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert caught == [1, 2]


def test_an_import_that_a_world_s_end_breaks_off_is_none(world, fresh):
    fresh("waits", "import threading\nthreading.Event().wait()")
    for _ in range(2):
        with world() as sim:
            thread = threading.Thread(target=importlib.import_module, args=("waits",), daemon=True)
            thread.start()
            time.sleep(1)
            assert "waits" in sys.modules
        assert "waits" not in sys.modules
        assert round(sim.now, 4) == 1


def test_a_wait_for_an_import_is_told_as_such(world, fresh):
    fresh("hangs", "import threading\nthreading.Event().wait()")
    with pytest.raises(simsock.Deadlock, match=r"import hangs, by import_module-1"), world():
        threads = [threading.Thread(target=importlib.import_module, args=("hangs",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        threads[1].join()


def test_an_import_that_fails_leaves_the_world_as_it_was(world, fresh):
    fresh("broken", "raise LookupError('at import')")
    with world() as sim:
        with pytest.raises(LookupError, match="at import"):
            import broken  # noqa: F401
        with pytest.raises(ModuleNotFoundError):
            import there_is_no_such_module  # noqa: F401
        time.sleep(1)
        assert round(sim.now, 4) == 1


def test_a_module_is_behind_the_fence_as_anything_else(world, fresh):
    fresh("talker", "import _socket\nsock = _socket.socket()")
    with world(), pytest.raises(simsock.Fenced, match=r"socket\.__new__"):
        import talker  # noqa: F401


def test_a_loader_of_the_program_s_own_is_no_exception(world):
    import importlib.abc
    import importlib.machinery

    class Loader(importlib.abc.Loader):
        def create_module(self, spec):
            return None

        def exec_module(self, module):
            time.sleep(3)
            module.done = time.monotonic()

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            return importlib.machinery.ModuleSpec(name, Loader(), origin="made here") if name == "made_up" else None

    finder = Finder()
    sys.meta_path.append(finder)
    try:
        for _ in range(2):
            with world():
                assert importlib.import_module("made_up").done == pytest.approx(1003)
            assert "made_up" not in sys.modules
    finally:
        sys.meta_path.remove(finder)


# -- what is installed -----------------------------------------------------------------------------------------------------------------


def test_the_import_of_an_installed_module_is_no_step_of_the_world_and_draws_nothing(world, fresh):
    import random

    seen = []
    fresh("library", installed=True)
    for _ in range(2):  # the second world finds it imported
        with world(strategy="random", seed=3) as sim:
            other = threading.Thread(target=time.sleep, args=(1,))
            other.start()
            steps = sim._kernel.steps
            import library

            seen.append((sim._kernel.steps - steps, random.random(), random.SystemRandom().random()))
            other.join()
        seen.append(sim.digest)
    assert seen[0][0] == 0
    assert seen[:2] == seen[2:]
    assert library.last == 2


def test_what_such_a_module_captured_is_virtual_inside_and_the_original_after(world, fresh):
    name = fresh("captures", installed=True)
    with world() as sim:
        module = importlib.import_module(name)
        module.sleep(5)
        assert round(sim.now, 4) == 5
        assert module.monotonic() == module.Clock.now() == time.monotonic()
        assert abs(module.began - time.monotonic()) > 0  # the real clock's
        with module.lock:
            pass
    assert module.sleep is time.sleep
    assert module.monotonic is time.monotonic
    assert module.Clock.now() == pytest.approx(time.monotonic(), abs=10)


def test_an_installed_module_must_not_talk_to_the_network_while_it_is_imported(world, fresh):
    fresh("talks", "import _socket\nsock = _socket.socket()\ntry:\n    sock.connect(('127.0.0.1', 9))\nfinally:\n    sock.close()", installed=True)
    fresh("looks", "import _socket\n_socket.socket().close()\nlast = 2", installed=True)
    with world():
        with pytest.raises(simsock.Fenced, match=r"socket\.connect"):
            import talks  # noqa: F401
        import looks

        assert looks.last == 2


def test_a_module_of_the_program_that_an_installed_one_imports_is_the_world_s(world, fresh):
    import random

    fresh("plugins", "import time\nbefore = time.monotonic()\nimport settings\nafter = time.monotonic()", installed=True)
    fresh("settings", "import random, time\ntime.sleep(2)\nnow = time.monotonic()\ndrawn = random.random()")
    seen = []
    for _ in range(2):
        with world(seed=7) as sim:
            sim.spawn(time.sleep, 1)
            import plugins
            import settings

            assert settings.now == pytest.approx(1002)
            assert plugins.before != 1000
            seen.append((settings.drawn, random.random()))
        sys.modules.pop("plugins")
        assert "settings" not in sys.modules
    assert seen[0] == seen[1]


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


UNBOUND = """
    import time
    class Clock:
        now = time.monotonic
        class Inner:
            wait = time.sleep
"""


@pytest.mark.parametrize("installed", [False, True])
def test_a_function_of_c_in_the_body_of_a_class_is_called_without_the_object(fresh, installed):
    fresh("unbound", UNBOUND, installed=installed)
    for _ in range(2):
        with simsock.Simulation():
            unbound = importlib.import_module("unbound")
            before = unbound.Clock().now()
            unbound.Clock.Inner().wait(5)
            assert round(unbound.Clock().now() - before) == 5
            assert round(unbound.Clock.now() - before) == 5
    unbound.Clock.Inner().wait(0)  # also when the world is over
    assert isinstance(unbound.Clock().now(), float)


def test_what_stands_among_the_modules_need_be_none(fresh):
    source = "import sys\nclass Lib: __slots__ = ()\nsys.modules['put_there.lib'], sys.modules['put_there.nothing'] = Lib(), None\n"
    fresh("put_there", source, installed=True)  # as modules that cffi makes, such as those of cryptography
    try:
        with simsock.Simulation():
            put_there = importlib.import_module("put_there")
            assert type(sys.modules["put_there.lib"]) is put_there.Lib
    finally:
        for name in ("put_there.lib", "put_there.nothing"):
            sys.modules.pop(name, None)
