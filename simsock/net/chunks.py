"""How stream bytes are cut: ``recv(n)`` returns 1 to n bytes, ``send(data)`` takes 1 to all of them, and how many is a question to the tape.

Owns the options ``chunks`` (what is received) and ``sends`` (what is sent). Knows no sockets. Law: the dull answer is "everything".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError, meant
from simsock.kernel.happened import Fault

if TYPE_CHECKING:
    from simsock.choices import Tape

NAMES = ("whole", "random", "bytes")


def check_chunks(chunks: Any, option: str = "chunks") -> Any:
    """The option ``chunks`` (or ``sends``), checked: a name of ``NAMES`` or a list of sizes, which is repeated."""
    if isinstance(chunks, str) and chunks in NAMES:
        return chunks
    if isinstance(chunks, (list, tuple)) and chunks and all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in chunks):
        return tuple(chunks)
    raise UsageError(f"{option}: expected {', '.join(map(repr, NAMES))} or a list of sizes in bytes, got {chunks!r}{meant(chunks, NAMES)}")


def make_cutter(
    chunks: Any, tape: Tape, label: str, fault: Fault | None = None, note: Callable[[str, int, int, int], object] | None = None
) -> Callable[[int], int] | None:
    """For one direction of a connection: a function from the bytes there are to the most that the next call may return, or take; None for no cutting.

    ``fault``: where it is counted how often that was less than there is. ``note``: who is told of each such answer of the tape, with the label, the
    number of the question, how much it was and how much there is.
    """
    if chunks == "whole":
        return None
    counted = fault if fault is not None else Fault()
    if chunks == "bytes":

        def cut_single(have: int) -> int:
            counted.times += have > 1
            return 1

        return cut_single
    if chunks == "random":
        stream = tape.stream(label)

        def cut_anywhere(have: int) -> int:
            if have < 2:
                return have
            most = int(stream.amount(0, have - 1))
            if not most:
                return have
            counted.times += 1
            if note is not None:
                note(label, stream.index - 1, most, have)
            return most

        return cut_anywhere
    sizes: tuple[int, ...] = tuple(chunks)
    turn = -1

    def cut(have: int) -> int:
        nonlocal turn
        turn = (turn + 1) % len(sizes)
        counted.times += sizes[turn] < have
        return sizes[turn]

    return cut
