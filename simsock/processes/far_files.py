"""An open file of home's, as a child has it: for what works on open files itself, such as TLS, whose memory is the child's own.

PYTEST_DONT_REWRITE

Owns the calls that such code makes on an open file, on both sides. Does not know TLS beyond where it takes its file from. Law: what is done with an open file
is done at home, with the child's descriptor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import WorldEnded
from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor
from simsock.processes.child_kernel import far
from simsock.processes.far_titles import TITLE
from simsock.processes.redirecting import redirect
from simsock.stdlib._openssl import module as _ssl
from simsock.stdlib._tls import StreamConversation
from simsock.stdlib._tls import _error as tls_error

if TYPE_CHECKING:
    from simsock.processes.child import Child
    from simsock.processes.family import Member

_METHODS = frozenset(("poll", "read", "wait_readable", "wait_writable", "write"))


def call(member: Member, fd: int, name: str, args: tuple[Any, ...]) -> Any:
    """At home: a method of an open file of the child's."""
    file: Any = member.table.files.get(fd)
    if file is None or name not in _METHODS:
        raise bad_descriptor()
    return getattr(file, name)(*args)


class FarFile:
    """One of them."""

    __slots__ = ("_child", "_fd", "title")

    def __init__(self, child: Child, fd: int) -> None:
        self._child = child
        self._fd = fd = far(fd)
        self.title = f"{TITLE}{fd}"

    def read(self, size: int) -> Any:
        """Bytes, none at the end, None if there are none yet."""
        return self._child.ask("file", self._fd, "read", (size,))

    def write(self, data: Any) -> Any:
        """How many bytes it took."""
        return self._child.ask("file", self._fd, "write", (bytes(data),))

    def poll(self) -> Any:
        """What it is ready for."""
        return self._child.ask("file", self._fd, "poll", ())

    def wait_readable(self, deadline: int | None, why: str) -> Any:
        """Wait until there is something to read; False if the deadline came first."""
        return self._child.ask("file", self._fd, "wait_readable", (deadline, why))

    def wait_writable(self, deadline: int | None, why: str) -> Any:
        """The same for room to write."""
        return self._child.ask("file", self._fd, "wait_writable", (deadline, why))


def apply(child: Child) -> None:
    """In a child: TLS takes its open file from here."""

    def start(self: Any) -> tuple[Any, int | None]:
        kernel = session.active
        if kernel is None or kernel is not self._kernel:
            raise WorldEnded("this socket belongs to a world that has ended")
        kernel.point()
        sock = self._socket()
        if sock is None:
            raise tls_error(_ssl.SSLError, 9, "Underlying socket connection gone")
        if sock._fd != self._fd:
            raise bad_descriptor()
        self._wait_ns = wait_ns = sock._wait_ns
        return FarFile(child, self._fd), kernel.now + wait_ns if wait_ns else None

    def write_later(self: Any, data: bytes) -> None:
        if self._owed or self._inside is not None:
            return
        try:
            self._call(self._tls.write, data)
            self._flush_some(FarFile(child, self._fd))
        except (OSError, ValueError):
            return

    redirect(StreamConversation._start, start)
    redirect(StreamConversation._meet_deadline, lambda self, file, text: TimeoutError(text))
    redirect(StreamConversation.write_later, write_later)


__all__ = ["FarFile", "apply", "call"]
