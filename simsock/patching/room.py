"""What the patched state keeps for one world.

PYTEST_DONT_REWRITE

Owns the fields of ``Room`` and what they are in a fresh world, each of which is used by the module that is named beside it; and which modules are a
package's that is imported anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.errors import Fenced

if TYPE_CHECKING:
    from collections.abc import Iterable


class Room:
    """``kernel.room(Room)``."""

    __slots__ = (
        "draws_from_world",
        "entropy_key",
        "fresh",
        "imported",
        "importing",
        "judges_certificates",
        "keeps_imports",
        "kinds_seen",
        "locals_before",
        "ready_options",
        "ready_order",
        "refused",
        "renewed",
        "runs_loops",
        "unseen",
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
        self.refused: list[Fenced] = []
        """What was refused to callers who catch it on purpose, until somebody has looked whether it was expected besides (``fence``)."""
        self.locals_before: list[tuple[Any, Any]] = []
        """What the code outside had in each ``threading.local`` (``task_locals``)."""
        self.importing: dict[str, Any] = {}
        """Modules that a task is importing, by name (``imports``)."""
        self.imported: list[tuple[str, Any]] = []
        """Modules of the program that this world was the first to import (``imports``)."""
        self.keeps_imports = False
        """Whether they stay when it ends: the option ``keep_imports``."""
        self.judges_certificates = False
        """Whether they are checked by the world's time: the option ``tls_time`` (``tls``)."""
        self.fresh: tuple[str, ...] = ()
        """Packages whose modules are the program's, wherever they are installed: the option ``fresh`` (``imports``)."""
        self.ready_options: tuple[bool, bool, bool] = (False, False, False)
        """Of event loops: whether all orders are explored, whether any is asked for, whether this is the plain schedule (``ready_orders``)."""
        self.ready_order: Any = None
        """Who is asked (``ready_orders``)."""
        self.renewed: Any = None
        """Those that were loaded before, imported anew (``fresh``)."""
        self.runs_loops = False
        """Whether an event loop of asyncio has run: it tells of tasks that failed when they are freed (``outsiders``)."""
        self.unseen: dict[int, Any] = {}
        """Errors of futures that nobody has looked at so far (``unseen``)."""
        self.kinds_seen: set[type] = set()
        """Classes of those that somebody has (``unseen``)."""


def belongs(name: str, packages: Iterable[str]) -> bool:
    """Whether a module is one of these packages, or in one."""
    return any(name == package or name.startswith(package + ".") for package in packages)
