"""What the doctor says of a process: run in one of its own, because it looks at everything that is loaded."""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import os
import select
import selectors
import shutil
import socket
import socketserver
import subprocess
import sys
import types
from pathlib import Path

import pytest

import simsock
from simsock.errors import UsageError
from simsock.patching import living
from simsock.report.diagnosis import diagnose

ROOT = Path(__file__).resolve().parents[2]
SICK = """
    import threading
    import time

    WAITS, NAPS = (threading.Lock(), time.sleep), map(time.sleep, [1])

    class Clock:
        now = time.monotonic

    LOOKS = {time.time}
"""
HEALTHY = """
    import functools
    import threading
    import time
    from time import sleep

    LOCK = threading.Lock()
    pause = functools.partial(time.sleep, 1)
"""


@pytest.fixture
def doctor(tmp_path):
    """``doctor(*arguments, app="source")``: the command, run in a folder with ``app.py``."""

    def run(*arguments, app=None):
        if app is not None:
            (tmp_path / "app.py").write_text("\n".join(line[4:] for line in app.splitlines()))
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-m", "simsock", "doctor", *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_a_process_with_nothing_of_its_own_is_healthy(doctor):
    done = doctor()
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.startswith("Nothing that a world cannot reach.\n")


def test_names_attributes_partials_and_global_locks_are_reached(doctor):
    done = doctor("app", app=HEALTHY)
    assert done.returncode == 0, done.stdout
    assert "functools.partial" not in done.stdout
    assert "time.sleep  kept by functools.partial(<built-in function sleep>, 1)" in doctor("app", "--all", app=HEALTHY).stdout


def test_what_a_tuple_or_an_iterator_keeps_is_named_with_its_place_and_what_to_do(doctor):
    done = doctor("app", app=SICK)
    assert done.returncode == 1
    assert "  time.sleep  kept by app.NAPS: map\n  -> look the name up when it is called" in done.stdout
    assert "  lock  kept by app: tuple\n  -> make them where they are used" in done.stdout
    assert "Clock" not in done.stdout
    everything = doctor("app", "--all", app=SICK).stdout
    assert "app.Clock.now" in everything and "time.time  kept by app.LOOKS: set" in everything


ALIVE = """
    import asyncio, concurrent.futures, os, random, select, selectors, socket, threading, time

    POOL = concurrent.futures.ThreadPoolExecutor(1)
    POOL.submit(time.sleep, 0).result()
    LOOP = asyncio.new_event_loop()
    threading.Thread(target=LOOP.run_forever, daemon=True, name="the loop's").start()
    RNG = random.Random()
    POLL = select.epoll()
    SELECTOR = selectors.SelectSelector()
    SOCK = socket.create_server(("127.0.0.1", 0))
    R, W = os.pipe()

    class Client:
        def __init__(self):
            self.sock = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)

    CLIENT = Client()
"""


def test_what_is_alive_before_any_world_is_named_with_its_place_and_what_to_do(doctor):
    done = doctor("app", app=ALIVE)
    assert done.returncode == 1 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == "Alive before any world, and real in every one:"
    assert "  executor: ThreadPoolExecutor with 1 thread  kept by app.POOL" in lines
    assert "  event loop: asyncio.unix_events._UnixSelectorEventLoop  kept by app.LOOP" in lines
    assert '  thread: "the loop\'s" in asyncio.base_events.BaseEventLoop.run_forever' in lines
    assert "  generator: random.Random  kept by app.RNG" in lines
    assert "  poller: select.epoll  kept by app.POLL" in lines
    assert "  poller: selectors.SelectSelector  kept by app.SELECTOR" in lines
    assert any(line.startswith("  socket: AF_INET SOCK_STREAM at ('127.0.0.1', ") and line.endswith("  kept by app.SOCK") for line in lines)
    assert "  socket: AF_INET6 SOCK_DGRAM at ('::', 0, 0, 0)  kept by app.Client.sock" in lines
    assert [line.rpartition("  ")[2] for line in lines if line.startswith("  pipe: descriptor ")] == ["kept by app.R", "kept by app.W"]
    told = '  -> or, for all that a module makes when it is imported, have each world import it anew: fresh=["app"] (simsock_fresh in the ini file)'
    assert lines[-2] == told
    assert sum(line.startswith("  -> ") for line in lines) == 8
    assert len(lines) == 1 + 10 + 8 + 1, "nothing else: not what a loop or a pool consists of"
    assert lines[-1].endswith("swapped in every world by themselves (--all lists them).")


PIPES = """
    import os
    from errno import EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM

    COUNTS = [os.dup(0) for _ in range(2)]
    ONE, TWO, THREE, FOUR, FIVE, SIX, SEVEN, EIGHT, NINE, TEN, ELEVEN, TWELVE, THIRTEEN, FOURTEEN, FIFTEEN = range(1, 16)
    _read, _write = os.pipe()

    class Waker:
        def __init__(self):
            self.name = "waker"
            self.i, self.o = os.pipe()

    WAKER = Waker()
    BOTH = os.pipe()

    class Hides:
        __slots__ = ("reads", "writes")

    HIDES = Hides()
    HIDES.reads, HIDES.writes = os.pipe()
"""


