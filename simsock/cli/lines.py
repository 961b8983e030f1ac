"""What a command prints with ``--json``: objects on standard output, one a line.

Owns the objects' frame (``schema``, ``event``), when a line of progress comes, and how standard output is kept for them. What stands in a result is
``scenario/facts.py``'s affair. Laws:

* while it lasts, what anybody else prints goes to standard error: commands, the program under test, processes that either starts;
* a line is written whole or not at all, Ctrl-C or not;
* the last line is ``end``, with the exit code; a reader that went away gets none.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

JSON_HELP = "print results to standard output as JSON, one object a line, and all else to standard error (docs/json.md)"
_PROGRESS_EVERY_S = 0.5
_TOKEN = re.compile(r"^token: (\S+)$", re.MULTILINE)


def asks_for_json(words: Sequence[str]) -> bool:
    """Whether ``--json`` is among the words of a command line: known before they are read, since what is wrong with them is told as JSON, too."""
    words = words[: words.index("--")] if "--" in words else words
    return any(word in ("--json", "--jso", "--js") for word in words)


class Lines:
    """Without ``--json``: everything that is told here is dropped."""

    is_on = False

    def emit(self, event: str, **facts: Any) -> None:
        """Print an object. What is in ``facts`` is as in docs/json.md."""

    def result(self, facts: dict[str, Any], **more: Any) -> None:
        """Print what came of something."""

    def error(self, error: BaseException, **more: Any) -> None:
        """Print what went wrong."""

    def begin(self, kind: str, title: str, schedules: int, **more: Any) -> None:
        """Print what is going to be run."""

    def progress(self, tried: int) -> None:
        """So many schedules have been tried; printed now and then."""

    def end(self, code: int, interrupted: str | None = None) -> None:
        """Print the last object."""

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass


class JsonLines(Lines):
    """With ``--json``. A context manager: standard output is its own until it ends."""

    is_on = True

    def __init__(self) -> None:
        self._stream: TextIO | None = sys.stdout
        self._descriptor = -1
        """Where real standard output went, if it is one."""
        self._nowhere: TextIO | None = None
        self._results = 0
        self._errors = 0
        self._at: dict[str, Any] = {}
        """What is searched, and how far it has come."""
        self._next = 0.0

    def __enter__(self) -> JsonLines:
        self._stream = stream = sys.stdout
        try:
            stream.flush()
            is_real = stream.fileno() == 1
        except (AttributeError, OSError, ValueError):  # something in memory, or closed
            is_real = False
        if is_real:
            self._descriptor = os.dup(1)
            _put(2, 1)
        if sys.stderr is None:  # closed before Python began
            self._nowhere = open(os.devnull, "w", encoding="utf-8")
        sys.stdout = self._nowhere or sys.stderr
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sys.stdout = self._stream
        if self._nowhere is not None:
            self._nowhere.close()
        if self._descriptor >= 0:
            os.dup2(self._descriptor, 1)
            os.close(self._descriptor)
            self._descriptor = -1

    def emit(self, event: str, **facts: Any) -> None:
        from simsock.report.plain import SCHEMA, as_json

        self._write(as_json({"schema": SCHEMA, "event": event, **facts}) + "\n")

    def result(self, facts: dict[str, Any], **more: Any) -> None:
        if facts.get("complete", True):
            self._at = {}
        self._results += 1
        self.emit("result", **{**facts, **more})

    def error(self, error: BaseException, **more: Any) -> None:
        from simsock.scenario.facts import error_facts

        self._errors += 1
        self.emit("error", **(error_facts(error) or {}), fault=getattr(error, "fault", None), **more)

    def begin(self, kind: str, title: str, schedules: int, **more: Any) -> None:
        self._at = {"kind": kind, "title": title, "tried": 0, "schedules": schedules}
        self._next = 0.0
        self.emit("begin", kind=kind, title=title, schedules=schedules, **more)

    def progress(self, tried: int) -> None:
        self._at["tried"] = tried
        if (now := time.monotonic()) >= self._next:
            self._next = now + _PROGRESS_EVERY_S
            self.emit("progress", **self._at)

    def end(self, code: int, interrupted: str | None = None) -> None:
        more: dict[str, Any] = {}
        if interrupted is not None:
            found = _TOKEN.search(interrupted)
            nothing = {"kind": None, "title": None, "tried": None, "schedules": None}
            more = {"said": interrupted, "token": found[1] if found else None, **(self._at or nothing)}
        self.emit("end", exit_code=code, results=self._results, errors=self._errors, interrupted=interrupted is not None, **more)

    def _write(self, line: str) -> None:
        if self._stream is None:  # closed before Python began
            return
        if self._descriptor < 0:
            buffer = getattr(self._stream, "buffer", None)
            if buffer is None:
                self._stream.write(line)
                self._stream.flush()
                return
            self._stream.flush()
            buffer.write(line.encode())
            buffer.flush()
            return
        data = line.encode()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _put(source: int, target: int) -> None:
    """Let one descriptor be what another is, or the null device if that one is closed."""
    try:
        os.dup2(source, target)
    except OSError:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, target)
        if null != target:
            os.close(null)


__all__ = ["JSON_HELP", "JsonLines", "Lines", "asks_for_json"]
