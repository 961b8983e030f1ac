"""``select``, ``poll`` and ``selectors``, on loopback and in a world."""

from __future__ import annotations

import select as real_select
import socket as real_socket
import struct
import sys

import pytest

IN, OUT, ERR, HUP, RDHUP, NVAL = (
    real_select.POLLIN,
    real_select.POLLOUT,
    real_select.POLLERR,
    real_select.POLLHUP,
    real_select.POLLRDHUP,
    real_select.POLLNVAL,
)


def test_select_returns_the_objects_that_are_ready(net):
    client, server = net.pair()
    idle, _ = net.pair()
    assert net.select.select([client, server], [], [], 0) == ([], [], [])
    client.sendall(b"x")
    net.settle()
    assert net.select.select([client, server, idle], [client, idle], [server], 0) == ([server], [client, idle], [])
    assert net.select.select([server.fileno()], [], [], 0) == ([server.fileno()], [], [])
    assert net.select.select([server, server], [server], [], 0) == ([server, server], [server], [])


def test_select_waits_until_something_is_ready(net):
    client, server = net.pair()
    waiting = net.spawn(net.select.select, [server], [], [])
    net.settle()
    assert not waiting.done
    client.sendall(b"x")
    assert waiting.result(10) == ([server], [], [])


def test_select_waits_for_room_to_write(net):
    client, server = net.pair()
    client.setblocking(False)
    taken = 0
    try:
        while True:
            taken += client.send(b"x" * 65536)
    except BlockingIOError:
        pass
    waiting = net.spawn(net.select.select, [], [client], [])
    net.settle()
    assert not waiting.done
    server.recv(taken, real_socket.MSG_WAITALL)
    assert waiting.result(10) == ([], [client], [])


def test_select_goes_through_a_list_that_its_members_shorten(net):
    _, server = net.pair()
    listed = []

    class Shortening:
        def fileno(self):
            del listed[-1]
            return server.fileno()

    members = [Shortening() for _ in range(10)]
    listed[:] = members
    assert net.select.select([], listed, [], 10) == ([], members[:5], [])


def test_a_poll_object_that_waits_cannot_be_asked_by_another_thread(net):
    client, server = net.pair()
    poll = net.select.poll()
    poll.register(server, IN)
    waiting = net.spawn(poll.poll)
    net.settle()
    with pytest.raises(RuntimeError, match=r"^concurrent poll\(\) invocation$"):
        poll.poll(0)
    client.sendall(b"x")
    assert waiting.result(10) == [(server.fileno(), IN)]
    assert poll.poll(0) == [(server.fileno(), IN)]


@pytest.mark.parametrize("how", ["select", "poll", "SelectSelector", "PollSelector", "DefaultSelector"])
def test_a_timeout_passes_when_nothing_is_ready(net, how):
    _, server = net.pair()
    began = net.now()
    if how == "select":
        assert net.select.select([server], [], [], 0.02) == ([], [], [])
    elif how == "poll":
        poll = net.select.poll()
        poll.register(server, IN)
        assert poll.poll(20) == []
    else:
        with getattr(net.selectors, how)() as selector:
            selector.register(server, net.selectors.EVENT_READ)
            assert selector.select(0.02) == []
    assert net.now() - began >= 0.0199


def test_select_and_poll_with_nothing_just_wait(net):
    began = net.now()
    assert net.select.select([], [], [], 0.01) == ([], [], [])
    assert net.select.poll().poll(10) == []
    assert net.now() - began >= 0.0199


def test_a_listener_is_readable_when_a_connection_waits(net):
    listener = net.listener()
    assert net.bits(listener) == 0
    net.keep(net.socket.create_connection(listener.getsockname()))
    assert net.bits(listener) == IN
    net.keep(listener.accept()[0])
    assert net.bits(listener) == 0


def test_poll_tells_a_half_close_from_a_hang_up(net):
    client, server = net.pair()
    assert (net.bits(client), net.bits(server)) == (OUT, OUT)
    server.shutdown(real_socket.SHUT_WR)
    net.settle()
    assert (net.bits(client), net.bits(server)) == (IN | OUT | RDHUP, OUT)
    assert net.bits(client, mask=IN) == IN
    client.shutdown(real_socket.SHUT_WR)
    net.settle()
    assert (net.bits(client), net.bits(server)) == (IN | OUT | RDHUP | HUP,) * 2


