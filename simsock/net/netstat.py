"""Netstat: what all sockets of all hosts are doing at one moment.

PYTEST_DONT_REWRITE

Owns the finding of sockets, the names of their states (RFC 9293, 3.3.2) and the table. Does not know tasks beyond their names. Laws: to look
changes nothing (no step, no draw, no record, no wire); a snapshot is plain values, and stays what it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from simsock.escaping import printable
from simsock.kernel.files import every_table
from simsock.net.addresses import Endpoint, format_endpoint
from simsock.net.datagrams import DatagramSocket
from simsock.net.fabric import fabric_of
from simsock.net.sockets import Socket
from simsock.net.tcp.stream import StreamSocket
from simsock.net.unix.common import UnixSocket
from simsock.net.unix.states import LISTENING
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.net.fabric import Fabric, Host

ROWS_MAX = 100
PROTOCOLS = ("tcp", "udp", "udplite", "unix")
_HEADS = ("host", "proto", "state", "recv-q", "send-q", "local", "remote", "fd", "waiting", "link")
_RIGHT = ("recv-q", "send-q", "fd")


class SocketEntry(NamedTuple):
    """One socket as it was."""

    protocol: str
    """``"tcp"``, ``"udp"``, ``"udplite"`` or ``"unix"``."""
    host: str
    state: str
    """RFC 9293's names (``"LISTEN"``, ``"SYN-SENT"``, ``"ESTABLISHED"`` …); ``"UNCONN"`` or ``"ESTABLISHED"`` for datagrams, as ss(8) has it."""
    local: str
    """``"10.0.0.1:80"``, ``"[fd00::1]:80"``; a Unix socket's name, or ``"#N"`` if it has none; ``"-"`` for none."""
    remote: str
    receive_queue_bytes: int
    """What has arrived and the program has not read."""
    send_queue_bytes: int
    """What the program has written and the peer has not acknowledged (of Unix sockets: what it is charged for, as SIOCOUTQ tells)."""
    backlog_used: int
    """Of a listener: connections that wait to be accepted."""
    backlog_limit: int
    """What ``listen`` was given; one more than that waits (Linux's "greater than")."""
    descriptor: int | None
    """The lowest one; None for a connection that nobody has accepted yet, or that was closed and still has something to say."""
    waiting: tuple[str, ...]
    """The tasks that wait for it."""
    link: str
    """The condition of the way to the peer, and of the way back if that differs; ``""`` without a peer on a link."""


class Netstat(tuple[SocketEntry, ...]):
    """A snapshot: a tuple of ``SocketEntry``, by host, protocol and address. ``str()`` of it is a table."""

    __slots__ = ()

    def where(self, **values: Any) -> Netstat:
        """The entries that have these values: ``sim.netstat().where(host="server", state="LISTEN")``."""
        unknown = sorted(set(values) - set(SocketEntry._fields))
        if unknown:
            raise TypeError(f"where: unknown field {', '.join(unknown)}; expected some of {', '.join(SocketEntry._fields)}")
        return Netstat(entry for entry in self if all(getattr(entry, name) == value for name, value in values.items()))

    def table(self, rows_max: int = ROWS_MAX) -> str:
        """One row a socket, as ss(8) prints them: of a listener, recv-q is how many wait to be accepted and send-q the backlog."""
        if not self:
            return "no sockets"
        rows = [_HEADS, *(_cells(entry) for entry in self[:rows_max])]
        shown = [column for column in range(len(_HEADS)) if _HEADS[column] != "link" or any(row[column] for row in rows[1:])]
        widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADS))]
        lines = ["  ".join(_aligned(row[column], column, widths[column]) for column in shown).rstrip() for row in rows]
        if len(self) > rows_max:
            lines.append(f"(+{len(self) - rows_max} more sockets)")
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        return f"<Netstat of {len(self)} sockets>"


def _cells(entry: SocketEntry) -> tuple[str, ...]:
    listens = entry.state == "LISTEN"
    queues = (entry.backlog_used, entry.backlog_limit) if listens else (entry.receive_queue_bytes, entry.send_queue_bytes)
    descriptor = "-" if entry.descriptor is None else str(entry.descriptor)
    waiting = ", ".join(entry.waiting) or "-"
    texts = (entry.host, entry.protocol, entry.state, *map(str, queues), entry.local, entry.remote, descriptor, waiting, entry.link)
    return tuple(map(printable, texts))


def _aligned(cell: str, column: int, width: int) -> str:
    return cell.rjust(width) if _HEADS[column] in _RIGHT else cell.ljust(width)


