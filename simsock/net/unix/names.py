"""Names of Unix sockets (unix(7), unix_bind_bsd() and unix_find_bsd() of Linux's af_unix.c): abstract ones, and paths, which are files.

Owns who has which name, and the files that were made for it. Does not know what a socket does. Laws:

* a path is a real file of the kind socket: whoever looks for it, renames it, changes its mode or removes it does so with the system's own calls, and a
  socket is found by the file that a path leads to, whatever its name is by then;
* all hosts of a world see the one file system there is, but only those of its own host reach a socket; abstract names are each host's own;
* the files go with their world, also those that have no socket. Nothing of them is recorded;
* a socket keeps the inode of its file, as on Linux: no other file has its number while the socket is there.
"""

from __future__ import annotations

import errno
import os
from stat import S_IFSOCK, S_ISSOCK
from typing import TYPE_CHECKING

from simsock.kernel.file_times import CHANGED, READ, WRITTEN, FileTimes
from simsock.net.sockets import os_error

if TYPE_CHECKING:
    from simsock.kernel.core import Kernel
    from simsock.net.unix.common import UnixSocket

    File = tuple[int, int]
    """By device and inode."""

# A patched world replaces names in ``os``; these are the system's.
_mknod, _stat, _lstat, _unlink, _access, _scandir, _abspath = os.mknod, os.stat, os.lstat, os.unlink, os.access, os.scandir, os.path.abspath
_open, _close = os.open, os.close


class SocketFiles:
    """Those of one world."""

    __slots__ = ("_kept", "_made", "_of", "_sockets")

    def __init__(self) -> None:
        self._sockets: dict[File, UnixSocket] = {}
        self._of: dict[UnixSocket, File] = {}
        self._made: dict[File, bytes] = {}
        """Where each was made."""
        self._kept: dict[UnixSocket, int] = {}
        """Descriptors of the system that keep the inodes."""

    def make(self, socket: UnixSocket, name: bytes) -> bytes:
        """The file of a socket that is bound to a path; returns its name. Raises EADDRINUSE, and what the system says of such a path."""
        path = name.partition(b"\0")[0]
        try:
            _mknod(path, S_IFSOCK | socket.mode)
            found = _lstat(path)
        except OSError as error:
            raise os_error(errno.EADDRINUSE if error.errno == errno.EEXIST else error.errno or errno.EIO) from None
        if socket.name is not None:
            _unlink(path)
            raise os_error(errno.EINVAL)
        file = found.st_dev, found.st_ino
        self._made[file] = _abspath(path)
        _note(socket.kernel, found, READ, WRITTEN, CHANGED)
        _note(socket.kernel, _stat(os.path.dirname(self._made[file])), WRITTEN, CHANGED)
        self._sockets[file] = socket
        self._of[socket] = file
        try:
            self._kept[socket] = _open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:  # too many are open: then its number may be another's once it is removed
            pass
        return path

    def adopt(self, file: File, path: bytes) -> None:
        """A program has made one without a socket (mknod(2))."""
        self._made[file] = path

    def forget(self, socket: UnixSocket) -> None:
        """It is closed: its file stays, and nobody is there."""
        self._let_go(socket)
        file = self._of.pop(socket, None)
        if file is not None and self._sockets.get(file) is socket:
            del self._sockets[file]

    def _let_go(self, socket: UnixSocket) -> None:
        kept = self._kept.pop(socket, None)
        if kept is not None:
            _close(kept)

    def find(self, name: bytes) -> UnixSocket | None:
        """Whose file is at a path; None when it is not that of a socket which is there. Raises ENOENT, EACCES and their like."""
        path = name.partition(b"\0")[0]
        try:
            found = _stat(path)
        except OSError as error:
            raise os_error(error.errno or errno.EIO) from None
        if not _access(path, os.W_OK, effective_ids=True):
            raise os_error(errno.EACCES)
        return self._sockets.get((found.st_dev, found.st_ino)) if S_ISSOCK(found.st_mode) else None

    def remove(self) -> None:
        """The world is over. A file that is not where it was made may have another name in its directory. Safe to call again."""
        for socket in list(self._kept):
            self._let_go(socket)
        moved: dict[bytes, set[int]] = {}
        while self._made:
            file, path = self._made.popitem()
            try:
                found = _lstat(path)
                if (found.st_dev, found.st_ino) == file and S_ISSOCK(found.st_mode):
                    _unlink(path)
                    continue
            except OSError:
                pass
            moved.setdefault(os.path.dirname(path), set()).add(file[1])
        for directory, inodes in moved.items():
            _remove_in(directory, inodes)


def _note(kernel: Kernel, found: os.stat_result, *which: int) -> None:
    stamps = found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns
    kernel.room(FileTimes).note(kernel, found.st_dev, found.st_ino, stamps, *which)


def _remove_in(directory: bytes, inodes: set[int]) -> None:
    try:
        with _scandir(directory) as entries:
            for entry in entries:
                if entry.inode() in inodes and S_ISSOCK(_lstat(entry.path).st_mode):
                    _unlink(entry.path)
    except OSError:  # it is gone, or nobody may look into it any more
        pass


class UnixNames:
    """The names of one host's Unix sockets."""

    __slots__ = ("_abstract", "_count", "_files", "_next")

    def __init__(self, files: SocketFiles) -> None:
        self._files = files
        self._abstract: dict[tuple[int, bytes], UnixSocket] = {}
        self._next = 0
        self._count = 0

    def serial(self) -> int:
        """A number for the next socket's records: paths may differ from run to run."""
        self._count += 1
        return self._count

    def add(self, socket: UnixSocket, name: bytes) -> bytes:
        """Give a socket a name, a free abstract one if it is empty; returns it. Raises EADDRINUSE, EINVAL when it has another already."""
        if name and name[0]:
            return self._files.make(socket, name)
        if socket.name is not None:
            if name:
                raise os_error(errno.EINVAL)
            return socket.name
        if not name:
            while True:
                self._next = self._next % 0xFFFFF + 1
                name = b"\0%05x" % self._next
                if (socket.type, name) not in self._abstract:
                    break
        if (socket.type, name) in self._abstract:
            raise os_error(errno.EADDRINUSE)
        self._abstract[socket.type, name] = socket
        return name

    def remove(self, socket: UnixSocket, name: bytes) -> None:
        """The socket is gone, and an abstract name with it."""
        if not name[0]:
            self._abstract.pop((socket.type, name), None)
        else:
            self._files.forget(socket)

    def find(self, name: bytes, kind: int) -> UnixSocket:
        """The socket of a name and a type. Raises EINVAL, ECONNREFUSED, EPROTOTYPE, and what the system says of a path (ENOENT)."""
        if not name:
            raise os_error(errno.EINVAL)
        found = self._files.find(name) if name[0] else self._abstract.get((kind, name))
        if found is None or found.host.unix is not self:
            raise os_error(errno.ECONNREFUSED)
        if found.type != kind:
            raise os_error(errno.EPROTOTYPE)
        return found


__all__ = ["SocketFiles", "UnixNames"]
