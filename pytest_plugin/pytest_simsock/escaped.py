"""What pytest itself prints of a failed test that had a world: made printable.

Owns what is known of the parts of pytest's reports (``_pytest._code.code``), the place to look at after an upgrade of pytest. Law: only texts
change, and only by escaping and by laying them out; a part that is not as expected stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simsock.escaping import printable


def make_printable(longrepr: Any) -> None:
    """Escape what does not print in a representation of an exception: its text, its notes, the source lines, arguments and locals."""
    chain = getattr(longrepr, "chain", None) or [(getattr(longrepr, "reprtraceback", None), getattr(longrepr, "reprcrash", None), None)]
    for traceback, crash, _ in chain:
        _escape_text(crash, "message")
        for entry in getattr(traceback, "reprentries", None) or ():
            _escape_lines(entry)
            _escape_lines(getattr(entry, "reprlocals", None))
            _escape_text(getattr(entry, "reprfileloc", None), "message")
            arguments = getattr(entry, "reprfuncargs", None)
            if arguments is not None and isinstance(arguments.args, list):
                arguments.args[:] = [(name, printable(value, lines=True) if isinstance(value, str) else value) for name, value in arguments.args]


def without_frames(longrepr: Any) -> None:
    """Of an error whose text is all there is to see: no word on frames that are hidden."""
    for traceback, _, _ in getattr(longrepr, "chain", None) or ():
        if getattr(traceback, "extraline", None):
            traceback.extraline = None


def fit_lines(longrepr: Any, fit: Callable[[str], str]) -> None:
    """Lay the lines of a representation of an exception out anew."""
    chain = getattr(longrepr, "chain", None) or [(getattr(longrepr, "reprtraceback", None), None, None)]
    for traceback, _, _ in chain:
        for entry in getattr(traceback, "reprentries", None) or ():
            lines = getattr(entry, "lines", None)
            if isinstance(lines, list) and all(isinstance(line, str) for line in lines):
                lines[:] = fit("\n".join(lines)).split("\n") if lines else []


def _escape_text(part: Any, name: str) -> None:
    text = getattr(part, name, None)
    if isinstance(text, str):
        setattr(part, name, printable(text, lines=True))


def _escape_lines(part: Any) -> None:
    lines = getattr(part, "lines", None)
    if isinstance(lines, list):
        lines[:] = [printable(line, lines=True) if isinstance(line, str) else line for line in lines]


__all__ = ["fit_lines", "make_printable", "without_frames"]
