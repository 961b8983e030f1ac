"""What a canned server says: one answer, and several in their order.

Owns ``Answer`` and the reading of whatever stands for one. Does not know sockets. Laws of the file:

* what cannot be said is an error when the stub is made, and names the value and where it stands;
* a list is one answer for each request, and the last one for all that come after.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import count
from json import dumps
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.kernel.units import NS, Duration, duration_ns

if TYPE_CHECKING:
    from simsock.stubs.requests import Request

KEEP, SHUT, BROKEN, HANG = "keep", "close", "reset", "hang"
THEN = (KEEP, SHUT, BROKEN, HANG)
"""What becomes of the connection after an answer: it waits for the next request, is closed, is reset, or nothing is said on it any more."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Answer:
    """What is said to one request, and how.

    ``body`` is text (UTF-8) or bytes; ``json`` takes its place with any value. ``status`` and ``headers`` (a mapping, or pairs) are those of HTTP. ``delay`` is
    waited before the first byte, ``every`` before each byte of the body (seconds or "80ms"). ``cut`` is how many bytes of the body are sent, although all are
    promised. ``then`` is what becomes of the connection: ``"keep"``, ``"close"`` (the default after a cut), ``"reset"`` or ``"hang"``.
    """

    __slots__ = ("body", "cut", "delay_s", "every_s", "headers", "is_text", "says", "status", "then")

    def __init__(
        self,
        body: str | bytes = "",
        *,
        status: int = 200,
        headers: Mapping[str, str] | list[tuple[str, str]] | None = None,
        json: Any = None,
        delay: Duration = 0,
        every: Duration = 0,
        cut: int | None = None,
        then: str | None = None,
    ) -> None:
        if not isinstance(body, (str, bytes, bytearray)):
            raise UsageError(f"Answer: body: expected a text or bytes, got {body!r:.80}")
        if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
            raise UsageError(f"Answer: status: expected a whole number from 200 to 599, got {status!r:.80}")
        if then is not None and then not in THEN:
            raise UsageError(f"Answer: then: expected {', '.join(map(repr, THEN))}, got {then!r:.80}")
        self.headers = _read_headers(headers)
        if json is not None:
            if body:
                raise UsageError(f"Answer: body and json: expected one of them, got {body!r:.80} and {json!r:.80}")
            body = _as_json(json)
            if not self.has("content-type"):
                self.headers.append(("Content-Type", "application/json"))
        self.is_text = isinstance(body, str) and json is None
        self.body = body.encode("utf-8", "surrogateescape") if isinstance(body, str) else bytes(body)
        if cut is not None and (isinstance(cut, bool) or not isinstance(cut, int) or not 0 <= cut <= len(self.body)):
            raise UsageError(f"Answer: cut: expected a whole number from 0 to {len(self.body)}, the bytes of the body, got {cut!r:.80}")
        self.status = status
        self.cut = cut
        self.delay_s = duration_ns(delay, "Answer: delay") / NS
        self.every_s = duration_ns(every, "Answer: every") / NS
        self.then = then or (KEEP if cut is None else SHUT)
        self.says = True
        """False for an answer that is none: the connection is closed, reset or left hanging without a word."""

    def has(self, name: str) -> bool:
        """Whether it has a header of that name (in lower case)."""
        return any(name == known.lower() for known, _ in self.headers)

    @classmethod
    def silent(cls, then: str) -> Answer:
        """No word, and then that."""
        self = cls(then=then)
        self.says = False
        return self

    def __repr__(self) -> str:
        words = [f"{self.body[:40]!r}"] if self.says else ["nothing"]
        return f"<simsock.stubs.Answer {' '.join([*words, f'status={self.status}', f'then={self.then}'])}>"


Says = Answer | str | bytes | int | dict[str, Any]
"""What may stand for an answer: a text or bytes are its body; a number is a status of HTTP and a dict a body of JSON."""
Said = Says | Callable[["Request"], Says] | list[Any]
"""An answer, a function that is called with the request and returns one, or a list of these."""


class Answers:
    """What is said to one kind of request, the first time, the second time, and so on."""

    __slots__ = ("_asked", "_given", "_is_http", "_where")

    def __init__(self, given: Any, where: str, is_http: bool) -> None:
        self._where = where
        self._is_http = is_http
        if isinstance(given, list) and not given:
            raise UsageError(f"stub: {where}: expected at least one answer, got []")
        self._given = [one if callable(one) else read_answer(one, where, is_http) for one in (given if isinstance(given, list) else [given])]
        self._asked = count()

    def answer(self, request: Request) -> Answer:
        """What is said to this request, which is the next of its kind."""
        one = self._given[min(next(self._asked), len(self._given) - 1)]
        return one if isinstance(one, Answer) else read_answer(one(request), f"{self._where}: what the function returned", self._is_http)


def read_answer(given: Any, where: str, is_http: bool) -> Answer:
    """The answer that a value stands for."""
    if isinstance(given, Answer):
        return given
    if isinstance(given, (str, bytes, bytearray)):
        return Answer(bytes(given) if isinstance(given, bytearray) else given)
    if is_http and isinstance(given, int) and not isinstance(given, bool):
        if not 200 <= given <= 599:
            raise UsageError(f"stub: {where}: expected a status from 200 to 599, got {given!r}")
        return Answer(status=given)
    if is_http and isinstance(given, dict):
        return Answer(json=given)
    more = ", a status, a dict (which is sent as JSON)" if is_http else ""
    raise UsageError(f"stub: {where}: expected a text, bytes{more}, an Answer, a function or a list of these, got {given!r:.80}")


def _as_json(value: Any) -> bytes:
    try:
        return dumps(value).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"Answer: json: expected what JSON can hold, got {value!r:.80}: {error}") from None


def _read_headers(given: Any) -> list[tuple[str, str]]:
    if given is None:
        return []
    pairs = list(given.items()) if isinstance(given, Mapping) else given
    if not isinstance(pairs, (list, tuple)) or not all(isinstance(pair, (list, tuple)) and len(pair) == 2 for pair in pairs):
        raise UsageError(f"Answer: headers: expected a mapping or pairs of texts, got {given!r:.80}")
    for name, value in pairs:
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise UsageError(f"Answer: headers: expected the name of a header, got {name!r:.80}")
        if not isinstance(value, str) or _NOT_IN_A_VALUE.search(value) or any(ord(letter) > 255 for letter in value):
            raise UsageError(f"Answer: headers: {name}: expected a text of Latin letters without control characters, got {value!r:.80}")
    return [(name, value) for name, value in pairs]


NEVER = Answer.silent(HANG)
"""The request is read and never answered; the connection stays open until the client closes it."""
CLOSE = Answer.silent(SHUT)
"""The connection is closed instead of an answer."""
RESET = Answer.silent(BROKEN)
"""The connection is reset instead of an answer."""

__all__ = ["BROKEN", "CLOSE", "HANG", "KEEP", "NEVER", "RESET", "SHUT", "THEN", "Answer", "Answers", "Said", "Says", "read_answer"]
