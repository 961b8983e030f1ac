"""What type checkers know of worlds: the options that every door takes, hosts, addresses, servers.

Owns the types of arguments. Nobody imports it while a program runs. Law: the options are those of ``options.py``, and the names those of the kernel; a test
compares them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from os import PathLike
from types import ModuleType
from typing import Any, Literal, Protocol, TypedDict

from simsock.kernel.units import Duration
from simsock.net.link.typed import Condition, MachinesName
from simsock.world.hosts import Host
from simsock.world.servers import Served

Strategic = Literal["fifo", "random", "portfolio", "guided", "pos", "surw", "surw:selective", "dfs", "pct", "pcth"]
Deep = Literal["pct:1", "pct:2", "pct:3", "pct:4", "pct:5", "pct:6", "pct:7", "pct:8", "pct:9", "pct:10"]
DeepHot = Literal["pcth:1", "pcth:2", "pcth:3", "pcth:4", "pcth:5", "pcth:6", "pcth:7", "pcth:8", "pcth:9", "pcth:10"]
Levels = Literal["dfs:0", "dfs:1", "dfs:2", "dfs:3", "dfs:4", "dfs:5", "dfs:6"]
StrategyName = Strategic | Deep | DeepHot | Levels
"""Strategies that have a name. Greater numbers exist, and are rarely of use."""
Preempt = Literal["calls", "lines", "instructions"]
"""Where a task may be switched out."""
Chunks = Literal["whole", "random", "bytes"] | list[int] | tuple[int, ...]
"""How bytes of a stream are cut."""
ScopePart = str | PathLike[str] | ModuleType
Names = list[str] | tuple[str, ...]


class Strategy(Protocol):
    """A strategy of the user's: an object with the three methods of its life."""

    def begin(self, run: Any, /) -> object:
        """A run begins; ``run.seed`` is what chance is drawn from."""

    def pick(self, task: Any, runnable: Any, preempting: bool, /) -> Any:
        """Which of the runnable tasks is next."""

    def end(self, run: Any, /) -> object:
        """The run is over."""


class WorldOptions(TypedDict, total=False):
    """The options of a world: docs/options.md says what each is."""

    strategy: StrategyName | Strategy
    preempt: Preempt
    scope: ScopePart | Iterable[ScopePart] | None
    link: Condition | MachinesName
    loopback: bool
    chunks: Chunks
    sends: Chunks
    stalls: Duration | None
    collect: Literal["random"] | None
    asyncio_order: Literal["documented", "any"]
    entropy: Literal["tape", "real"]
    start_time: datetime | str | float | None
    max_steps: int
    max_time: Duration
    max_real_time: Duration
    patch: bool
    keep_imports: bool
    fresh: Names
    allow: str | Names
    require_faults: bool
    tls_time: Literal["real", "world"]


class MarkerOptions(WorldOptions, total=False):
    """What ``@pytest.mark.simsock`` takes."""

    seed: int | str
    schedules: int
    world: Literal["test", "class", "module", "session"]
    runner: Literal["trio", "asyncio"]


class HasAddress(Protocol):
    """A server of any make that knows where it listens."""

    @property
    def server_address(self) -> Any:
        """An address."""


class Serving(Protocol):
    """A server that is ready to be served."""

    def serve_forever(self) -> object:
        """Serve until it is shut down."""

    def shutdown(self) -> object:
        """End that."""

    def server_close(self) -> object:
        """Close what it listens at."""


Address = tuple[str, int] | tuple[str, int, int, int]
Reachable = Served[Any] | HasAddress | Address
"""What ``connect`` takes."""
Hosts = str | Host | Iterable[str | Host]
"""One host or several, by name or as themselves."""
