"""File objects over simulated descriptors: what ``open(fd)``, ``os.fdopen(fd)`` and ``io.FileIO(fd)`` make of them.

Owns the raw file and the choice of buffers, as in CPython's ``_io/_iomodule.c``. Paths and real descriptors are the real ``open``'s. Law: a
file that nobody closed and nobody can reach any more never parks, as with those of ``makefile``.
"""

from __future__ import annotations

import io
import sys
from typing import Any

from simsock.kernel import session
from simsock.stdlib import _descriptors
from simsock.stdlib._buffers import FAILURES, shed
from simsock.stdlib._closing import close_descriptor
from simsock.stdlib._file_calls import Opening, refuse_name
from simsock.stdlib._makefile import BufferedReader, BufferedRWPair, BufferedWriter, TextFile

_open, _FileIO = io.open, io.FileIO
_MODES = frozenset("rwaxbt+U")
_MAKING = frozenset("wax")


class DescriptorFile(io.RawIOBase):
    """``io.FileIO`` of a simulated descriptor."""

    def __init__(self, fd: int, mode: str, closefd: bool = True) -> None:
        self._fd = fd
        self._kernel = session.kernel()
        self._final = False
        self._reads = "r" in mode or "+" in mode
        self._writes = not set(mode).isdisjoint("wax+")
        self.closefd = closefd
        self.name = fd
        self.mode = "rb+" if self._reads and self._writes else "rb" if self._reads else "ab" if "a" in mode else "wb"

    def readable(self) -> bool:
        self._check()
        return self._reads

    def writable(self) -> bool:
        self._check()
        return self._writes

    def seekable(self) -> bool:
        self._check()
        return False

    def isatty(self) -> bool:
        self._check()
        return False

    def fileno(self) -> int:
        self._check()
        return self._fd

    def readinto(self, buffer: Any, /) -> int | None:
        self._check()
        if not self._reads:
            raise io.UnsupportedOperation("File not open for reading")
        view: Any = None
        try:
            view = memoryview(buffer).cast("B")
            data = _descriptors.read(self._fd, len(view))
        except BlockingIOError:
            return None
        except FAILURES as error:
            del buffer, view
            shed(error)
            raise
        view[: len(data)] = data
        return len(data)

    def write(self, data: Any, /) -> int | None:
        self._check()
        if not self._writes:
            raise io.UnsupportedOperation("File not open for writing")
        if self._final:
            return self._queue_write(bytes(data))
        try:
            return _descriptors.write(self._fd, memoryview(data).cast("B"))
        except BlockingIOError:
            return None
        except FAILURES as error:
            del data
            shed(error)
            raise

    def finalize(self) -> None:
        """From now on nothing here parks: a finalizer runs, perhaps in the midst of the kernel."""
        self._final = True

    def close(self) -> None:
        if self.closed:
            return
        super().close()
        kernel = self._kernel
        if not self.closefd or kernel is not session.active or self._fd not in kernel.files:
            return
        if self._final:
            kernel.finalize(self._close_late)
        else:
            kernel.point()
            close_descriptor(kernel, self._fd)

    def _close_late(self) -> None:
        if self._fd in self._kernel.files:
            self._kernel.process.close(self._fd)

    def _queue_write(self, data: bytes) -> int:
        """What a buffer held that was dropped: as much as there is room for, at the kernel's next point."""
        file: Any = self._kernel.files.get(self._fd)
        if file is not None:
            self._kernel.finalize(lambda: file.write(data))
        return len(data)

    def _check(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def __del__(self) -> None:
        self.finalize()
        super().__del__()

    def __repr__(self) -> str:
        return f"<_io.FileIO name={self.name} mode={self.mode!r} closefd={self.closefd}>" if not self.closed else "<_io.FileIO [closed]>"


_BUFFER_BYTES = 4096 if sys.version_info < (3, 14) else io.DEFAULT_BUFFER_SIZE
"""As CPython has it for what has blocks of 4,096 bytes, as pipes, sockets and eventfds say of themselves; from 3.14 on no less than usual."""


def open_descriptor(fd: int, mode: str, buffering: int, encoding: Any, errors: Any, newline: Any, closefd: bool) -> Any:
    """``open`` of a simulated descriptor."""
    kinds = set(mode)
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    if not kinds <= _MODES or len(mode) > len(kinds):
        raise ValueError(f"invalid mode: {mode!r}")
    binary = "b" in kinds
    if binary and "t" in kinds:
        raise ValueError("can't have text and binary mode at once")
    if len(kinds & set("rwax")) != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    for name, value in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if binary and value is not None:
            raise ValueError(f"binary mode doesn't take an {name} argument" if name != "newline" else "binary mode doesn't take a newline argument")
    raw = DescriptorFile(fd, mode, closefd)
    if buffering == 0:
        if not binary:
            raw.close()  # CPython has opened it by then, and closes what it has opened
            raise ValueError("can't have unbuffered text I/O")
        return raw
    size = _BUFFER_BYTES if buffering in (-1, 1) else buffering
    buffered: Any
    if "+" in kinds:
        buffered = BufferedRWPair(raw, raw, size)
    elif "r" in kinds:
        buffered = BufferedReader(raw, size)
    else:
        buffered = BufferedWriter(raw, size)
    if binary:
        return buffered
    text = TextFile(buffered, encoding, errors, newline, line_buffering=buffering == 1)
    text.mode = mode  # type: ignore[misc]  # as the standard open does
    return text


def _of_path(make: Any, file: Any, mode: Any, more: tuple[Any, ...]) -> Any:
    """A real file; if it is made or emptied, then at the world's time. An opener does that itself."""
    if session.active is None or isinstance(file, int) or more[-1] is not None or type(mode) is not str or _MAKING.isdisjoint(mode):
        try:
            return make(file, mode, *more)
        except FileNotFoundError:
            refuse_name("open", file)
            raise
    opening = Opening(file)
    made = make(file, mode, *more)
    opening.done(made.fileno(), "w" in mode)
    return made


def open(  # a builtin's name, as that is what it stands in for
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: Any = None,
    errors: Any = None,
    newline: Any = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    """The built-in ``open``, which knows the descriptors of the world as well."""
    if type(file) is not int or _descriptors.world_of(file) is None:
        return _of_path(_open, file, mode, (buffering, encoding, errors, newline, closefd, opener))
    return open_descriptor(file, mode, buffering, encoding, errors, newline, closefd)


class _Kind(type):
    """The class of the stand-in for ``io.FileIO``: a subclass of it is one of the real class."""

    def __new__(mcs, name: str, bases: tuple[type, ...], space: dict[str, Any], **options: Any) -> Any:
        if not bases:
            return super().__new__(mcs, name, bases, space)
        kind: Any = type(_FileIO)
        return kind(name, tuple(_FileIO if isinstance(base, _Kind) else base for base in bases), space, **options)

    def __call__(cls, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> Any:
        if type(file) is not int or _descriptors.world_of(file) is None:
            return _of_path(_FileIO, file, mode, (closefd, opener))
        return DescriptorFile(file, mode, closefd)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, (_FileIO, DescriptorFile))

    def __subclasscheck__(cls, subclass: Any) -> bool:
        return issubclass(subclass, (_FileIO, DescriptorFile))

    def __getattr__(cls, name: str) -> Any:
        return getattr(_FileIO, name)


FileIO: Any = _Kind("FileIO", (), {"__module__": "_io", "__doc__": _FileIO.__doc__})
