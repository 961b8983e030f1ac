"""Requests out of pieces.

Owns where something is wrong in a row of pieces: in the last one. Does not know what a piece is.
"""

from __future__ import annotations

from hypothesis import strategies as st


def assemble(piece: st.SearchStrategy[bytes], broken: st.SearchStrategy[bytes], least: int, most: int, wrong: str) -> st.SearchStrategy[bytes]:
    """From ``least`` to ``most`` pieces in a row; where something is wrong, it is the last one."""
    valid = st.lists(piece, min_size=least, max_size=most).map(b"".join)
    if wrong == "never":
        return valid
    spoilt = st.tuples(st.lists(piece, min_size=max(least - 1, 0), max_size=max(most - 1, 0)).map(b"".join), broken).map(b"".join)
    return spoilt if wrong == "always" else valid | spoilt
