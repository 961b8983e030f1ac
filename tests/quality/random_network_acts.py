"""What the threads of a random world do with sockets, descriptors, hosts and links. The laws are those of ``random_acts``."""

from __future__ import annotations

import array
import fcntl
import os
import select
import struct
from typing import Any

import simsock
from tests.quality.random_acts import SHORT, Actor, Stage, act, of, perform

PAYLOADS = (b"", b"a", b"hello\n", b"x" * 700, b"y" * 5_000, b"z" * 70_000)


# -- streams ---------------------------------------------------------------------------------------------------------------------------------


@act(6)
def connects(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    address = of(s.listeners, a)
    sock = s.m.socket.create_connection(address, timeout=of((0.5, 5.0, 200.0), b))
    s.keep(me, sock, c)
    return sock.getsockname(), sock.getpeername()


@act(2)
def connects_without_waiting(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.m.socket.socket()
    me.own.append(sock)
    sock.setblocking(False)
    said = sock.connect_ex(of(s.listeners, a))
    chooser = s.m.selectors.DefaultSelector()
    chooser.register(sock, s.m.selectors.EVENT_WRITE)
    ready = len(chooser.select(of(SHORT, b)))
    chooser.close()
    return said, ready, sock.getsockopt(s.m.socket.SOL_SOCKET, s.m.socket.SO_ERROR)


@act(1)
def connects_to_nobody(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    s.m.socket.create_connection((of(s.hosts, a), 9), timeout=1)


@act(6)
def sends(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    data = of(PAYLOADS, b)
    if c % 3 == 0:
        sock.sendall(data)
        return len(data)
    if c % 3 == 1:
        return sock.sendmsg([data[:3], data[3:]])
    return sock.send(data)


@act(6)
def receives(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    size = of((1, 6, 1000, 100_000), b)
    if c % 4 == 0:
        room = bytearray(size)
        got = sock.recv_into(room)
        return got, bytes(room[:8])
    if c % 4 == 1:
        data, _, flags, _ = sock.recvmsg(size)
        return len(data), data[:8], flags
    data = sock.recv(size, s.m.socket.MSG_PEEK if c % 4 == 2 else 0)
    return len(data), data[:8]


@act(3)
def closes(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    if b % 3 == 0:
        sock.setsockopt(s.m.socket.SOL_SOCKET, s.m.socket.SO_LINGER, struct.pack("ii", 1, c % 2))
    sock.close()


@act(2)
def shuts_down(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    s.any_socket(me, a).shutdown(b % 3)


@act(2)
def duplicates(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    other = sock.dup()
    (me.own if b % 2 else s.sockets).append(other)
    if c % 3 == 0:
        sock.close()
    return other.fileno()


@act(1)
def detaches(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    number = s.any_socket(me, a).detach()
    if number >= 0:
        me.own.append(s.m.socket.socket(fileno=number))
    return number


@act(2)
def reads_a_file(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    with sock.makefile("rwb" if b % 2 else "rb") as file:
        if b % 2:
            file.write(b"line\n")
            file.flush()
        return file.readline(20) if c % 2 else file.read(c % 7)


@act(1)
def writes_a_file_and_drops_it(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    file = s.any_socket(me, a).makefile(of(("rwb", "wb", "w"), b))
    file.write("text" if b % 3 == 2 else b"bytes")


@act(2)
def sets_options(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    module = s.m.socket
    sock = s.any_socket(me, a)
    name = of((module.SO_RCVBUF, module.SO_SNDBUF, module.SO_KEEPALIVE, module.SO_REUSEADDR), b)
    sock.setsockopt(module.SOL_SOCKET, name, of((1, 5_000, 200_000), c))
    sock.settimeout(of((0.0, 0.1, 2.0), c))
    return sock.getsockopt(module.SOL_SOCKET, name)


@act(2)
def names_it(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.any_socket(me, a)
    return sock.fileno(), sock.family.name, sock.type.name, sock.getsockname(), sock.getpeername()


@act(2)
def listens_for_a_moment(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    with s.m.socket.create_server(("", 0), backlog=b % 3) as listener:
        address = (me.host, listener.getsockname()[1])
        s.listeners.append(address)
        try:
            listener.settimeout(of(SHORT, c))
            sock, peer = listener.accept()
            s.keep(me, sock, c)
            return peer
        finally:
            s.listeners.remove(address)


# -- datagrams, Unix sockets, pipes ----------------------------------------------------------------------------------------------------------


@act(2)
def binds_a_datagram_socket(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.m.socket.socket(s.m.socket.AF_INET, s.m.socket.SOCK_DGRAM)
    sock.bind(("", 0))
    s.keep(me, sock, b)
    s.inboxes.append((me.host, sock.getsockname()[1]))
    return sock.getsockname()


@act(3)
def sends_a_datagram(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    with s.m.socket.socket(s.m.socket.AF_INET, s.m.socket.SOCK_DGRAM) as sock:
        if c % 4 == 0:
            sock.connect(of(s.inboxes, a))
            return sock.send(of(PAYLOADS[:5], b))
        return sock.sendto(of(PAYLOADS[:5], b), of(s.inboxes, a))


@act(3)
def receives_a_datagram(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    data, sender = s.any_socket(me, a).recvfrom(of((3, 2000), b))
    return len(data), data[:4], sender


@act(3)
def makes_a_pair(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    kind = of((s.m.socket.SOCK_STREAM, s.m.socket.SOCK_DGRAM, s.m.socket.SOCK_SEQPACKET), a)
    for sock in s.m.socket.socketpair(s.m.socket.AF_UNIX, kind):
        s.keep(me, sock, b)
    return kind.name


@act(2)
def listens_at_a_path(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    path = of(("\0one", "\0two", "\0three"), a)  # a path in the file system is a real file, and several processes run the same world at once
    with s.m.socket.socket(s.m.socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(b % 2)
        s.paths.append(path)
        listener.settimeout(of(SHORT, c))
        sock, _ = listener.accept()
        s.keep(me, sock, b)


@act(2)
def connects_to_a_path(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    sock = s.m.socket.socket(s.m.socket.AF_UNIX)
    s.keep(me, sock, b)
    sock.connect(of(s.paths or ["/nowhere"], a))


@act(2)
def passes_descriptors(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    module = s.m.socket
    one, other = module.socketpair(module.AF_UNIX, of((module.SOCK_STREAM, module.SOCK_DGRAM), a))
    me.own += [one, other]
    one.sendmsg([b"fd"], [(module.SOL_SOCKET, module.SCM_RIGHTS, array.array("i", [s.any_socket(me, b).fileno()]))])
    if c % 3 == 0:
        return None  # it stays under way
    data, ancillary, flags, _ = other.recvmsg(10, module.CMSG_SPACE(8 if c % 3 == 1 else 0))
    numbers: list[int] = []
    for _, _, packed in ancillary:
        got = array.array("i")
        got.frombytes(packed[: len(packed) // 4 * 4])
        numbers += got
    for number in numbers:
        s.keep(me, module.socket(fileno=number), b)
    return data, tuple(numbers), flags


@act(3, patched=True)
def uses_a_pipe(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(writer, fcntl.F_SETFL, os.O_NONBLOCK)
        sent = os.write(writer, of(PAYLOADS[1:], b))
        ready = select.select([reader], [writer], [], 0)
        return sent, len(ready[0]), len(ready[1]), len(os.read(reader, 10 + c % 90))
    finally:
        os.close(writer)
        os.close(reader)


@act(1, patched=True)
def uses_descriptors(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    number = os.dup(s.any_socket(me, a).fileno())
    try:
        os.set_blocking(number, False)
        return number, os.write(number, b"raw") if b % 2 else os.read(number, 5)
    finally:
        os.close(number)


# -- waiting for many ------------------------------------------------------------------------------------------------------------------------


@act(3)
def selects(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    chooser = of((s.m.selectors.SelectSelector, s.m.selectors.PollSelector, s.m.selectors.DefaultSelector), a)()
    for sock in [*me.own, *s.sockets][:6]:
        try:
            chooser.register(sock, of((1, 2, 3), b))
        except (KeyError, ValueError, OSError) as error:
            s.note(me, "register", type(error).__name__)
    try:
        return tuple(sorted((key.fd, events) for key, events in chooser.select(of((0, *SHORT), c))))
    finally:
        chooser.close()


@act(2, patched=True)
def polls(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    socks = [sock for sock in [*me.own, *s.sockets] if sock.fileno() >= 0][:5]
    if a % 3 == 0:
        return tuple(len(found) for found in select.select(socks, socks if b % 2 else [], [], of((0, *SHORT), c)))
    poll: Any = select.poll() if a % 3 == 1 else select.epoll()
    for sock in socks:
        try:
            poll.register(sock, select.POLLIN | (select.POLLOUT if b % 2 else 0))
        except OSError as error:  # a duplicate that was registered already
            s.note(me, "register", error.errno)
    wait = of((0, *SHORT), c)
    found = sorted(poll.poll(int(wait * 1000) if a % 3 == 1 else wait))
    if a % 3 == 2:
        poll.close()
    return tuple(found)


# -- hosts, links, faults --------------------------------------------------------------------------------------------------------------------


def _ends(s: Stage, a: int, b: int) -> tuple[str, str]:
    one = of(s.hosts, a)
    return one, of([name for name in s.hosts if name != one], b)


@act(2)
def partitions(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one, other = _ends(s, a, b)
    of((s.sim.partition, s.sim.heal, s.sim.hold, s.sim.release), c)(one, other, one_way=a % 2 == 0)


@act(1)
def changes_a_link(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    one, other = _ends(s, a, b)
    s.sim.link(one, other, of(("perfect", "wifi", "3g", "hostile"), c), both_ways=a % 2 == 0)


@act(1)
def crashes_a_host(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    host = s.sim.host(of(s.hosts, a))
    if not host.is_up:
        host.restart()
    elif b % 4 == 0:
        host.crash()
    elif host.is_paused:
        host.resume()
    elif host.name != me.host:
        host.pause()
    return host.is_up, host.is_paused


@act(1)
def moves_a_clock(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    host = s.sim.host(of(s.hosts, a))
    host.jump(of((-5, 0.25, 3600), b))
    with host:
        return s.m.time.time(), s.m.time.monotonic()


@act(1)
def spoils_a_name(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    name = of(s.hosts, a)
    s.sim.resolver(name, fail=of(("temporary", "unknown", None), b), chance=of((0.5, 1), c), delay=of((0, "50ms"), c))
    try:
        return s.m.socket.gethostbyname(name)
    finally:
        s.sim.resolver(name)


@act(1)
def sets_a_rule(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    def rule(packet: Any) -> Any:
        if packet.size % 5 == a % 5:
            return simsock.Drop if b % 2 else simsock.Deliver("7ms")
        return simsock.Pass

    with s.sim.rule(rule):
        perform(s, me, of(("sends_a_datagram", "connects", "sends"), c), a, b, c)


@act(1)
def settles(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    s.sim.settle()
    return s.sim.now_ns


@act(2)
def works_elsewhere(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    with s.sim.host(of(s.hosts, a)):
        perform(s, me, of(("connects", "makes_a_pair", "binds_a_datagram_socket", "reads_clocks"), b), a, b, c)


@act(2)
def spawns_a_task(s: Stage, me: Actor, a: int, b: int, c: int) -> Any:
    if s.children >= 6:
        return None
    s.children += 1
    child = Actor(f"{me.name}:{s.children}", of(s.hosts, a))
    s.actors.append(child)
    task = s.sim.host(child.host).spawn(perform, s, child, of(("connects", "sleeps", "gets", "holds_a_lock", "selects"), b), a, b, c)
    if c % 4 == 0:
        task.cancel()
    elif c % 4 == 1:
        task.result(timeout=of(SHORT, a))
    return task.done
