"""What a refused connection tells beside Linux's error."""

from __future__ import annotations

import socket as real_socket

import pytest

from simsock.world.simulation import Simulation


def refusal(sim, address, family=real_socket.AF_INET):
    sock = sim.network.socket.socket(family)
    with sock, pytest.raises(ConnectionRefusedError) as caught:
        sock.connect(address)
    assert str(caught.value) == "[Errno 111] Connection refused"
    (note,) = caught.value.__notes__
    return note


def test_nobody_has_the_port(sim):
    told = refusal(sim, ("127.0.0.1", 81))
    assert told.startswith("nobody listens on port 81 of 127.0.0.1, in this world or (in this process) outside it: start the server first, ")
    assert told.endswith('outside time: allow="127.0.0.1:81"')


def test_a_name_that_no_host_has(sim):
    sim.host("warehouse")
    with pytest.raises(real_socket.gaierror) as caught:
        sim.network.socket.getaddrinfo("warehose", 80)
    assert str(caught.value) == "[Errno -2] Name or service not known"
    (note,) = caught.value.__notes__
    assert note.startswith(
        "no host of this world is called 'warehose', and nothing asks the real resolver: its hosts are localhost, warehouse; did you mean 'warehouse'?"
    )
    assert "sim.host('warehose') makes another one" in note


def test_a_server_on_another_host_has_it(sim):
    with sim.host("shop"):
        listener = sim.network.socket.create_server(("", 80))
    address = sim.host("shop").addresses[0]
    note = refusal(sim, ("127.0.0.1", 80))
    assert note.startswith("nobody listens on port 80 of host localhost, whose own 127.0.0.1 is; a server on host shop (") and address in note
    listener.close()
    with sim.host("shop"):
        listener = sim.network.socket.create_server(("127.0.0.1", 80))
    assert "an address of its own, or 127.0.0.1 only?" in refusal(sim, (address, 80))
    listener.close()


def refused_datagram(sim, address, family=real_socket.AF_INET):
    with sim.network.socket.socket(family, real_socket.SOCK_DGRAM) as sock:
        sock.connect(address)
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError) as caught:
            sock.recv(1)
    assert str(caught.value) == "[Errno 111] Connection refused"
    (note,) = caught.value.__notes__
    return note


def test_nobody_receives_datagrams_there(sim):
    note = refused_datagram(sim, ("127.0.0.1", 53))
    assert note.startswith("nobody receives datagrams on port 53 of 127.0.0.1, in this world or (in this process) outside it: bind the socket that is to ")
    assert refused_datagram(sim, ("::1", 53), real_socket.AF_INET6).startswith("nobody receives datagrams on port 53 of ::1, in this world or ")


def test_who_sends_is_told_as_well(sim):
    with sim.network.socket.socket(type=real_socket.SOCK_DGRAM) as sock:
        sock.connect(("127.0.0.1", 53))
        sock.send(b"x")
        with pytest.raises(ConnectionRefusedError) as caught:
            sock.send(b"x")
        assert caught.value.__notes__[0].startswith("nobody receives datagrams on port 53 of 127.0.0.1")
        sock.send(b"x")
        assert sock.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR) == 111


def test_a_datagram_socket_on_another_host_or_address_has_it_or_a_listener(sim):
    with sim.host("shop"):
        sock = sim.network.socket.socket(type=real_socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 53))
    address = sim.host("shop").addresses[0]
    note = refused_datagram(sim, ("127.0.0.1", 53))
    assert note.startswith("nobody receives datagrams on port 53 of host localhost, whose own 127.0.0.1 is; a socket on host shop (") and address in note
    assert "an address of its own, or 127.0.0.1 only?" in refused_datagram(sim, (address, 53))
    sock.close()
    with sim.network.socket.socket(type=real_socket.SOCK_DGRAM) as here:
        here.bind(("127.0.0.2", 53))
        assert "a socket of the same host does at 127.0.0.2" in refused_datagram(sim, ("127.0.0.1", 53))
    with sim.network.socket.create_server(("127.0.0.1", 53)):
        assert refused_datagram(sim, ("127.0.0.1", 53)).endswith("where a server listens for TCP connections: SOCK_DGRAM finds no SOCK_STREAM")


@pytest.mark.real
def test_a_real_datagram_socket_of_this_process_has_it():
    with real_socket.socket(type=real_socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        with Simulation() as sim:
            note = refused_datagram(sim, ("127.0.0.1", sock.getsockname()[1]))
    assert note.startswith(f"nobody in this world receives datagrams on port {note.split('port ')[1].split(',')[0]}, but a real socket of this process does")


@pytest.mark.real
@pytest.mark.parametrize(("family", "ip"), [(real_socket.AF_INET, "127.0.0.1"), (real_socket.AF_INET6, "::1")])
def test_a_real_socket_of_this_process_has_it(family, ip):
    with real_socket.create_server((ip, 0), family=family) as listener, Simulation() as sim:
        port = listener.getsockname()[1]
        note = refusal(sim, (ip, port), family)
        assert note.startswith(f"nobody in this world listens on port {port}, but a real socket of this process does")
        assert refusal(sim, (ip, port), family) == note
        assert note.endswith(f'outside time: allow="{ip}:{port}"')


@pytest.mark.real
@pytest.mark.parametrize(("ip", "asked", "allowed"), [("127.0.0.1", "::1", "127.0.0.1"), ("", "::1", "127.0.0.1"), ("", "127.0.0.2", "127.0.0.2")])
def test_the_real_one_is_let_through_at_an_address_that_it_has(ip, asked, allowed):
    """``localhost`` is ``::1`` first, where a server of IPv4 is not."""
    with real_socket.create_server((ip, 0)) as listener, Simulation() as sim:
        port = listener.getsockname()[1]
        note = refusal(sim, (asked, port), real_socket.AF_INET6 if ":" in asked else real_socket.AF_INET)
        assert note.endswith(f'outside time: allow="{allowed}:{port}"')


@pytest.mark.parametrize(("bound", "asked"), [("127.0.0.1", "::1"), ("10.0.0.1", "127.0.0.1"), ("::1", "127.0.0.1"), ("127.0.0.1", "10.0.0.1")])
def test_a_server_of_the_same_host_has_it_at_another_address(sim, bound, asked):
    def family(ip):
        return real_socket.AF_INET6 if ":" in ip else real_socket.AF_INET

    with sim.network.socket.create_server((bound, 80), family=family(bound)):
        note = refusal(sim, (asked, 80), family(asked))
    assert note == f"nobody listens at {asked} port 80; a server of the same host does at {bound}: connect to it there, or let it listen at {asked} as well"


@pytest.mark.real
@pytest.mark.parametrize("kind", [str, str.encode])
def test_a_unix_socket_from_outside_has_the_name(tmp_path, kind):
    path = str(tmp_path / "sock")
    with real_socket.socket(real_socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        with Simulation() as sim:
            note = refusal(sim, kind(path), real_socket.AF_UNIX)
    assert note.startswith(
        f"nobody in this world listens at {path!r}: the file is of a socket outside it, or of a server that has gone. Make the server inside"
    )


def test_the_words_change_nothing_of_the_run(monkeypatch):
    digests = set()
    for listens in (True, False):
        monkeypatch.setattr("simsock.stdlib._refusals._has_for_real", lambda *asked, listens=listens: "127.0.0.1" if listens else "")
        with Simulation() as sim:
            refusal(sim, ("127.0.0.1", 81))
        digests.add(sim.digest)
    assert len(digests) == 1
