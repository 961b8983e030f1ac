"""File objects over simulated sockets.

Owns buffered streams that two tasks may share: CPython's own raise ``RuntimeError: reentrant call`` when one task is parked inside a
buffered object and another enters it, where threads would wait for the object's lock. Does not know sockets beyond ``SocketIO``. Law: a
file that nobody closed and nobody can reach any more never parks: what its finalizer sends and closes is queued for the kernel's next point.
"""

from __future__ import annotations

import io
import sys
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
            try:
                kernel.wait(self.queue, None, "buffered file", self)
            except BaseException:
                if task.woken and self.queue:  # it is this task's turn, and it will not take it
                    kernel.wake(self.queue)
                raise
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
    for name in ("read", "read1", "readinto", "readinto1", "readline", "peek", "write", "flush", "close"):
        if hasattr(base, name):
            setattr(cls, name, _guarded(name, base))
    cls.__repr__ = lambda self: f"<_io.{base.__name__} name={self.name!r}>"  # programs see the standard type's
    return cls


class RawFile(SocketIO):
    """``SocketIO`` that knows when it is closed by a finalizer."""

    _final = False

    def finalize(self) -> None:
        """From now on nothing here parks: a finalizer runs, perhaps in the midst of the kernel."""
        if not self._final and not self.closed:
            self._final = True
            self.write = self._queue_write  # type: ignore[assignment, method-assign]  # found before the class's own

    def _queue_write(self, data: Any) -> int:
        return self._sock._queue_send(bytes(data))  # type: ignore[attr-defined, no-any-return]  # ours

    def close(self) -> None:
        if self._final and not self.closed:
            io.RawIOBase.close(self)
            sock: Any = self._sock  # type: ignore[has-type]  # the standard class's
            self._sock = None
            sock._decref_socketios(queued=True)
        else:
            super().close()

    def __del__(self) -> None:
        self.finalize()
        super().__del__()


class TextFile(io.TextIOWrapper):
    """``io.TextIOWrapper`` over one of the files below."""

    def __del__(self) -> None:
        _finalize(self.buffer)
        super().__del__()


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

    def __del__(self) -> None:
        _finalize(self)
        super().__del__()


@_guard_all
class BufferedWriter(io.BufferedWriter):
    """``io.BufferedWriter`` whose calls exclude each other among tasks."""

    def __init__(self, raw: Any, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        self._guard = _Guard()
        super().__init__(raw, buffer_size)

    def __del__(self) -> None:
        _finalize(self)
        super().__del__()


def _finalize(file: Any) -> None:
    raw = getattr(file, "_raw", None) or getattr(file, "raw", None)
    if raw is not None and not raw.closed:
        raw.finalize()


class _Probe:
    """How many references an object has in its finalizer when the last one was dropped."""

    seen = 0

    def __del__(self) -> None:
        _Probe.seen = sys.getrefcount(self)


_Probe()
_DROPPED = _Probe.seen


class BufferedRWPair(io.BufferedRWPair):
    """``io.BufferedRWPair`` over two guarded halves."""

    def __init__(self, reader: Any, writer: Any, buffer_size: int = io.DEFAULT_BUFFER_SIZE) -> None:
        super().__init__(reader, writer, buffer_size)
        self._raw = reader
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

    def readinto1(self, buffer: Any, /) -> int:
        return self._call(self._reading, "readinto1", buffer)  # type: ignore[no-any-return]  # as typed by the base

    def peek(self, size: int = 0, /) -> bytes:
        return self._call(self._reading, "peek", size)  # type: ignore[no-any-return]  # as typed by the base

    def flush(self) -> None:
        self._call(self._writing, "flush")

    def __del__(self) -> None:
        _finalize(self)
        if sys.getrefcount(self) > _DROPPED:  # found by the garbage collector, which calls what every file inherits: that closes it
            super().__del__()
        # else CPython lets go the reading half first, which closes the socket's file: what was not flushed is lost (Modules/_io/bufferedio.c)


def makefile(sock: Any, mode: str, buffering: int | None, encoding: Any, errors: Any, newline: Any) -> Any:
    """``socket.makefile``: the same modes and errors as the standard one."""
    if not set(mode) <= {"r", "w", "b"}:
        raise ValueError(f"invalid mode {mode!r} (only r, w, b allowed)")
    writing = "w" in mode
    reading = "r" in mode or not writing
    binary = "b" in mode
    raw = RawFile(sock, ("r" if reading else "") + ("w" if writing else ""))  # type: ignore[arg-type]  # the two letters it takes
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
    text = TextFile(buffered, encoding, errors, newline)
    text.mode = mode  # type: ignore[misc]  # as the standard makefile does
    return text
