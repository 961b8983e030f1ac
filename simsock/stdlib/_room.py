"""What the stand-ins keep for one world.

PYTEST_DONT_REWRITE

Owns the fields of ``Room`` and what they are in a fresh world; each is used by the module that is named beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.kernel.task import Task


class Room:
    """``kernel.room(Room)``."""

    __slots__ = (
        "allowed",
        "ask_real",
        "ask_waited",
        "default_timeout_ns",
        "futures_hashed",
        "glanced_at",
        "glances",
        "granted_to",
        "grants",
        "looked_at",
        "looks",
        "made",
        "moved",
        "news",
        "peers_by_number",
        "real_peers",
        "real_sockets",
        "socket_class",
        "sockets_hashed",
        "sought",
        "sought_at",
        "threads_born",
    )

    def __init__(self) -> None:
        self.allowed: frozenset[tuple[str, int]] = frozenset()
        """Addresses of real peers that the fence lets through, and those that were talked to (``_allowed``)."""
        self.real_peers: list[str] = []
        self.real_sockets: dict[int, Any] = {}
        """Weak references to those that talk to them, by their descriptors, which others may have by now."""
        self.peers_by_number: dict[int, str] = {}
        """Whom a descriptor's number leads to, or led to while its socket was still simulated: event loops keep that."""
        self.ask_real: Any = None
        """Told of each call on a real descriptor and of its number, and may refuse it (``os``, ``simsock.patching.descriptors``)."""
        self.ask_waited: Any = None
        """Told of each real socket or pipe that a task wants to wait for: the call, its number, and what it is; refuses it (``_files``, the same)."""
        self.default_timeout_ns: int | None = None
        """``socket.setdefaulttimeout`` (``_socketbase``)."""
        self.socket_class: Any = None
        """The class of the sockets that are made for the program, if it is none of ours (``simsock.patching.sockets``)."""
        self.sockets_hashed = 0
        """Of how many sockets somebody has asked for the hash (``_socketbase``)."""
        self.threads_born = 0
        """How many thread objects were made (``_thread_hashes``)."""
        self.futures_hashed = 0
        """Of how many futures somebody has asked for the hash (``_future_hashes``)."""
        self.granted_to: Task | None = None
        self.grants = 0
        """How many operations in a row were granted to that task while the world ends (``_waiting``)."""
        self.looked_at = -1
        self.looks = 0
        """How often somebody looked at the clock in that instant (``_waiting``)."""
        self.glanced_at = -1
        self.glances = 0
        """How often somebody looked at other things that threads share, in that instant, or since something happened (``_waiting``)."""
        self.moved = 0
        """How many items were put into queues and taken out of them (``_polls``, ``_simplequeue``)."""
        self.sought: set[Any] = set()
        self.sought_at = -1
        """Files that were looked for at that time, and are not there."""
        self.news: object = None
        """What had happened when glances were last counted anew (``_waiting``)."""
        self.made: dict[str, int] = {}
        """How many locks, queues and so on there are, by kind (``_waiting``)."""


def meet(kernel: Kernel, call: str, fd: Any) -> None:
    """A task calls something on a real descriptor: a patched world lets nobody wait at one, nor talk to anybody outside."""
    ask = kernel.room(Room).ask_real
    if ask is not None:
        ask(call, fd)
