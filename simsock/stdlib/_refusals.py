"""Why a connection is refused: words for people, beside an error that is Linux's.

Owns the look at where a listener of that port is instead: on another host of the world, or outside it, in this very process. Does not know
sockets' calls. Laws: nothing that is found here decides anything; each address is looked up once a world, and only when it was refused.
"""

from __future__ import annotations

import _socket
import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from simsock.errors import meant
from simsock.net import datagrams
from simsock.net.addresses import AF_INET, AF_INET6
from simsock.stdlib._makers import bound, made_by

if TYPE_CHECKING:
    from simsock.net.datagrams import DatagramSocket
    from simsock.net.fabric import Fabric, Host

_open, _listdir, _readlink, _getsockname, _inet_ntop = open, os.listdir, os.readlink, _socket.socket.getsockname, _socket.inet_ntop
"""Taken now: a world replaces some of the names."""
_LISTENING = "0A"
_LOOPBACK = ("127.0.0.1", "::1")
_NAMES_TOLD_MAX = 10


def _owner_of(port: int) -> str:
    """Who bound the real socket that has this port, as words to go on with; empty if nobody watched."""
    for sock in bound():
        with suppress(OSError):
            if _getsockname(sock)[1] == port:
                return made_by(sock)
    return ""


def explain(error: OSError, words: str) -> None:
    """Note on an error what there is to tell."""
    error.add_note(words)
    error.simsock_words = words  # type: ignore[attr-defined]  # read by words_of


def words_of(error: BaseException) -> str:
    """What was told of it, if anything was."""
    return str(vars(error).get("simsock_words", "")) if isinstance(error, OSError) else ""


def explained(fabric: Fabric, host: Host, ip: str, port: int) -> str:
    """What to tell about a refused connection from ``host`` to an address."""
    here = _listening_at(host, port)
    if here and (ip in _LOOPBACK or ip in host.addresses):
        return (
            f"nobody listens at {ip} port {port}; a server of the same host does at {' and '.join(here)}: connect to it there, or let it listen at {ip} as well"
        )
    elsewhere = [f"{other.name} ({', '.join(other.addresses)})" for other in fabric.hosts() if _listening_at(other, port)]
    if elsewhere:
        if ip in _LOOPBACK:
            return f"nobody listens on port {port} of host {host.name}, whose own {ip} is; a server on host {' and '.join(elsewhere)} does: connect to it there"
        return f"nobody listens at {ip} port {port}; a server on host {' and '.join(elsewhere)} has that port: an address of its own, or 127.0.0.1 only?"
    real = _real_one(fabric, "tcp", port)
    if real:
        return (
            f"nobody in this world listens on port {port}, but a real socket of this process does{_owner_of(port)}: it was made outside the world. "
            "Make the server inside it: in a fixture that asks for `sim`, or in the test (one that a module makes when it is imported: "
            'fresh=["its package"]; one of a wider fixture or of setup_class: a world as wide, world="class", "module" or "session"). '
            f'To talk to the real one, outside time: allow="{_peer(real, ip)}:{port}"'
        )
    return (
        f"nobody listens on port {port} of {ip}, in this world or (in this process) outside it: start the server first, "
        f'in the test or in a fixture that asks for `sim`; to talk to another process, outside time: allow="{ip}:{port}"{_as_proxy(ip, port)}'
    )


def note_datagram(error: OSError, sock: DatagramSocket) -> None:
    """Tell why what a connected datagram socket has sent was refused."""
    if error.errno == errno.ECONNREFUSED and sock.remote is not None and sock.family in (AF_INET, AF_INET6):
        explain(error, _explained_datagram(sock.fabric, sock.host, str(sock.remote[0]), sock.remote[1]))


def _explained_datagram(fabric: Fabric, host: Host, ip: str, port: int) -> str:
    here = _bound_at(host, port)
    if here and (ip in _LOOPBACK or ip in host.addresses):
        return f"nobody receives datagrams at {ip} port {port}; a socket of the same host does at {' and '.join(here)}: send there, or bind it to {ip} as well"
    elsewhere = " and ".join(f"{other.name} ({', '.join(other.addresses)})" for other in fabric.hosts() if _bound_at(other, port))
    if elsewhere and ip in _LOOPBACK:
        return f"nobody receives datagrams on port {port} of host {host.name}, whose own {ip} is; a socket on host {elsewhere} does: send there"
    if elsewhere:
        return f"nobody receives datagrams at {ip} port {port}; a socket on host {elsewhere} has that port: an address of its own, or 127.0.0.1 only?"
    if any(_listening_at(other, port) for other in fabric.hosts() if ip in (*_LOOPBACK, *other.addresses)):
        return f"nobody receives datagrams on port {port} of {ip}, where a server listens for TCP connections: SOCK_DGRAM finds no SOCK_STREAM"
    if _real_one(fabric, "udp", port):
        return (
            f"nobody in this world receives datagrams on port {port}, but a real socket of this process does{_owner_of(port)}: it was made outside the world. "
            "Make it inside: in a fixture that asks for `sim`, or in the test"
        )
    return (
        f"nobody receives datagrams on port {port} of {ip}, in this world or (in this process) outside it: bind the socket that is to have them first, "
        "in the test or in a fixture that asks for `sim` (as on Linux, who sends is told so at its next call)"
    )


