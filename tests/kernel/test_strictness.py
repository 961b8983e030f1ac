"""The check that all tests run under: simulated calls that simsock's own code makes are noted, those of programs are not."""

from __future__ import annotations

import os
import threading
import time
import weakref

import pytest

import simsock
from simsock.kernel import strictness
from simsock.search import runner
from tests.as_program import AS_PROGRAM


@pytest.fixture
def noted():
    """What was noted; it is no failure of the test."""
    yield strictness.noted
    strictness.noted.clear()


def as_if_in(module, source):
    """A function that is part of a module of simsock."""
    space = {**vars(module), "time": time, "threading": threading}
    exec(compile(source, module.__file__, "exec"), space)
    return space["function"]


@pytest.mark.parametrize("call", ["time.sleep(0)", "time.time()", "threading.Lock().acquire()", "threading.Event().set()"])
def test_a_simulated_call_of_simsock_s_own_is_noted(noted, call):
    function = as_if_in(runner, f"def function():\n    {call}\n")
    with simsock.Simulation():
        function()
    assert noted
    assert noted[0].startswith("simsock.search.runner, line 2 in function: makes a simulated call, ")


def test_calls_of_programs_servers_and_clients_are_not(noted):
    with simsock.Simulation(strategy="random") as sim:

        class Shout(simsock.socketserver.StreamRequestHandler):
            def handle(self):
                time.sleep(0)
                self.wfile.write(self.rfile.readline().upper())

        client = sim.connect(sim.serve(Shout))
        client.sendall(b"hi\n")
        assert client.recv(10) == b"HI\n"
        thread = threading.Thread(target=time.sleep, args=(1,))
        thread.start()
        thread.join()
    assert not noted


@pytest.mark.parametrize("kept_by_a_cycle", [True, False])
def test_what_a_finalizer_closes_is_closed_and_is_no_call_of_simsock_s(noted, kept_by_a_cycle):
    class Keeps:
        def __init__(self):
            self.ends = os.pipe()
            weakref.finalize(self, os.close, self.ends[0])

        def __del__(self):
            os.close(self.ends[1])

    with simsock.Simulation() as sim:
        keeps = Keeps()
        keeps.itself = keeps if kept_by_a_cycle else None
        del keeps
    assert not sim.leaks
    assert not noted


def test_who_acts_as_a_program_is_there():
    """An entry of the table that nothing needs any more is a failure."""
    from importlib import import_module

    for name in AS_PROGRAM:
        parts = name.split(".")
        length = next(length for length in range(len(parts), 0, -1) if _is_module(".".join(parts[:length])))
        found = import_module(".".join(parts[:length]))
        for part in parts[length:]:
            found = getattr(found, part)
        assert callable(found) or length == len(parts), name


def _is_module(name):
    from importlib.util import find_spec

    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False
