"""A capture under way: from the tap into a file.

Owns when the file is opened and closed. Does not know how packets or files look. Laws: a path that cannot be written is an error at once; a
disk that fails later fails the world's end, and nothing in between; the file is whole when the capture, or the world, has ended.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simsock.errors import SimsockError, UsageError
from simsock.net.fabric import fabric_of
from simsock.net.tap import Frame, Tap
from simsock.stdlib._keylog import Keylog
from simsock.stdlib._openssl import Room as TlsRoom
from simsock.world.capturing.headers import packet
from simsock.world.capturing.pcapng import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from simsock.kernel import Kernel


class Captures:
    """Those of one world that are being written."""

    def __init__(self) -> None:
        self.open: list[Capture] = []


class Capture:
    """What ``sim.capture(path)`` gives: ``close()`` or the end of a ``with`` block ends it, and so does the end of the world."""

    def __init__(self, kernel: Kernel, path: Any, hosts: Iterable[str] | None, secrets: bool = False) -> None:
        try:
            self.path = os.fspath(path)
        except TypeError:
            raise UsageError(f"capture: expected the path of a file, got {path!r}") from None
        open_captures: list[Capture] = kernel.room(Captures).open
        where = os.path.abspath(self.path)
        if any(os.path.abspath(other.path) == where for other in open_captures):
            raise UsageError(f"capture: {self.path} is being written already")
        self._kernel = kernel
        self._fabric = fabric_of(kernel)
        self._hosts = None if hosts is None else frozenset(hosts)
        self._epoch_ns = kernel.epoch_ns
        self._numbers: dict[str, int] = {}
        self._failure: OSError | None = None
        self.packets = 0
        """How many are in the file; one between two hosts is there twice, once for each."""
        try:
            self._file = open(self.path, "wb")  # noqa: SIM115  # closed by close()
        except (OSError, ValueError) as error:
            raise UsageError(f"capture: cannot write {self.path}: {getattr(error, 'strerror', None) or error}") from None
        self._writer = Writer(self._file)
        tap = self._fabric.tap
        if tap is None:
            tap = self._fabric.tap = Tap(self._fabric)
        open_captures.append(self)
        tap.sinks.append(self)
        self._room = kernel.room(TlsRoom)
        if self._room.keylog is None:
            self._room.keylog = Keylog()
        self._room.keylog.add(self._take_secrets, secrets)

    def take(self, now: int, host: str, outgoing: bool, frame: Frame, lost: bool) -> None:
        """For the tap: a frame leaves or reaches a host."""
        if self._failure is not None or (self._hosts is not None and host not in self._hosts):
            return
        try:
            number = self._numbers.get(host)
            if number is None:
                known = self._fabric.known(host)
                number = self._numbers[host] = self._writer.interface(host, ", ".join(known.addresses) if known is not None else "")
            self._writer.packet(number, self._epoch_ns + now, packet(frame), outgoing, "lost on the way" if lost else "")
            self.packets += 1
        except OSError as error:
            self._failure = error

    def _take_secrets(self, lines: bytes) -> None:
        """For TLS: what opens the packets to come."""
        if self._failure is None:
            try:
                self._writer.secrets(lines)
            except OSError as error:
                self._failure = error

    def close(self) -> None:
        """End it; the file is whole. Raises ``UsageError`` if it could not be written."""
        captures = self._kernel.room(Captures).open
        if self not in captures:
            return
        captures.remove(self)
        keylog = self._room.keylog
        if keylog is not None:
            keylog.remove(self._take_secrets)
            if not keylog.wanted:
                self._room.keylog = None
        tap = self._fabric.tap
        if tap is not None:
            if self in tap.sinks:  # not if a signal came while it began
                tap.sinks.remove(self)
            if not tap.sinks:
                self._fabric.tap = None
        try:
            self._file.close()
        except OSError as error:
            self._failure = self._failure or error
        if self._failure is not None:
            raise UsageError(f"capture: cannot write {self.path}: {self._failure.strerror or self._failure}")

    def __enter__(self) -> Capture:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<simsock.Capture {self.path!r} with {self.packets} packets>"


def end_captures(kernel: Kernel) -> list[SimsockError]:
    """End all captures of a world; returns what went wrong."""
    problems: list[SimsockError] = []
    for capture in list(kernel.room(Captures).open):
        try:
            capture.close()
        except UsageError as error:
            problems.append(error)
    return problems
