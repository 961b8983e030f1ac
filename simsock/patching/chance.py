"""Chance inside a world: seeded from its tape.

Owns the process's global random generator while the patched state lasts, fresh generators, ``os.urandom``, ``ssl.RAND_bytes``, and what ``uuid`` and
``tempfile`` draw from elsewhere. What OpenSSL draws for itself is out of reach. Law: outside the world's thread, and after the patched state,
chance is what it was.
"""

from __future__ import annotations

import os
import random
import sys
from _thread import get_ident
from types import FrameType
from typing import Any

from simsock.choices import derive_seed
from simsock.choices.hashing import blake2b
from simsock.kernel import Kernel, session
from simsock.patching import generator_state
from simsock.patching.room import Room
from simsock.stdlib import time as clock

_seed: Any = random.Random.seed
_generator: Any = random._inst  # the global generator of Lib/random.py
_UUID_EPOCH = 0x01B21DD213814000
"""100 ns ticks between 1582-10-15 and 1970-01-01: RFC 9562."""
NODE = 0x02_53_49_4D_00_01
"""A locally administered MAC address: "SIM" 1."""


def urandom(size: int, /) -> bytes:
    """Bytes that depend on the world's seed and on how many were asked for before."""
    kernel = session.kernel()
    room = kernel.room(Room)
    if not room.draws_from_world:
        return _urandom(size)
    if not room.entropy_key:
        room.entropy_key = derive_seed(kernel.seed, "entropy").to_bytes(8, "little")
    if size < 0:
        raise ValueError("negative argument not allowed")
    count = room.urandom_calls = room.urandom_calls + 1
    blocks = (blake2b(b"%d/%d" % (count, block), key=room.entropy_key).digest() for block in range(-(-size // 64)))
    return b"".join(blocks)[:size]


_urandom = os.urandom


def _getrandom(size: int, flags: int = 0) -> bytes:
    return urandom(size) if session.kernel().room(Room).draws_from_world else _real_getrandom(size, flags)


_real_getrandom: Any = getattr(os, "getrandom", None)


def _generate_time_safe() -> Any:
    """What ``uuid.uuid1`` asks the system for: a UUID of the virtual time."""
    kernel = session.kernel()
    room = kernel.room(Room)
    if not room.draws_from_world:
        return _real_time_safe()
    count = room.uuids = room.uuids + 1  # two of one instant differ
    ticks = clock.time_ns() // 100 + _UUID_EPOCH + count
    sequence = room.uuid_sequence
    if sequence is None:
        sequence = room.uuid_sequence = int.from_bytes(urandom(2), "big") & 0x3FFF
    low, mid, high = ticks & 0xFFFFFFFF, ticks >> 32 & 0xFFFF, ticks >> 48 & 0x0FFF | 0x1000
    number = low << 96 | mid << 80 | high << 64 | (sequence | 0x8000) << 48 | NODE
    return number.to_bytes(16, "big"), None


try:
    import _uuid  # type: ignore[import-not-found]  # typeshed has no stub

    _real_time_safe: Any = getattr(_uuid, "generate_time_safe", None)
except ImportError:  # a Python built without libuuid
    _real_time_safe = None


try:
    import _ssl

    _real_rand_bytes: Any = _ssl.RAND_bytes
except ImportError:  # a Python built without OpenSSL
    _real_rand_bytes = None


def _rand_bytes(size: int, /) -> bytes:
    return urandom(size) if session.kernel().room(Room).draws_from_world else _real_rand_bytes(size)


def pairs() -> list[tuple[Any, Any]]:
    """``os.urandom`` under all its names, its neighbours, and ``random.seed``, which was bound to its generator before any world."""
    found = [
        (os.urandom, urandom),
        (_real_getrandom, _getrandom),
        (_real_time_safe, _generate_time_safe),
        (_seed_global, seed),
        (_real_rand_bytes, _rand_bytes),
    ]
    return [pair for pair in found if pair[0] is not None]


def _seeded(self: random.Random, a: Any = None, version: int = 2) -> None:
    """``Random.seed``: without an argument, from the world."""
    kernel = session.active
    if a is None and kernel is not None and kernel.thread == get_ident() and kernel.room(Room).draws_from_world:
        a = int.from_bytes((_urandom if _looks_for_a_folder(sys._getframe(1)) else urandom)(16), "little")
    _seed(self, a, version)


def _looks_for_a_folder(frame: FrameType | None) -> bool:
    """Whether ``tempfile`` tries which folder it can write to, once in a process: in a file whose name nobody sees. Later worlds would draw less."""
    for _ in range(4):
        if frame is None:
            return False
        if frame.f_code.co_name == "_get_default_tempdir" and frame.f_globals.get("__name__") == "tempfile":
            return True
        frame = frame.f_back
    return False


def seed(a: Any = None, version: int = 2) -> None:
    """``random.seed``."""
    _seeded(_generator, a, version)


_seed_global: Any = random.seed
_newest: tuple[int | str, Any] | None = None
"""The seed of the world before this one, and the generator's state that it began with: most worlds that follow each other have one seed."""


def _begin(seed: int | str) -> None:
    """The generator is as every world of this seed finds it."""
    global _newest
    if _newest is not None and _newest[0] == seed:
        generator_state.bring_back(_newest[1])
    else:
        _seed(_generator, derive_seed(seed, "random"))
        _newest = seed, generator_state.take()


class Chance:
    """Takes over the generators. ``entropy``: "tape", or "real" for leaving them alone."""

    def __init__(self, entropy: str) -> None:
        self._takes_over = entropy == "tape"
        self._before: Any = None
        self._names: tuple[Any, ...] | None = None
        """What ``tempfile`` had before the world."""
        self._entered = False
        self._aside: Any = None
        """The world's generator and temporary names while it is suspended."""

    def apply(self) -> None:
        """The patched state begins."""
        if self._takes_over:
            self._before = generator_state.take()
            random.Random.seed = _seeded  # type: ignore[method-assign]  # undone in remove

    def remove(self) -> None:
        """The patched state ends. Safe to call again."""
        if self._takes_over:
            if random.Random.seed is _seeded:
                random.Random.seed = _seed  # type: ignore[method-assign]  # what it was
            if self._entered:
                generator_state.bring_back(self._before)
            self._entered = False

    def enter(self, kernel: Kernel, seed: int | str) -> None:
        """A world begins."""
        if self._takes_over:
            self._entered = True
            kernel.room(Room).draws_from_world = True
            _begin(seed)
            tempfile: Any = sys.modules.get("tempfile")
            if tempfile is not None:  # its names come from a generator that it makes at the first use
                self._names = (tempfile._name_sequence,)
                tempfile._name_sequence = None

    def suspend(self) -> None:
        """Chance is real for a while."""
        if self._takes_over and self._aside is None:
            state = generator_state.take()
            generator_state.bring_back(self._before)
            self._aside = (state, self._swap_names(self._names[0] if self._names else None))

    def resume(self) -> None:
        """It is the world's again."""
        if self._aside is not None:
            self._before = generator_state.take()
            state, names = self._aside
            generator_state.bring_back(state)
            self._names = (self._swap_names(names),)
            self._aside = None

    def _swap_names(self, names: Any) -> Any:
        tempfile: Any = sys.modules.get("tempfile")
        if tempfile is None:
            return None
        before, tempfile._name_sequence = tempfile._name_sequence, names
        return before

    def leave(self) -> None:
        """The world is over. Safe to call again."""
        tempfile: Any = sys.modules.get("tempfile")
        if self._names is not None and tempfile is not None:
            tempfile._name_sequence = self._names[0]
        self._names = self._aside = None
