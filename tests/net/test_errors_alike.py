"""Wrong arguments and wrong states: type, number and text of each error are those of CPython on Linux."""

from __future__ import annotations

import copy
import errno
import pickle
import socket as real_socket
import struct
import sys

import pytest

pytestmark = pytest.mark.real

SOL_SOCKET = 1
TAKEN = object()


def test_addresses_that_make_no_sense(twins):
    def program(net, notes):
        addresses = [("127.0.0.1", -1), ("127.0.0.1", 70000), ("127.0.0.1", 2**40), ("127.0.0.1", "x"), ("127.0.0.1", 1.0), ("127.0.0.1", None)]
        addresses += [("::1", 1), ("no.such.invalid", 1), "x", b"x", ("a",), ("a", 1, 2), ["127.0.0.1", 1], (1, 2), (None, 1), None, ("1.2.3", 1)]
        for address in addresses[:-1]:
            with net.socket.socket() as sock:
                notes(f"bind {address!r}", sock.bind, address)
                notes(f"connect {address!r}", sock.connect, address)
                notes(f"connect_ex {address!r}", sock.connect_ex, address)
            with net.socket.socket(net.socket.AF_INET, net.socket.SOCK_DGRAM) as sock:
                notes(f"sendto {address!r}", sock.sendto, b"x", address)
        for address in [("::1", -1), ("127.0.0.1", 1), ("a",), "x", ("::1", 1, 2, 3, 4), ("::1", 1, -1, 0), ("::1", 1, 2**21, 0)]:
            with net.socket.socket(net.socket.AF_INET6) as sock:
                notes(f"bind6 {address!r}", sock.bind, address)
                notes(f"connect6 {address!r}", sock.connect, address)

    twins(program)


def test_addresses_that_are_not_to_be_had(twins):
    def program(net, notes):
        with net.listener() as listener, net.socket.socket() as sock:
            taken = listener.getsockname()
            notes("taken", lambda: str(attempt(sock.bind, taken)))
            notes("not this machine's", sock.bind, ("192.0.2.1", 0))
            notes("first", sock.bind, ("127.0.0.1", 0))
            notes("twice", sock.bind, ("127.0.0.1", 0))
            notes("twice, and not this machine's", sock.bind, ("192.0.2.1", 0))
            notes("a server there", attempt, net.socket.create_server, ("192.0.2.1", 80))
        with net.socket.socket(net.socket.AF_INET6) as sock:
            sock.setsockopt(net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, 1)
            notes("v6 only to a mapped address", sock.connect, ("::ffff:127.0.0.1", 1))
            sock.bind(("::1", 0))
            notes("v6 only once bound", sock.setsockopt, net.socket.IPPROTO_IPV6, net.socket.IPV6_V6ONLY, 0)

    twins(program)


def attempt(fn, *args, **options):
    try:
        return fn(*args, **options)
    except OSError as error:
        return type(error), error.errno, error.strerror


def test_create_server_says_what_it_was_about_to_bind(net):
    with net.listener() as listener:
        address = listener.getsockname()
        with pytest.raises(OSError, match="attempting to bind on address") as caught:
            net.socket.create_server(address)
        assert caught.value.errno == errno.EADDRINUSE
        assert caught.value.strerror == f"Address already in use (while attempting to bind on address {address!r})"
    with pytest.raises(ValueError, match="dualstack_ipv6 requires AF_INET6"):
        net.socket.create_server(("", 0), dualstack_ipv6=True)


def test_calls_on_a_socket_in_the_wrong_state(twins):
    def program(net, notes):
        sock = net.tcp()
        for name, args in [("recv", (1,)), ("recv", (0,)), ("send", (b"x",)), ("send", (b"",)), ("sendall", (b"x",)), ("accept", ()), ("getpeername", ())]:
            notes(f"new {name}", getattr(sock, name), *args)
        notes("new recvfrom", sock.recvfrom, 0)
        notes("new shutdown", sock.shutdown, real_socket.SHUT_RD)
        notes("bad shutdown", sock.shutdown, 7)
        notes("new bits", net.bits, net.tcp())
        listener = net.listener()
        for name, args in [
            ("recv", (1,)),
            ("send", (b"x",)),
            ("connect", (listener.getsockname(),)),
            ("getpeername", ()),
            ("shutdown", (real_socket.SHUT_WR,)),
        ]:
            notes(f"listener {name}", getattr(listener, name), *args)
        notes("listen again", listener.listen, 3)
        client, _ = net.pair()
        notes("connected listen", client.listen)
        notes("connected accept", client.accept)
        notes("connected bind", client.bind, ("127.0.0.1", 0))
        notes("connected sendto", client.sendto, b"x", ("127.0.0.1", 1))
        udp = net.udp()
        for name, args in [("listen", ()), ("accept", ()), ("send", (b"x",)), ("getpeername", ()), ("shutdown", (real_socket.SHUT_RD,))]:
            notes(f"udp {name}", getattr(udp, name), *args)

    twins(program)


