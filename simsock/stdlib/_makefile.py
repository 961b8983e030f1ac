"""File objects over simulated sockets.

Owns buffered streams that two tasks may share: CPython's own raise ``RuntimeError: reentrant call`` when one task is parked inside a
buffered object and another enters it, where threads would wait for the object's lock. Does not know sockets beyond ``SocketIO``.
"""

from __future__ import annotations

import io
from collections import deque
from socket import SocketIO
from typing import Any

from simsock.kernel import session


class _Guard:
    """A lock that costs one attribute when nobody else is inside; the holder may enter again."""

    __slots__ = ("depth", "holder", "queue")

    def __init__(self) -> None:
        self.holder: Any = None
        self.depth = 0
        self.queue: deque[Any] = deque()

    def enter(self) -> None:
        kernel = session.active
        if kernel is None:
            return
        task = kernel.current
        while self.holder is not None and self.holder is not task and not self.holder.dead:
            if kernel.ending:
                break
            kernel.wait(self.queue, None, "buffered file", self)
        self.holder = task
        self.depth += 1

    def leave(self) -> None:
        self.depth -= 1
        if self.depth <= 0:
            self.depth = 0
            self.holder = None
            if self.queue:
                kernel = session.active
                if kernel is not None:
                    kernel.wake(self.queue)

    def describe(self) -> str:
        return "in use by another task"


def _guarded(name: str, base: type) -> Any:
    inner = getattr(base, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        guard = self._guard
        guard.enter()
        try:
            return inner(self, *args, **kwargs)
        finally:
            guard.leave()

    method.__name__ = name
    method.__doc__ = inner.__doc__
    return method


def _guard_all(cls: Any) -> Any:
    base = cls.__mro__[1]
    for name in ("read", "read1", "readinto", "readinto1", "readline", "peek", "write", "flush"):
        if hasattr(base, name):
            setattr(cls, name, _guarded(name, base))
    return cls


@_guard_all
class BufferedReader(io.BufferedReader):
    """``io.BufferedReader`` whose calls exclude each other among tasks."""

    def __init__(self, raw: Any, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        self._guard = _Guard()
        super().__init__(raw, buffer_size)

    def __next__(self) -> bytes:
        line = self.readline()
        if not line:
            raise StopIteration
        return line


@_guard_all
class BufferedWriter(io.BufferedWriter):
    """``io.BufferedWriter`` whose calls exclude each other among tasks."""

    def __init__(self, raw: Any, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        self._guard = _Guard()
        super().__init__(raw, buffer_size)


class BufferedRWPair(io.BufferedRWPair):
    """``io.BufferedRWPair`` over two guarded halves."""

    def __init__(self, reader: Any, writer: Any, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        super().__init__(reader, writer, buffer_size)
        self._reading = _Guard()
        self._writing = _Guard()

    def _call(self, guard: _Guard, name: str, *args: Any) -> Any:
        guard.enter()
        try:
            return getattr(super(), name)(*args)
        finally:
            guard.leave()

    def read(self, size: int | None = -1, /) -> bytes:
        return self._call(self._reading, "read", size)  # type: ignore[no-any-return]  # as typed by the base

    def read1(self, size: int = -1, /) -> bytes:
        return self._call(self._reading, "read1", size)  # type: ignore[no-any-return]  # as typed by the base

    def readinto(self, buffer: Any, /) -> int:
        return self._call(self._reading, "readinto", buffer)  # type: ignore[no-any-return]  # as typed by the base

    def write(self, buffer: Any, /) -> int:
        return self._call(self._writing, "write", buffer)  # type: ignore[no-any-return]  # as typed by the base

    def flush(self) -> None:
        self._call(self._writing, "flush")


def makefile(sock: Any, mode: str, buffering: int | None, encoding: Any, errors: Any, newline: Any) -> Any:
    """``socket.makefile``: the same modes and errors as the standard one."""
    if not set(mode) <= {"r", "w", "b"}:
        raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
    writing = "w" in mode
    reading = "r" in mode or not writing
    binary = "b" in mode
    raw = SocketIO(sock, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore[arg-type]  # the two letters it takes
    sock._io_refs += 1
    if buffering is None or buffering < 0:
        buffering = io.DEFAULT_BUFFER_SIZE
    if buffering == 0:
        if not binary:
            raise ValueError("unbuffered streams must be binary")
        return raw
    buffered: Any
    if reading and writing:
        buffered = BufferedRWPair(raw, raw, buffering)
    elif reading:
        buffered = BufferedReader(raw, buffering)
    else:
        buffered = BufferedWriter(raw, buffering)
    if binary:
        return buffered
    text = io.TextIOWrapper(buffered, encoding, errors, newline)
    text.mode = mode  # type: ignore[misc]  # as the standard makefile does
    return text