def test_a_pipe_is_kept_by_who_has_both_its_numbers_and_not_by_a_constant(doctor):
    lines = doctor("app", app=PIPES).stdout.splitlines()
    kept = [line.partition("  kept by ")[2] for line in lines if line.startswith("  pipe: descriptor ")]
    assert kept[:6] == ["app._read", "app._write", "app.Waker.i", "app.Waker.o", "app.BOTH[0]", "app.BOTH[1]"]
    assert len(kept) == 8 and not any("SIG" in place or "E" in place.removeprefix("app.") for place in kept[6:])


def test_what_a_world_has_another_of_is_not_told(doctor):
    pytest.importorskip("trio")
    done = doctor("app", app="    import trio\n")
    assert done.returncode == 0, done.stdout


def test_what_is_to_be_imported_anew_may_be_one_object_that_is_a_module_by_name(doctor):
    done = doctor("app", app=REACTOR)
    assert 'have each world import it anew: fresh=["app.reactor"]' in done.stdout


REACTOR = """
    import select, sys

    class Reactor:
        def __init__(self):
            self.poller = select.epoll()

    sys.modules["app.reactor"] = Reactor()
"""


def test_descriptors_are_in_the_order_of_their_numbers(monkeypatch):
    pipes = [living.Living(living.PIPE, f"descriptor {number}", f"app.{name}") for number, name in ((10, "W"), (9, "R"), (100, "A"))]
    monkeypatch.setattr(living, "_pipes", lambda before: pipes)
    found = [one.place for one in living.find_living(frozenset()) if one.kind == living.PIPE]
    assert found == ["app.R", "app.W", "app.A"]


def test_what_belongs_to_a_world_that_is_over_is_not_alive():
    with simsock.Simulation():
        kept = [socket.socket(), socket.create_server(("127.0.0.1", 0)), select.epoll(), selectors.DefaultSelector()]
    with pytest.raises(simsock.WorldEnded):
        kept[0].getsockname()
    numbers = {f"descriptor {sock.fileno()}" for sock in kept[:2]}
    gc.collect()  # pollers of other tests'
    found = [one for one in living.find_living() if one.kind in (living.SOCKET, living.POLLER)]
    kept.clear()
    gc.collect()
    assert found == [one for one in living.find_living() if one.kind in (living.SOCKET, living.POLLER)]
    assert not numbers & {one.what for one in found}


def test_sockets_of_objects_of_the_standard_library_s_that_a_program_has_are_told_and_polls(monkeypatch):
    app = types.ModuleType("an_app")
    monkeypatch.setitem(sys.modules, "an_app", app)
    app.poll = select.poll()
    with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as app.server:
        app.servers = [socketserver.UDPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler)]
        places = {one.place for one in living.find_living() if one.kind in (living.SOCKET, living.POLLER)}
        app.servers[0].server_close()
    assert {"an_app.server.socket", "an_app.servers[0].socket", "an_app.poll"} <= places
    assert not {"an_app.server.socket", "an_app.servers[0].socket"} & {one.place for one in living.find_living()}


def test_what_is_over_is_not_alive(doctor):
    app = """
    import asyncio, concurrent.futures, os, select, socket, threading, time

    with concurrent.futures.ThreadPoolExecutor(1) as POOL:
        POOL.submit(time.sleep, 0).result()
    LOOP = asyncio.new_event_loop()
    LOOP.close()
    THREAD = threading.Thread(target=time.sleep, args=(0,))
    THREAD.start()
    THREAD.join()
    POLL = select.epoll()
    POLL.close()
    SOCK = socket.socket()
    SOCK.close()
    for number in os.pipe():
        os.close(number)
    """
    done = doctor("app", app=app)
    assert done.returncode == 0, done.stdout


def test_a_module_with_c_code_that_talks_is_named_with_its_calls(doctor, tmp_path):
    spec = importlib.util.find_spec("_socket")
    if spec is None or not isinstance(spec.loader, importlib.machinery.ExtensionFileLoader):
        pytest.skip("this Python has its _socket built in: there is no file to look at")
    # Python's own module, under the same name but in another place: the standard library's are simulated and not looked at.
    copy = tmp_path / "lib" / Path(spec.origin).name
    copy.parent.mkdir()
    shutil.copy(spec.origin, copy)
    app = f"""
    import importlib.util, sys
    spec = importlib.util.spec_from_file_location("_socket", {str(copy)!r})
    sys.modules["talker"] = importlib.util.module_from_spec(spec)
    """
    done = doctor("app", app=app)
    assert done.returncode == 1
    assert "  talker  by connect, accept" in done.stdout and "-> use a client written in Python" in done.stdout


def test_a_module_that_cannot_be_imported_is_an_error_that_names_it(doctor):
    done = doctor("app", app="\n    raise ValueError('half way')\n")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == "simsock: doctor: cannot import 'app': ValueError: half way\n"
    assert doctor("nowhere.to_be_found").returncode == 2


def test_help_says_what_it_looks_for(doctor):
    done = doctor("--help")
    assert done.returncode == 0 and "locks made before any" in done.stdout and "exit codes: 0" in done.stdout


def test_inside_a_world_it_is_an_error():
    with simsock.Simulation(), pytest.raises(UsageError, match="outside every world"):
        diagnose()


def test_who_keeps_only_a_method_of_a_lock_keeps_the_lock(doctor):
    sick = doctor("app", app="\n    import threading\n\n    TAKE = (threading.Lock().acquire,)\n")
    assert "  lock  kept by app: tuple\n" in sick.stdout
    healthy = doctor("app", app="\n    import threading\n\n    take = threading.Lock().acquire\n")
    assert healthy.returncode == 0, healthy.stdout
