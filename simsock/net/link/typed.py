"""What type checkers know of links: the names and values of impairments, and the names of profiles.

Owns the types of what ``Link`` and ``sim.link`` take. Nobody imports it while a program runs. Law: what stands here is what ``settings.py`` and
``profiles.py`` take; a test compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict

from simsock.kernel.units import Duration
from simsock.net.link.settings import GilbertElliott, Link

Distribution = Literal["uniform", "normal", "pareto", "paretonormal", "lognormal", "exponential"]
"""Of the delays of a link."""
ProfileName = Literal[
    "perfect",
    "loopback",
    "lan",
    "datacenter",
    "wifi",
    "flaky-wifi",
    "dsl",
    "4g",
    "3g",
    "edge",
    "gprs",
    "dial-up",
    "satellite-geo",
    "starlink",
    "hostile",
]
"""Links that have a name: ``simsock profiles``."""
MachinesName = Literal["busy", "phone"]
"""Those that say as well what the world's machines are like, and so are for whole worlds only."""
Condition = Link | ProfileName
"""The condition of a link."""


class Impairments(TypedDict, total=False):
    """What may happen to packets: the arguments of ``Link``. Durations are seconds or ``"80ms"``, shares 0.01 or ``"1%"``."""

    latency: Duration
    jitter: Duration
    distribution: Distribution
    keep_order: bool
    loss: float | str | GilbertElliott
    duplicate: float | str
    corrupt: float | str
    checksum: bool
    reorder: float | str
    reorder_every: int
    rate: int | str
    overhead: int | str
    queue: int
    queue_bytes: int | str
    mtu: int | str
    reset_after: Duration
    close_after: Duration
    blackhole_after: Duration
    slow_close: Duration
    slice: int | Sequence[int]
    toxicity: float | str
