"""Facts as JSON that every reader takes: reports write it to files, commands to standard output, one object a line.

Owns what becomes of values that JSON has no word for. Does not know which facts there are (``scenario/facts.py``). Laws:

* the text is ASCII or printable, encodes as UTF-8, and has no line break but those of an indent: any line of it is safe for any terminal and any parser;
* what is in a string comes out of a parser as it went in, but for lone surrogates, which no UTF-8 has: they are their escapes, as text;
* numbers that are not finite are the texts "nan", "inf" and "-inf"; bytes are their text with escapes, as in ``b"..."``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from simsock.escaping import printable, printable_json

SCHEMA = 1
"""Of a report's JSON, and of what a command prints with --json: another number when a key has changed its meaning."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_INTEGER_BITS_MAX = 4_000
"""Longer ones are text in hexadecimal: Python itself writes no decimal number of more than 4,300 digits."""


def as_json(value: Any, indent: int | None = None) -> str:
    """``value`` as JSON text, without a line break at its end."""
    return printable_json(json.dumps(plain(value), indent=indent, ensure_ascii=False, allow_nan=False))


def plain(value: Any) -> Any:
    """The same in what JSON has: dictionaries with texts as keys, lists, texts, finite numbers, truth values, None."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else str(float(value))
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _INTEGER_BITS_MAX else hex(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return ascii(bytes(value))[2:-1]
    if isinstance(value, Mapping):
        return {_key(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    try:
        return _text(str(value))
    except Exception as failed:  # a program's own class: whatever it does must not take the facts with it
        return f"<its text cannot be had: __str__ raised {type(failed).__name__}>"


def _key(value: Any) -> str:
    made = plain(value)
    return made if isinstance(made, str) else str(made)


def _text(value: str) -> str:
    text = str.__str__(value)
    return text if str.isascii(text) else _SURROGATE.sub(lambda match: printable(match[0]), text)


__all__ = ["SCHEMA", "as_json", "plain"]
