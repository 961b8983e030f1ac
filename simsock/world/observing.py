"""What a test sees of a world from outside: the table of its sockets, files of what passes between its hosts, watchers of what happens.

Owns the methods of ``Simulation`` that look. Does not know how anything is stored. Law: who looks changes nothing: no step, no draw, no
record, the same digest.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from simsock.errors import NoEffectWarning, UsageError, meant
from simsock.kernel.watchers import EVENTS, Watcher, unwatch, watch, watching
from simsock.net.fabric import LOCALHOST, fabric_of
from simsock.patching import late
from simsock.world.hosts import Host

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.net.netstat import Netstat
    from simsock.world.capturing import Capture


ROWS_TOLD_MAX = 40


class Observing:
    """What ``Simulation`` inherits."""

    __slots__ = ()

    if TYPE_CHECKING:
        _kernel: Kernel | None
        _watchers: list[Watcher]

        def _running(self) -> Kernel: ...

    def add_watcher(self, watcher: Watcher) -> None:
        """Have a ``Watcher`` told what happens: from the beginning if the world has not been entered yet, else from now on.

        Raises ``UsageError`` for what is no ``Watcher``, or one that listens to nothing.
        """
        if not isinstance(watcher, Watcher):
            raise UsageError(f"add_watcher: expected an object of a subclass of simsock.Watcher, got {watcher!r}")
        if all(getattr(type(watcher), event) is getattr(Watcher, event) for event in EVENTS):
            own = [name for name in vars(type(watcher)) if not name.startswith("_")]
            near = next((found for name in own if (found := meant(name, EVENTS))), "")
            raise UsageError(f"add_watcher: {type(watcher).__qualname__} overrides no event of {', '.join(EVENTS)}: it would hear nothing{near}")
        if self._kernel is None:
            self._watchers.append(watcher)
        else:
            watch(self._running(), watcher)

    def remove_watcher(self, watcher: Watcher) -> None:
        """Tell it no more. ``UsageError`` if it is none of this world's."""
        all_of_them = self._watchers if self._kernel is None else watching(self._running())
        if not any(other is watcher for other in all_of_them):
            raise UsageError(f"remove_watcher: {watcher!r} does not watch this world")
        if self._kernel is None:
            self._watchers.remove(watcher)
        else:
            unwatch(self._running(), watcher)

    def netstat(self) -> Netstat:
        """All sockets of all hosts as they are now: a tuple of ``SocketEntry``; ``str()`` of it is a table as ss(8) prints it."""
        return _netstat(self._running())

    def capture(self, path: Any, *, hosts: Any = None, secrets: bool = False) -> Capture:
        """Write what passes between hosts to a pcapng file, from now on until the world (or the ``with`` block) ends.

        One interface a host, as if each ran tcpdump: IP, TCP and UDP headers with true sequence numbers and checksums, at virtual times. What is
        lost on the way is seen only where it left. ``hosts``: one or several whose interfaces are wanted (all without).
        ``secrets=True``: with what opens the TLS in it; those of contexts that have a ``keylog_filename`` are there in any case. Raises ``UsageError``
        at once if the path cannot be written.
        """
        kernel = self._running()
        if hosts is not None:
            chosen = [hosts] if isinstance(hosts, (str, Host)) else list(hosts) if isinstance(hosts, Iterable) else []
            if not chosen or not all(isinstance(host, (str, Host)) for host in chosen):
                raise UsageError(f"capture: expected hosts by name or as themselves, got {hosts!r}")
            hosts = [host if isinstance(host, str) else host.name for host in chosen]
        if not isinstance(secrets, bool):
            raise UsageError(f"capture: secrets: expected True (what opens the TLS in it is in the file) or False, got {secrets!r}")
        capture: Capture = late.import_module("simsock.world.capturing").Capture(kernel, path, hosts, secrets)
        return capture


def _netstat(kernel: Kernel) -> Netstat:
    table: Netstat = late.import_module("simsock.net.netstat").netstat(kernel)
    return table


def end_captures(kernel: Kernel) -> list[Any]:
    """End all captures of a world; returns what went wrong."""
    if fabric_of(kernel).tap is None:  # as in nearly every world
        return []
    problems: list[Any] = late.import_module("simsock.world.capturing").end_captures(kernel)
    return problems


def warn_of_no_effect(kernel: Kernel, stacklevel: int) -> None:
    """Say that the world's link, or that of its only host to all others, was never on anything that was sent."""
    link = fabric_of(kernel).unused_link()
    if link is not None:
        by_name = fabric_of(kernel).is_configured
        remedy = f"Name it twice (sim.link({LOCALHOST!r}, {LOCALHOST!r}, ...)) to have it there" if by_name else "Say loopback=True to have it there too"
        warnings.warn(
            f"{'sim.link with ' if by_name else 'link='}{link!r} had no effect: all that was sent stayed on {LOCALHOST}, the only host, whose link to itself "
            f'is perfect. {remedy}, or give one end a host of its own: with sim.host("client"): ...',
            NoEffectWarning,
            stacklevel=stacklevel + 1,
        )


def note_sockets(error: BaseException, kernel: Kernel) -> None:
    """Add the sockets to an error that says which tasks wait for what."""
    if sockets := _netstat(kernel):
        error.add_note(f"sockets:\n{sockets.table(ROWS_TOLD_MAX)}")
