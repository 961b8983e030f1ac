"""Modules with C code that talks to the network, or waits, on its own: no world can see what they do.

Owns how such a module is recognised: by the names that its file asks the dynamic linker for. Does not load anything, and does not know what
is to be done about it. Simpler than reality: a module that leaves the talking to another library is only found if it is one of those known.
"""

from __future__ import annotations

import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES

from simsock.tuples import NamedTuple

FILE_BYTES_MAX = 64 * 1024 * 1024
_CALLS = tuple("connect accept accept4 sendto recvfrom sendmsg recvmsg getaddrinfo epoll_wait epoll_pwait kqueue io_uring_enter".split())
_KNOWN = {
    "psycopg2._psycopg": "libpq",
    "psycopg_c.pq": "libpq",
    "psycopg_binary.pq": "libpq",
    "MySQLdb._mysql": "libmysqlclient",
    "pycurl": "libcurl",
    "pymssql._mssql": "FreeTDS",
    "pyodbc": "ODBC",
    "zmq.backend.cython._zmq": "libzmq",
    "confluent_kafka.cimpl": "librdkafka",
}
"""Modules whose talking is done by another library."""


class Native(NamedTuple):
    """A loaded extension module that talks on its own. ``by``: the calls that it makes, or the library that makes them."""

    name: str
    by: str


def find_native() -> list[Native]:
    """Extension modules from outside the standard library, loaded now, that use the network without Python's ``socket``; by name."""
    own = tuple({sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")})
    found = []
    for name, module in sorted(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if name in _KNOWN:
            found.append(Native(name, _KNOWN[name]))
        elif isinstance(path, str) and path.endswith(tuple(EXTENSION_SUFFIXES)) and not _is_standard(path, own):
            calls = _calls_of(path)
            if calls:
                found.append(Native(name, ", ".join(calls)))
    return found


def _is_standard(path: str, own: tuple[str, ...]) -> bool:
    return path.startswith(own) and "site-packages" not in path and "dist-packages" not in path


def _calls_of(path: str) -> list[str]:
    """Which of the calls a shared library imports: their names stand in its string table between two NUL bytes (ELF; Mach-O puts a _ before)."""
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_BYTES_MAX)
    except OSError:
        return []
    return [call for call in _CALLS if any(b"\0" + mark + call.encode() + b"\0" in content for mark in (b"", b"_"))]
