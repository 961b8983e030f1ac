"""Strategies for what clients do: how their bytes are cut, and what they say in a dialogue.

Owns ``chunks`` and ``client_scripts``. Does not know protocols.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from hypothesis import strategies as st

from simsock.errors import UsageError
from simsock.strategies.checks import check_drawn, check_range, check_strategy
from simsock.strategies.requests import lines


def chunks(data: Any, *, min_cuts: int = 0, max_cuts: int = 8) -> st.SearchStrategy[list[int]]:
    """How ``data`` (bytes, or how many there are) may be cut: sizes that add up to it, for ``chunks=``. The simplest is one piece.

    There are no more cuts than the data has places for.
    Raises ``UsageError`` for more cuts than that at once.
    """
    count = data if isinstance(data, int) and not isinstance(data, bool) else len(data) if isinstance(data, (bytes, bytearray, memoryview)) else -1
    if count < 0:
        raise UsageError(f"chunks: expected bytes, or how many, got {data!r}")
    check_range("chunks", "cuts", min_cuts, max_cuts)
    places = max(count - 1, 0)
    if min_cuts > places:
        raise UsageError(f"chunks: min_cuts={min_cuts}: {count} bytes can be cut at {places} places")
    if not places:
        return st.just([max(count, 1)])

    def sizes(cuts: list[int]) -> list[int]:
        ends = [*sorted(cuts), count]
        return [end - start for start, end in zip([0, *ends], ends)]

    return st.lists(st.integers(1, places), unique=True, min_size=min_cuts, max_size=min(max_cuts, places)).map(sizes)


class ClientScript:
    """A client for ``talk`` that says one thing a turn, whatever it hears."""

    __slots__ = ("turns",)

    def __init__(self, turns: Iterable[bytes]) -> None:
        self.turns = list(turns)

    def __call__(self) -> Generator[bytes, bytes, None]:
        yield from (said for said in self.turns)  # a list could not be sent the replies

    def __repr__(self) -> str:
        return f"ClientScript({self.turns!r})"

    def __eq__(self, other: object) -> bool:
        return self.turns == other.turns if isinstance(other, ClientScript) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # its turns may be changed


def client_scripts(words: st.SearchStrategy[bytes] | None = None, *, min_turns: int = 1, max_turns: int = 5) -> st.SearchStrategy[ClientScript]:
    """Clients that say one of ``words`` (by default: one or two lines) a turn; some wait for a greeting first. The simplest says little at once."""
    check_range("client_scripts", "turns", min_turns, max_turns)
    words = lines(max_lines=2) if words is None else check_strategy("client_scripts", "words", words)
    # Only the first turn may be silent: in a later one the handler waits too, and both would wait for ever.
    turn = words.map(lambda said: check_drawn("client_scripts", "words", said)).filter(bool)
    greeted = st.sampled_from([[], [b""]])
    return st.tuples(greeted, st.lists(turn, min_size=min_turns, max_size=max_turns)).map(lambda both: ClientScript(both[0] + both[1]))
