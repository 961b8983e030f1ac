"""Text on its way out: to a terminal, into a report, a note or an error.

PYTEST_DONT_REWRITE

Owns the one function that every such text goes through, and what becomes of an error that cannot say what it is. Does not know who prints.
Payloads, names of tasks and hosts, tokens and the texts of exceptions come from strangers: a terminal would obey the control characters in them,
an editor the bidirectional ones, and a lone surrogate cannot be written at all. Laws:

* what comes out is printable, spaces included; line breaks stay where lines are wanted, and are escaped where they are not;
* an escape is Python's (``\\x1b``, ``\\u202e``), so what has been through it once stays the same the second time;
* text that is printable already is returned as it is.
"""

from __future__ import annotations

SIMSOCK_ROOM = "outside"


def printable(text: str, *, lines: bool = False) -> str:
    """``text`` with everything that does not print as itself escaped. ``lines``: line feeds are kept, as of a text of several lines."""
    if str.isprintable(text):  # not text.isprintable(): an exception may say what it is in a class of its own
        return text
    return "".join(character if character.isprintable() or (lines and character == "\n") else _escape(character) for character in str.__str__(text))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def printable_json(text: str) -> str:
    """JSON that was made with ``ensure_ascii=False``: the same, with what does not print as JSON's own escapes. Line feeds stay."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() or character == "\n" else _json_escape(character) for character in text)


def _json_escape(character: str) -> str:
    code = ord(character)
    if code < 0x10000:
        return f"\\u{code:04x}"
    code -= 0x10000
    return f"\\u{0xD800 | code >> 10:04x}\\u{0xDC00 | code & 0x3FF:04x}"


def told(error: BaseException) -> str:
    """What an error says of itself, printable, in its own lines; one whose ``__str__`` fails has nothing to say."""
    try:
        return printable(str(error), lines=True)
    except Exception as failed:  # a program's own class: whatever it does must not take the report with it
        return f"<its text cannot be had: __str__ raised {type(failed).__name__}>"


__all__ = ["printable", "printable_json", "told"]
