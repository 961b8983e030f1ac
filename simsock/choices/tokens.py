"""Tokens: one run as a line of text, safe to paste from a stranger.

Owns the text form, its limits and its checks. Does not know what the options mean. The form is ``simsock1.`` and then, in base64url without
padding, a checksum (6 bytes of blake2b) and zlib-compressed compact JSON. Laws:

* nothing in a token is ever executed or unpickled; its text, its unpacked size and each field have limits, in both directions;
* every damage is a ``BadToken`` that says what is wrong;
* what ``decode`` returns equals what was encoded. Deviations are kept sorted by label and index: replay asks per label, so their order across
  labels means nothing to it, and sorted they take little room (indices are stored as differences);
* only what ``decode`` returns is promised; the text may differ between versions of zlib.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import os
import re
import sys
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from simsock.choices.hashing import blake2b
from simsock.choices.tape import Deviation
from simsock.errors import BadToken, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

VERSION = 1
QUESTIONS = 7
"""The version of the questions that worlds ask. It is raised whenever questions come, go or are numbered otherwise: a token of another version does
not fit any more, whatever the program. One that names no version is of the first."""
TEXT_MAX = 65_536
"""Characters of a token."""
PASTED_MAX = 4 * TEXT_MAX
"""Characters of a pasted text, white space included."""
JSON_MAX = 1 << 20
"""Bytes of a token's content when unpacked."""
LABELS_MAX = 20_000
LABEL_MAX = 4_096
"""Characters of a label."""
INDEX_MAX = (1 << 53) - 1
VALUE_MAX = (1 << 64) - 1
SEED_BITS_MAX = 256
STRING_MAX = 4_096
"""Characters of a seed, a target, an option's name or a text in an option."""
OPTIONS_MAX = 256
ITEMS_MAX = 10_000
"""Items of one list in an option."""
DEPTH_MAX = 4
"""Lists within lists in an option."""

_CHECKSUM_SIZE = 6
_PREFIX = re.compile(r"simsock([0-9]{1,6})\.")
_BODY = re.compile(r"[A-Za-z0-9_-]+")
_FIELDS = {"s": "seed", "o": "options", "d": "deviations", "t": "target", "p": "python", "h": "hashseed", "q": "questions"}


class Token:
    """What it takes to run one run again.

    ``seed``: an int or text. ``options``: names to numbers, texts, booleans, None or lists of these. ``deviations``: the answers that were not the
    default, sorted by label and index, or None when the run is to be repeated from its seed. ``target``: what was run, such as
    ``"module:function"``. ``python`` and ``hashseed``: the Python (``"3.12"``) and the PYTHONHASHSEED (``"0"``, ``"random"``) it ran under,
    those of this process unless given. A value outside the limits is a ``UsageError``.
    """

    __slots__ = ("deviations", "hashseed", "options", "python", "seed", "target")

    def __init__(
        self,
        seed: int | str,
        options: dict[str, Any] | None = None,
        deviations: Iterable[tuple[str, int, int]] | None = None,
        target: str | None = None,
        python: str | None = None,
        hashseed: str | None = None,
    ) -> None:
        self.seed = _seed(seed)
        self.options = _options({} if options is None else options)
        self.deviations = None if deviations is None else _deviations(deviations)
        self.target = None if target is None else _string("target", target)
        self.python = python_here() if python is None else _matching("python", python, r"[0-9]{1,3}\.[0-9]{1,3}", '"3.12"')
        self.hashseed = hashseed_here() if hashseed is None else _matching("hashseed", hashseed, r"random|[0-9]{1,10}", '"0" or "random"')

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Token):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]  # the options can be changed; mypy knows no other way to say so

    def __repr__(self) -> str:
        count = "no" if self.deviations is None else f"{len(self.deviations):,}"
        return f"<Token seed={self.seed!r} target={self.target!r} {count} deviations, Python {self.python}, hash seed {self.hashseed}>"

    def encode(self) -> str:
        """The token's text. Raises ``BadToken`` when it would be longer than a token may be."""
        content: dict[str, Any] = {"s": self.seed, "p": self.python, "h": self.hashseed, "q": QUESTIONS}
        if self.options:
            content["o"] = _options(self.options)
        if self.target is not None:
            content["t"] = self.target
        if self.deviations is not None:
            content["d"] = _grouped(self.deviations)
        data = json.dumps(content, separators=(",", ":"), allow_nan=False, ensure_ascii=False).encode("utf-8", "surrogatepass")
        packed = zlib.compress(data, 9)
        text = f"simsock{VERSION}." + base64.urlsafe_b64encode(_checksum(packed) + packed).rstrip(b"=").decode("ascii")
        if len(text) > TEXT_MAX or len(data) > JSON_MAX:
            raise BadToken(
                f"the token would be too long ({len(text):,} characters, {len(data):,} bytes unpacked; at most {TEXT_MAX:,} and {JSON_MAX:,} are allowed): "
                f"it has {len(self.deviations or ()):,} deviations; shrink them, or use without_deviations() to repeat the run from its seed"
            )
        return text

    @classmethod
    def decode(cls, text: str) -> Token:
        """The token in ``text``, white space and line breaks aside. Raises ``BadToken``, saying what is wrong."""
        content = _unpack(_body(text))
        for key in content:
            if key not in _FIELDS:
                raise BadToken(f"the token's content is wrong: unknown field {key[:20]!r}")
        questions = content.get("q", 1)
        if type(questions) is not int:
            raise BadToken(f"the token's content is wrong: the version of its questions is a whole number, not {_short(questions)}")
        if questions != QUESTIONS:
            made = "an older" if questions < QUESTIONS else "a newer"
            raise BadToken(
                f"this token was made by {made} simsock, whose worlds asked other questions (version {_short(questions)}; this one asks version {QUESTIONS}): "
                "it cannot be repeated here, and that says nothing about the test; search again for a new one",
                questions=questions,
            )
        for key in "sph":
            if content.get(key) is None:
                raise BadToken(f"the token's content is wrong: {_FIELDS[key]} is missing")
        try:
            return cls(
                content["s"],
                _object(content.get("o", {})),
                _ungrouped(content["d"]) if "d" in content else None,
                content.get("t"),
                content["p"],
                content["h"],
            )
        except UsageError as error:
            raise BadToken(f"the token's content is wrong: {error}") from None

    def without_deviations(self) -> Token:
        """The same run, to be repeated from its seed: short, but it holds only as long as the program asks the same questions."""
        return Token(self.seed, self.options, None, self.target, self.python, self.hashseed)

    def differences_here(self) -> list[str]:
        """How this process differs from the one that made the token, in plain words; empty when nothing is known to differ.

        Two processes with random hash seeds count as alike: their seeds differ, but nobody can set them to be the same.
        """
        differences = []
        if self.python != (here := python_here()):
            differences.append(f"the token was made on Python {self.python}, this is Python {here}")
        if self.hashseed != (here := hashseed_here()):
            made = "a random hash seed" if self.hashseed == "random" else f"PYTHONHASHSEED={self.hashseed}"
            now = "the hash seed is random" if here == "random" else f"PYTHONHASHSEED is {here}"
            differences.append(f"the token was made with {made}, here {now}")
        return differences


