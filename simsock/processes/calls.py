"""The simulated calls that a child can ask home for, as home makes them.

PYTEST_DONT_REWRITE

Owns the table of calls by name. Each is made in the child's proxy, with the child's descriptors in force, by the ordinary stand-in: what is right in one
process is right in the next. Law: what is not in the table is refused in the child, by name.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel import session
from simsock.kernel.circling import news
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.signals import AGAIN
from simsock.net.pipes import PipeEnd
from simsock.net.tcp.stream import StreamSocket
from simsock.net.unix.connections import UnixStream
from simsock.processes import (
    descendants,
    executing,
    family,
    far_files,
    far_times,
    groups,
    killing,
    low_numbers,
    member_signals,
    member_threads,
    pidfd,
    programs,
    real_descriptors,
    sharing,
)
from simsock.processes.messages import error_of
from simsock.processes.proxy import proxy_of
from simsock.stdlib import _descriptors, _names
from simsock.stdlib import fcntl as sim_fcntl
from simsock.stdlib import os as sim_os
from simsock.stdlib import select as sim_select
from simsock.stdlib import socket as sim_socket
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._epoll import epoll
from simsock.stdlib._socketbase import SocketBase
from simsock.stdlib._socketobject import socket as simulated

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.processes.family import Member

OF_OS = "dup dup2 eventfd fchmod get_blocking get_inheritable pipe2 set_blocking set_inheritable".split()
OF_NAMES = "getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr gethostname getnameinfo".split()
OF_SOCKETS = (
    "__init__ accept bind connect connect_ex dup get_inheritable getpeername getsockname getsockopt listen recv recvfrom recvmsg send sendall sendmsg sendto "
    "set_inheritable setblocking setsockopt settimeout shutdown _real_close"
).split()
OF_EPOLL = "__init__ close modify poll register unregister".split()


class _On:
    """What a task at home waits for on behalf of its child, in the child's words."""

    def __init__(self, words: str) -> None:
        self.words = words

    def describe(self) -> str:
        return self.words


# -- the kernel's own --------------------------------------------------------------------------------------------------------------------------


def _point(member: Member) -> None:
    kernel = session.kernel()
    kernel.steps -= 1  # the child has counted it
    kernel.point()


def _line(member: Member) -> None:
    """The child is about to run a line; whoever listens has been told which."""
    kernel = session.kernel()
    task = kernel.current
    if kernel.sees is not None:
        kernel.sees(task, None, 0)
    if not kernel.runq:
        task.points += 1
    elif (chosen := kernel.ask(task, True)) is not None:
        kernel.switch_to(chosen)


def _counted(member: Member) -> int:
    """The child has passed many points, or its finalizers had something to say. How often in a row nothing has happened meanwhile."""
    kernel = session.kernel()
    proxy = proxy_of(kernel.current)
    before, proxy.news = proxy.news, news(kernel)
    proxy.vain = proxy.vain + 1 if proxy.news == before else 0
    return proxy.vain


def _fruitless(member: Member) -> None:
    session.kernel().fruitless()


def _yield(member: Member) -> None:
    session.kernel().yield_()


def _circles(member: Member) -> bool:
    """The child goes round in a loop, and would do so for ever if nobody else did anything."""
    kernel = session.kernel()
    return kernel.circling.goes_round(kernel)


def _sleep(member: Member, ns: int) -> None:
    session.kernel().sleep(ns)


def _wait(member: Member, deadline: int | None, why: str, on: str, overshoot_ns: int) -> bool:
    """A wait for something in the child's memory, which the clock ends, a handler, or another thread of the child. True: a handler has run."""
    kernel = session.kernel()
    proxy = proxy_of(kernel.current)
    proxy.sleeping = deque()
    try:
        return kernel.wait(proxy.sleeping, deadline, why, _On(on), overshoot_ns) is AGAIN
    finally:
        proxy.sleeping = None


# -- sockets -----------------------------------------------------------------------------------------------------------------------------------


