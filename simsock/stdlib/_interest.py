"""The open file of an epoll object: what it watches, and what happened there.

Owns edges (``EPOLLET``), who is woken alone (``EPOLLEXCLUSIVE``), and epoll objects that are watched themselves. Does not know Python's objects. As
Linux's eventpoll.c has it: an entry that tells edges is listed when its file says that something happened that is in its mask, and once when it is
registered or modified while it is ready; a look at the list asks the file again, and what is not ready is no event. Law: an epoll object whose entries
are all level-triggered, and that nobody watches, leaves nothing with its files while nobody waits.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from simsock.kernel.files import POLLERR, POLLHUP, POLLIN, POLLOUT, OpenFile

ONESHOT, EDGES, EXCLUSIVE, WAKEUP = 1 << 30, 1 << 31, 1 << 28, 1 << 29
"""EPOLLONESHOT, EPOLLET, EPOLLEXCLUSIVE, EPOLLWAKEUP."""
_PRIVATE = ONESHOT | EDGES | EXCLUSIVE | WAKEUP
_ALWAYS = POLLERR | POLLHUP


class Watch:
    """What a file keeps of an entry, among its pollers: it is told what happens there."""

    __slots__ = ("epoll", "exclusive", "file", "listed", "listing", "mask")

    def __init__(self, epoll: EpollFile, file: OpenFile, mask: int) -> None:
        self.epoll = epoll
        self.file = file
        self.mask = mask & ~_PRIVATE
        self.exclusive = bool(mask & EXCLUSIVE)
        self.listing = bool(mask & (EDGES | EXCLUSIVE))
        """Whether an event is one only if something happened."""
        self.listed = False

    def happens(self, what: int, ready: int) -> bool:
        """Bits of poll(2) for what happened, and for what is so; true if somebody was woken who should be the only one."""
        if not (what & self.mask or ready & _ALWAYS) or not self.mask:
            return False
        return self.list_it()

    def list_it(self) -> bool:
        """Have it looked at."""
        epoll = self.epoll
        if self.listing and not self.listed:
            self.listed = True
            epoll.listed[self] = None
        return epoll.stir() and self.exclusive


class EpollFile(OpenFile):
    """An open epoll object."""

    __slots__ = ("interest", "listed", "waiting", "watches")

    kind = "epoll"

    def __init__(self, kernel: Any) -> None:
        super().__init__(kernel)
        self.interest: dict[int, tuple[OpenFile, int]] = {}
        self.watches: dict[int, Watch] = {}
        """Those of the entries that have one."""
        self.listed: dict[Watch, None] = {}
        """What happened, in that order."""
        self.waiting: list[deque[Any]] = []

    # -- entries ---------------------------------------------------------------------------------------------------------------------

    def enter(self, fd: int, file: OpenFile, mask: int) -> None:
        """Watch, or watch otherwise."""
        self._forget(fd)
        mask |= _ALWAYS  # as ep_insert(): without any bit an entry is one that has had its shot
        self.interest[fd] = (file, mask)
        if mask & (EDGES | EXCLUSIVE) or self.pollers is not None:
            self._watch(fd, file, mask)

    def leave(self, fd: int) -> bool:
        """Watch no more; whether it was watched."""
        self._forget(fd)
        return self.interest.pop(fd, None) is not None

    def _forget(self, fd: int) -> None:
        watch = self.watches.pop(fd, None)
        if watch is not None:
            self.listed.pop(watch, None)
            if watch.file.pollers:
                watch.file.pollers[:] = [entry for entry in watch.file.pollers if entry[0] is not watch]

    def _watch(self, fd: int, file: OpenFile, mask: int) -> None:
        watch = self.watches[fd] = Watch(self, file, mask)
        if file.pollers is None:
            file.be_polled()
        assert file.pollers is not None
        place = len(file.pollers) if watch.exclusive else 0  # who is woken alone comes after those who are always woken
        file.pollers.insert(place, (watch, watch.mask))
        if watch.mask and file.poll() & (watch.mask | _ALWAYS):
            watch.list_it()

    def be_polled(self) -> None:
        """Somebody watches the epoll object: from now on it hears of all its files."""
        super().be_polled()
        for fd, (file, mask) in self.interest.items():
            if fd not in self.watches:
                self._watch(fd, file, mask)

    def reaches(self, other: OpenFile) -> bool:
        """Whether it watches another epoll object, or one that does."""
        return any(file is other or (isinstance(file, EpollFile) and file.reaches(other)) for file, _ in self.interest.values())

    def disarm(self, fd: int) -> None:
        """EPOLLONESHOT: nothing more is told until it is modified."""
        file, mask = self.interest[fd]
        self.interest[fd] = (file, mask & _PRIVATE)
        watch = self.watches.get(fd)
        if watch is not None:
            watch.mask = 0

    # -- what is ready ---------------------------------------------------------------------------------------------------------------

    def poll(self) -> int:
        return POLLIN if any(True for _ in self._ready()) else 0

    def _ready(self) -> Any:
        """(descriptor, bits) of what is ready: level-triggered entries in the order in which they were registered, then those that tell edges."""
        numbers = {}
        for fd, (file, mask) in self.interest.items():
            watch = self.watches.get(fd)
            if watch is not None and watch.listing:
                numbers[watch] = fd
            elif mask & ~_PRIVATE and file.references and (bits := file.poll() & (mask & ~_PRIVATE | _ALWAYS)):
                yield fd, bits
        for watch in self.listed:
            if watch.file.references and watch.mask and (bits := watch.file.poll() & (watch.mask | _ALWAYS)):
                yield numbers[watch], bits

    def take(self, most: int) -> list[tuple[int, int]]:
        """Up to ``most`` events; an edge is told once."""
        found = []
        for fd, bits in self._ready():
            found.append((fd, bits))
            if len(found) == most:
                break
        told = {fd for fd, _ in found}
        for fd, watch in self.watches.items():
            if watch.listed and (fd in told or not watch.file.poll() & (watch.mask | _ALWAYS)):
                del self.listed[watch]
                watch.listed = False
                if fd in told and not self.interest[fd][1] & EDGES:  # exclusive, and told as long as it is ready
                    watch.list_it()
        return found

    def wait(self, most: int, deadline: int | None) -> list[tuple[int, int]]:
        """Park until there is an event, or the deadline has passed."""
        kernel = self.kernel
        found = self.take(most)
        while not found and (deadline is None or deadline > kernel.now):
            queue: deque[Any] = deque()
            entries = [(fd, file, mask & ~_PRIVATE) for fd, (file, mask) in self.interest.items()]
            level = [(file, mask) for fd, file, mask in entries if fd not in self.watches and mask]
            for file, mask in level:
                if file.pollers is None:
                    file.be_polled()
                assert file.pollers is not None
                file.pollers.append((queue, mask))
            self.waiting.append(queue)
            self.references += 1
            try:
                kernel.wait(queue, deadline, "epoll", entries)
            finally:
                self.waiting[:] = [other for other in self.waiting if other is not queue]
                for file, _ in level:
                    if file.pollers:
                        file.pollers[:] = [entry for entry in file.pollers if entry[0] is not queue]
                self.references -= 1
                if not self.references:
                    kernel.finalize(self.released)
            found = self.take(most)
        return found

    def stir(self) -> bool:
        """Something happened that may be an event; whether somebody waited for it."""
        woken = False
        for queue in self.waiting:
            if queue:
                self.kernel.wake(queue)
                woken = True
        if self.pollers:
            self.changed(POLLIN)
        return woken

    def released(self) -> None:
        for fd in list(self.interest):
            self.leave(fd)


EXCLUSIVE_MAY = POLLIN | POLLOUT | POLLERR | POLLHUP | EDGES | EXCLUSIVE | WAKEUP
"""What goes together with EPOLLEXCLUSIVE."""
