"""Arguments that several commands have, and how they are read.

Owns their names, words and limits. Does not know what a command does.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, NoReturn

from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Callable

EXIT_CODES = "exit codes: 0 as expected, 1 an expectation failed (the token is printed), 2 usage or a broken file, 130 interrupted"
CONSENTS: dict[str, tuple[str, object]] = {"patch=False": ("patch", False), "entropy=real": ("entropy", "real")}
"""What a token may ask for only with the caller's consent, and the option that it is."""


class Parser(argparse.ArgumentParser):
    """Complains in printable words: what was typed may have been pasted from a stranger."""

    def error(self, message: str) -> NoReturn:
        super().error(printable(message))


def search_arguments(parser: argparse._ActionsContainer, schedules: int | None) -> None:
    """Those of ``run`` and ``explore``."""
    shown = "what the file says" if schedules is None else str(schedules)
    parser.add_argument("--schedules", type=number(1, 10_000_000), default=schedules, metavar="N", help=f"how many to try ({shown})")
    parser.add_argument("--seed", type=seed, help="a whole number or text; another seed tries other schedules")
    parser.add_argument("--jobs", type=number(1, 1_000), default=1, metavar="N", help="processes that share the work (1)")


def number(low: int, high: int) -> Callable[[str], int]:
    """What reads a whole number within limits."""

    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text[:20]) <= high:
            raise argparse.ArgumentTypeError(f"expected a whole number from {low} to {high}, got {text!r}")
        return int(text)

    return read


def seed(text: str) -> int | str:
    """A whole number, or any other text."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 60 else text


def find_modules_here() -> None:
    """Make the working directory importable, as ``python -m`` does."""
    if "" not in sys.path and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


__all__ = ["CONSENTS", "EXIT_CODES", "Parser", "find_modules_here", "number", "search_arguments", "seed"]
