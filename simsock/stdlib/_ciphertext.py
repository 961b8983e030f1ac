"""Which bytes of a world are TLS that the program itself sends and receives: asyncio's, trio's.

Owns how they are recognised, and what is left of their records. Does not know OpenSSL. Laws: only a world in which the program has made a
conversation over buffers of its own is looked at; from its first handshake on, records of a connection have sizes and no check sums, since session
tickets hold the real time; what was said in it is recorded where it is plain text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.kernel.watchers import Watcher, watch, watching

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.records import Record
    from simsock.kernel.task import Task

_BEGINNING = b"\x16\x03"
"""Of every handshake: the record's type, and the first half of its version."""


class Ciphertext(Watcher):
    """Looks at what connections carry."""

    def __init__(self, sizes: bool) -> None:
        self._sizes = sizes
        self._titles: set[str] = set()
        self._beginnings: dict[str, bytes] = {}
        """Of connections that may have begun one: what there was of it."""
        self._newest = b""

    def moves(self, task: Task, data: Any) -> None:
        self._newest = bytes(data[:2])

    def change(self, record: Record) -> Record:
        """The record as it is to be kept; the one about bytes follows upon them."""
        if record[2] not in ("recv", "send") or len(record) != 6:
            return record
        title = record[3]
        if title not in self._titles:
            beginning = (self._beginnings.pop(title, b"") + self._newest)[:2]
            if not beginning or not _BEGINNING.startswith(beginning):
                return record
            if len(beginning) < len(_BEGINNING):
                self._beginnings[title] = beginning
                return record
            self._titles.add(title)
        return (*record[:4], record[4] if self._sizes else 0, 0)


def look_for_it(kernel: Kernel, sizes: bool) -> None:
    """The program has a conversation over buffers of its own: from now on its connections are looked at. ``sizes``: those of handshakes are the same in
    every run."""
    if not any(isinstance(watcher, Ciphertext) for watcher in watching(kernel)):
        looks = Ciphertext(sizes)
        watch(kernel, looks)
        kernel.log.amend(looks.change)


__all__ = ["look_for_it"]
