"""The state of the process's random generator, put aside and brought back at little cost.

Owns how it is copied: two and a half kilobytes of the C object, at once, where the object is laid out as it is known to be, and otherwise by
``getstate`` and ``setstate``, which make an integer of each word. Does not know worlds. Law: both ways bring back the same.
"""

from __future__ import annotations

import ctypes
import random
from typing import Any

_SIZE = 4 + 624 * 4
"""Of ``RandomObject`` behind the head of every object: the index, and the words of the Mersenne Twister."""
_generator: Any = random._inst  # the global generator of Lib/random.py
_address = id(_generator) + object.__basicsize__


def _is_laid_out_so() -> bool:
    """Whether what is there is what ``getstate`` says."""
    if random.Random.__base__.__basicsize__ < object.__basicsize__ + _SIZE:  # type: ignore[union-attr]  # it has a base
        return False
    words = (ctypes.c_uint32 * 625).from_buffer_copy(ctypes.string_at(_address, _SIZE))
    return bool((*words[1:], words[0]) == _generator.getstate()[1])


def take() -> Any:
    """Its state now."""
    return (ctypes.string_at(_address, _SIZE), _generator.gauss_next) if _copies else _generator.getstate()


def bring_back(state: Any) -> None:
    """Let it go on from there."""
    if _copies:
        ctypes.memmove(_address, state[0], _SIZE)
        _generator.gauss_next = state[1]
    else:
        _generator.setstate(state)


_copies = _is_laid_out_so()
