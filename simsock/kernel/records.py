"""What happened, in order, and one digest of it.

Owns the list of records and the running digest. Knows nothing of what the words in a record mean. Laws:

* a record is a tuple ``(virtual nanoseconds, task path, what, ...)`` of integers and texts that are the same on every machine and
  every supported Python: no ``id()``, no line number, no real time;
* keeping many, few or no records never changes a run nor its digest.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.choices.hashing import blake2b

if TYPE_CHECKING:
    from collections.abc import Callable

Record = tuple[Any, ...]

_FLUSH_OVER = 8192


class Log:
    """The records of one world: ``append`` is the hot path (a plain list's), everything else is worked out when asked for."""

    __slots__ = ("_buffer", "_change", "_hash", "_hear", "_keep", "_kept", "append", "count_flushed")

    def __init__(self, keep: int) -> None:
        self._buffer: list[Record] = []
        self.append: Callable[[Record], object] = self._buffer.append
        self._keep = keep
        self._kept: deque[Record] | None = None  # those that are folded already
        self._hash: Any = None
        self.count_flushed = 0
        self._change: Callable[[Record], Record] | None = None
        self._hear: Callable[[Record], object] | None = None

    def tell(self, hear: Callable[[Record], object] | None) -> None:
        """Have every record told from now on, after it was kept; None: nobody listens, and nobody pays for it."""
        self._hear = hear
        self._set_append()

    def amend(self, change: Callable[[Record], Record] | None) -> None:
        """Have every record changed from now on, before it is kept and told: for what is not the same in every run. None: no more."""
        self._change = change
        self._set_append()

    def _set_append(self) -> None:
        keep, change, hear = self._buffer.append, self._change, self._hear

        def append(record: Record) -> None:
            if change is not None:
                record = change(record)
            keep(record)
            if hear is not None:
                hear(record)

        self.append = keep if change is None and hear is None else append

    def flush(self) -> None:
        """Bound the memory: fold what is buffered into the digest and keep only the newest. Called at counted steps."""
        if len(self._buffer) > _FLUSH_OVER:
            self._fold()

    def _fold(self) -> None:
        buffer = self._buffer
        if buffer:
            if self._hash is None:
                self._hash = blake2b(digest_size=16)
            self._hash.update(_text(buffer))
            self.count_flushed += len(buffer)
            if self._kept is None:
                self._kept = deque(maxlen=self._keep)
            self._kept.extend(buffer)
            buffer.clear()

    @property
    def count(self) -> int:
        """How many records there were so far."""
        return self.count_flushed + len(self._buffer)

    def digest(self) -> str:
        """32 hexadecimal digits that are equal for equal runs."""
        running = self._hash.copy() if self._hash is not None else blake2b(digest_size=16)
        if self._buffer:
            running.update(_text(self._buffer))
        return running.hexdigest()

    def records(self) -> list[Record]:
        """The newest records, oldest first; at most as many as the world was told to keep."""
        newest = deque(self._kept or (), maxlen=self._keep)
        newest.extend(self._buffer)
        return list(newest)


def _text(buffer: list[Record]) -> bytes:
    """The records as bytes that do not depend on where the list was cut: every record ends in a comma and a blank."""
    return (repr(buffer)[1:-1] + ", ").encode()