def test_calls_on_a_closed_socket(twins):
    calls = [("recv", (1,)), ("recv", (0,)), ("recv_into", (bytearray(1),)), ("recv_into", (bytearray(),)), ("recvfrom", (1,)), ("send", (b"",))]
    calls += [("sendall", (b"x",)), ("sendto", (b"x", ("127.0.0.1", 1))), ("accept", ()), ("getsockname", ()), ("getpeername", ()), ("listen", ())]
    calls += [("dup", ()), ("setsockopt", (1, 2, 1)), ("getsockopt", (1, 2)), ("connect", (("127.0.0.1", 1),)), ("connect_ex", (("127.0.0.1", 1),))]
    calls += [("settimeout", (1,)), ("setblocking", (True,)), ("shutdown", (1,)), ("bind", (("", 0),)), ("get_inheritable", ()), ("set_inheritable", (True,))]
    calls += [("close", ()), ("detach", ()), ("fileno", ()), ("gettimeout", ()), ("getblocking", ())]

    def program(net, notes):
        for closing in ("close", "detach"):
            sock = net.tcp()
            fd = getattr(sock, closing)()
            if fd is not None:
                net.socket.close(fd)
            for name, args in calls:
                notes(f"{name} after {closing}", getattr(sock, name), *args)
            notes("repr", lambda sock=sock: repr(sock).replace("simsock.stdlib.", ""))

    twins(program)


def test_arguments_of_the_wrong_type(twins):
    def program(net, notes):
        sock, other = net.pair()
        notes("send", sock.send, "text")
        notes("sendall", sock.sendall, "text")
        notes("sendall number", sock.sendall, 7)
        notes("sendto", sock.sendto, b"x")
        notes("recv", sock.recv, -1)
        notes("recvfrom", sock.recvfrom, -1)
        notes("recv_into negative", sock.recv_into, bytearray(3), -1)
        notes("recv_into too much", sock.recv_into, bytearray(3), 5)
        notes("recv_into bytes", sock.recv_into, b"abc")
        notes("recvfrom_into negative", sock.recvfrom_into, bytearray(3), -5)
        notes("recvfrom_into too much", sock.recvfrom_into, bytearray(3), 5)
        notes("recvfrom_into bytes", sock.recvfrom_into, b"abc")
        for value in ("x", 1.5, None):
            notes(f"setsockopt {value!r}", lambda value=value: sock.setsockopt(1, 2, value) if value is not None else 0)
        for level, name in [(1, 999), (999, 1), (41, 26), (17, 1), (1, 4), (1, 3)]:
            notes(f"setsockopt {level} {name}", sock.setsockopt, level, name, 1)
        notes("short option", sock.setsockopt, 1, 2, b"x")
        notes("short linger", sock.setsockopt, 1, 13, b"1234")
        notes("getsockopt too long", sock.getsockopt, 1, 2, 2000)
        notes("getsockopt negative", sock.getsockopt, 1, 2, -1)
        for level, name in [(1, 999), (999, 1), (41, 26), (17, 1)]:
            notes(f"getsockopt {level} {name}", sock.getsockopt, level, name)
        udp = net.udp()
        notes("tcp option of a udp socket", udp.setsockopt, 6, 1, 1)
        notes("and its value", udp.getsockopt, 6, 1)

    twins(program)


