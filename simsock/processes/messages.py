"""What home and a child say to each other, and over what.

Owns the form of messages: None, numbers, texts, bytes, and tuples, lists and dicts of them; and the pair of real pipes that carries them. Knows nothing of
calls. Laws:

* nothing that is received is run: an error travels as a class's name with arguments, and no object is unpickled;
* pipes are the system's own, with descriptors that programs do not use, and are never left open in a process that they do not belong to.
"""

from __future__ import annotations

import builtins
import fcntl
import marshal
import os
import select
import socket
from collections.abc import Callable
from struct import Struct
from typing import Any

from simsock import errors as _errors
from simsock.kernel.originals import original

# Taken now: a patched world replaces the names.
_read, _write, _close = (original(os, name) for name in ("read", "write", "close"))
_pipe: Callable[[], tuple[int, int]] = original(os, "pipe")
_fcntl, _make_poll = original(fcntl, "fcntl"), original(select, "poll")
_register: Any = type(_make_poll()).register
_wait_for: Any = type(_make_poll()).poll
_HEADER = Struct("<I")
_FIRST_DESCRIPTOR = 700
"""Programs that close "all" descriptors close those from 3 on, and stop somewhere."""
_TRACEBACK_MAX = 65_536
_PATIENCE_MS = 100
_LIBRARY = {"gaierror": socket.gaierror, "herror": socket.herror}


def flat(value: Any) -> Any:
    """A value made of plain numbers, texts, bytes and collections of them."""
    if value is None or type(value) in (bool, int, float, str, bytes):
        return value
    if isinstance(value, bool):
        return bool(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str):
        return str(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (tuple, list)):
        return type(value)(map(flat, value)) if type(value) in (tuple, list) else tuple(map(flat, value))
    if isinstance(value, dict):
        return {flat(key): flat(item) for key, item in value.items()}
    if hasattr(type(value), "__index__"):
        return int(value)
    if hasattr(type(value), "__float__"):
        return float(value)
    if hasattr(type(value), "__fspath__"):
        return os.fspath(value)
    try:
        return bytes(memoryview(value))
    except TypeError:
        pass
    if hasattr(type(value), "fileno"):
        return int(value.fileno())
    raise _errors.Unsupported(f"a {type(value).__name__} as an argument of a simulated call in a child process: it cannot be told to the world; {value!r:.80}")


# -- errors ----------------------------------------------------------------------------------------------------------------------------------


def error_as_message(error: BaseException, traced: bool = False) -> tuple[Any, ...]:
    """(module, class, arguments, notes): what ``error_of`` makes an error of. ``traced``: with the traceback as a text."""
    kind = type(error)
    args = []
    for arg in error.args if not isinstance(error, OSError) or error.errno is None else (error.errno, error.strerror, error.filename):
        try:
            args.append(flat(arg))
        except Exception:
            args.append(repr(arg))
    import traceback  # is there by then: who forks has it

    told = "".join(traceback.format_exception(error))[-_TRACEBACK_MAX:] if traced else ""
    notes = [str(note) for note in getattr(error, "__notes__", ())]
    return (kind.__module__, kind.__qualname__, tuple(args), notes, told, str(error))


def error_of(message: tuple[Any, ...]) -> BaseException:
    """The error again. One of a class that is not known here is a ``RuntimeError`` that names it."""
    module, name, args, notes, told, text = message
    kind = _class(module, name)
    error: BaseException
    if kind is None:
        error = RuntimeError(f"{name}: {text}")
    elif issubclass(kind, OSError):
        error = kind(*args) if len(args) < 3 or args[2] is not None else kind(*args[:2])
    else:
        error = kind.__new__(kind, *args)  # no code of the program's is run for it
        error.args = args
        if isinstance(error, _errors.SimsockError):
            error = kind(text)
    for note in notes:
        error.add_note(note)
    if told:
        error.add_note(told)
    return error


def _class(module: str, name: str) -> Any:
    found = getattr(builtins, name, None) if module == "builtins" else getattr(_errors, name, None) if module == _errors.__name__ else _LIBRARY.get(name)
    if isinstance(found, type) and issubclass(found, BaseException):
        return found
    left: list[type[BaseException]] = [Exception]
    while left:
        kind = left.pop()
        if kind.__module__ == module and kind.__qualname__ == name:
            return kind
        left += type.__subclasses__(kind)
    return None


# -- the pipes -------------------------------------------------------------------------------------------------------------------------------


class Channel:
    """One end of a connection between home and a child."""

    __slots__ = ("_poll", "is_computing", "reading", "writing")

    def __init__(self, reading: int, writing: int) -> None:
        self.reading = reading
        self.writing = writing
        self._poll: Any = None
        self.is_computing = False
        """Of home's end: the child has had the last word, and has not asked for anything since."""

    def send(self, message: Any) -> bool:
        """Send a message; False when nobody is there any more."""
        data = marshal.dumps(message)
        left = memoryview(_HEADER.pack(len(data)) + data)
        try:
            while left:
                left = left[_write(self.writing, left) :]
        except BrokenPipeError:
            return False
        return True

    def receive(self) -> Any:
        """The next message; None when the other end is gone."""
        header = self._exactly(_HEADER.size)
        if header is None:
            return None
        data = self._exactly(_HEADER.unpack(header)[0])
        return None if data is None else marshal.loads(data)

    def is_ready(self) -> bool:
        """Wait for a message (or the end), but only for a moment of real time; whether it is there."""
        if self._poll is None:
            self._poll = _make_poll()
            _register(self._poll, self.reading, select.POLLIN)
        return bool(_wait_for(self._poll, _PATIENCE_MS))

    def _exactly(self, size: int) -> bytes | None:
        parts = []
        while size:
            part = _read(self.reading, size)
            if not part:
                return None
            size -= len(part)
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Close this end. Safe to call again."""
        for fd in (self.reading, self.writing):
            if fd >= 0:
                _close(fd)
        self.reading = self.writing = -1


def make_channels() -> tuple[Channel, Channel]:
    """Home's end and the child's, both in this process: after the fork each closes the other's."""
    requests, answers = _far_pipe(), _far_pipe()
    return Channel(requests[0], answers[1]), Channel(answers[0], requests[1])


def _far_pipe() -> tuple[int, int]:
    reading, writing = _pipe()
    return far_away(reading), far_away(writing)


def far_away(near: int, first: int = _FIRST_DESCRIPTOR) -> int:
    """A descriptor that programs do not use in the place of one that is near."""
    try:
        far: int = _fcntl(near, fcntl.F_DUPFD_CLOEXEC, first)
    except OSError:  # a limit of descriptors below that
        return near
    _close(near)
    return far


__all__ = ["Channel", "error_as_message", "error_of", "far_away", "flat", "make_channels"]
