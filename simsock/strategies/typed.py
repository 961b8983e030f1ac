"""What type checkers know of ``simulations``: each option may be a strategy for its values.

Owns these types. Nobody imports it while a program runs. Law: the options are those of ``world/typed.py``; a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, TypeAlias, TypedDict, TypeVar

from hypothesis.strategies import SearchStrategy

from simsock.kernel.units import Duration
from simsock.net.link.typed import Condition, MachinesName
from simsock.world.typed import Chunks, Names, Preempt, ScopePart, Strategy, StrategyName

Value = TypeVar("Value")
Drawn: TypeAlias = Value | SearchStrategy[Value]
"""A value, or a strategy for it."""


class DrawnOptions(TypedDict, total=False):
    """The options of a world, given or drawn."""

    strategy: Drawn[StrategyName | Strategy]
    preempt: Drawn[Preempt]
    scope: Drawn[ScopePart | Iterable[ScopePart] | None]
    link: Drawn[Condition | MachinesName]
    loopback: Drawn[bool]
    chunks: Drawn[Chunks]
    sends: Drawn[Chunks]
    stalls: Drawn[Duration | None]
    collect: Drawn[Literal["random"] | None]
    asyncio_order: Drawn[Literal["documented", "any"]]
    entropy: Drawn[Literal["tape", "real"]]
    start_time: Drawn[datetime | str | float | None]
    max_steps: Drawn[int]
    max_time: Drawn[Duration]
    max_real_time: Drawn[Duration]
    patch: Drawn[bool]
    keep_imports: Drawn[bool]
    fresh: Drawn[Names]
    allow: Drawn[str | Names]
    require_faults: Drawn[bool]
    tls_time: Drawn[Literal["real", "world"]]
