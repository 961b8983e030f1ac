"""A name that somebody has mocked before the process has its first world: the mock stays there, and what it stands for is simulated all the same."""

from __future__ import annotations

import socket
import textwrap
import types

import pytest

from simsock import harness

PROGRAM = """
    import os, select, socket, time
    from unittest import mock

    EARLY = __EARLY__
    if EARLY:
        import simsock, simsock.world.simulation
    real = time.sleep, time.time, os.read, select.poll, socket.getaddrinfo

    class Program:
        nap = staticmethod(time.sleep)

    fakes = [mock.patch(name, __FAKE__) for name in ("time.sleep", "time.time", "os.read", "select.poll", "_socket.getaddrinfo")]
    for fake in fakes:
        fake.start()
    import simsock
    with simsock.Simulation(max_real_time=20) as sim:
        assert time.sleep(5) == "fake" and sim.now == 0
        Program.nap(3)
        assert round(sim.now, 4) == 3
    for fake in fakes:
        fake.stop()
    assert real == (time.sleep, time.time, os.read, select.poll, socket.getaddrinfo)
    for _ in range(2):
        with simsock.Simulation(max_real_time=20) as sim:
            began = time.time()
            time.sleep(3600)
            assert round(sim.now, 4) == 3600 == round(time.time() - began, 4)
            reader, writer = os.pipe()
            os.write(writer, b"x")
            poll = select.poll()
            poll.register(reader, select.POLLIN)
            assert poll.poll(1000) == [(reader, select.POLLIN)] and os.read(reader, 5) == b"x"
    assert real == (time.sleep, time.time, os.read, select.poll, socket.getaddrinfo)
    print("as meant")
"""


@pytest.mark.parametrize("fake", ["mock.Mock(return_value='fake')", "lambda *args: 'fake'"], ids=["mock", "function"])
@pytest.mark.parametrize("early", [True, False], ids=["after the import", "before it"])
def test_a_mock_in_the_first_world_of_a_process_is_not_taken_for_the_original(in_process, fake, early):
    assert in_process(PROGRAM.replace("__EARLY__", str(early)).replace("__FAKE__", fake)).strip() == "as meant"


GUARDS = {
    "in a name": """
        def guard(sock, address):
            seen.append(address)
            return taken(sock, address)
    """,
    "in a closure": """
        def guarding(taken):
            def guard(sock, *args, **options):
                seen.append(args)
                return taken(sock, *args, **options)
            return guard
        guard = guarding(taken)
    """,
    "behind another": """
        import functools
        def letting(function):
            @functools.wraps(function)
            def call(*args):
                seen.append(args)
                return function(*args)
            return call
        def plain(sock, address):
            return taken(sock, address)
        guard = letting(plain)
    """,
}


@pytest.mark.parametrize("kind", GUARDS)
def test_a_guard_of_the_harness_calls_the_method_that_it_took_before(world, monkeypatch, kind):
    """As pytest-socket's and pytest-recording's do, whose modules are left alone otherwise."""
    monkeypatch.setattr(harness, "extra", harness.extra | {"pytest_guarding"})
    plugin = types.ModuleType("pytest_guarding")
    plugin.taken = taken = socket.socket.connect
    plugin.seen = []
    exec(textwrap.dedent(GUARDS[kind]), vars(plugin))
    monkeypatch.setattr(socket.socket, "connect", plugin.guard)
    for _ in range(2):
        with world():
            server = socket.create_server(("127.0.0.1", 0))
            socket.create_connection(server.getsockname()).close()
    assert len(plugin.seen) == 2
    assert plugin.taken is taken
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()
