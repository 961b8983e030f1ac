"""What time real files have, for a child, and which go with the world: home keeps that, since all processes of a world see the same files.

PYTEST_DONT_REWRITE

Owns the way of stamps, and of names of files, between a child and home. Does not know files. Law: what a child does to a file is told with its next message,
before anybody else can look.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.file_times import FileTimes
from simsock.processes.redirecting import redirect
from simsock.stdlib._file_calls import goes_with_world

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.processes.child import Child
    from simsock.processes.family import Member


def told(kernel: Kernel, note: dict[str, Any]) -> None:
    """At home: a child has done something to a file; methods of ``FileTimes`` by name, with their arguments, or that one is to go."""
    times = kernel.room(FileTimes)
    for name, args in note.items():
        if name in ("note", "note_as_set"):
            getattr(times, name)(kernel, *args)
        elif name == "goes_with_world":
            goes_with_world(kernel, *args)


def asked(member: Member, device: int, inode: int, stamps: Any) -> Any:
    """At home: what the stamps of a file are in this world."""
    kernel = session.kernel()
    return kernel.room(FileTimes).tell(kernel, device, inode, tuple(stamps))


def apply(child: Child) -> None:
    """In a child."""

    def noting(name: str) -> Any:
        return lambda self, kernel, *args: child.lines.told.append({name: args})

    redirect(FileTimes.note, noting("note"))
    redirect(FileTimes.note_as_set, noting("note_as_set"))
    redirect(goes_with_world, lambda kernel, *args: child.lines.told.append({"goes_with_world": args}))
    redirect(FileTimes.tell, lambda self, kernel, *args: tuple(child.ask("file times", *args)))


__all__ = ["apply", "asked", "told"]
