"""Which impairments of a link took effect, and how often.

Owns the words by which each is told, and what is one: each impairment that strikes single packets or connections counts for itself, what every packet
meets (latency, jitter, rate ...) counts as one. Does not know wires. Law: the same setting has the same words in every run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.net.link.profiles import Hostile
from simsock.net.link.settings import PERFECT

if TYPE_CHECKING:
    from simsock.kernel.happened import Fault, Happened
    from simsock.net.link.settings import Link

CONDITION = "condition"
_STRIKES = {
    "loss": "loss",
    "duplicate": "duplicate",
    "corrupt": "corrupt",
    "reorder": "reorder",
    "reorder_every": "reorder_every",
    "queue": "queue",
    "queue_bytes": "queue_bytes",
    "reset_after_bytes": "reset",
    "reset_after_ns": "reset",
    "close_after_bytes": "close",
    "close_after_ns": "close",
    "blackhole_after_bytes": "blackhole",
    "blackhole_after_ns": "blackhole",
    "slow_close_ns": "slow_close",
    "slice": "slice",
}
"""By setting: what a wire, a connection or its ways say when it took effect."""
_MODIFIES = ("toxicity", "checksum", "distribution", "keep_order", "overhead")
"""Settings that say how another one takes effect."""


def count_link(happened: Happened, link: Link, where: str) -> dict[str, Fault]:
    """Where it is counted what a link does: by what takes effect. Empty for a perfect link."""
    if link is PERFECT:
        return {}
    if isinstance(link, Hostile):  # what it draws is another thing in each run
        whole = happened.fault(f"the hostile link of {where}")
        return {what: happened.fault(f"the hostile link of {where}: {what}", False) for what in ("loss", "duplicate", "corrupt", "reorder", "queue")} | {
            CONDITION: whole
        }
    seen = {}
    condition = []
    for name, words in link.in_words():
        if name in _STRIKES:
            seen[_STRIKES[name]] = happened.fault(f"{words} of {where}")
        elif name not in _MODIFIES:
            condition.append(words)
    if condition:
        seen[CONDITION] = happened.fault(f"{', '.join(condition)} of {where}")
    return seen


__all__ = ["CONDITION", "count_link"]
