"""Hosts that crash, stand still and have wrong clocks."""

from __future__ import annotations

import errno
import threading
import time
from collections import deque
from datetime import datetime, timedelta

import pytest

import simsock
from simsock.errors import TaskCancelled, UsageError
from simsock.socketserver import StreamRequestHandler


class Echo(StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


@pytest.fixture
def sim():
    with simsock.Simulation() as sim:
        yield sim


# -- crash and restart -------------------------------------------------------------------------------------------------------------------


def test_what_tasks_raise_because_their_host_has_crashed_is_nobodys_error():
    """As an event loop does that is broken off in the middle of a call: its own clearing up fails."""

    def raises_in_turn():
        try:
            time.sleep(100)
        finally:
            raise LookupError

    def starts_a_thread():
        threading.Thread(target=raises_in_turn).start()
        raises_in_turn()

    with simsock.Simulation() as sim:
        server = sim.host("server")
        server.spawn(starts_a_thread)
        sim.sleep(1)
        server.crash()
        server.restart()
        sim.sleep(1)
    with pytest.raises(LookupError), simsock.Simulation() as sim:
        sim.host("server").spawn(raises_in_turn)
        sim.sleep(200)


def test_a_crash_kills_the_tasks_of_the_host_only_and_its_finally_clauses_reach_nobody(sim):
    inbox = sim.datagram(host="other")
    inbox.setblocking(False)
    ended = []

    def worker():
        sock = sim.datagram(host="server")
        try:
            sim.sleep(100)
        finally:
            ended.append(sim.now)
            with pytest.raises(OSError, match=r"Broken pipe|Network is down"):
                sock.sendto(b"last words", inbox.getsockname())

    task, other = sim.spawn(worker, host="server"), sim.spawn(sim.sleep, 5, host="other")
    sim.sleep(1)
    host = sim.host("server")
    host.crash()
    assert ended == [1] and task.done and not other.done and not host.is_up
    with pytest.raises(TaskCancelled):
        task.result()
    other.result()
    with pytest.raises(BlockingIOError):
        inbox.recv(10)


def test_a_peer_hears_nothing_of_a_crash_and_is_reset_after_the_restart(sim):
    server = sim.serve(Echo)
    client = sim.connect(server)
    client.sendall(b"one\n")
    assert client.recv(10) == b"one\n"
    host = sim.host("server")
    host.crash()
    client.settimeout(5)
    client.sendall(b"two\n")
    with pytest.raises(TimeoutError):
        client.recv(10)
    host.restart()
    client.settimeout(None)
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert 5 < sim.now < 20


def test_an_idle_peer_is_reset_by_what_it_sends_after_the_restart(sim):
    client = sim.connect(sim.serve(Echo))
    host = sim.host("server")
    host.crash()
    host.restart()
    client.sendall(b"x\n")
    with pytest.raises(ConnectionResetError):
        client.recv(10)
    assert sim.now < 1


def test_connections_to_a_host_that_is_down_meet_silence_and_then_a_server_that_is_not_up_yet(sim):
    address = sim.serve(Echo, port=80).address
    host = sim.host("server")
    host.crash()
    with pytest.raises(TimeoutError):
        sim.connect(address, timeout=3)
    host.restart()
    with pytest.raises(ConnectionRefusedError):
        sim.connect(address)
    sim.serve(Echo, port=80)
    client = sim.connect(address)
    client.sendall(b"back\n")
    assert client.recv(10) == b"back\n"


def test_what_is_under_way_to_a_host_that_crashes_is_lost(sim):
    sim.link("client", "server", latency="1s")
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    sender.connect(inbox.getsockname())
    sender.send(b"x")
    sim.host("server").crash()
    sim.settle()
    sim.host("server").restart()
    sender.settimeout(5)
    with pytest.raises(TimeoutError):
        sender.recv(10)


def test_a_socket_of_a_host_that_crashed_says_so_to_a_test_that_has_it(sim):
    client = sim.connect(sim.serve(Echo))
    waiting = sim.spawn(client.recv, 10)
    sim.settle()
    sim.host("client").crash()
    with pytest.raises(OSError, match="Network is down") as caught:
        waiting.result()
    assert caught.value.errno == errno.ENETDOWN
    sim.host("server").crash()  # its handler would wait for ever for a client that is gone


def test_a_task_that_crashes_its_own_host_ends_there(sim):
    host = sim.host("server")
    after = []

    def suicidal():
        host.crash()
        after.append(1)

    task = host.spawn(suicidal)
    with pytest.raises(TaskCancelled):
        task.result()
    assert not after and not host.is_up


def test_a_port_is_free_after_a_crash_and_nothing_of_it_leaks():
    with simsock.Simulation() as sim:
        address = sim.serve(Echo, port=80).address
        client = sim.connect(address)
        sim.sleep(1)
        for _ in range(3):
            host = sim.host("server")
            host.crash()
            host.restart()
            sim.serve(Echo, port=80)
        client.close()
        assert [record[2:4] for record in sim.records if record[2] in ("crash", "restart")] == [("crash", "server"), ("restart", "server")] * 3
    assert sim.leaks == []


# -- pause and resume --------------------------------------------------------------------------------------------------------------------


def test_the_tasks_of_a_paused_host_stand_still_while_its_kernel_takes_data(sim):
    client = sim.connect(sim.serve(Echo))
    client.sendall(b"one\n")
    assert client.recv(10) == b"one\n"
    host = sim.host("server")
    host.pause()
    client.sendall(b"two\n")
    client.settimeout(30)
    with pytest.raises(TimeoutError):
        client.recv(10)
    host.resume()
    assert client.recv(10) == b"two\n"
    assert round(sim.now, 4) == 30


def test_connections_are_accepted_by_the_kernel_of_a_paused_host_and_served_later(sim):
    server = sim.serve(Echo)
    sim.settle()
    sim.host("server").pause()
    client = sim.connect(server)
    client.sendall(b"x\n")
    client.settimeout(1)
    with pytest.raises(TimeoutError):
        client.recv(10)
    sim.host("server").resume()
    assert client.recv(10) == b"x\n"


def test_timeouts_that_passed_in_a_pause_are_seen_after_it(sim):
    seen = []

    def sleeper():
        sim.sleep(5)
        seen.append(sim.now)

    task = sim.spawn(sleeper, host="server")
    sim.sleep(1)
    host = sim.host("server")
    host.pause()
    sim.sleep(9)
    assert seen == []
    host.resume()
    task.result()
    assert seen == [10]


def test_what_a_paused_task_waited_for_is_not_forgotten(sim):
    """It was woken, not timed out, although it went on only after the deadline."""
    inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
    inbox.settimeout(5)
    task = sim.spawn(inbox.recv, 10, host="server")
    sim.settle()
    sim.host("server").pause()
    sender.sendto(b"x", inbox.getsockname())
    sim.sleep(60)
    sim.host("server").resume()
    assert task.result() == b"x"


def test_a_task_that_starts_on_a_paused_host_begins_later_and_one_that_pauses_itself_stops_there(sim):
    host, seen = sim.host("server"), []
    host.pause()
    begins = host.spawn(lambda: seen.append("began"))
    also = sim.spawn(lambda: seen.append("also"), host="server")
    sim.sleep(1)
    assert seen == []
    host.resume()
    begins.result()
    also.result()

    def pauses():
        host.pause()
        seen.append("went on")

    task = host.spawn(pauses)
    sim.sleep(1)
    assert seen == ["began", "also"]
    host.resume()
    task.result()
    assert seen == ["began", "also", "went on"]


def test_a_paused_host_can_crash(sim):
    server = sim.serve(Echo)
    client = sim.connect(server)
    host = sim.host("server")
    host.pause()
    host.crash()
    assert server.task.done
    host.restart()
    client.sendall(b"x\n")
    with pytest.raises(ConnectionResetError):
        client.recv(10)


def test_a_world_ends_although_a_host_is_paused():
    with simsock.Simulation() as sim:
        sim.connect(sim.serve(Echo))
        sim.host("server").pause()
    assert sim.now <= 120


# -- clocks ------------------------------------------------------------------------------------------------------------------------------


def test_a_skewed_clock_shows_another_time_on_its_host_only(sim):
    with sim.host("ahead", clock_skew="1h"):
        ahead = time.time(), time.monotonic(), datetime.now()
    with sim.host("behind", clock_skew=-2.5):
        behind = time.time()
    here = time.time(), time.monotonic(), datetime.now()
    assert ahead[0] - here[0] == 3600 and here[0] - behind == 2.5
    assert ahead[1] == here[1]
    assert ahead[2] - here[2] == timedelta(hours=1)


def test_a_clock_jumps_and_no_wait_is_any_longer_for_it(sim):
    host, seen = sim.host("server"), []

    def worker():
        seen.append((time.time(), time.monotonic()))
        sim.sleep(10)
        seen.append((time.time(), time.monotonic()))

    task = host.spawn(worker)
    sim.sleep(5)
    host.jump("-1min")
    host.jump(timedelta(seconds=1))
    task.result()
    assert sim.now == 10
    assert seen[1][0] - seen[0][0] == 10 - 59 and seen[1][1] - seen[0][1] == 10
    assert [record[3:] for record in sim.records if record[2] == "jump"] == [("server", "-60 s"), ("server", "+1 s")]


def test_a_host_keeps_its_skew_when_it_is_named_again(sim):
    sim.host("a", clock_skew=3)
    with sim.host("a"):
        skewed = time.time()
    assert skewed - time.time() == 3


@pytest.mark.parametrize(
    ("orders", "text"),
    [
        (["restart"], "host 'a' is not down"),
        (["crash", "crash"], "host 'a' is down already"),
        (["crash", "pause"], "host 'a' is down"),
        (["pause", "pause"], "host 'a' is paused already"),
        (["resume"], "host 'a' is not paused"),
    ],
)
def test_orders_that_make_no_sense_are_errors(sim, orders, text):
    host = sim.host("a")
    with pytest.raises(UsageError) as caught:
        for order in orders:
            getattr(host, order)()
    assert text in str(caught.value)


def test_nothing_is_spawned_on_a_host_that_is_down(sim):
    sim.host("a").crash()
    with pytest.raises(UsageError, match="spawn: host 'a' is down; restart it first"):
        sim.spawn(print, host="a")


@pytest.mark.parametrize("strategy", ["fifo", "random"])
def test_the_same_seed_gives_the_same_run_with_crashes_and_pauses(strategy):
    def digest():
        with simsock.Simulation(seed=4, link="lan", strategy=strategy) as sim:
            server = sim.serve(Echo, port=80)
            client = sim.connect(server)
            host = sim.host("server")
            host.pause()
            client.sendall(b"x\n")
            sim.sleep(1)
            host.resume()
            client.recv(10)
            host.crash()
            client.sendall(b"y\n")
            host.restart()
            with pytest.raises(ConnectionResetError):
                client.recv(10)
        return sim.digest

    assert digest() == digest()


def test_a_stream_that_both_ends_have_closed_sends_nothing_again_after_a_crash(sim):
    network = sim.network.socket
    with sim.host("server") as host:
        listener = network.create_server((host.addresses[0], 80))
    with sim.host("client"):
        client = network.create_connection(("server", 80))
    with sim.host("server"):
        server = listener.accept()[0]
    listener.close()
    sim.partition("client", "server")
    for end in (client, server):
        end.sendall(b"unheard")
        end.close()
    sim.sleep(1)
    sent = []
    sim.rule(lambda packet: sent.append((packet.source, packet.data)))
    host.crash()
    sim.sleep(1)
    host.restart()
    sim.heal()
    sim.sleep(200)
    assert ("client", b"unheard") in sent, "which has not crashed"
    assert {data for source, data in sent if source == "server"} == {b""}, "nothing but a reset"


# -- full backlogs -------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("latency", [0, "10ms"])
@pytest.mark.parametrize(("refuse", "told"), [(True, ConnectionRefusedError), (False, TimeoutError), (None, TimeoutError)])
def test_a_full_backlog_refuses_only_if_the_host_says_so(sim, latency, refuse, told):
    sim.link("client", "server", latency=latency)
    with sim.host("server", refuse_overflow=refuse) as host:
        listener = sim.network.socket.create_server((host.addresses[0], 80), backlog=0)
    with listener:
        sim.connect(listener.getsockname())
        sim.settle()
        with pytest.raises(told):
            sim.connect(listener.getsockname(), timeout=5)


def test_who_is_in_the_midst_of_the_handshake_when_the_backlog_fills_is_reset(sim):
    sim.link("client", "server", latency="10ms")
    with sim.host("server", refuse_overflow=True) as host:
        listener = sim.network.socket.create_server((host.addresses[0], 80), backlog=0)
    with listener:
        tasks = [sim.spawn(lambda: sim.connect(listener.getsockname()).recv(1)) for _ in range(2)]
        with pytest.raises(ConnectionResetError):
            tasks[1].result()
        assert not tasks[0].done
        tasks[0].cancel()


def test_whether_to_refuse_is_yes_or_no(sim):
    with pytest.raises(UsageError, match="refuse_overflow: expected True or False, got 1"):
        sim.host("server", refuse_overflow=1)


def test_a_wait_that_expired_while_its_host_stood_still_has_expired_when_it_goes_on():
    """Although something else wakes it in the end."""
    with simsock.Simulation() as sim:
        kernel, queue = sim._kernel, deque()
        host = sim.host("server")

        def waits():
            return kernel.wait(queue, kernel.now + 10**9, "news"), sim.now

        task = host.spawn(waits)
        sim.sleep(0.5)
        host.pause()
        sim.sleep(2)
        host.resume()
        assert task.result() == (False, 2.5)
