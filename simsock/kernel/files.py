"""Processes, descriptors and open files.

Owns the descriptor table and the way in which tasks wait until one of several open files is ready. Does not know what kinds of files
there are. Laws:

* a descriptor is an integer of one process; an open file lives as long as a descriptor refers to it, and hears ``released()`` exactly once;
* the lowest free descriptor is given out, counted from ``FIRST_DESCRIPTOR``: above the real ones, so that the two can share a program.
"""

from __future__ import annotations

import errno
from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any

from simsock.errors import LimitExceeded
from simsock.kernel.failures import bad_descriptor as bad_descriptor
from simsock.kernel.failures import os_error

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.kernel.task import Task

FIRST_DESCRIPTOR = 10_000
DESCRIPTORS_MAX = 1_000_000

POLLIN, POLLPRI, POLLOUT, POLLERR, POLLHUP, POLLNVAL, POLLRDHUP = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x2000
"""poll(2)'s bits, with Linux's values."""

_ALWAYS = POLLERR | POLLHUP | POLLNVAL
_SOMETHING = 0xFFFF
READABLE, WRITABLE = POLLIN | POLLPRI | POLLRDHUP | 0x40 | 0x80, POLLOUT | 0x100 | 0x200
"""What a file says has happened, with the bits for normal data and for bands, as Linux's wake-ups do; ends of a stream are told with what is readable."""


class OpenFile:
    """What descriptors refer to. Subclasses say what is ready (``poll``) and what happens after the last close (``released``)."""

    __slots__ = ("__weakref__", "kernel", "nonblocking", "pollers", "references")

    kind = "file"

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.references = 0
        self.nonblocking = False
        """O_NONBLOCK, which all descriptors of the file share."""
        self.pollers: list[tuple[Any, int]] | None = None
        """Queues of tasks that wait, and what an epoll object leaves here to be told, each with its mask."""

    def poll(self) -> int:
        """The bits of poll(2) that hold now."""
        raise NotImplementedError

    def released(self) -> None:
        """The last descriptor is gone."""

    def describe(self) -> str:
        """A few words for reports."""
        return self.kind

    def be_polled(self) -> None:
        """Somebody is about to wait for this file for the first time."""
        self.pollers = []

    def changed(self, what: int = _SOMETHING) -> None:
        """Wake the tasks that poll this file, if what they wait for holds now. Called after every change of state, cheap when nobody polls.

        ``what`` happened is only for those that tell edges: one that is woken alone keeps it from the others of its kind.
        """
        pollers = self.pollers
        if pollers:
            ready = self.poll()
            alone = False
            for queue, mask in pollers:
                if type(queue) is deque:
                    if ready & (mask | _ALWAYS) and queue:
                        self.kernel.wake(queue)
                elif not (alone and queue.exclusive):
                    alone = queue.happens(what, ready) or alone


class WaitedFile(OpenFile):
    """An open file whose calls may wait: for something to read, or for room to write."""

    __slots__ = ("readers", "writers")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.references = 0
        self.nonblocking = False
        self.pollers = None
        self.readers: deque[Task] = deque()
        self.writers: deque[Task] = deque()

    def wait_readable(self, deadline: int | None, why: str) -> bool:
        """Park until something happened that a reader should look at; False when the deadline passed."""
        # As on Linux, a call that waits keeps the open file: who closes the descriptor meanwhile neither wakes it nor ends the connection.
        self.references += 1
        try:
            return self.kernel.wait(self.readers, deadline, why, self)
        finally:
            self.references -= 1
            if not self.references:
                self.kernel.finalize(self.released)  # at the next point: first the call looks at what it waited for

    def wait_writable(self, deadline: int | None, why: str) -> bool:
        """Park until something happened that a writer should look at; False when the deadline passed."""
        self.references += 1  # as above
        try:
            return self.kernel.wait(self.writers, deadline, why, self)
        finally:
            self.references -= 1
            if not self.references:
                self.kernel.finalize(self.released)

    def wake_readers(self) -> None:
        """There is something to read, or nothing ever again."""
        readers = self.readers
        while readers:
            self.kernel.wake(readers)
        if self.pollers:
            self.changed(READABLE)

    def wake_writers(self) -> None:
        """There is room to write, or none ever again."""
        writers = self.writers
        while writers:
            self.kernel.wake(writers)
        if self.pollers:
            self.changed(WRITABLE)