def test_timeouts_that_make_no_sense(twins):
    def program(net, notes):
        sock = net.tcp()
        for value in (-1, -0.001, "x", float("nan"), float("inf"), 1e30, [], 0, 0.0, 1e-12, 5, 0.25, None):
            notes(f"settimeout {value!r}", lambda value=value: (sock.settimeout(value), sock.gettimeout(), sock.getblocking(), sock.timeout))
        for flag in (True, False, 0, 1):
            notes(f"setblocking {flag}", lambda flag=flag: (sock.setblocking(flag), sock.gettimeout(), sock.getblocking()))
        for value in (-1, "x", float("nan")):
            notes(f"setdefaulttimeout {value!r}", net.socket.setdefaulttimeout, value)

    twins(program)


def test_making_sockets_of_descriptors(twins):
    def program(net, notes):
        for value in (-1, 999_999, 1.5, "3"):
            notes(f"fileno {value!r}", lambda value=value: net.socket.socket(fileno=value))
        notes("protocol of the other kind", net.socket.socket, net.socket.AF_INET, net.socket.SOCK_STREAM, net.socket.IPPROTO_UDP)
        notes("and the other way", net.socket.socket, net.socket.AF_INET, net.socket.SOCK_DGRAM, net.socket.IPPROTO_TCP)
        sock = net.tcp(net.socket.AF_INET6)
        with net.socket.socket(fileno=sock.detach()) as again:
            notes("what it is", lambda: (int(again.family), int(again.type), again.proto, again.gettimeout()))
            again = net.socket.socket(700, 900, 5, again.detach())
            notes("what nobody knows", lambda: (again.family, again.type, again.proto, repr(again).partition("family=")[2].partition(", laddr")[0].rstrip(">")))
            again.close()

    twins(program)


def test_sockets_cannot_be_pickled_or_copied(twins):
    def program(net, notes):
        sock = net.tcp()
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            notes(f"pickle {protocol}", pickle.dumps, sock, protocol)
        notes("copy", copy.copy, sock)
        notes("deepcopy", copy.deepcopy, sock)

    twins(program)


def test_files_of_modes_that_do_not_exist(twins):
    def program(net, notes):
        sock, _ = net.pair()
        for mode in ("q", "a", "r+", "rt"):
            notes(f"makefile {mode}", sock.makefile, mode)
        notes("text without a buffer", lambda: sock.makefile("r", buffering=0))
        notes("a bad encoding", lambda: sock.makefile("r", encoding="no such"))
        with sock.makefile("rw") as file:
            notes("mode of text", lambda: file.mode)
        with sock.makefile("rb", buffering=0) as file:
            notes("mode of raw", lambda: (file.mode, file.readable(), file.writable(), file.seekable(), file.name == sock.fileno()))
            notes("write to a reader", file.write, b"x")
        with sock.makefile("wb") as file:
            notes("read from a writer", file.read)
        notes("closed file", file.write, b"x")

    twins(program)


def test_polling_what_cannot_be_polled(twins):
    def program(net, notes):
        sock = net.tcp()
        select, poll = net.select.select, net.select.poll()
        for mask in (-1, 70000, "a"):
            notes(f"mask {mask}", poll.register, sock, mask)
        notes("not registered", poll.modify, sock, 1)
        notes("not registered either", lambda: attempt_key(poll, sock))
        notes("negative descriptor", poll.register, -1)
        notes("no descriptor", poll.register, "x")
        poll.register(sock)  # there is something about it at once: from 3.15 on nothing is too long but what no clock holds
        long = 1 << 31, -(1 << 31) - 1, 2.0**31, 9_223_372_036_854, 9_223_372_036_855, 9.3e12
        for timeout in ("x", *long, 1 << 64, -(1 << 64), 1e30, float("nan"), float("inf")):
            notes(f"timeout {timeout}", lambda timeout=timeout: [bits for _, bits in poll.poll(timeout)])
        notes("select timeout", select, [], [], [], -1)
        for timeout in ("x", 1 << 64, -(1 << 64), 1e30, float("nan"), float("inf")):
            notes(f"select timeout {timeout}", select, [], [], [], timeout)
        notes("select -1", select, [-1], [], [], 0)
        notes("select object", select, ["x"], [], [], 0)
        notes("select no list", select, 1, [], [], 0)
        notes("select nothing", select, [], [], [], 0)
        fd = sock.fileno()
        sock.close()
        notes("select closed", select, [sock], [], [], 0)
        poll.register(fd)
        notes("poll closed", lambda: [(number == fd, bits) for number, bits in poll.poll(0)])
        notes("select closed number", select, [fd], [], [], 0)

    twins(program)


