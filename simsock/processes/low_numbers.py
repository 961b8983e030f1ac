"""Standard streams of a child whose place something else takes, by ``os.dup2``.

PYTEST_DONT_REWRITE

Owns the numbers 0, 1 and 2 of a child, which are the system's or the world's. Does not know what is read or written there. Law: whatever a child, or a program
that it becomes, does with such a number it does with what was put there last.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor
from simsock.kernel.originals import original
from simsock.processes import interpreter
from simsock.processes.child_kernel import LOW, far, is_simulated, low
from simsock.stdlib._makefile import TextFile

if TYPE_CHECKING:
    from simsock.processes.child import Child
    from simsock.processes.family import Member

_dup2_really = original(os, "dup2")
_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def dup2_of(child: Child, otherwise: Any) -> Any:
    """In a child: ``os.dup2``."""

    def dup2(fd: int, fd2: int, inheritable: bool = True) -> int:
        if is_simulated(fd) and 0 <= fd2 < len(_STREAMS):
            if fd != fd2:
                child.ask("stream", far(fd), LOW + fd2)
                low[fd2] = LOW + fd2
                _write_there(fd2)
            return fd2
        if fd2 in low and not is_simulated(fd):
            found = int(_dup2_really(fd, fd2, inheritable))  # first: it may not be open
            child.ask("close", low.pop(fd2))
            return found
        if is_simulated(fd):
            return int(child.ask("call", "os.dup2", (far(fd), fd2, inheritable), {}))
        return int(otherwise(fd, fd2, inheritable))

    return dup2


def _write_there(number: int) -> None:
    """Python's own object for the stream, if it is one that writes to the system's descriptor of this number."""
    name, mode = _STREAMS[number]
    stream: Any = getattr(sys, name)
    try:
        is_real = stream.fileno() == number and not isinstance(stream, TextFile)
    except (AttributeError, OSError, ValueError):
        return
    if is_real:
        interpreter.kept.append(stream)
        made = interpreter.stream(number, f"<{name}>", mode, stream.encoding, stream.errors, False)
        for key in (name, f"__{name}__"):
            if getattr(sys, key) is stream:
                setattr(sys, key, made)


def put(member: Member, fd: int, number: int) -> None:
    """At home: what one of a child's descriptors refers to takes the place of a standard stream."""
    kernel = session.kernel()
    kernel.point()
    table = member.table
    file = table.files.get(fd)
    if file is None:
        raise bad_descriptor()
    file.references += 1
    if number in table.files:
        table.close(number)
    table.files[number] = file
    table.inheritable.add(number)


__all__ = ["dup2_of", "put"]