# -- this process --------------------------------------------------------------------------------------------------------------------------


def python_here() -> str:
    """This Python's version as tokens record it: ``"3.12"``."""
    return f"{sys.version_info[0]}.{sys.version_info[1]}"


def hashseed_here() -> str:
    """The seed of ``hash()`` of texts in this process: a number, or ``"random"``."""
    if not sys.flags.hash_randomization:
        return "0"
    value = "" if sys.flags.ignore_environment else os.environ.get("PYTHONHASHSEED", "")
    # A 0 that did not switch randomization off was overruled by -R.
    return str(int(value)) if re.fullmatch(r"[0-9]{1,10}", value) and int(value) else "random"


# -- text ----------------------------------------------------------------------------------------------------------------------------------


def _checksum(packed: bytes) -> bytes:
    return blake2b(packed, digest_size=_CHECKSUM_SIZE).digest()


def _body(text: str) -> str:
    """What follows the prefix, once text, prefix and alphabet are sound."""
    if not isinstance(text, str):
        raise BadToken(f"a token is text, not {type(text).__name__}")
    if len(text) <= PASTED_MAX:
        text = "".join(text.split())
    if len(text) > TEXT_MAX:
        raise BadToken(f"the token is too long: {len(text):,} characters, at most {TEXT_MAX:,} are allowed")
    prefix = _PREFIX.match(text)
    if prefix is None:
        raise BadToken(f"this is no simsock token: it begins with {text[:12]!r} instead of 'simsock{VERSION}.'")
    version = int(prefix[1])
    if version != VERSION:
        raise BadToken(f"this is a version-{version} token; this simsock reads version {VERSION}")
    body = text[prefix.end() :]
    sound = _BODY.match(body)
    if sound is None or sound.end() < len(body):
        place = prefix.end() + (sound.end() if sound else 0)
        found = f"{text[place]!r} at character {place + 1}" if place < len(text) else "nothing after the prefix"
        raise BadToken(f"the token is cut off or mistyped ({found})")
    return body


