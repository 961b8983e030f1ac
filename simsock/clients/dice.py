"""Chance for clients and what they say: the world's in a world, a seed's elsewhere.

Owns nothing but where a generator's seed comes from. Laws: in a world two runs with the same seed draw the same; two draws of one world, or of
two tasks of it, differ; use ``getrandbits`` where the result must be the same on every Python.
"""

from __future__ import annotations

from random import Random
from typing import Any

from simsock.choices import derive_seed
from simsock.kernel import session
from simsock.network import SimulatedNetwork, in_force


def world() -> Any:
    """The kernel of the world that the code runs in, or None on the real network."""
    return session.kernel() if isinstance(in_force(), SimulatedNetwork) else None


class _Cast:
    """How many generators one world has given out, by name."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}


def dice(what: str, seed: int | str | None = None) -> Random:
    """A generator for ``what``: from ``seed`` if there is one, from the world if there is one, else always the same."""
    kernel = world()
    if seed is None and kernel is not None:
        name = f"{what} of {kernel.current.path}"
        counts = kernel.room(_Cast).counts
        counts[name] = counts.get(name, 0) + 1
        return Random(derive_seed(kernel.seed, f"{name} {counts[name]}"))
    return Random(derive_seed(0 if seed is None else seed, what))
