"""Strategies for names of hosts.

Owns ``hostnames``. Knows of the syntax (RFC 1123, 2.1) and not whom a name belongs to.
"""

from __future__ import annotations

from hypothesis import strategies as st

from simsock.strategies.checks import check_range

LABEL_LENGTH_MAX = 63
NAME_LENGTH_MAX = 253
_ENDS = "abcdefghijklmnopqrstuvwxyz0123456789"
_MIDDLE = _ENDS + "-"
_LAST = "abcdefghijklmnopqrstuvwxyz"


def hostnames(*, min_labels: int = 1, max_labels: int = 3, max_length: int = 63) -> st.SearchStrategy[str]:
    """Names such as ``a``, ``mail-2.example``: letters, digits, hyphens inside, in lower case; no label longer than 63, and all of it at most
    ``max_length``. The last label begins with a letter, so that no name is an address. The simplest is ``a``.
    """
    check_range("hostnames", "labels", min_labels, max_labels, 1, 127)
    check_range("hostnames", "length", 2 * min_labels - 1, max_length, 1, NAME_LENGTH_MAX)

    @st.composite
    def names(draw: st.DrawFn) -> str:
        labels: list[str] = []
        left = max_length
        most = draw(st.integers(min_labels, max_labels))
        for number in range(most):
            still_due = max(min_labels - number - 1, 0)
            room = min(left - 2 * still_due, LABEL_LENGTH_MAX)
            if room < 1:
                break
            label = draw(st.text(_LAST, min_size=1, max_size=1)) if not number else draw(st.text(_ENDS, min_size=1, max_size=1))
            if room > 1 and (more := draw(st.text(_MIDDLE, max_size=min(room - 1, 15)))):
                label += more.rstrip("-")
            labels.append(label)
            left -= len(label) + 1
        return ".".join(reversed(labels))

    return names()
