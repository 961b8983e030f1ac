"""Every choice of a run, in one place: questions with a dull default answer, and the sparse list of answers that were not it.

Owns the tape, where its answers come from, tokens and shrinking. Does not know tasks, sockets or packets. Laws:

* answer 0 (False, the lowest amount) is the default; only other answers are recorded;
* each label has a stream of its own: asking or configuring one more label never shifts another;
* importing this package loads neither json nor zlib nor base64: tokens and shrinking come in when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simsock.choices.sources import DefaultSource, ReplaySource, SeededSource, derive_seed, generator
from simsock.choices.tape import Deviation, Source, Stream, Tape

if TYPE_CHECKING:
    from simsock.choices.drawn import DrawnSource
    from simsock.choices.shrinking import Shrunk, shrink
    from simsock.choices.tokens import Token

SIMSOCK_ROOM = "inside"

__all__ = [
    "DefaultSource",
    "Deviation",
    "DrawnSource",
    "ReplaySource",
    "SeededSource",
    "Shrunk",
    "Source",
    "Stream",
    "Tape",
    "Token",
    "derive_seed",
    "generator",
    "shrink",
]


def __getattr__(name: str) -> Any:
    value: Any
    if name == "Token":
        from simsock.choices.tokens import Token as value
    elif name == "DrawnSource":
        from simsock.choices.drawn import DrawnSource as value
    elif name == "Shrunk":
        from simsock.choices.shrinking import Shrunk as value
    elif name == "shrink":
        from simsock.choices.shrinking import shrink as value
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
