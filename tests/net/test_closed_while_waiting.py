"""A descriptor that another task closes while one waits with a timeout: what the call says in the end, as on Linux."""

from __future__ import annotations

import pytest

PATIENCE = 0.15
"""Seconds that the call waits."""


def waits(net, kind, sock):
    """The call, and what it says."""
    fd, select = sock.fileno(), net.select
    if kind == "select to read":
        return [found == [fd] for found in select.select([fd], [], [], PATIENCE)]
    if kind == "select to write":
        return [found == [fd] for found in select.select([], [fd], [fd], PATIENCE)]
    if kind == "poll":
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return [bits for _, bits in poll.poll(PATIENCE * 1000)]
    if kind == "epoll":
        with select.epoll() as epoll:
            epoll.register(fd, select.EPOLLIN)
            return [bits for _, bits in epoll.poll(PATIENCE)]
    sock.settimeout(PATIENCE)
    return sock.recv(5) if kind == "recv" else sock.recvmsg(5) if kind == "recvmsg" else sock.accept()


@pytest.mark.once
@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("kind", ["select to read", "select to write", "poll", "epoll", "recv", "recvmsg", "accept"])
def test_what_a_call_says_when_its_descriptor_is_closed_meanwhile(twins, kind, reuse):
    def program(net, notes):
        if kind == "accept":
            sock = net.listener()
        elif kind == "select to write":
            sock, other = net.socket.socketpair()
            net.keep(sock), net.keep(other)
            sock.setblocking(False)
            while True:
                try:
                    sock.send(bytes(10_000))
                except BlockingIOError:
                    break
        else:
            sock, other = net.socket.socketpair()
            net.keep(sock), net.keep(other)
        fd = sock.fileno()
        waiting = net.spawn(lambda: notes("the call", waits, net, kind, sock))
        for _ in range(3):
            net.nap()
        sock.close()
        if reuse:
            one, other = net.socket.socketpair()
            net.keep(one), net.keep(other)
            notes("the same number", lambda: one.fileno() == fd)
            other.send(b"for another")
        waiting.result(10)

    twins(program)


def test_who_polls_for_ever_is_not_woken_by_a_close(net):
    """It goes on when what it began with has something to say, and then finds its descriptor closed."""
    one, other = net.socket.socketpair()
    net.keep(one), net.keep(other)
    copy = net.keep(one.dup())
    poll = net.select.poll()
    poll.register(one.fileno(), net.select.POLLIN)
    waiting = net.spawn(poll.poll)
    net.nap()
    fd = one.fileno()
    one.close()
    net.nap()
    other.send(b"x")
    assert waiting.result(10) == [(fd, net.select.POLLNVAL)]
    assert copy.recv(5) == b"x"