def netstat(kernel: Kernel) -> Netstat:
    """Look at all sockets of a world."""
    fabric = fabric_of(kernel)
    descriptors: dict[int, int] = {}
    for table in reversed(every_table(kernel)):
        for fd in sorted(table.files, reverse=True):
            descriptors[id(table.files[fd])] = fd  # identity only tells which is which
    hosts = {host.name: number for number, host in enumerate(fabric.hosts())}
    rows: list[tuple[Any, SocketEntry]] = []
    for socket in _sockets(kernel, fabric):
        if getattr(socket, "vanished", False):
            continue
        entry = _entry(socket, fabric, descriptors.get(id(socket)))
        if entry.state != "CLOSED" or entry.descriptor is not None:
            rows.append((_key(hosts, entry, socket.host, socket.local, socket.remote, getattr(socket, "serial", 0)), entry))
    for host in fabric.hosts():
        for port, (local, remote) in host.tcp.in_time_wait(kernel.now).items():
            entry = SocketEntry("tcp", host.name, "TIME-WAIT", format_endpoint(local), format_endpoint(remote), 0, 0, 0, 0, None, (), "")
            rows.append((_key(hosts, entry, host, local, remote, port), entry))
    rows.sort(key=lambda row: row[0])
    return Netstat(entry for _, entry in rows)


def _key(hosts: dict[str, int], entry: SocketEntry, host: Host, local: Endpoint | None, remote: Endpoint | None, serial: int) -> Any:
    nowhere = ("", 0)
    (ip, port), (other_ip, other_port) = local or nowhere, remote or nowhere
    descriptor = -1 if entry.descriptor is None else entry.descriptor
    return (hosts.get(host.name, -1), PROTOCOLS.index(entry.protocol), entry.state != "LISTEN", port, ip, other_port, other_ip, serial, descriptor)


def _sockets(kernel: Kernel, fabric: Fabric) -> Iterator[Socket]:
    """Every socket once: those with a descriptor, those that a call still waits for, those that have a port, and whoever these know."""
    seen: dict[int, Socket] = {}
    found: list[Any] = [file for table in every_table(kernel) for file in table.files.values()]
    found.extend(task.on for task in kernel.tasks.values())
    for host in fabric.hosts():
        found.extend(host.tcp.bound())
        found.extend(host.udp.bound())
        found.extend(host.udplite.bound())
    found.extend(fabric.orphans)  # closed, unacknowledged, and its peer may be gone
    while found:
        socket = found.pop()
        if not isinstance(socket, Socket) or id(socket) in seen:
            continue
        seen[id(socket)] = socket
        found.append(getattr(socket, "peer", None))
        queue = socket.accepting.ready if isinstance(socket, StreamSocket) and socket.accepting is not None else getattr(socket, "ready", None)
        found.extend(queue or ())
    yield from seen.values()


def _entry(socket: Socket, fabric: Fabric, descriptor: int | None) -> SocketEntry:
    if isinstance(socket, StreamSocket):
        received, unsent = len(socket.rx), socket.unsent_and_unacknowledged
        queue = socket.accepting
        backlog = (len(queue.ready), queue.backlog) if queue is not None else (0, 0)
        protocol, state = "tcp", socket.state.name
        names = format_endpoint(socket.local), format_endpoint(socket.remote)
    elif isinstance(socket, DatagramSocket):
        received, unsent, backlog = sum(len(found[0]) for found in socket.rx), 0, (0, 0)
        protocol, state = socket.title_of_protocol, "UNCONN" if socket.remote is None else "ESTABLISHED"
        names = format_endpoint(socket.local), format_endpoint(socket.remote)
    else:
        assert isinstance(socket, UnixSocket)
        received, unsent = sum(len(letter.data) for letter in socket.rx), socket.charged
        backlog = (len(getattr(socket, "ready", None) or ()), getattr(socket, "backlog", 0))
        protocol, state = "unix", _unix_state(socket)
        names = socket.shown_name, socket.peer.shown_name if socket.peer is not None else "-"
    return SocketEntry(protocol, socket.host.name, state, *names, received, unsent, *backlog, descriptor, _waiting(socket), _link(socket, fabric))


def _unix_state(socket: UnixSocket) -> str:
    if socket.state is LISTENING:
        return "LISTEN"
    if socket.dead:
        return "CLOSED"
    return "ESTABLISHED" if socket.peer is not None else "UNCONN"


def _waiting(socket: Socket) -> tuple[str, ...]:
    queues = [socket.readers, socket.writers, *(queue for queue, _ in socket.pollers or () if isinstance(queue, deque))]
    tasks = {task.serial: task.path for queue in queues for task in queue}
    return tuple(tasks[serial] for serial in sorted(tasks))


def _link(socket: Socket, fabric: Fabric) -> str:
    """The condition of the ways to the peer and back, as far as they are there: to make one may draw."""
    if socket.remote is None or isinstance(socket, UnixSocket):
        return ""
    there = fabric.host_at(socket.host, socket.remote[0])
    if there is None:
        return ""
    ways = fabric.known_wire(socket.host, there), fabric.known_wire(there, socket.host)
    out, back = (wire.condition if wire is not None else "" for wire in ways)
    return out if out == back or not back else f"{out or 'unused'}; back: {back}"
