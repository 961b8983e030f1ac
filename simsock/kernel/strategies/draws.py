"""What strategies draw from: a seeded stream, cheap to begin, because a search begins one for every schedule.

PYTEST_DONT_REWRITE

Owns the stream. Does not know what is drawn for. Laws: hashing and integer arithmetic only, so the same numbers on every Python and machine;
never the tape, which records what was picked.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, count, islice, takewhile
from operator import or_

from simsock.choices.hashing import blake2b


class Draws:
    """Numbers by chance, from a seed of 64 bits."""

    __slots__ = ("_bytes", "byte")

    def __init__(self, seed: int) -> None:
        self._bytes = chain.from_iterable(_blocks(seed))
        self.byte = self._bytes.__next__

    def below(self, count: int) -> int:
        """A whole number from 0 to ``count`` - 1, each as probable."""
        if count <= 256:
            if count <= 1:
                return 0
            byte = self.byte
            mask = MASKS[count]
            value = byte() & mask
            while value >= count:
                value = byte() & mask
            return value
        value = count
        if count <= 1 << 16:
            byte = self.byte
            mask = (1 << (count - 1).bit_length()) - 1
            while value >= count:
                value = (byte() | byte() << 8) & mask
            return value
        bits = (count - 1).bit_length()
        while value >= count:
            value = self.bits(bits)
        return value

    def bits(self, size: int) -> int:
        """A whole number of so many bits."""
        if size == 32:  # what priorities are drawn with: less than half of the time
            byte = self.byte
            return byte() | byte() << 8 | byte() << 16 | byte() << 24
        return int.from_bytes(islice(self._bytes, (size + 7) // 8), "little") & ((1 << size) - 1)

    def misses(self, size: int) -> int:
        """How often ``bits(size)`` (of 1 to 16) is drawn before it is 0: hundreds of draws, so no line of Python runs for any of them."""
        if size <= 8:
            return len(list(takewhile(((1 << size) - 1).__and__, self._bytes)))
        high = map(((1 << size - 8) - 1).__and__, self._bytes)
        return len(list(takewhile(bool, map(or_, self._bytes, high))))


MASKS = [(1 << max(count - 1, 0).bit_length()) - 1 for count in range(257)]
"""The smallest mask that covers 0 to count - 1, for a draw with rejection."""


def _blocks(seed: int) -> Iterator[bytes]:
    keyed = blake2b(key=seed.to_bytes(8, "little"))
    for block in count():
        hashed = keyed.copy()
        hashed.update(block.to_bytes(8, "little"))
        yield hashed.digest()