def _unpack(body: str) -> dict[str, Any]:
    """The content of a token's body, in bounded memory."""
    try:
        data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        raise BadToken("the token is cut off or mistyped (length)") from None
    packed = data[_CHECKSUM_SIZE:]
    if data[:_CHECKSUM_SIZE] != _checksum(packed):
        raise BadToken("the token is cut off or mistyped (checksum)")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, JSON_MAX + 1)
    except zlib.error:
        raise BadToken("the token is damaged (its content cannot be unpacked)") from None
    if len(content) > JSON_MAX:
        raise BadToken(f"the token is too long: more than {JSON_MAX:,} bytes unpacked")
    if not unpacker.eof or unpacker.unused_data:
        raise BadToken("the token is damaged (its content ends too early or too late)")
    try:
        value = json.loads(content.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        # Not JSON, not UTF-8, a number of thousands of digits, brackets without end.
        raise BadToken("the token is damaged (its content is not what a token holds)") from None
    return _object(value)


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadToken(f"the token's content is wrong: {_short(value)} is not an object")
    return value


# -- fields: each function returns the sound value or raises UsageError --------------------------------------------------------------------


def _short(value: object) -> str:
    """A value in an error message: a stranger's token must not be able to fill the screen."""
    if isinstance(value, int) and value.bit_length() > SEED_BITS_MAX:
        return "a number of many digits"
    text = repr(value[:60] if isinstance(value, (str, list, tuple)) else value)
    return text if len(text) <= 80 else text[:77] + "..."


def _seed(value: Any) -> int | str:
    if isinstance(value, str):
        return _string("seed", value)
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() <= SEED_BITS_MAX:
        return value
    raise UsageError(f"seed is a whole number of at most {SEED_BITS_MAX} bits or text, not {_short(value)}")


def _string(what: str, value: Any) -> str:
    if isinstance(value, str) and len(value) <= STRING_MAX:
        return value
    raise UsageError(f"{what} is text of at most {STRING_MAX:,} characters, not {_short(value)}")


def _matching(what: str, value: Any, pattern: str, example: str) -> str:
    if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII):
        return value
    raise UsageError(f"{what} is text such as {example}, not {_short(value)}")


def _options(options: Any) -> dict[str, Any]:
    if not isinstance(options, dict):
        raise UsageError(f"options is a dict, not {_short(options)}")
    if len(options) > OPTIONS_MAX:
        raise UsageError(f"{len(options):,} options, at most {OPTIONS_MAX} are allowed")
    return {_string("an option's name", name): _option(_string("an option's name", name), value, DEPTH_MAX) for name, value in options.items()}


def _option(name: str, value: Any, depth: int) -> Any:
    """An option's value as JSON keeps it: tuples become lists, so that a token equals its own copy."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int) and value.bit_length() <= SEED_BITS_MAX:
        return int(value)
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    if isinstance(value, str):
        return _string(f"option {_short(name)}", value)
    if isinstance(value, (list, tuple)) and depth and len(value) <= ITEMS_MAX:
        return [_option(name, item, depth - 1) for item in value]
    raise UsageError(f"option {_short(name)} is a finite number, text, boolean, None or a list of these, of sane size, not {_short(value)}")


def _deviations(deviations: Iterable[tuple[str, int, int]]) -> tuple[Deviation, ...]:
    """Checked and sorted. A question with two answers could not be replayed."""
    result = []
    labels = set()
    for deviation in deviations:
        label, index, value = deviation
        if not isinstance(label, str) or len(label) > LABEL_MAX:
            raise UsageError(f"a deviation's label is text of at most {LABEL_MAX:,} characters, not {_short(label)}")
        if type(index) is not int or not 0 <= index <= INDEX_MAX:
            raise UsageError(f"deviation of {_short(label)}: an index is a whole number from 0 to 2^53-1, not {_short(index)}")
        if type(value) is not int or not 1 <= value <= VALUE_MAX:
            raise UsageError(f"deviation of {_short(label)}: a value is a whole number from 1 to 2^64-1, not {_short(value)}")
        labels.add(label)
        result.append(Deviation(label, index, value))
    if len(labels) > LABELS_MAX:
        raise UsageError(f"deviations of {len(labels):,} labels, at most {LABELS_MAX:,} are allowed")
    result.sort()
    for one, other in pairwise(result):
        if one[:2] == other[:2]:
            raise UsageError(f"{_short(one.label)}: two answers to question {one.index}, {one.value} and {other.value}")
    return tuple(result)


def _grouped(deviations: tuple[Deviation, ...]) -> list[list[Any]]:
    """[label, step, value, step, value, ...] for each label; a step is the index less the one before (-1 at first), less 1."""
    groups: list[list[Any]] = []
    previous = -1
    for label, index, value in deviations:
        if not groups or groups[-1][0] != label:
            groups.append([label])
            previous = -1
        groups[-1] += (index - previous - 1, value)
        previous = index
    return groups


def _ungrouped(groups: Any) -> list[tuple[str, int, int]]:
    if not isinstance(groups, list):
        raise UsageError(f"deviations are a list, not {_short(groups)}")
    result = []
    for group in groups:
        if not isinstance(group, list) or len(group) < 3 or len(group) % 2 == 0:
            raise UsageError(f"the deviations of one label are its name and then pairs of numbers, not {_short(group)}")
        index = -1
        for step, value in zip(group[1::2], group[2::2]):
            if type(step) is not int or not 0 <= step <= INDEX_MAX:
                raise UsageError(f"deviations of {_short(group[0])}: a step is a whole number from 0, not {_short(step)}")
            index += step + 1
            result.append((group[0], index, value))
    return result
