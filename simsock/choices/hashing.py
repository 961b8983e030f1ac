"""The hash by which seeds are derived and runs are told apart.

PYTEST_DONT_REWRITE

Owns where it comes from: CPython's own BLAKE2, which is what ``hashlib`` hands out. By ``hashlib`` OpenSSL would be loaded as well, and set up, for every first
world. Does not know what is hashed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import blake2b
else:
    try:
        from _blake2 import blake2b
    except ImportError:  # a Python built without it, whose hashlib says so
        from hashlib import blake2b

__all__ = ["blake2b"]
