"""Stand-in for ``selectors``: the standard classes over the simulated ``select``, ``poll`` and ``epoll``.

Owns nothing but the exchange: the standard module's classes are pure Python and take the system call as a class attribute.
"""

from __future__ import annotations

import selectors as _real
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any

from simsock.stdlib import select as _select
from simsock.stdlib._errors import UnsupportedName

__all__ = ["EVENT_READ", "EVENT_WRITE", "BaseSelector", "DefaultSelector", "EpollSelector", "PollSelector", "SelectSelector", "SelectorKey"]


class SelectSelector(_real.SelectSelector):
    """A selector over the simulated ``select``."""

    def _select(self, r: Any, w: Any, x: Any, timeout: float | None = None) -> tuple[list[Any], list[Any], list[Any]]:
        return _select.select(r, w, x, timeout)


class PollSelector(_real.PollSelector):
    """A selector over the simulated ``poll``."""

    _selector_cls = _select.poll


class EpollSelector(_real.EpollSelector):
    """A selector over the simulated ``epoll``."""

    _selector_cls = _select.epoll


class DefaultSelector(PollSelector):
    """The best selector that is simulated."""


def __getattr__(name: str) -> Any:
    if hasattr(_real, name) and not name.startswith("_"):
        raise UnsupportedName(f"selectors.{name} is not simulated yet; SelectSelector, PollSelector and EpollSelector are")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
