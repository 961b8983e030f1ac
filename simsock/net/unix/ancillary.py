"""What travels beside the bytes of a Unix socket: descriptors and credentials (unix(7), ``SCM_RIGHTS`` and ``SCM_CREDENTIALS``).

Owns open files on their way between two descriptors. Does not know control messages. Law: a file in flight is as open as one with a
descriptor; what nobody takes is closed.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simsock.kernel.files import FIRST_DESCRIPTOR, bad_descriptor
from simsock.kernel.identity import own_number

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel.files import Process

# A patched world replaces the names in ``os``; these are the system's.
_close, _dup, _getuid, _getgid, _set_inheritable = os.close, os.dup, os.getuid, os.getgid, os.set_inheritable

Credentials = tuple[int, int, int]
"""(process, user, group)."""
NOBODY: Credentials = (0, -1, -1)
DESCRIPTORS_MAX = 253
"""Linux's SCM_MAX_FD."""


def own_credentials() -> Credentials:
    """Those of the process; a world has only one."""
    return own_number(), _getuid(), _getgid()


def _own(process: Process, fd: int) -> int:
    return _dup(fd)


copy_of_real: Callable[[Process, int], int] = _own
"""A descriptor of this process for what a real one of another process of the world refers to. Put here by who knows these."""


class RealFile:
    """A descriptor of the real system on its way through a world."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def take(self) -> int:
        """The descriptor; it is the caller's from now on."""
        fd, self._fd = self._fd, -1
        return fd

    def copy(self) -> RealFile:
        """Another one for the same file."""
        return RealFile(_dup(self._fd))

    def __del__(self) -> None:
        if self._fd >= 0:
            _close(self.take())


class Passed:
    """What one message carries beside its bytes."""

    __slots__ = ("_files", "credentials", "stamp")

    def __init__(self, credentials: Credentials | None = None) -> None:
        self._files: list[Any] = []
        self.credentials = credentials
        """Those that the sender named itself; None for its own."""
        self.stamp: tuple[int, int, bytes] | None = None
        """What tells a receiver that asks for it when the message was sent."""

    def add(self, process: Process, fds: list[int]) -> None:
        """Take what descriptors refer to along. Raises EBADF."""
        for fd in fds:
            if fd < FIRST_DESCRIPTOR:
                self._files.append(RealFile(copy_of_real(process, fd)))
                continue
            file = process.files.get(fd)
            if file is None:
                self.discard()
                raise bad_descriptor()
            file.references += 1
            self._files.append(file)

    def __len__(self) -> int:
        return len(self._files)

    def copy(self) -> Passed:
        """The same once more, for a look that leaves it where it is."""
        other = Passed(self.credentials)
        for file in self._files:
            if isinstance(file, RealFile):
                other._files.append(file.copy())
            else:
                file.references += 1
                other._files.append(file)
        return other

    def unpack(self, process: Process, count: int, inheritable: bool) -> list[int]:
        """New descriptors for the first ``count`` files; the others are closed."""
        fds = []
        for file in self._files[:count]:
            if isinstance(file, RealFile):
                fds.append(file.take())
                _set_inheritable(fds[-1], inheritable)
            else:
                fds.append(process.open(file))
                file.references -= 1
                if inheritable:
                    process.set_inheritable(fds[-1], True)
        del self._files[:count]
        self.discard()
        return fds

    def discard(self) -> None:
        """Nobody takes it."""
        files, self._files = self._files, []
        for file in files:
            if not isinstance(file, RealFile):
                file.references -= 1
                if not file.references:
                    file.released()
