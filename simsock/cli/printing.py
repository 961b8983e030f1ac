"""What commands print where, and what they end with.

Owns the exit codes, the progress of long work and how text reaches a terminal. Does not know any command. Laws:

* results go to standard output, complaints and progress to standard error, and progress only to a terminal (``lines`` has what ``--json`` changes);
* nothing that is printed can steer a terminal, but for colours of ours, on terminals only: not where NO_COLOR or CI is set.
"""

from __future__ import annotations

import os
import shlex
import sys
import time
from typing import TYPE_CHECKING, TextIO

from simsock.cli.lines import Lines
from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

OK, FAILED, BROKEN, INTERRUPTED = 0, 1, 2, 130


class Interrupted(Exception):
    """Ctrl-C while something ran that counts; carries how much was done, in words."""


_SHOWN_EVERY_S = 0.1


class Progress:
    """How many schedules were tried: counted here, and shown on a terminal."""

    def __init__(self, what: str, schedules: int, lines: Lines | None = None) -> None:
        self.tried = 0
        self._lines = lines or Lines()
        self._what = printable(what)
        self._schedules = schedules
        self._shown = False
        self._next = 0.0
        """When the terminal is told again: it takes its time, too."""
        self._terminal = sys.stderr is not None and sys.stderr.isatty()

    def ran(self) -> None:
        """A schedule is about to run in this process."""
        self.tried += 1

    def told(self, tried: int) -> None:
        """So many schedules have been tried so far, in whatever process."""
        self.tried = max(self.tried, tried)
        self._lines.progress(tried)
        if self._terminal and (now := time.monotonic()) >= self._next:
            self._shown = True
            self._next = now + _SHOWN_EVERY_S
            print(f"\r{self._what}: {tried:,} of {self._schedules:,} schedules", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            found = next((note for note in getattr(error, "__notes__", ()) if "token: " in note), None)
            raise Interrupted(found or f"interrupted after {self.tried:,} schedule" + ("" if self.tried == 1 else "s")) from None


def say(text: str = "", stream: TextIO | None = None) -> None:
    """Print a result at once. What is no printable character, or none that the terminal's encoding has, is printed as an escape."""
    stream = stream or sys.stdout
    text = printable(text, lines=True)
    if (width := width_of(stream)) is not None:
        from simsock.report.fitting import fitted

        text = fitted(text, width)
    if has_colours(stream):
        text = "\n".join(map(_painted, text.split("\n")))
    try:
        print(text, file=stream, flush=True)
    except UnicodeEncodeError:
        encoding = stream.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)


def width_of(stream: TextIO | None = None) -> int | None:
    """How wide the terminal is that is printed on; None where it is none."""
    stream = stream or sys.stdout
    if stream is None or not stream.isatty():
        return None
    from simsock.report.fitting import terminal_width

    return terminal_width()


def has_colours(stream: TextIO | None) -> bool:
    """Whether colours are of use there (https://no-color.org)."""
    if os.environ.get("NO_COLOR") or os.environ.get("CI") or os.environ.get("TERM", "") in ("", "dumb"):
        return False
    return stream is not None and stream.isatty()


_RED, _GREEN, _YELLOW, _BOLD, _DIM = "\033[1;31m", "\033[32m", "\033[33m", "\033[1m", "\033[2m"
_COLOURS = {
    **dict.fromkeys(("fails: ", "NOT AS EXPECTED", "simsock: "), _RED),
    **dict.fromkeys(("as expected: ", "holds: ", "the same in every run"), _GREEN),
    "inconclusive: ": _YELLOW,
    **dict.fromkeys(("repeat it: ", "report: ", "test: "), _BOLD),
    "token: ": _DIM,
}
"""How a line is painted that begins so."""


def _painted(line: str) -> str:
    for beginning, colour in _COLOURS.items():
        if line.startswith(beginning):
            return f"{colour}{line}\033[0m"
    return line


def complain(text: str) -> None:
    """Print what went wrong."""
    say(f"simsock: {text}", sys.stderr)


def listed(paths: list[str]) -> str:
    """Files, as a sentence names them."""
    return f"{', '.join(paths[:-1])} and {paths[-1]}"


def replay_line(token: str, target: str | None, server: str | None, more: Sequence[str] = ()) -> str:
    """The command that repeats a run, ready for a shell."""
    words = ["simsock", "replay", token, *([target] if target is not None else []), *(["--server", server] if server is not None else []), *more]
    return shlex.join(words)


__all__ = ["BROKEN", "FAILED", "INTERRUPTED", "OK", "Interrupted", "Progress", "complain", "has_colours", "listed", "replay_line", "say", "width_of"]
