"""What the tests of unmodified programs share: how a program is run in a world, and the proof that nothing real was touched.

A test gives a *program*, a function of one argument, the world, that uses standard modules and libraries only and returns what it saw. The
world is used for placing code on hosts and for nothing else.
"""

from __future__ import annotations

import os
import sys

import pytest

from simsock import Simulation

_real_calls = []
_watching = False
_REAL = ("socket.__new__", "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "subprocess.Popen", "os.fork")


def _note_real_calls(event, args):
    if _watching and event in _REAL:
        _real_calls.append((event, repr(args)[:200]))


sys.addaudithook(_note_real_calls)


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    """The machine's proxies are not the world's."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


def _run_once(program, link, options):
    global _watching
    _real_calls.clear()
    with Simulation(patch=True, **options) as sim:
        _watching = True
        try:
            if link:
                for name in ("server", "client"):
                    sim.host(name)
                sim.link("server", "client", **link)
            result = program(sim)
        finally:
            _watching = False
    assert _real_calls == [], "the program reached the real network"
    return result, sim.digest


@pytest.fixture
def run():
    """``run(program, link=…, **options)``: run it in two worlds, which must not differ in anything (or only not in what it returns), and return that."""

    def run_twice(program, *, link=None, same_digest=True, **options):
        first = _run_once(program, link, options)
        second = _run_once(program, link, options)
        assert first[0] == second[0] and (first == second or not same_digest), "two worlds with the same options differ"
        return first[0]

    return run_twice


ROUGH = {"latency": "20ms", "jitter": "30ms", "loss": 0.05}
"""A link that loses one packet in twenty, each way."""


@pytest.fixture
def run_everywhere(run):
    """Run a program in a perfect world, under three random schedules with bytes cut at random, and over a bad link: it must see the same."""

    def run_in_all(program):
        expected = run(program)
        for seed in range(3):
            assert run(program, seed=seed, strategy="random", chunks="random") == expected, f"with seed {seed}"
        assert run(program, seed=7, strategy="random", chunks="random", link=ROUGH) == expected, "over a bad link"
        return expected

    return run_in_all
