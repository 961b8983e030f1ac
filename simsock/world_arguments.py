"""The options of a world as arguments of a command.

Owns how each option is written on a command line and what its help says. Does not know commands, nor what an option does: values are checked where a
world's options are. Laws: every option of a world has its argument here, and one that is new fails a test until it has; nothing of simsock is loaded to
print a help.
"""

from __future__ import annotations

import importlib
import os
import re
from typing import TYPE_CHECKING, Any

from simsock.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

SIMSOCK_ROOM = "outside"

_NUMBER = re.compile(r"-?[0-9]{1,18}|-?[0-9]{1,18}\.[0-9]{1,18}")
_WORDS = {"true": True, "false": False, "none": None}


def _value(text: str) -> Any:
    """A number where the text is one, a truth value, or the text itself."""
    text = text.strip()
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return _WORDS.get(text.lower(), text)


def _link(texts: list[str]) -> Any:
    """``flaky-wifi``, ``loss=1%,latency=80ms``, or a profile with changes: ``3g,loss=0``."""
    from simsock.net.link.profiles import changed

    name = "perfect"
    impairments: dict[str, Any] = {}
    for part in ",".join(texts).split(","):
        key, equals, value = part.partition("=")
        if equals:
            impairments[key.strip().replace("-", "_")] = _value(value)
        elif part.strip():
            name = part.strip()
    try:
        return changed(name, impairments) if impairments else name
    except TypeError as error:
        raise UsageError(f"link: {', '.join(texts)}: {error}") from None


def _chunks(text: str) -> Any:
    sizes = [_value(part) for part in text.split(",")]
    return sizes if all(isinstance(size, int) and not isinstance(size, bool) for size in sizes) else text


def _scope(texts: list[str]) -> list[str]:
    """Modules are imported; what is a folder or a file of the working directory is taken for that."""
    for text in texts:
        if not os.path.exists(text):
            try:
                importlib.import_module(text)
            except ImportError as error:
                raise UsageError(f"--scope {text}: neither a folder or file, nor a module that can be imported: {error}") from None
            except (TypeError, ValueError):
                raise UsageError(f"--scope {text!r}: expected a module, a folder or a file") from None
    return texts


ARGUMENTS: dict[str, tuple[dict[str, Any], Callable[[Any], Any]]] = {
    "strategy": (
        {
            "metavar": "NAME",
            "help": "how tasks are picked (portfolio); also fifo, random, pct, pct:D, pcth, pcth:D, pos, surw, surw:selective, guided, dfs, dfs:N",
        },
        str,
    ),
    "preempt": ({"metavar": "WHERE", "help": "where a task may be switched out: calls, lines or instructions (lines)"}, str),
    "scope": (
        {"metavar": "MODULE|PATH", "action": "append", "help": "whose lines are points, may be given several times (the project of the function)"},
        _scope,
    ),
    "link": (
        {
            "metavar": "LINK",
            "action": "append",
            "help": "links between hosts: a name of `simsock profiles`, settings, or both: flaky-wifi; loss=1%%,latency=80ms; 3g,loss=0 (perfect)",
        },
        _link,
    ),
    "loopback": ({"action": "store_true", "help": "the link is that of a host to itself too: for programs that live at 127.0.0.1 with both ends"}, bool),
    "keep_imports": ({"action": "store_true", "help": "modules that a world was the first to import stay when it ends"}, bool),
    "fresh": ({"metavar": "PACKAGE", "action": "append", "help": "a package that each world imports anew, may be given several times"}, list),
    "chunks": ({"metavar": "HOW", "help": "how received bytes are cut: whole, random, bytes, or sizes such as 1,100 (whole)"}, _chunks),
    "sends": ({"metavar": "HOW", "help": "how many bytes a send takes: whole, random, bytes, or sizes such as 1,100 (whole)"}, _chunks),
    "stalls": ({"metavar": "HOW", "help": "tasks stand still now and then: random, or for how long at most, such as 50ms"}, str),
    "collect": ({"metavar": "HOW", "help": "the garbage collector runs now and then: random"}, str),
    "asyncio_order": ({"metavar": "WHICH", "help": "in which order asyncio's callbacks run: documented, or any (documented)"}, str),
    "entropy": ({"metavar": "WHOSE", "help": "where random numbers come from: tape or real (tape)"}, str),
    "tls_time": ({"metavar": "WHOSE", "help": "by which clock certificates are checked: real or world (real)"}, str),
    "start_time": ({"metavar": "WHEN", "help": "when the world begins: 2024-02-29T12:00, seconds since 1970, or now (2026-01-01)"}, _value),
    "max_steps": ({"metavar": "N", "help": "steps after which a run is ended (200000)"}, _value),
    "max_time": ({"metavar": "DURATION", "help": "virtual time after which it is: 30s, 2h, or seconds (1d)"}, _value),
    "max_real_time": ({"metavar": "DURATION", "help": "real time after which it is (120s)"}, _value),
    "patch": (
        {"action": "store_false", "help": "leave the standard modules real: the function reaches the world through sim and sim.network only"},
        bool,
    ),
    "allow": (
        {"metavar": "PEER", "action": "append", "help": "a real peer that streams may reach: 127.0.0.1:5432 (several times)"},
        list,
    ),
    "require_faults": ({"action": "store_true", "help": "a fault that is configured and never takes effect is a failure"}, bool),
}
"""By name: what argparse is told, and how the text becomes a value."""


def add_world_arguments(parser: argparse.ArgumentParser) -> None:
    """Every option of a world, in a group of the help."""
    group = parser.add_argument_group("the world of each schedule")
    for name, (told, _) in ARGUMENTS.items():
        flag = "--no-patch" if name == "patch" else f"--{name.replace('_', '-')}"
        group.add_argument(flag, dest=name, default=None, **told)


def add_scope_argument(parser: argparse.ArgumentParser) -> None:
    """The scope alone: the one option that decides where points are and that no token carries."""
    told, _ = ARGUMENTS["scope"]
    parser.add_argument("--scope", default=None, **{**told, "help": "as it was given to the search"})


def world_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The options that were given."""
    found = {}
    for name, (_, read) in ARGUMENTS.items():
        given = getattr(arguments, name, None)
        if given is not None:
            found[name] = read(given)
    return found


__all__ = ["ARGUMENTS", "add_scope_argument", "add_world_arguments", "world_options"]
