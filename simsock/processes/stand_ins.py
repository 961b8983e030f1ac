"""What each stand-in is in a child: a message to home, or refused by name.

PYTEST_DONT_REWRITE

Owns the list. What is not on it works in the child as it does at home, on top of what is: a clock, a free lock, a buffered file. Law: whatever would reach
for an open file by itself finds none, and is refused by name.
"""

from __future__ import annotations

import os as _os
import socket as _socket
from typing import Any

from simsock.kernel import session as sessions
from simsock.kernel import teardown
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.session import Session
from simsock.processes import (
    child_signals,
    child_threads,
    executing,
    family,
    far_files,
    far_times,
    groups,
    killing,
    low_numbers,
    pidfd,
    programs,
    real_descriptors,
    sharing,
)
from simsock.processes.calls import OF_EPOLL, OF_NAMES, OF_OS, OF_SOCKETS
from simsock.processes.child import Child, at_door
from simsock.processes.child_kernel import far, is_simulated, low, near, refuse
from simsock.processes.doors import doors, execute, leave_process, refused
from simsock.processes.redirecting import original_of, redirect
from simsock.stdlib import _closing, _descriptors, _identity, _names, _socketbase, _threads
from simsock.stdlib import fcntl as sim_fcntl
from simsock.stdlib import os as sim_os
from simsock.stdlib import select as sim_select
from simsock.stdlib import socket as sim_socket
from simsock.stdlib._buffers import writable_view
from simsock.stdlib._epoll import epoll
from simsock.stdlib._files import descriptor_of
from simsock.stdlib._rawfile import DescriptorFile
from simsock.stdlib._room import Room
from simsock.stdlib._socketobject import socket as simulated

_closerange_really, _read_really, _write_really = _os.closerange, _os.read, _os.write


def apply(child: Child) -> None:
    """Put all of them in place."""
    _sockets(child)
    _descriptors_and_polls(child)
    _processes(child)
    child_signals.apply(child)
    child_threads.apply(child)
    far_files.apply(child)
    far_times.apply(child)
    sharing.apply(child)
    for function in _our_doors():
        redirect(function, at_door)
    if sessions.entered is not None:
        redirect(type(sessions.entered)._suspend, _nothing)  # pytest calls hooks: of a failing assertion, for one
        redirect(type(sessions.entered).__enter__, _refusal("simsock.Simulation: a world within a world"))
    for function, name in refused.items():
        redirect(function, _refusal(name))
    redirect(leave_process, lambda status: child.exit(status))
    redirect(execute, lambda start: executing.execute(child, start))


def _our_doors() -> list[Any]:
    found = [Session.leave_world, Session.__exit__, teardown.end, *doors]
    world = sessions.entered
    if world is not None:
        found.append(type(world).__exit__)
    return found


def _nothing(*args: Any, **keywords: Any) -> bool:
    return False


# -- sockets -----------------------------------------------------------------------------------------------------------------------------------


def _sockets(child: Child) -> None:
    for name in OF_SOCKETS:
        redirect(getattr(simulated, name), _method(child, name))
    redirect(simulated.recvfrom_into, _recvfrom_into)
    redirect(simulated.recvmsg_into, lambda *args, **keywords: refuse("socket.recvmsg_into"))
    redirect(simulated._close_later, _close_later)
    redirect(simulated._queue_send, lambda sock, data: _queue(child, sock._fd, bytes(data)))
    redirect(_socketbase.setdefaulttimeout, lambda timeout: refuse("socket.setdefaulttimeout"))
    for name in OF_NAMES:
        redirect(getattr(_names, name), _function(child, f"socket.{name}"))
    by_name = _names.getaddrinfo
    redirect(by_name, _getaddrinfo(child))
    redirect(sim_socket.socketpair, lambda *args, **keywords: _rebuilt(child, _pair_class(child), child.ask("socketpair", *args, *keywords.values())))


def _pair_class(child: Child) -> Any:
    return child.kernel.room(Room).socket_class or simulated


def _method(child: Child, name: str) -> Any:
    closes = name == "_real_close"

    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        if name == "__init__":
            fileno: Any = args[3] if len(args) > 3 else keywords.get("fileno")
            if is_simulated(fileno):
                args, keywords = args[:3], {**keywords, "fileno": far(fileno)}
            self._io_refs, self._closed, self._kernel = 0, False, child.kernel
            state: tuple[Any, ...] = (-1, 0, 0, 0, None)
        else:
            state = (self._fd, int(self._sim_family), int(self._sim_type), int(self._sim_proto), self._wait_ns)
        if closes:
            if self._fd < 0:
                return None
            self._fd = -1
            args = ()
        value, after = child.ask("socket", name, state, args, keywords)
        self._fd, self._sim_family, self._sim_type, self._sim_proto, self._wait_ns = after
        if name == "recvmsg":
            return real_descriptors.received(child, value)
        if name == "accept":
            return _rebuilt(child, child.kernel.room(Room).socket_class if self._of_world else simulated, value)
        return _rebuilt(child, type(self), value)

    return call