def test_poll_reports_hang_ups_and_errors_nobody_asked_for(net):
    client, server = net.pair()
    server.setsockopt(real_socket.SOL_SOCKET, real_socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    net.settle()
    assert net.bits(client) == IN | OUT | RDHUP | HUP | ERR
    assert net.bits(client, mask=0) == HUP | ERR
    client.getsockopt(real_socket.SOL_SOCKET, real_socket.SO_ERROR)
    assert net.bits(client) == IN | OUT | RDHUP | HUP
    assert net.bits(net.tcp()) == OUT | HUP


def test_poll_reports_descriptors_that_are_closed(net):
    client, _ = net.pair()
    other, _ = net.pair()
    poll = net.select.poll()
    poll.register(client, IN)
    poll.register(other, OUT)
    fd = client.fileno()
    client.close()
    assert sorted(poll.poll()) == sorted([(fd, NVAL), (other.fileno(), OUT)])
    with pytest.raises(OSError, match=r"^\[Errno 9\] Bad file descriptor$"):
        net.select.select([fd], [], [], 0)


def test_poll_masks_can_be_changed_and_taken_back(net):
    client, server = net.pair()
    server.sendall(b"x")
    net.settle()
    poll = net.select.poll()
    poll.register(client)
    assert poll.poll(0) == [(client.fileno(), IN | OUT)]
    poll.modify(client, OUT)
    assert poll.poll(0) == [(client.fileno(), OUT)]
    poll.register(client, IN)
    assert poll.poll(0) == [(client.fileno(), IN)]
    poll.unregister(client)
    assert poll.poll(0) == []


@pytest.mark.parametrize("forever", [None, -1, -5.5])
def test_poll_waits_for_ever_without_a_timeout(net, forever):
    client, server = net.pair()
    poll = net.select.poll()
    poll.register(server, IN)
    waiting = net.spawn(poll.poll, forever)
    net.nap()
    assert not waiting.done
    client.sendall(b"x")
    assert waiting.result(10) == [(server.fileno(), IN)]


def test_poll_rounds_up_to_whole_milliseconds_and_from_3_15_on_to_nanoseconds(sim):
    from simsock.stdlib import select

    select.poll().poll(0.2)
    late, waited = 1_000, 1_000_000 if sys.version_info < (3, 15) else 200_000
    assert sim.now_ns == waited + late
    select.select([], [], [], 1e-10)
    assert sim.now_ns == waited + 1 + 2 * late


def test_several_tasks_may_wait_for_one_socket(net):
    client, server = net.pair()
    waiting = [net.spawn(net.select.select, [server], [], []) for _ in range(3)]
    net.settle()
    client.sendall(b"x")
    assert [one.result(10) for one in waiting] == [([server], [], [])] * 3


@pytest.mark.parametrize("name", ["SelectSelector", "PollSelector", "DefaultSelector"])
def test_a_selector_serves_several_sockets(net, name):
    read, write = net.selectors.EVENT_READ, net.selectors.EVENT_WRITE
    listener = net.listener()
    with getattr(net.selectors, name)() as selector:
        selector.register(listener, read, "accept")
        clients = [net.keep(net.socket.create_connection(listener.getsockname())) for _ in range(3)]
        for number, client in enumerate(clients):
            client.sendall(b"hello %d" % number)
        seen = []
        while len(seen) < 3:
            for key, events in selector.select(5):
                if key.data == "accept":
                    server, _ = listener.accept()
                    selector.register(net.keep(server), read | write)
                else:
                    assert events & read or events & write
                    if events & read:
                        seen.append(key.fileobj.recv(100))
                        selector.modify(key.fileobj, write, "answered")
        assert sorted(seen) == [b"hello 0", b"hello 1", b"hello 2"]
        ready = selector.select(0)
        assert sorted(key.data for key, events in ready) == ["answered"] * 3
        assert {events for key, events in ready} == {write}
        for key, _ in ready:
            selector.unregister(key.fileobj)
        assert selector.select(0) == []
        with pytest.raises(KeyError, match="is not registered"):
            selector.unregister(server)
        with pytest.raises(ValueError, match="Invalid event"):
            selector.register(server, 0)
        with pytest.raises(KeyError, match="is already registered"):
            selector.register(listener, read)
        assert selector.get_key(listener).fd == listener.fileno()
        assert len(selector.get_map()) == 1


@pytest.mark.parametrize("name", ["SelectSelector", "PollSelector", "DefaultSelector"])
def test_a_selector_hears_the_end_of_a_stream_as_readable(net, name):
    client, server = net.pair()
    with getattr(net.selectors, name)() as selector:
        selector.register(server, net.selectors.EVENT_READ)
        assert selector.select(0) == []
        client.close()
        net.settle()
        assert [(key.fileobj, events) for key, events in selector.select(5)] == [(server, net.selectors.EVENT_READ)]
        assert server.recv(1) == b""


def test_the_errors_of_a_failed_connect_are_both_readable_and_writable(net):
    sock = net.tcp()
    sock.setblocking(False)
    sock.connect_ex(net.nobody())
    net.settle()
    assert net.select.select([sock], [sock], [sock], 5) == ([sock], [sock], [])


def test_an_error_of_a_datagram_socket_makes_it_readable_and_writable_for_select(net):
    sock = net.udp()
    sock.connect(net.nobody(real_socket.SOCK_DGRAM))
    sock.send(b"x")
    net.settle()
    assert net.select.select([sock], [sock], [sock], 0) == ([sock], [sock], [])


def test_an_epoll_object_over_the_descriptor_of_another(net):
    client, server = net.pair()
    first = net.select.epoll()
    first.register(client.fileno(), net.select.EPOLLIN)
    other = net.select.epoll.fromfd(first.fileno())
    server.sendall(b"x")
    assert other.fileno() == first.fileno() and other.poll(5) == [(client.fileno(), net.select.EPOLLIN)]
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        first.poll(0)