def test_making_and_asking_epoll_objects_with_arguments_that_make_no_sense(twins):
    def program(net, notes):
        for sizehint in (0, -2, "x", 1.0, None, 1 << 31):
            notes(f"size {sizehint}", net.select.epoll, sizehint)
        for flags in (1, -1, "x", 1 << 40):
            notes(f"flags {flags}", net.select.epoll, -1, flags)
        epoll = net.select.epoll(sizehint=10, flags=0x80000)
        for timeout in ("x", 1 << 31, -(1 << 31), 1 << 64, 1e30, float("nan")):
            notes(f"timeout {timeout}", epoll.poll, timeout)
        for events in (0, -2, "x", 1 << 31, None):
            notes(f"events {events}", epoll.poll, 0, events)
        notes("two wrong", epoll.poll, "x", 0)
        epoll.close()
        notes("closed", epoll.poll, "x")

    twins(program)


def attempt_key(poll, sock):
    try:
        poll.unregister(sock)
    except KeyError:
        return "KeyError"


def test_names_that_nobody_has(twins):
    def program(net, notes):
        module = net.socket
        cases = [("127.0.0.1", -1), ("127.0.0.1", "nosuch"), (None, None), ("", 80), ("no.such.invalid", 80), ("127.0.0.1", 80, 10), ("::1", 80, 2)]
        cases += [("127.0.0.1", 80, 0, 1), (b"127.0.0.1", b"80", 0, 1), ("127.0.0.1", 80, 0, 99), (None, 80, 0, 1), (None, 80, 0, 1, 0, 1)]
        cases += [("127.0.0.1", 80), ("::1", "80"), ("127.0.0.1", 80, 2, 2), ("x", 80, 0, 1, 0, 4), ("127.0.0.1", 1.5), ("localhost", 80, 2, 1, 0, 2)]
        for args in cases:
            notes(f"getaddrinfo {args}", module.getaddrinfo, *args)
        for name in ("::1", "", "no.such.invalid", "127.0.0.1"):
            notes(f"gethostbyname {name!r}", module.gethostbyname, name)
        notes("getnameinfo", module.getnameinfo, ("127.0.0.1", 80), module.NI_NUMERICHOST | module.NI_NUMERICSERV)
        notes("getnameinfo of a name", module.getnameinfo, ("no such", 80), 0)
        notes("getservbyname", module.getservbyname, "nosuch")
        notes("getfqdn", module.getfqdn, "localhost")
        notes("gethostbyname_ex", module.gethostbyname_ex, "localhost")
        notes("create_connection", module.create_connection, ("no.such.invalid", 80))

    twins(program)


def test_options_that_nobody_set(twins):
    def program(net, notes):
        sock = net.tcp()
        for level, name in [(1, 2), (1, 3), (1, 4), (1, 9), (1, 13), (1, 15), (1, 30), (1, 38), (1, 39), (6, 1), (6, 2), (6, 4), (6, 5), (6, 6), (0, 2)]:
            notes(f"{level} {name}", sock.getsockopt, level, name)
        notes("linger", sock.getsockopt, 1, 13, 8)
        notes("reuse", sock.getsockopt, 1, 2, 4)
        listener = net.listener()
        notes("accepting", listener.getsockopt, 1, 30)
        notes("reuse of a server", listener.getsockopt, 1, 2)

    twins(program)


def test_options_are_read_back_as_linux_keeps_them(twins):
    def program(net, notes):
        sock = net.tcp()
        for level, name, value in [(1, 2, 5), (1, 9, 7), (1, 8, 10_000), (1, 8, 1), (1, 7, 1), (1, 7, 30_000), (6, 1, 3), (6, 4, 33), (6, 18, 1500)]:
            notes(f"{level} {name} {value}", lambda args=(level, name, value): (sock.setsockopt(*args), sock.getsockopt(*args[:2])))
        notes("linger", lambda: (sock.setsockopt(1, 13, struct.pack("ii", 1, 0)), sock.getsockopt(1, 13, 8), sock.getsockopt(1, 13)))
        notes("bytes", lambda: (sock.setsockopt(1, 15, struct.pack("i", 1)), sock.getsockopt(1, 15), sock.getsockopt(1, 15, 2)))

    twins(program)


assert sys.platform == "linux" or pytest.skip("these are Linux's answers", allow_module_level=True)