def _socket(member: Member, name: str, state: tuple[Any, ...], args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    """A method of a socket object: (what it returns, the object's state afterwards)."""
    sock = _twin(state)
    try:
        value = getattr(simulated, name)(sock, *args, **keywords)
        if type(sock) is not simulated:
            raise Unsupported("a connection to a real peer (allow=) in a child process of a world is not there yet")
        return _as_message(value), _state(sock)
    finally:
        sock._fd = -1


def _twin(state: tuple[Any, ...]) -> Any:
    """A socket object at home in the place of one in a child."""
    sock = simulated.__new__(simulated)
    sock._kernel, sock._io_refs, sock._closed = session.kernel(), 0, False
    sock._fd, sock._sim_family, sock._sim_type, sock._sim_proto, sock._wait_ns = state
    return sock


def _state(sock: Any) -> tuple[Any, ...]:
    return (sock._fd, int(sock._sim_family), int(sock._sim_type), int(sock._sim_proto), sock._wait_ns)


def _as_message(value: Any) -> Any:
    """Sockets by their state: their descriptors are the child's."""
    if isinstance(value, SocketBase):
        state = _state(value)
        value._fd = -1
        return {"socket": state}
    if type(value) in (tuple, list):
        return type(value)(map(_as_message, value))
    return value


def _socketpair(member: Member, *args: Any) -> Any:
    return _as_message(sim_socket.socketpair(*args))


# -- descriptors -------------------------------------------------------------------------------------------------------------------------------


def _close(member: Member, fd: int) -> None:
    close_descriptor(session.kernel(), fd)


def _discard(member: Member, fd: int) -> None:
    """What a finalizer closes: nobody is there to hear of an error."""
    if fd in member.table.files:
        member.table.close(fd)


def _late_send(member: Member, fd: int, data: bytes) -> None:
    """What a file object's finalizer still had, as far as it fits without waiting."""
    file: Any = member.table.files.get(fd)
    if isinstance(file, (StreamSocket, UnixStream)) and file.connected and not file.write_shut and not file.error:
        file.write(data)
    elif isinstance(file, PipeEnd):
        file.write(memoryview(data))


def _closerange(member: Member, low: int, high: int) -> None:
    sim_os.closerange(max(low, FIRST_DESCRIPTOR), max(high, FIRST_DESCRIPTOR))


def _read(member: Member, fd: int, count: int) -> bytes:
    return _descriptors.read(fd, count)


def _write(member: Member, fd: int, data: bytes) -> int:
    return _descriptors.write(fd, data)


def _fstat(member: Member, fd: int) -> tuple[Any, ...]:
    return tuple(sim_os.fstat(fd))


def _fcntl(member: Member, fd: int, command: int, argument: Any) -> Any:
    return sim_fcntl.fcntl(fd, command, argument)


def _ioctl(member: Member, fd: int, request: int, argument: Any) -> Any:
    return sim_fcntl.ioctl(fd, request, argument)


def _select(member: Member, *args: Any) -> Any:
    return sim_select.select(*args)


def _poll(member: Member, masks: list[tuple[int, int]], timeout: float | None) -> list[tuple[int, int]]:
    found = sim_select.poll()
    found._masks = dict(masks)
    return found.poll(timeout)


def _epoll(member: Member, name: str, fd: int, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    found = epoll.__new__(epoll)
    found._kernel, found._fd = session.kernel(), fd
    try:
        value = getattr(epoll, name)(found, *args, **keywords)
        return value, found._fd
    finally:
        found._fd = -1


# -- names and processes -----------------------------------------------------------------------------------------------------------------------


def _called(member: Member, name: str, args: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
    return _FUNCTIONS[name](*args, **keywords)


def _parent(member: Member) -> int:
    return family.parent_of(member)


def _disposition(member: Member, number: int, kind: str) -> None:
    session.kernel().point()
    member.dispositions[number] = kind
    if family.is_nothing(number, kind):
        member.held.discard(number)  # POSIX: what comes to be ignored is pending no more


def _failed(member: Member, error: tuple[Any, ...]) -> None:
    """Something has left the child uncaught, or failed in it as in a thread: it fails the test."""
    kernel = session.kernel()
    found = error_of(error)
    found.add_note(f"in process {member.pid}, task {kernel.current.path}")
    kernel.task_failed(kernel.current, found)


def _output(member: Member, name: str, text: str) -> None:
    """What the child prints where home's own output is kept in memory."""
    stream = getattr(sys, name)
    stream.write(text)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{f"os.{name}": getattr(sim_os, name) for name in OF_OS},
    **{f"socket.{name}": getattr(_names, name) for name in OF_NAMES},
    "collect": family.collect,
    **{name: getattr(groups, name) for name in ("getpgid", "getsid", "setpgid", "setsid")},
    "kill": killing.kill,
    "pidfd": pidfd.open_known,
    "pidfd signal": pidfd.send,
}
CALLS: dict[str, Callable[..., Any]] = {
    "point": _point,
    "line": _line,
    "count": _counted,
    "fruitless": _fruitless,
    "yield": _yield,
    "circles": _circles,
    "sleep": _sleep,
    "wait": _wait,
    "socket": _socket,
    "socketpair": _socketpair,
    "close": _close,
    "discard": _discard,
    "late send": _late_send,
    "closerange": _closerange,
    "read": _read,
    "write": _write,
    "fstat": _fstat,
    "fcntl": _fcntl,
    "ioctl": _ioctl,
    "select": _select,
    "poll": _poll,
    "epoll": _epoll,
    "call": _called,
    "parent": _parent,
    "disposition": _disposition,
    "failed": _failed,
    "exec": executing.execute_for,
    "fork": descendants.fork_for,
    "given": real_descriptors.given,
    "output": _output,
    "semaphore": sharing.make,
    "start": programs.start_for,
    "stream": low_numbers.put,
    "use semaphore": sharing.use,
    "file": far_files.call,
    "file times": far_times.asked,
    **member_signals.CALLS,
    **member_threads.CALLS,
}

__all__ = ["CALLS", "OF_EPOLL", "OF_NAMES", "OF_OS", "OF_SOCKETS"]
