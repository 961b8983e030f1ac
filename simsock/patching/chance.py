"""Chance inside a world: seeded from its tape.

Owns the process's global random generator while a world runs, fresh generators, and ``os.urandom``. OpenSSL's randomness is out of reach.
Law: outside the world's thread, and after the world, chance is what it was.
"""

from __future__ import annotations

import os
import random
from _thread import get_ident
from hashlib import blake2b
from typing import Any

from simsock.choices import derive_seed
from simsock.kernel import Kernel, session

_seed = random.Random.seed


def urandom(size: int, /) -> bytes:
    """Bytes that depend on the world's seed and on how many were asked for before."""
    kernel = session.active
    assert kernel is not None, "only called through a guard"
    key = kernel.state.get("entropy")
    if key is None:
        return _urandom(size)
    if size < 0:
        raise ValueError("negative argument not allowed")
    count = kernel.state["entropy_count"] = kernel.state.get("entropy_count", 0) + 1
    blocks = (blake2b(b"%d/%d" % (count, block), key=key).digest() for block in range(-(-size // 64)))
    return b"".join(blocks)[:size]


_urandom = os.urandom


def pairs() -> list[tuple[Any, Any]]:
    """``os.urandom`` under all its names."""
    return [(os.urandom, urandom)]


def _seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
    """``Random.seed``: without an argument, from the world."""
    kernel = session.active
    if a is None and kernel is not None and kernel.thread == get_ident() and kernel.state.get("entropy") is not None:
        a = int.from_bytes(urandom(16), "little")
    _seed(self, a, version)


class Chance:
    """Takes over the generators for one world."""

    def __init__(self) -> None:
        self._before: Any = None

    def apply(self) -> None:
        """The patched state begins."""
        random.Random.seed = _seeded  # type: ignore[method-assign]  # undone in remove

    def remove(self) -> None:
        """The patched state ends."""
        if random.Random.seed is _seeded:
            random.Random.seed = _seed  # type: ignore[method-assign]  # what it was

    def enter(self, kernel: Kernel, seed: int | str) -> None:
        """A world begins."""
        self._before = random.getstate()
        kernel.state["entropy"] = derive_seed(seed, "entropy").to_bytes(8, "little")
        _seed(random._inst, derive_seed(seed, "random"))  # the global generator of Lib/random.py

    def leave(self) -> None:
        """The world is over."""
        if self._before is not None:
            random.setstate(self._before)
            self._before = None
