"""Which answer belongs to which request.

Owns the three kinds of scripts (lines, routes of HTTP, bytes), how what a test gives is read as one, and how a request is found in it. Does not know sockets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError
from simsock.stubs.answers import Answer, Answers, read_answer

if TYPE_CHECKING:
    from simsock.stubs.requests import Request

_METHOD = re.compile(r"[A-Z]+")
_SHOWN_MAX = 8


class Script:
    """What a stub says: to which request what, what to all others (``otherwise``), and what before any (``greeting``)."""

    kind = ""

    def __init__(self, table: dict[Any, Answers], otherwise: Answers | None, greeting: Answer | None) -> None:
        self.table = table
        self.otherwise = otherwise
        self.greeting = greeting

    def find(self, request: Request) -> Answers | None:
        """The answers for a request; None: there is nothing that fits."""
        return self.table.get(request.line, self.otherwise)

    def unfit(self, request: Request) -> str:
        """What is to be said of a request that nothing fits."""
        known = [f"{key!r}" for key in list(self.table)[:_SHOWN_MAX]]
        more = f" and {len(self.table) - _SHOWN_MAX} more" if len(self.table) > _SHOWN_MAX else ""
        return f"no answer to {request.line!r:.200}: there is one to {', '.join(known) or 'nothing'}{more}; otherwise= is the answer to all others"


class Lines(Script):
    """By the request's line."""

    kind = "lines"


class Bytes(Script):
    """By the connection: each is told the next answer."""

    kind = "data"

    def find(self, request: Request) -> Answers | None:
        return self.otherwise


class Routes(Script):
    """By method and path of HTTP: with its query first, then without, then by the longest route that ends in ``*``."""

    kind = "routes"

    def find(self, request: Request) -> Answers | None:
        for path in (request.target, request.path):
            for method in (request.method, ""):
                if (method, path) in self.table:
                    return self.table[method, path]
        fitting = [key for key in self.table if key[1].endswith("*") and request.path.startswith(key[1][:-1]) and key[0] in (request.method, "")]
        return self.table[max(fitting, key=lambda key: (len(key[1]), key[0]))] if fitting else self.otherwise

    def unfit(self, request: Request) -> str:
        known = [" ".join(filter(None, key)) for key in self.table]
        more = f" and {len(known) - _SHOWN_MAX} more" if len(known) > _SHOWN_MAX else ""
        return f"no route for {request.line!r:.200}: there is {', '.join(known[:_SHOWN_MAX]) or 'none'}{more}; otherwise= is the answer to all others"


def read_script(lines: Any, routes: Any, data: Any, otherwise: Any, greeting: Any) -> Script:
    """What a test has given, as a script. Raises ``UsageError`` that names what makes no sense, and where it stands."""
    given = {name: value for name, value in (("lines", lines), ("routes", routes), ("data", data)) if value is not None}
    if len(given) != 1:
        raise UsageError(f"stub: expected one of lines=, routes= and data=, got {' and '.join(f'{name}=' for name in given) or 'none of them'}")
    (name,) = given
    if name == "data":
        if otherwise is not None or greeting is not None:
            raise UsageError(f"stub: {'otherwise' if otherwise is not None else 'greeting'}: has no meaning with data=, which is said to every connection")
        return Bytes({}, Answers(data, "data", False), None)
    table = given[name]
    if not isinstance(table, Mapping):
        raise UsageError(f"stub: {name}: expected a dict, got {table!r:.80}")
    is_http = name == "routes"
    if is_http and greeting is not None:
        raise UsageError("stub: greeting: a server of HTTP says nothing before it is asked")
    rest = None if otherwise is None else Answers(otherwise, "otherwise", is_http)
    read: dict[Any, Answers] = {}
    for key, value in table.items():
        known = _route(key) if is_http else _request_line(key)
        if known in read:
            raise UsageError(f"stub: {name}: {key!r:.80} stands there twice")
        read[known] = Answers(value, f"{name}[{key!r:.80}]", is_http)
    if is_http:
        return Routes(read, rest, None)
    return Lines(read, rest, None if greeting is None else read_answer(greeting, "greeting", False))


def _request_line(key: Any) -> str:
    if isinstance(key, bytes):
        key = key.decode("utf-8", "surrogateescape")
    line = key.removesuffix("\n").removesuffix("\r") if isinstance(key, str) else None
    if line is None or "\n" in line:
        raise UsageError(f"stub: lines: expected one line of text or bytes, got {key!r:.80}")
    return line


def _route(key: Any) -> tuple[str, str]:
    words = key.split() if isinstance(key, str) else []
    method, path = words if len(words) == 2 else ("", words[0]) if len(words) == 1 else ("", "")
    if not path.startswith(("/", "*")) or (method and not _METHOD.fullmatch(method)) or "*" in path[:-1]:
        raise UsageError(f"stub: routes: expected a method and a path ('GET /users', 'GET /users/*') or a path ('/users'), got {key!r:.80}")
    return method, path


__all__ = ["Bytes", "Lines", "Routes", "Script", "read_script"]
