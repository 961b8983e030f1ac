"""``sim.netstat()``: every socket of every host, in the state that it is in, and nothing changed by looking."""

from __future__ import annotations

import pytest

from simsock import Deadlock, Link, Simulation, UsageError
from simsock.net.fabric import fabric_of
from simsock.net.netstat import netstat

SLOW = Link(latency="10ms")
MS = 0.001


def listening(sim, port=80, **options):
    """A listener on host server, 10.0.0.2."""
    with sim.host("server"):
        return sim.network.socket.create_server(("10.0.0.2", port), **options)


def pair(sim, condition="perfect", port=80):
    """(listener, client, server) of a connection from host client to host server."""
    listener = listening(sim, port=port)
    sim.link("client", "server", condition)
    client = sim.connect(listener.getsockname())
    server, _ = listener.accept()
    return listener, client, server


def states(sim, port=80):
    """{host: state} of the TCP sockets that are no listeners."""
    return {entry.host: entry.state for entry in sim.netstat().where(protocol="tcp") if entry.state != "LISTEN"}


def test_a_connection_is_seen_from_both_ends_with_what_each_has_queued(sim):
    listener, client, server = pair(sim, SLOW)
    client.sendall(b"x" * 3000)
    heard, said = sim.netstat().where(host="server", state="ESTABLISHED")[0], sim.netstat().where(host="client")[0]
    assert (said.protocol, said.local, said.remote) == ("tcp", heard.remote, heard.local)
    assert heard.local == "10.0.0.2:80"
    assert (said.send_queue_bytes, heard.receive_queue_bytes) == (3000, 0)
    assert said.link == heard.link == "latency 10 ms"
    assert (said.descriptor, heard.descriptor) == (client.fileno(), server.fileno())
    sim.sleep(10 * MS)
    assert sim.netstat().where(host="server", state="ESTABLISHED")[0].receive_queue_bytes == 3000
    sim.sleep(10 * MS)
    assert sim.netstat().where(host="client")[0].send_queue_bytes == 0
    assert said.send_queue_bytes == 3000  # a snapshot stays what it was
    listener.close(), server.close()


def test_the_end_of_a_connection_goes_through_the_states_of_tcp(sim):
    listener, client, server = pair(sim, SLOW)
    seen = [states(sim)]
    client.close()
    for _ in range(3):
        seen.append(states(sim))
        sim.sleep(10 * MS)
    server.close()
    for _ in range(3):
        seen.append(states(sim))
        sim.sleep(10 * MS)
    assert seen == [
        {"server": "ESTABLISHED", "client": "ESTABLISHED"},
        {"server": "ESTABLISHED", "client": "FIN-WAIT-1"},
        {"server": "CLOSE-WAIT", "client": "FIN-WAIT-1"},
        {"server": "CLOSE-WAIT", "client": "FIN-WAIT-2"},
        {"server": "LAST-ACK", "client": "FIN-WAIT-2"},
        {"server": "LAST-ACK", "client": "TIME-WAIT"},
        {"client": "TIME-WAIT"},
    ]
    waits = sim.netstat().where(state="TIME-WAIT")[0]
    assert (waits.remote, waits.descriptor) == ("10.0.0.2:80", None)
    sim.sleep(60)
    assert states(sim) == {}
    listener.close()


def test_both_closing_at_once_is_told(sim):
    listener, client, server = pair(sim, SLOW)
    client.close(), server.close()
    sim.sleep(10 * MS)
    assert states(sim) == {"server": "CLOSING", "client": "CLOSING"}
    listener.close()


