"""The secrets of TLS connections, for whoever writes captures of a world: lines of the format that ``SSLKEYLOGFILE`` made known.

PYTEST_DONT_REWRITE

Owns how they are got out of OpenSSL: through ``keylog_filename`` of the context, a file that the program has asked for, or for the length of a handshake
a piece of memory that has a name. Does not know captures. Laws: nothing of it changes a run; each line is told once; the context is as it was.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_open, _close, _size, _read = os.open, os.close, os.stat, os.pread
"""Taken now: a world has others."""
_make = getattr(os, "memfd_create", None)
_BYTES_MAX = 1 << 20


class Keylog:
    """Who wants to know the secrets of one world: a function for each, and whether it wants those that the program itself does not ask for."""

    def __init__(self) -> None:
        self.wanted: list[tuple[Callable[[bytes], object], bool]] = []
        self._told: set[bytes] = set()
        self._memory = -1

    def add(self, hear: Callable[[bytes], object], all_of_them: bool) -> None:
        """``hear`` is told each line from now on."""
        self.wanted.append((hear, all_of_them))

    def remove(self, hear: Callable[[bytes], object]) -> None:
        """No more. Safe to call again."""
        self.wanted[:] = [entry for entry in self.wanted if entry[0] != hear]
        if not self.wanted and self._memory >= 0:
            _close(self._memory)
            self._memory = -1

    def call(self, context: Any, operation: Any, *args: Any) -> Any:
        """A call into OpenSSL that may agree on secrets, in this context."""
        path = context.keylog_filename
        if path is not None:
            return self._listen(path, False, operation, *args)
        if not any(all_of_them for _, all_of_them in self.wanted) or _make is None:
            return operation(*args)
        if self._memory < 0:
            self._memory = _make("secrets")
        path = f"/proc/self/fd/{self._memory}"
        context.keylog_filename = path
        try:
            return self._listen(path, True, operation, *args)
        finally:
            context.keylog_filename = None

    def _listen(self, path: Any, all_of_them: bool, operation: Any, *args: Any) -> Any:
        try:
            before = _size(path).st_size
        except OSError:
            return operation(*args)
        try:
            return operation(*args)
        finally:
            self._tell(path, before, all_of_them)

    def _tell(self, path: Any, before: int, all_of_them: bool) -> None:
        try:
            fd = _open(path, os.O_RDONLY)
        except OSError:
            return
        try:
            text = _read(fd, _BYTES_MAX, before)
        except OSError:
            return
        finally:
            _close(fd)
        lines = [line for line in text.splitlines(keepends=True) if line.endswith(b"\n") and not line.startswith(b"#") and line not in self._told]
        self._told.update(lines)
        for hear, wants_all in list(self.wanted):
            if lines and (wants_all or not all_of_them):
                hear(b"".join(lines))


__all__ = ["Keylog"]
