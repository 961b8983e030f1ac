"""Stand-in for ``selectors``: the standard classes over the simulated ``select`` and ``poll``.

Owns nothing but the exchange: the standard module's classes are pure Python and take the system call as a class attribute.
"""

from __future__ import annotations

import selectors as _real
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any

from simsock.errors import Unsupported
from simsock.stdlib import select as _select

__all__ = ["EVENT_READ", "EVENT_WRITE", "BaseSelector", "DefaultSelector", "PollSelector", "SelectSelector", "SelectorKey"]


class SelectSelector(_real.SelectSelector):
    """A selector over the simulated ``select``."""

    def _select(self, r: Any, w: Any, x: Any, timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
        return _select.select(r, w, x, timeout)


class PollSelector(_real.PollSelector):
    """A selector over the simulated ``poll``."""

    _selector_cls = _select.poll


class DefaultSelector(PollSelector):
    """The best selector that is simulated."""


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise Unsupported(f"selectors.{name} is not simulated yet; SelectSelector and PollSelector are")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
