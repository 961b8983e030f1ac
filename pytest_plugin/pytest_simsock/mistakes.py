"""A mistake in a test itself: no order of events has anything to do with it.

Owns how the plugin raises one, and how one is known. Does not know who asks: a search does not search it, and nobody tells a story of it.
"""

from __future__ import annotations

from typing import Any

import pytest


def plain_mistake(told: str) -> Any:
    """The error to raise: ``told`` alone, without a traceback."""
    error: Any = pytest.fail.Exception(told, pytrace=False)
    error.is_plain_mistake = True
    return error


def is_plain_mistake(error: BaseException | None) -> bool:
    """Whether an error is one."""
    return getattr(error, "is_plain_mistake", False) is True or isinstance(error, pytest.FixtureLookupError)


__all__ = ["is_plain_mistake", "plain_mistake"]
