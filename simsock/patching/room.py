"""What the patched state keeps for one world.

PYTEST_DONT_REWRITE

Owns the fields of ``Room`` and what they are in a fresh world; each is used by the module that is named beside it.
"""

from __future__ import annotations

from typing import Any


class Room:
    """``kernel.room(Room)``."""

    __slots__ = (
        "draws_from_world",
        "entropy_key",
        "locals_before",
        "urandom_calls",
        "uuid_sequence",
        "uuids",
    )

    def __init__(self) -> None:
        self.draws_from_world = False
        """Whether chance is the world's here: ``entropy="tape"`` (``chance``)."""
        self.entropy_key = b""
        """What ``os.urandom`` hashes with, once somebody has called it (``chance``)."""
        self.urandom_calls = 0
        self.uuids = 0
        self.uuid_sequence: int | None = None
        """How many UUIDs of the time there were, and what keeps those of two worlds apart (``chance``)."""
        self.locals_before: list[tuple[Any, Any]] = []
        """What the code outside had in each ``threading.local`` (``task_locals``)."""
