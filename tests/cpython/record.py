"""Writes ``expected/VERSION.txt``: which tests of the interpreter's own are to pass in a world. Run by hand: ``python -m tests.cpython.record``.

Every test of ``MODULES`` runs on the real network, twice. It is on the list when it passed both times and called the socket module there,
for TCP, UDP or names, and used nothing that worlds do not have: no Unix sockets, no TLS, no other processes. Tests that never call the
network prove nothing here and are left out.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

from . import runner

MODULES = (
    "test.test_docxmlrpc",
    "test.test_ftplib",
    "test.test_httpservers",
    "test.test_imaplib",
    "test.test_poplib",
    "test.test_smtplib",
    "test.test_socketserver",
    "test.test_timeout",
    "test.test_urllib2_localnet",
    "test.test_xmlrpc",
)
FAMILIES = {socket.AF_INET, socket.AF_INET6, -1}
"""-1: a socket made from a descriptor, such as an accepted one."""
TYPES = {socket.SOCK_STREAM, socket.SOCK_DGRAM, -1}
RESOURCES = ("cpu", "network", "walltime")
"""``test_socketserver`` runs its servers only with ``network``; tests that want the internet as well fail without and so are not listed."""
BEYOND = {"test.test_ftplib.TestFTPClass.test_abort": "urgent data (MSG_OOB)"}
"""Tests that want what no audit event shows and worlds do not have."""


def expected_file() -> Path:
    """The list for this version of Python."""
    return Path(__file__).with_name("expected") / f"{sys.version_info[0]}.{sys.version_info[1]}.txt"


def expected() -> list[str]:
    """The names on it."""
    return [line for line in expected_file().read_text().splitlines() if line and not line.startswith("#")]


def _belongs(found: runner.Outcome) -> bool:
    plain = all(family in FAMILIES and kind & 0xF in (*TYPES, 0xF) for family, kind in found.made)
    alone = all(event.startswith("socket.") for event in found.reached)
    return found.outcome == "pass" and bool(found.reached) and plain and alone and not found.tls


def main() -> None:
    """Record, and say how many there are."""
    lines = [f"# Tests that use TCP or UDP and nothing more, as recorded with Python {sys.version.split()[0]} by record.py."]
    for module in MODULES:
        first, second = (runner.run(module, world=False, resources=RESOURCES, trace=True).outcomes for _ in range(2))
        names = [name for name, found in first.items() if name not in BEYOND and _belongs(found) and name in second and _belongs(second[name])]
        lines += ["", *sorted(names)]
        print(module, len(names), "of", len(first))
    expected_file().parent.mkdir(exist_ok=True)
    expected_file().write_text("\n".join(lines) + "\n")
    print(expected_file(), len(expected()))


if __name__ == "__main__":
    main()