class Process:
    """A descriptor table."""

    __slots__ = ("_free", "_next", "files", "inheritable", "name", "owner")

    def __init__(self, name: str) -> None:
        self.name = name
        self.owner: Any = None
        """What is known of the process, in a world that has several."""
        self.files: dict[int, OpenFile] = {}
        self.inheritable: set[int] = set()
        """Descriptors that a child process would get."""
        self._free: list[int] = []
        self._next = FIRST_DESCRIPTOR

    def fork(self, name: str, host: Any) -> Process:
        """The table of a child: the same descriptors for the same open files. With a ``host``, without those of other hosts."""
        child = Process(name)
        child.files.update({fd: file for fd, file in self.files.items() if host is None or getattr(file, "host", host) is host})
        for file in child.files.values():
            file.references += 1
        child.inheritable.update(self.inheritable)
        child._free, child._next = list(self._free), self._next
        return child

    @property
    def given(self) -> int:
        """The first number that was given to nobody so far."""
        return self._next

    def open(self, file: OpenFile) -> int:
        """A new descriptor for ``file``."""
        if self._free:
            fd = heappop(self._free)
        else:
            fd = self._next
            if fd - FIRST_DESCRIPTOR >= DESCRIPTORS_MAX:
                raise LimitExceeded(f"process {self.name!r} has more than {DESCRIPTORS_MAX:,} descriptors open", limit="descriptors")
            self._next = fd + 1
        file.references += 1
        self.files[fd] = file
        return fd

    def open_from(self, file: OpenFile, least: int) -> int:
        """The lowest descriptor that is free and not under ``least``: F_DUPFD of fcntl(2). ``OSError`` EINVAL when there can be none."""
        if not 0 <= least < FIRST_DESCRIPTOR + DESCRIPTORS_MAX:
            raise os_error(errno.EINVAL)
        if least <= FIRST_DESCRIPTOR:
            return self.open(file)
        fd = min((fd for fd in self._free if fd >= least), default=max(least, self._next))
        self.dup_to(file, fd)
        return fd

    def close(self, fd: int) -> None:
        """Close a descriptor; ``OSError`` EBADF when it is not open."""
        file = self.files.pop(fd, None)
        if file is None:
            raise bad_descriptor()
        if fd < FIRST_DESCRIPTOR + DESCRIPTORS_MAX:  # not the standard streams of a program that was started, whose numbers are given to nobody else
            heappush(self._free, fd)
        if self.inheritable:
            self.inheritable.discard(fd)
        file.references -= 1
        if not file.references:
            file.released()

    def set_inheritable(self, fd: int, inheritable: bool) -> None:
        """Say whether a child process would get a descriptor."""
        if inheritable:
            self.inheritable.add(fd)
        else:
            self.inheritable.discard(fd)

    def dup(self, fd: int) -> int:
        """Another descriptor for the same open file."""
        file = self.files.get(fd)
        if file is None:
            raise bad_descriptor()
        return self.open(file)

    def dup_to(self, file: OpenFile, fd: int) -> None:
        """Have descriptor ``fd`` (from ``FIRST_DESCRIPTOR``), which must not be open, refer to ``file``: dup2(2)."""
        if fd - FIRST_DESCRIPTOR >= DESCRIPTORS_MAX:
            raise bad_descriptor()
        while self._next <= fd:
            heappush(self._free, self._next)
            self._next += 1
        self._free.remove(fd)
        heapify(self._free)
        file.references += 1
        self.files[fd] = file


class Tables:
    """``kernel.room(Tables)``: the descriptor tables of a world that has several processes."""

    __slots__ = ("children", "home")

    def __init__(self) -> None:
        self.home: Process | None = None
        """That of the process that entered the world, once there is another one."""
        self.children: list[Process] = []


def every_table(kernel: Kernel) -> list[Process]:
    """Those of all processes, the one that entered the world first."""
    tables = kernel.room(Tables)
    return [kernel.process] if tables.home is None else [tables.home, *tables.children]


def wait_ready(
    kernel: Kernel, entries: Iterable[tuple[int, OpenFile, int]], deadline: int | None, why: str, table: dict[int, OpenFile] | None = None
) -> list[tuple[int, int]]:
    """poll(2): park until a file of ``entries`` (descriptor, file, mask) has one of its bits, or the deadline.

    Returns (descriptor, bits) of the ready ones in the order given; empty when the deadline (absolute nanoseconds; None never) passed first.
    With a ``table`` of descriptors the call looks there for its files whenever it looks again, as poll(2) and select(2) do: one that was closed
    meanwhile is POLLNVAL, one that is another file now is that file. It is woken by the files that it began with.
    """
    entries = list(entries)
    ready = [(fd, bits) for fd, file, mask in entries if (bits := file.poll() & (mask | _ALWAYS))]
    while not ready and (deadline is None or deadline > kernel.now):
        queue: deque[Any] = deque()
        for _, file, mask in entries:
            file.references += 1  # as on Linux, a call that waits keeps the open file
            if file.pollers is None:
                file.be_polled()
            file.pollers.append((queue, mask))  # type: ignore[union-attr]  # a list by now
        try:
            kernel.wait(queue, deadline, why, entries)
        finally:
            for _, file, _ in entries:
                if file.pollers:
                    # identity: two tasks may wait with queues that compare equal
                    file.pollers[:] = [entry for entry in file.pollers if entry[0] is not queue]
                file.references -= 1
                if not file.references:
                    kernel.finalize(file.released)
        for fd, file, mask in entries:
            now = file if table is None or fd < FIRST_DESCRIPTOR else table.get(fd)
            if bits := POLLNVAL if now is None else now.poll() & (mask | _ALWAYS):
                ready.append((fd, bits))
    return ready
