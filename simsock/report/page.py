"""A report as one HTML file: no request to anywhere, no payload that executes.

Owns the environment in which the templates are filled, and the page's content security policy. Does not know where facts come from; their shape is in
docs/reports.md. Laws:

* every text is made printable and escaped; nothing is marked safe but the style and the script that lie beside the templates;
* the policy allows that one script by its hash, that one style, and no request at all: what slipped through the escaping would still not run.
"""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from simsock.escaping import printable
from simsock.report.drawing import axis, bars, sequence, time_text

RESULT_ORDER = ("served", "refused", "timed out", "reset", "closed", "left")


def page(facts: dict[str, Any], files_beside: list[str] | None = None) -> str:
    """The report of one failure, scenario or replay. ``files_beside``: names of files in the same folder, to link to."""
    facts = _printable(facts)
    packets, faults = facts.get("packets") or [], facts.get("faults") or []
    return (
        _environment()
        .get_template("report.html")
        .render(
            facts=facts,
            policy=_policy(),
            style=_part("style.css"),
            script=_part("script.js"),
            sequence=sequence(packets, faults) if packets else None,
            axis=axis(facts.get("ended_ns") or 0, packets, faults, facts.get("hosts") or []),
            charts=[{**chart, "bars": bars(chart)} for chart in facts.get("client_charts") or []],
            beside=[printable(name) for name in files_beside or []],
        )
    )


def index_page(rows: list[dict[str, Any]]) -> str:
    """The page that leads to all reports of a run."""
    return _environment().get_template("index.html").render(rows=_printable(rows), policy=_policy(), style=_part("style.css"), script=_part("script.js"))


def _printable(value: Any) -> Any:
    """The same with every text printable; what is no plain value, as its text."""
    if isinstance(value, str):
        return printable(value, lines=True)
    if isinstance(value, dict):
        return {printable(str(key)): _printable(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(one) for one in value]
    return value if value is None or isinstance(value, (int, float)) else printable(str(value), lines=True)


def _text_of(name: str) -> str:
    return (files("simsock.report") / "templates" / name).read_text(encoding="utf-8")


@cache
def _part(name: str) -> Markup:
    return Markup(_text_of(name))  # ours, and told by its hash


@cache
def _policy() -> str:
    hashes = [b64encode(sha256(_text_of(name).encode()).digest()).decode() for name in ("script.js", "style.css")]
    return f"default-src 'none'; script-src 'sha256-{hashes[0]}'; style-src 'sha256-{hashes[1]}'; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> Environment:
    environment = Environment(loader=FunctionLoader(_text_of), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["time"] = time_text
    environment.filters["slug"] = lambda text: "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in str(text))
    return environment


__all__ = ["index_page", "page"]