def test_connecting_and_half_made_connections_are_told(sim):
    listener = listening(sim)
    sim.link("client", "server", SLOW)
    with sim.host("client"):
        client = sim.network.socket.socket()
    task = sim.spawn(client.connect, listener.getsockname(), name="caller")
    sim.sleep(5 * MS)
    (syn,) = sim.netstat().where(host="client")
    assert (syn.state, syn.remote, syn.waiting) == ("SYN-SENT", "10.0.0.2:80", ("caller",))
    task.result()
    sim.sleep(1 * MS)
    assert states(sim) == {"server": "SYN-RECEIVED", "client": "ESTABLISHED"}
    sim.sleep(10 * MS)
    assert states(sim) == {"server": "ESTABLISHED", "client": "ESTABLISHED"}
    waiting = sim.netstat().where(host="server", state="ESTABLISHED")[0]
    assert waiting.descriptor is None  # nobody has accepted it
    listener.close(), client.close()


def test_a_listener_tells_its_backlog_and_who_accepts(sim):
    listener = listening(sim, backlog=7)
    clients = [sim.connect(listener.getsockname()) for _ in range(3)]
    (entry,) = sim.netstat().where(state="LISTEN")
    assert (entry.backlog_used, entry.backlog_limit, entry.waiting) == (3, 7, ())
    for _ in clients:
        listener.accept()[0].close()
    task = sim.spawn(listener.accept, name="acceptor")
    sim.settle()
    (entry,) = sim.netstat().where(state="LISTEN")
    assert (entry.backlog_used, entry.waiting, entry.descriptor) == (0, ("acceptor",), listener.fileno())
    task.cancel()
    listener.close()


def test_a_task_that_selects_is_told_with_each_socket(sim):
    one, other = sim.network.socket.socketpair()
    udp = sim.datagram()

    def look():
        with sim.network.selectors.DefaultSelector() as selector:
            for sock in (one, udp):
                selector.register(sock, sim.network.selectors.EVENT_READ)
            selector.select(1)

    task = sim.spawn(look, name="looker")
    sim.sleep(0.5)
    assert sorted(entry.protocol for entry in sim.netstat() if entry.waiting == ("looker",)) == ["udp", "unix"]
    task.result()
    assert [entry for entry in sim.netstat() if entry.waiting] == []
    one.close(), other.close()


def test_datagrams_and_unix_sockets_are_told_with_their_queues(sim):
    receiver, sender = sim.datagram(host="receiver"), sim.datagram(host="sender")
    sender.connect(receiver.getsockname())
    sender.send(b"abc"), sender.send(b"defg")
    kinds = sim.network.socket
    listener = kinds.socket(kinds.AF_UNIX, kinds.SOCK_STREAM)
    listener.bind("\0service")
    listener.listen(2)
    client = kinds.socket(kinds.AF_UNIX, kinds.SOCK_STREAM)
    client.connect("\0service")
    client.send(b"hello")
    seen = sim.netstat()
    got, gave = seen.where(host="receiver")[0], seen.where(host="sender")[0]
    assert (got.protocol, got.state, got.remote, got.receive_queue_bytes) == ("udp", "UNCONN", "-", 7)
    assert (gave.state, gave.remote) == ("ESTABLISHED", got.local)
    (listens,) = seen.where(state="LISTEN")
    assert (listens.protocol, listens.local, listens.backlog_used, listens.backlog_limit) == ("unix", "@service", 1, 2)
    accepted = next(entry for entry in seen.where(protocol="unix", state="ESTABLISHED") if entry.local == "@service")
    assert (accepted.receive_queue_bytes, accepted.descriptor) == (5, None)
    listener.close(), client.close()


def test_what_is_ordered_for_a_way_is_told_and_what_a_crash_took_is_not(sim):
    listener, client, server = pair(sim, SLOW)
    sim.partition("client", "server", one_way=True)
    (entry,) = sim.netstat().where(host="client")
    assert entry.link == "latency 10 ms, cut off; back: latency 10 ms"
    sim.heal()
    client.sendall(b"lost")
    sim.host("client").crash()
    assert sim.netstat().where(host="client") == ()
    server.close()
    assert states(sim) == {"server": "FIN-WAIT-1"}  # closed, its peer is gone, and it goes on trying
    listener.close()


