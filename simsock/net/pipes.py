"""Pipes and event counters (pipe(7), eventfd(2)).

PYTEST_DONT_REWRITE

Owns what is in them and when their ends are ready. Does not know how programs call them, nor who waits for how long: calls that would block
return None. Laws: a pipe has room for pages, not for bytes, and small writes share a page only if they fit whole, as in Linux's fs/pipe.c, so
that writes of up to PIPE_BUF bytes are never torn apart; an end of file is what a reader meets when no descriptor of the other end is left.
"""

from __future__ import annotations

import errno
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, WaitedFile
from simsock.net.sockets import os_error

if TYPE_CHECKING:
    from simsock.kernel import Kernel

PAGE_BYTES = 4096
"""Linux's page, and PIPE_BUF."""
PAGES = 16
"""Of a new pipe: 64 KiB."""
PAGES_MAX = 256
"""What F_SETPIPE_SZ takes: 1 MiB, Linux's fs.pipe-max-size."""
COUNTER_MAX = 0xFFFF_FFFF_FFFF_FFFE
"""eventfd(2): the largest value of a counter."""


class _Page:
    """Part of what was written: bytes from ``start`` on are still to be read."""

    __slots__ = ("data", "start")

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)
        self.start = 0


class Pipe:
    """What two ends share."""

    __slots__ = ("pages", "pages_max", "reader", "title", "writer")

    def __init__(self, kernel: Kernel, title: str = "pipe") -> None:
        self.title = title
        self.pages: deque[_Page] = deque()
        self.pages_max = PAGES
        self.reader = ReadEnd(kernel, self)
        self.writer = WriteEnd(kernel, self)

    @property
    def size(self) -> int:
        """How many bytes are to be read."""
        return sum(len(page.data) - page.start for page in self.pages)

    def resize(self, wanted: int) -> int:
        """F_SETPIPE_SZ: room for so many bytes, rounded up to a power of two of pages; returns how many. Raises EINVAL, EBUSY, EPERM."""
        if wanted <= 0:
            raise os_error(errno.EINVAL)
        pages = 1
        while pages * PAGE_BYTES < wanted:
            pages *= 2
        if pages > PAGES_MAX:
            raise os_error(errno.EPERM)
        if pages < len(self.pages):
            raise os_error(errno.EBUSY)
        self.pages_max = pages
        if len(self.pages) < pages:
            self.writer.wake_writers()
        return pages * PAGE_BYTES


class PipeEnd(WaitedFile):
    """One end of a pipe."""

    __slots__ = ("pipe",)

    kind = "pipe"

    def __init__(self, kernel: Kernel, pipe: Pipe) -> None:
        super().__init__(kernel)
        self.pipe = pipe

    @property
    def title(self) -> str:
        """What the end is called in records and reports."""
        return self.pipe.title

    @property
    def unread(self) -> int:
        """FIONREAD, which both ends answer."""
        return self.pipe.size

    def read(self, count: int) -> bytes | None:
        """Up to ``count`` bytes, ``b""`` at the end, None when there is nothing yet. The wrong end: EBADF."""
        raise os_error(errno.EBADF)

    def write(self, view: Any) -> int | None:
        """How many bytes were taken; None when there is no room. Raises EPIPE when nobody can read, EBADF at the wrong end."""
        raise os_error(errno.EBADF)

    @property
    def is_gone(self) -> bool:
        """Whether no descriptor refers to it any more."""
        return not self.references

    def describe(self) -> str:
        return self.pipe.title


class ReadEnd(PipeEnd):
    """Where bytes come out."""

    __slots__ = ()

    def read(self, count: int) -> bytes | None:
        pages = self.pipe.pages
        if not pages:
            return b"" if not count or self.pipe.writer.is_gone else None
        was_full = len(pages) >= self.pipe.pages_max
        parts = []
        while count and pages:
            page = pages[0]
            part = bytes(page.data[page.start : page.start + count])
            parts.append(part)
            count -= len(part)
            page.start += len(part)
            if page.start == len(page.data):
                pages.popleft()
        if was_full and len(pages) < self.pipe.pages_max:
            self.pipe.writer.wake_writers()
        return b"".join(parts)

    def poll(self) -> int:
        return (POLLIN if self.pipe.pages else 0) | (POLLHUP if self.pipe.writer.is_gone else 0)

    def released(self) -> None:
        self.pipe.writer.wake_writers()


class WriteEnd(PipeEnd):
    """Where bytes go in."""

    __slots__ = ()

    def write(self, view: Any) -> int | None:
        pipe = self.pipe
        pages, size = pipe.pages, len(view)
        if not size:
            return 0
        if pipe.reader.is_gone:
            raise os_error(errno.EPIPE)
        taken = 0
        odd = size % PAGE_BYTES
        if odd and pages and len(pages[-1].data) + odd <= PAGE_BYTES:
            pages[-1].data += view[:odd]
            taken = odd
        while taken < size and len(pages) < pipe.pages_max:
            part = bytes(view[taken : taken + PAGE_BYTES])
            pages.append(_Page(part))
            taken += len(part)
        if not taken:
            return None
        pipe.reader.wake_readers()
        return taken

    def poll(self) -> int:
        return (POLLOUT if len(self.pipe.pages) < self.pipe.pages_max else 0) | (POLLERR if self.pipe.reader.is_gone else 0)

    def released(self) -> None:
        self.pipe.reader.wake_readers()


class EventCounter(WaitedFile):
    """What eventfd(2) makes: a number of 64 bits that is added to, and taken as a whole or (EFD_SEMAPHORE) by ones."""

    __slots__ = ("by_ones", "value")

    kind = "eventfd"
    title = "eventfd"

    def __init__(self, kernel: Kernel, value: int, by_ones: bool) -> None:
        super().__init__(kernel)
        self.value = value
        self.by_ones = by_ones

    def read(self, count: int) -> bytes | None:
        """Eight bytes in the machine's order; None while the counter is 0. Raises EINVAL for fewer than eight."""
        if count < 8:
            raise os_error(errno.EINVAL)
        if not self.value:
            return None
        value = 1 if self.by_ones else self.value
        self.value -= value
        self.wake_writers()
        return value.to_bytes(8, "little")

    def write(self, view: Any) -> int | None:
        """Add; None while that would overflow. Raises EINVAL for other than eight bytes, as Linux does since 6.10, and for all ones."""
        value = int.from_bytes(bytes(view[:8]), "little")
        if len(view) != 8 or value > COUNTER_MAX:
            raise os_error(errno.EINVAL)
        if self.value + value > COUNTER_MAX:
            return None
        self.value += value
        if self.value:
            self.wake_readers()
        return 8

    def poll(self) -> int:
        return (POLLIN if self.value else 0) | (POLLOUT if self.value < COUNTER_MAX else 0)
