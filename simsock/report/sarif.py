"""What was found, for tools that show findings beside the code: SARIF 2.1.0, the format of code scanning.

Owns the shape of the file. Does not know how anything was found: it is made from the rows of an index. Laws:

* only what is not as it should be is a finding, once for each line of the program that it is about; where no line is known, it is about the
  first line of the test's or the scenario's file, because readers of the format leave out what has no place;
* paths inside the working directory are relative to it, as a URI; others keep all of theirs;
* the same failure has the same fingerprint in the next run, whatever its token is.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_PLACE = re.compile(r"(?s)(.+):([1-9][0-9]*)")
_BASE = "%SRCROOT%"
_NO_ERROR = "NotAsExpected"
"""The rule of what has no error: an expectation that was not met, or a failure that was expected and did not come."""


def as_sarif(rows: Iterable[dict[str, Any]], version: str) -> dict[str, Any]:
    """The rows of an index (``files.index_row``) as one run of simsock."""
    results: list[dict[str, Any]] = []
    for row in rows:
        if row["good"] is False:
            results += _results(row)
    rules = [{"id": rule, "name": rule, "shortDescription": {"text": _about(rule)}} for rule in dict.fromkeys(result["ruleId"] for result in results)]
    driver = {"name": "simsock", "version": version, "semanticVersion": version, "rules": rules}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}]}


def _results(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What is found in one report: once for each place, or without a place."""
    rule = row["error_type"] or _NO_ERROR
    lines = [f"{row['title']}: {row['error'] or row['said']}"]
    if row["command"] is not None:
        lines.append(f"Repeat it: {row['command']}")
    found = []
    for place in (row["place"] or "").split(", "):
        match = _PLACE.fullmatch(place)
        file, line = (match[1], int(match[2])) if match is not None else (row["file"], 1)
        result: dict[str, Any] = {
            "ruleId": rule,
            "level": "error",
            "message": {"text": "\n".join(lines)},
            "partialFingerprints": {"simsock/v1": _fingerprint(row["title"], rule, file or "")},
            "properties": {"kind": row["kind"], "outcome": row["outcome"], "page": row["page"]},
        }
        if file is not None:
            result["locations"] = [{"physicalLocation": {"artifactLocation": _location(file), "region": {"startLine": line}}}]
        found.append(result)
    return found


def _location(path: str) -> dict[str, str]:
    pure = Path(path)
    if pure.is_absolute():
        return {"uri": pure.as_uri()}
    return {"uri": quote(pure.as_posix()), "uriBaseId": _BASE}


def _fingerprint(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _about(rule: str) -> str:
    return "what came out is not what was expected" if rule == _NO_ERROR else f"a simulated run ended with {rule}"


__all__ = ["SCHEMA", "as_sarif"]
