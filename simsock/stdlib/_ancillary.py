"""Control messages: what ``sendmsg`` and ``recvmsg`` carry beside the bytes (cmsg(3), unix(7)).

Owns their layout in a buffer of limited size, as the kernel fills it. Does not know how they travel.
"""

from __future__ import annotations

import errno
import struct
import sys
from array import array
from typing import TYPE_CHECKING, Any

from simsock.net.addresses import AF_UNIX
from simsock.net.besides import Outgoing
from simsock.net.datagrams import DatagramSocket
from simsock.net.options import SOL_SOCKET
from simsock.net.sockets import os_error
from simsock.net.unix.ancillary import DESCRIPTORS_MAX, Passed, own_credentials
from simsock.stdlib._buffers import bytes_view

if TYPE_CHECKING:
    from simsock.kernel.files import Process
    from simsock.net.sockets import Socket

SCM_RIGHTS, SCM_CREDENTIALS = 1, 2
_HEADER, _ALIGNMENT = 16, 8
_CREDENTIALS = struct.Struct("3i")


def checked(ancdata: Any) -> list[tuple[int, int, bytes]]:
    """The ``ancdata`` argument of ``sendmsg``. Raises as CPython does."""
    try:
        items = list(ancdata)
    except TypeError:
        raise TypeError("sendmsg() argument 2 must be an iterable") from None
    return [_item(item) for item in items]


def pack(file: Socket, process: Process, messages: list[tuple[int, int, bytes]]) -> Passed | Outgoing | None:
    """What a message carries. Raises as Linux does."""
    fds: list[int] = []
    credentials = None
    for level, kind, data in messages:
        if level != SOL_SOCKET:
            continue  # whose level nobody asks for, but for datagrams of the Internet
        if file.family != AF_UNIX:
            if kind not in (SCM_RIGHTS, SCM_CREDENTIALS):
                raise os_error(errno.EINVAL)
        elif kind == SCM_RIGHTS:
            fds += array("i", data[: len(data) // 4 * 4])
        elif kind == SCM_CREDENTIALS and len(data) == _CREDENTIALS.size:
            credentials = _CREDENTIALS.unpack(data)
            if credentials != own_credentials():
                raise os_error(errno.EPERM)
        else:
            raise os_error(errno.EINVAL)
    if len(fds) > DESCRIPTORS_MAX:
        raise os_error(errno.EINVAL)
    if messages and isinstance(file, DatagramSocket):
        return Outgoing(messages)
    if not fds and credentials is None:
        return None
    passed = Passed(credentials)
    passed.add(process, fds)
    return passed


def _item(item: Any) -> tuple[int, int, bytes]:
    where = "[sendmsg() ancillary data items]() argument must be"
    sequence, kinds = ("tuple", tuple) if sys.version_info >= (3, 14) else ("sequence", (tuple, list))
    if not isinstance(item, kinds):
        raise TypeError(f"{where} 3-item {sequence}, not {type(item).__name__}")
    if len(item) != 3:
        raise TypeError(f"{where} {sequence} of length 3, not {len(item)}")
    level, kind, data = item
    for number in (level, kind):
        if not hasattr(number, "__index__"):
            raise TypeError(f"{type(number).__name__!r} object cannot be interpreted as an integer")
    return level.__index__(), kind.__index__(), bytes(bytes_view(data))


def fitting(messages: list[tuple[int, int, bytes]], room: int) -> tuple[list[tuple[int, int, bytes]], bool]:
    """Those that a buffer with so much room has place for, the last perhaps cut, and whether something was; put_cmsg() in Linux's scm.c."""
    found: list[tuple[int, int, bytes]] = []
    for level, kind, data in messages:
        if room < _HEADER:
            return found, True
        found.append((level, kind, data[: room - _HEADER]))
        if room < _HEADER + len(data):
            return found, True
        room = max(0, room - -(-(_HEADER + len(data)) // _ALIGNMENT) * _ALIGNMENT)
    return found, False


def unpack(passed: Passed | None, process: Process, room: int, wants_credentials: bool, inheritable: bool) -> tuple[list[tuple[int, int, bytes]], bool]:
    """The ``ancdata`` that ``recvmsg`` returns when its buffer has so much room, and whether something did not fit (and was closed)."""
    messages: list[tuple[int, int, bytes]] = []
    short = False
    if passed is not None and passed.stamp is not None:
        messages, short = fitting([passed.stamp], room)
        room = max(0, room - -(-(_HEADER + len(passed.stamp[2])) // _ALIGNMENT) * _ALIGNMENT)
    if wants_credentials:
        data = _CREDENTIALS.pack(*((passed and passed.credentials) or own_credentials()))
        if room < _HEADER:
            short = True
        else:
            messages.append((SOL_SOCKET, SCM_CREDENTIALS, data[: room - _HEADER]))
            short = short or room < _HEADER + len(data)
            room = max(0, room - -(-(_HEADER + len(data)) // _ALIGNMENT) * _ALIGNMENT)
    count = len(passed) if passed is not None else 0
    if passed is not None and count:
        taken = min(count, max(0, room - _HEADER) // 4)
        short = short or taken < count
        fds = passed.unpack(process, taken, inheritable)
        if fds:
            messages.append((SOL_SOCKET, SCM_RIGHTS, array("i", fds).tobytes()))
    return messages, short