datagrams.note_refused = note_datagram


def _bound_at(host: Host, port: int) -> list[str]:
    """The addresses at which a host's datagram sockets have the port."""
    return [str(socket.local[0]) for socket in host.udp.bound() if socket.local is not None and socket.local[1] == port]


def _real_one(fabric: Fabric, protocol: str, port: int) -> str:
    """The address of a real socket of this process that has the port; each port is asked for once."""
    found = fabric.real_ports.get((protocol, port))
    if found is None:
        found = fabric.real_ports[protocol, port] = _has_for_real(protocol, port)
    return found


def is_taken_outside(fabric: Fabric, port: int) -> bool:
    """Whether a real server of this process has the port of a refused connection."""
    return bool(_real_one(fabric, "tcp", port))


def unknown(fabric: Fabric, name: str) -> str:
    """What to tell about a name that does not resolve."""
    names = [host.name for host in fabric.hosts()]
    told = ", ".join(names[:_NAMES_TOLD_MAX]) + (", …" if len(names) > _NAMES_TOLD_MAX else "")
    return (
        f"no host of this world is called {name!r}, and nothing asks the real resolver: its hosts are {told}{meant(name, names)}; "
        f"sim.host({name!r}) makes another one, for a server to run on{_as_proxy(name)}"
    )


def _as_proxy(name: str, port: int | None = None) -> str:
    """Words about this being the proxy by which the environment has HTTP clients go, which who wrote the test may not know."""
    for key, value in sorted(os.environ.items()):
        if key.lower().endswith("_proxy") and key.lower() != "no_proxy":
            host, _, number = value.rpartition("://")[2].rpartition("@")[2].rstrip("/").rpartition(":")
            if (host or number) == name and port in (None, int(number) if number.isdecimal() else 80):
                return f"; it is the proxy that {key} of the environment names: take that out, or set NO_PROXY, for the tests (monkeypatch.delenv({key!r}))"
    return ""


def _listening_at(host: Host, port: int) -> list[str]:
    """The addresses at which servers of a host have the port."""
    return [str(socket.local[0]) for socket in host.tcp.bound() if socket.listening and socket.local is not None and socket.local[1] == port]


def _peer(listening: str, asked: str) -> str:
    """The address of a real listener, for ``allow=``: the one that was asked for, if it listens at all of its kind."""
    if listening == "::" or (listening == "0.0.0.0" and ":" not in asked):
        return asked
    return "127.0.0.1" if listening == "0.0.0.0" else listening


def _address(field: str) -> str:
    """As Linux shows it in ``/proc``: the words of an address, each in the machine's order."""
    words = bytes.fromhex(field)
    packed = b"".join(words[place : place + 4][:: -1 if sys.byteorder == "little" else 1] for place in range(0, len(words), 4))
    return _inet_ntop(_socket.AF_INET if len(packed) == 4 else _socket.AF_INET6, packed)


def name_refused(path: str) -> str:
    """What to tell about a name of a Unix socket of which there is a file, but no server of the world."""
    return (
        f"nobody in this world listens at {path!r}: the file is of a socket outside it, or of a server that has gone. "
        "Make the server inside the world: in a fixture that asks for `sim`, or in the test"
    )


def _has_for_real(protocol: str, port: int) -> str:
    """The address of a listening TCP or bound UDP socket of this process that has the port, by what Linux tells of both; empty if there is none."""
    inodes = {}
    for table in (protocol, f"{protocol}6"):
        with suppress(OSError), _open(f"/proc/self/net/{table}", encoding="ascii") as lines:
            for line in list(lines)[1:]:
                fields = line.split()
                if (fields[3] == _LISTENING or protocol == "udp") and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes[f"socket:[{fields[9]}]"] = _address(fields[1].rpartition(":")[0])
    for fd in _descriptors() if inodes else ():
        with suppress(OSError):
            if (found := inodes.get(_readlink(f"/proc/self/fd/{fd}"))) is not None:
                return found
    return ""


def _descriptors() -> list[str]:
    try:
        return _listdir("/proc/self/fd")
    except OSError:
        return []