def _rebuilt(child: Child, kind: Any, value: Any) -> Any:
    """What home has returned, with socket objects for the states of sockets."""
    if type(value) is dict:
        sock = kind.__new__(kind)
        sock._io_refs, sock._closed, sock._kernel = 0, False, child.kernel
        sock._fd, sock._sim_family, sock._sim_type, sock._sim_proto, sock._wait_ns = value["socket"]
        return sock
    if type(value) in (tuple, list):
        return type(value)(_rebuilt(child, kind, item) for item in value)
    return value


def _close_later(sock: Any) -> None:
    fd, sock._fd = sock._fd, -1
    sock._kernel.finalize(lambda: sock._kernel.process.close(fd))


def _queue(child: Child, fd: int, data: bytes) -> int:
    """What a finalizer sends goes with the next message: it may have interrupted anything."""
    number = far(fd)
    child.kernel.finalize(lambda: child.ask("late send", number, data))
    return len(data)


def _recvfrom_into(sock: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
    view = writable_view(buffer, "recvfrom_into")
    if nbytes < 0:
        raise ValueError("negative buffersize in recvfrom_into")
    if nbytes > len(view):
        raise ValueError("nbytes is greater than the length of the buffer")
    data, source = sock.recvfrom(nbytes or len(view), flags)
    view[: len(data)] = data[: len(view)]
    return len(data), source


def _function(child: Child, name: str) -> Any:
    return lambda *args, **keywords: child.ask("call", name, args, keywords)


def _getaddrinfo(child: Child) -> Any:
    def getaddrinfo(*args: Any, **keywords: Any) -> Any:
        found = child.ask("call", "socket.getaddrinfo", args, keywords)
        return [(_socket.AddressFamily(family), _socket.SocketKind(kind), *rest) for family, kind, *rest in found]

    return getaddrinfo


# -- descriptors -------------------------------------------------------------------------------------------------------------------------------


def _descriptors_and_polls(child: Child) -> None:
    ask = child.ask
    redirect(_closing.close_descriptor, lambda kernel, fd: ask("close", _closed(fd)))
    redirect(_descriptors.world_of, lambda fd: sessions.active if is_simulated(fd) else None)
    redirect(_descriptors.file_of, _file_of(child))
    redirect(_descriptors.read, lambda fd, count: ask("read", far(fd), count) if is_simulated(fd) else _read_really(fd, count))
    redirect(_descriptors.write, lambda fd, view: ask("write", far(fd), view) if is_simulated(fd) else _write_really(fd, view))  # a stream that was turned
    for name in OF_OS:
        function = getattr(sim_os, name)
        before = original_of(function)
        redirect(function, low_numbers.dup2_of(child, before) if name == "dup2" else _of_descriptor(child, name, before))
    redirect(sim_os.closerange, _closerange(child))
    redirect(sim_os.fstat, _fstat(child, original_of(sim_os.fstat)))
    redirect(sim_fcntl.fcntl, _fcntl(child, original_of(sim_fcntl.fcntl)))
    redirect(sim_fcntl.ioctl, _ioctl(child, original_of(sim_fcntl.ioctl)))
    redirect(DescriptorFile._queue_write, lambda file, data: _queue(child, file._fd, bytes(data)))
    redirect(DescriptorFile._close_late, lambda file: ask("discard", _closed(file._fd)))
    redirect(sim_select.select, _select(child))
    redirect(sim_select.poll.poll, _poll(child))
    for name in OF_EPOLL:
        redirect(getattr(epoll, name), _epoll_method(child, name))
    redirect(epoll.fromfd, lambda *args: refuse("epoll.fromfd"))
    redirect(epoll._file, _epoll_file)


def _closed(fd: int) -> int:
    """A descriptor as home calls it, for the last time."""
    return low.pop(fd, fd)


def _file_of(child: Child) -> Any:
    """For those that only want to know that it is open, and no counter."""

    def file_of(fd: int) -> Any:
        child.ask("fstat", far(fd))
        return None

    return file_of


def _poll(child: Child) -> Any:
    def poll(self: Any, timeout: float | None = None) -> Any:
        found = child.ask("poll", [(far(fd), mask) for fd, mask in self._masks.items()], timeout)
        return [(near(fd), bits) for fd, bits in found]

    return poll


def _of_descriptor(child: Child, name: str, original: Any) -> Any:
    """A function of ``os`` whose first argument is a descriptor, which may be a real one; or that has none."""

    def call(*args: Any, **keywords: Any) -> Any:
        if args and name != "eventfd" and name != "pipe2":
            if not is_simulated(args[0]):
                return original(*args, **keywords)
            args = (far(args[0]), *args[1:])
        return child.ask("call", f"os.{name}", args, keywords)

    return call


def _closerange(child: Child) -> Any:
    def closerange(first: int, end: int, /) -> None:
        child.ask("closerange", first, end)
        for fd in [fd for fd in low if first <= fd < end]:
            child.ask("close", _closed(fd))
        for fd in sorted(child.own_descriptors):  # the way home stays open
            if first <= fd < end:
                _closerange_really(first, fd)
                first = fd + 1
        _closerange_really(first, min(end, FIRST_DESCRIPTOR))

    return closerange


def _fstat(child: Child, original: Any) -> Any:
    return lambda fd: _os.stat_result(child.ask("fstat", far(fd))) if is_simulated(fd) else original(fd)


def _fcntl(child: Child, original: Any) -> Any:
    def fcntl(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
        number = descriptor_of(fd)
        return child.ask("fcntl", far(number), cmd, arg) if is_simulated(number) else original(fd, cmd, arg)

    return fcntl


def _ioctl(child: Child, original: Any) -> Any:
    def ioctl(fd: Any, request: int, arg: Any = 0, mutate_flag: bool = True, /) -> Any:
        number = descriptor_of(fd)
        if not is_simulated(number):
            return original(fd, request, arg, mutate_flag)
        number = far(number)
        if isinstance(arg, (int, str, bytes)):
            return child.ask("ioctl", number, request, arg)
        found = child.ask("ioctl", number, request, bytes(arg))
        memoryview(arg).cast("B")[: len(found)] = found
        return 0

    return ioctl


def _select(child: Child) -> Any:
    def select(rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None) -> Any:
        try:
            lists = [list(rlist), list(wlist), list(xlist)]
        except TypeError:
            raise TypeError("arguments 1-3 must be sequences") from None
        numbers = [[far(descriptor_of(item)) for item in items] for items in lists]
        ready = child.ask("select", *numbers, timeout)
        return tuple(
            [item for item, number in zip(items, fds, strict=True) if number in found] for items, fds, found in zip(lists, numbers, ready, strict=True)
        )

    return select


def _epoll_method(child: Child, name: str) -> Any:
    def call(self: Any, *args: Any, **keywords: Any) -> Any:
        if name == "__init__":
            self._kernel, self._fd = child.kernel, -1
        elif name == "close" and self._fd < 0:
            return None
        if args and name in ("register", "modify", "unregister"):
            args = (far(descriptor_of(args[0])), *args[1:])
        value, self._fd = child.ask("epoll", name, self._fd, args, keywords)
        return [(near(fd), bits) for fd, bits in value] if name == "poll" else value

    return call


def _epoll_file(self: Any) -> None:
    if self._fd < 0:
        raise ValueError("I/O operation on closed epoll object")


# -- processes and signals ---------------------------------------------------------------------------------------------------------------------


def _processes(child: Child) -> None:
    ask = child.ask
    redirect(_identity.getpid, lambda: child.pid)
    redirect(_identity.getppid, lambda: ask("parent"))
    redirect(_identity.getpgrp, lambda: ask("call", "getpgid", (0,), {}))
    redirect(_identity.setpgrp, lambda: ask("call", "setpgid", (0, 0), {}))
    for name in ("getpgid", "getsid", "setpgid", "setsid"):
        for function in (getattr(groups, name), getattr(_identity, name)):
            redirect(function, _function(child, name))
    redirect(groups.is_known, lambda pid: True)
    redirect(_threads.get_native_id, lambda: child.pid)
    redirect(family.collect, lambda *args: ask("call", "collect", args, {}))
    redirect(programs.start, lambda program: programs.ask_home(child, program))
    redirect(pidfd.open_known, lambda pid, flags: ask("call", "pidfd", (pid, flags), {}))
    redirect(pidfd.send, lambda fd, number: ask("call", "pidfd signal", (far(fd), number), {}))
    redirect(killing.is_known, lambda pid: True)
    redirect(killing.kill, lambda pid, number: ask("call", "kill", (pid, number), {}))


def _refusal(name: str) -> Any:
    return lambda *args, **keywords: refuse(name)


__all__ = ["apply"]
