"""Who runs worlds and does not live in them: pytest, Hypothesis and their kin.

PYTEST_DONT_REWRITE

Owns the names of their packages, and which standard streams they have put away. Knows nothing else. Law: a module whose name begins with
``pytest_`` is the program's like any other, unless this run has loaded it as a plugin, or somebody says so.
"""

from __future__ import annotations

SIMSOCK_ROOM = "outside"

HARNESS = frozenset(
    "simsock pytest_simsock _pytest pytest py pluggy hypothesis coverage execnet xdist greenlet faulthandler iniconfig "
    "_hypothesis_globals _hypothesis_pytestplugin _hypothesis_ftz_detector".split()
)
"""Top-level packages that always are."""
extra: set[str] = set()
"""Packages that are for this run: plugins that it has loaded, and what a test suite names (``simsock_harness`` in the ini file)."""
program: set[str] = set()
"""Packages that a test suite says are its program although they look otherwise (``simsock_program``)."""
streams: set[tuple[int, int]] = set()
"""(device, inode) of what stood behind standard input, output and error before the harness put others in their place, as pytest does to capture."""


def is_harness(name: str) -> bool:
    """Whether a module belongs to the harness."""
    top = name.partition(".")[0]
    return top not in program and (top in HARNESS or top in extra)
