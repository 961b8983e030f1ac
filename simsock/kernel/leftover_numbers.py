"""Numbers of descriptors that are left of the world before, in which this one has given them to nobody.

Owns the note on the error about one. Does not know who uses descriptors. Laws: nothing is decided by it but words; the error is what it would be anyway.
"""

from __future__ import annotations

import os
from typing import Any

from simsock.kernel import session
from simsock.kernel.failures import bad_descriptor


def is_left(kernel: Any, fd: int) -> bool:
    """Whether a number, which is not open, was one of the world before and is none of this one's."""
    return session.before is not None and bool(kernel.process.given <= fd < session.before[0])


def not_open(kernel: Any, fd: int) -> OSError:
    """The error of a call on a descriptor that is not open, which says so if that was one of the world before."""
    error = bad_descriptor()
    if session.before is not None and is_left(kernel, fd):
        _, number, seed = session.before
        error.add_note(
            f"descriptor {fd} is none of this world; it was one of the world before, which has ended (world {number} of this process, seed {seed!r}): "
            "make what has it inside this world"
        )
    return error


def _forget() -> None:
    session.before = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

__all__ = ["is_left", "not_open"]
