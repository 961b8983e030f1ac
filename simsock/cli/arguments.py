"""Arguments that several commands have, and how they are read.

Owns their names, words and limits. Does not know what a command does.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.errors import UsageError, meant
from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

EXIT_CODES: dict[str, dict[int, str]] = {
    "run": {0: "as expected", 1: "an expectation failed (the token is printed), or runs of one seed differ", 2: "usage or a broken file"},
    "explore": {0: "no schedule failed", 1: "one did (its token is printed), or runs of one seed differ", 2: "usage, or the function cannot be found"},
    "replay": {1: "the run fails (again)", 0: "it passes", 2: "the token is damaged or no longer fits the program, or runs differ"},
    "check": {0: "the same", 1: "another run (the line and the likely cause are printed)", 2: "usage"},
    "doctor": {0: "a world reaches everything", 1: "something was found", 2: "usage or a module that cannot be imported"},
    "scenarios": {0: "listed", 2: "there are none, or one is broken"},
    "completion": {0: "printed", 2: "usage, or shtab is not installed"},
    "profiles": {0: "listed", 2: "usage"},
    "shell": {0: "left", 1: "something failed in the world", 2: "usage, a broken file, or a mistake in commands that come from a pipe"},
    "init": {0: "written", 2: "usage, or a file is there already"},
}
"""By command: what it ends with, and what that means. Every one ends with 130 when it is interrupted by Ctrl-C."""
CONSENTS: dict[str, tuple[str, object]] = {"patch=False": ("patch", False), "entropy=real": ("entropy", "real")}
"""What a token may ask for only with the caller's consent, and the option that it is; and ``allow=ADDRESS:PORT``, as often as there are real peers."""


def consent_words(options: dict[str, Any]) -> list[str]:
    """The words by which one consents to what a token made with these options asks for."""
    words = [said for said, (name, value) in CONSENTS.items() if name in options and options[name] == value]
    allow = options.get("allow") or ()
    return [*words, *(f"allow={peer}" for peer in ([allow] if isinstance(allow, str) else allow))]


def consented(words: Iterable[str]) -> dict[str, Any]:
    """The options that such words are. Raises ``UsageError`` for others."""
    found: dict[str, Any] = {}
    for word in words:
        if word.startswith("allow=") and word != "allow=":
            found["allow"] = [*found.get("allow", ()), word.partition("=")[2]]
        elif word in CONSENTS:
            name, value = CONSENTS[word]
            found[name] = value
        else:
            raise UsageError(f"--consent: expected {', '.join(CONSENTS)} or allow=ADDRESS:PORT, got {word!r}")
    return found


class Misused(SystemExit):
    """What was typed makes no sense, and that has been printed. ``told`` is the message."""

    def __init__(self, told: str) -> None:
        super().__init__(2)
        self.told = told


class Parser(argparse.ArgumentParser):
    """Complains in printable words: what was typed may have been pasted from a stranger."""

    def parse(self, args: Sequence[str] | None) -> argparse.Namespace:
        """As ``parse_args``, but what no command knows is told by the command that was asked for it, with what was probably meant."""
        found, unknown = self.parse_known_args(args)
        if unknown:
            command = getattr(found, "command_parser", self)
            known = [name for name in command._option_string_actions if name.startswith("--")]
            hint = next((said for one in unknown if (said := meant(one.partition("=")[0], known))), "")
            command.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(choice) for choice in action.choices]
            raise argparse.ArgumentError(action, f"invalid choice: {value!r}; expected one of {', '.join(known)}{meant(value, known)}")

    def error(self, message: str) -> NoReturn:
        message = printable(message)
        self._print_message(f"{self.prog}: error: {message}\n", sys.stderr)  # first: a usage may have twenty lines
        self.print_usage(sys.stderr)
        raise Misused(message)


def codes_of(command: str) -> str:
    """What a command ends with, as a line of its help."""
    return "exit codes: " + ", ".join(f"{code} {words}" for code, words in EXIT_CODES[command].items()) + ", 130 interrupted"


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


__all__ = ["CONSENTS", "EXIT_CODES", "Misused", "Parser", "codes_of", "consent_words", "consented", "find_modules_here", "number", "search_arguments", "seed"]
