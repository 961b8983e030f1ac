"""The pluggable network: five modules by the names that every Python programmer knows.

Owns the ``Network`` protocol, its two implementations, and which of them is in force. Does not know what is done with a network, nor
how a simulated one works inside. Laws of the file:

* a network is a set of modules shaped like the standard ones; there is no other vocabulary;
* which network is in force is one fact of the process, not of a thread: a thread started under ``use()`` sees the same one;
* nothing is imported before it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from simsock.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

SIMSOCK_ROOM = "face"

NAMES = ("socket", "selectors", "threading", "time", "os")
"""The modules that make a network."""


error_hooks: list[Callable[[Any, Any, Any, Exception], bool]] = []
"""Called with ``(server, request, client_address, error)`` for every exception that a request to a server of ``simsock.socketserver`` ends in, in the thread
it was raised in: here, so that a world without such a server need not load them.

They are called from where the framework catches the error, so also when ``handle_error`` is overridden, and before it. A hook that
returns true has taken the error: ``handle_error`` is called all the same, being the user's, but ``BaseServer``'s own prints nothing.
Errors in a forked child are only printed there: what a hook notes in the child is lost with it.
"""


class Network(Protocol):
    """What a program needs from its surroundings: five modules with the names and shapes of the standard library's."""

    @property
    def socket(self) -> Any:
        """Like the standard ``socket``."""

    @property
    def selectors(self) -> Any:
        """Like the standard ``selectors``."""

    @property
    def threading(self) -> Any:
        """Like the standard ``threading``."""

    @property
    def time(self) -> Any:
        """Like the standard ``time``."""

    @property
    def os(self) -> Any:
        """Like the standard ``os``."""


class RealNetwork:
    """The standard library itself: real sockets, threads and clocks.

    >>> import socket
    >>> RealNetwork().socket is socket
    True
    """

    __slots__ = ()

    @property
    def socket(self) -> Any:
        """The standard ``socket``."""
        import socket

        return socket

    @property
    def selectors(self) -> Any:
        """The standard ``selectors``."""
        import selectors

        return selectors

    @property
    def threading(self) -> Any:
        """The standard ``threading``."""
        import threading

        return threading

    @property
    def time(self) -> Any:
        """The standard ``time``."""
        import time

        return time

    @property
    def os(self) -> Any:
        """The standard ``os``."""
        import os

        return os

    def __repr__(self) -> str:
        return "<simsock.RealNetwork>"


class SimulatedNetwork:
    """The stand-ins: the sockets, threads and clock of the world that is running. ``sim.network`` is one of these."""

    socket: Any
    selectors: Any
    threading: Any
    time: Any
    os: Any
    is_loaded = False
    """Whether every stand-in is there."""

    def __getattr__(self, name: str) -> Any:
        # Only for names that are not attributes yet; from then on a stand-in costs no more than any attribute. Servers ask at every request.
        if name not in NAMES:
            raise AttributeError(f"a network has {', '.join(NAMES)}, and not {name}", name=name, obj=self)
        module = import_module(f"simsock.stdlib.{name}")
        setattr(self, name, module)
        return module

    def load(self) -> None:
        """Make every stand-in that is not there yet. To be called outside every world: in one, locks that a module takes while it is imported are points."""
        for name in NAMES:
            getattr(self, name)
        self.is_loaded = True

    def __repr__(self) -> str:
        return "<simsock.network.SimulatedNetwork>"


class use:
    """Put a network in force for the length of a ``with`` block, for every thread of the process.

    >>> network = RealNetwork()
    >>> with use(network):
    ...     in_force() is network
    True

    Blocks nest, and those of different threads may end in any order: the one entered last that has not ended is in force.
    Raises ``UsageError`` at once when the argument is not a network.
    """

    __slots__ = ("network",)

    def __init__(self, network: Network) -> None:
        self.network = checked(network)

    def __enter__(self) -> Network:
        push(self)
        return self.network

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pop(self)


_real = RealNetwork()
_stack: list[use] = []


def in_force() -> Network:
    """The network that a server made now would use: the innermost ``use()``'s or world's, else the real one."""
    return _stack[-1].network if _stack else _real


def push(entry: use) -> None:
    """Put an entry in force. A world keeps its entry, made once by ``use(network)``, and pushes and pops it as it is entered and left."""
    _stack.append(entry)


def drop(entry: use) -> bool:
    """Take an entry out of force: the latest push of it, wherever it now stands in the stack. Returns whether it was in force."""
    for place in range(len(_stack) - 1, -1, -1):
        if _stack[place] is entry:
            del _stack[place]
            return True
    return False


def pop(entry: use) -> None:
    """The same for one that is in force."""
    if drop(entry):
        return
    raise UsageError(f"{entry.network!r} is not in force: a use() block ended twice, or ended without being entered")


def checked(network: Any) -> Network:
    """The argument itself if it is a network, else ``UsageError`` saying what is missing and what was probably meant."""
    if isinstance(network, (RealNetwork, SimulatedNetwork)):
        return network
    shown = f"{network!r:.80} ({type(network).__name__})"
    if isinstance(network, type):
        raise UsageError(f"a network is wanted and {network.__name__} is a class: make one of it, {network.__name__}()")
    missing = [name for name in NAMES if not hasattr(network, name)]
    if not missing:
        return network  # type: ignore[no-any-return]  # any object with the five modules is one
    if hasattr(network, "network"):
        raise UsageError(f"a network is wanted, not {shown}: was its attribute .network meant?")
    raise UsageError(f"a network is an object with the modules {', '.join(NAMES)}; {shown} has no {', '.join(missing)}")