def test_the_table_has_a_row_a_socket_with_columns_as_ss_has_them(sim):
    listener, client, server = pair(sim, SLOW)
    task = sim.spawn(server.recv, 10, name="reader", host="server")
    client_entry, *_ = sim.netstat().where(host="client")
    sim.sleep(1 * MS)
    lines = str(sim.netstat()).splitlines()
    assert lines[0].split() == ["host", "proto", "state", "recv-q", "send-q", "local", "remote", "fd", "waiting", "link"]
    assert [line.split()[:7] for line in lines[1:]] == [
        ["server", "tcp", "LISTEN", "0", str(sim.netstat()[0].backlog_limit), "10.0.0.2:80", "-"],
        ["server", "tcp", "ESTABLISHED", "0", "0", "10.0.0.2:80", client_entry.local],
        ["client", "tcp", "ESTABLISHED", "0", "0", client_entry.local, "10.0.0.2:80"],
    ]
    assert "reader" in lines[2] and lines[3].endswith("latency 10 ms")
    client.close()
    assert task.result() == b""
    listener.close(), server.close()


def test_a_long_table_says_what_it_leaves_out(sim):
    socks = [sim.network.socket.socket() for _ in range(5)]
    assert sim.netstat().table(rows_max=3).splitlines()[-1] == "(+2 more sockets)"
    assert len(sim.netstat()) == 5
    for sock in socks:
        sock.close()
    assert str(sim.netstat()) == "no sockets"


def test_an_unknown_field_and_a_world_that_is_over_are_refused():
    with Simulation() as sim, pytest.raises(TypeError, match="unknown field port; expected some of protocol, host"):
        sim.netstat().where(port=80)
    with pytest.raises(UsageError, match="has ended"):
        sim.netstat()


def visits(look):
    """A world in which much can happen, with somebody looking on at every turn or not; its digest, steps and records."""
    with Simulation(seed=5, strategy="random", link=Link(latency="5ms", jitter="3ms", loss="10%"), chunks="random") as sim:
        listener = listening(sim)

        def serve():
            for _ in range(3):
                sock, _ = listener.accept()
                with sock:
                    while data := sock.recv(1000):
                        sock.sendall(data)
                        look(sim)

        def visit():
            with sim.connect(listener.getsockname()) as sock:
                for _ in range(5):
                    sock.sendall(b"y" * 2000)
                    look(sim)
                    for _ in range(2):
                        sock.recv(3000)
                sock.shutdown(1)
                while sock.recv(3000):
                    look(sim)

        tasks = [sim.spawn(serve, host="server"), *(sim.spawn(visit) for _ in range(3))]
        for task in tasks:
            look(sim)
            task.result()
        listener.close()
        return sim.digest, sim._kernel.steps, sim._kernel.switches, sim.records, sim.token


def test_looking_changes_nothing():
    looks = []
    looked = visits(lambda sim: looks.append(str(sim.netstat())))
    assert looked == visits(lambda sim: None)
    assert len(looks) > 20 and "ESTABLISHED" in looks[10]


def test_looking_makes_no_wire_and_draws_no_hostile_link():
    with Simulation(link="hostile") as sim:
        udp = sim.datagram(host="a")
        udp.connect((sim.host("b").addresses[0], 9))
        before = dict(fabric_of(sim._kernel)._wires)
        assert netstat(sim._kernel).where(host="a")[0].link == ""
        assert fabric_of(sim._kernel)._wires == before


def test_a_deadlock_tells_the_sockets_beside_the_tasks():
    with pytest.raises(Deadlock) as caught, Simulation() as sim:
        task = sim.spawn(sim.datagram().recv, 1, name="listener")
        task.result()
    (note,) = caught.value.__notes__
    title, *lines = note.splitlines()
    assert title == "sockets:"
    assert [line.split()[:3] + line.split()[-1:] for line in lines[1:]] == [["client", "udp", "UNCONN", "listener"]]


def test_a_deadlock_without_sockets_tells_none():
    with pytest.raises(Deadlock) as caught, Simulation() as sim:
        sim.spawn(sim.network.threading.Event().wait).result()
    assert not hasattr(caught.value, "__notes__")
