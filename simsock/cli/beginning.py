"""``simsock init``.

Owns its arguments and the writing of its files. Does not know what stands in them. Law: nothing that is there is written over, and nothing is written
if one of the files is there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from simsock.cli.arguments import codes_of, find_modules_here
from simsock.cli.printing import OK, say
from simsock.errors import UsageError

if TYPE_CHECKING:
    import argparse

_ABOUT = "Write a scenario with a word on each line, a test, and a small server for both, to the folder scenarios: something that runs, to change."


def add_parsers(commands: Any) -> None:
    """The command's arguments."""
    init = commands.add_parser("init", help="write a first scenario and a first test, to change", description=_ABOUT, epilog=codes_of("init"))
    init.add_argument("name", nargs="?", default="first", metavar="NAME", help="what they are called (first)")
    init.add_argument("--server", metavar="MODULE:NAME", help="your server class, request handler class or function, instead of the small server")
    init.add_argument("--handler", metavar="MODULE:NAME", help="your request handler class, alone or for the server class that --server names")
    init.set_defaults(run=init_command)


def init_command(arguments: argparse.Namespace) -> int:
    """``simsock init``."""
    from simsock.scenario.first_files import command_of_tests, first_files

    find_modules_here()
    files = first_files(arguments.name, arguments.server, arguments.handler)
    there = [path for path in files if os.path.lexists(path)]
    if there:
        raise UsageError(f"init: there is {' and '.join(there)} already, and nothing is written over: call yours something else (simsock init NAME)")
    for path, text in files.items():
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "x", encoding="utf-8") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"init: cannot write {path}: {error.strerror or error}") from None
        say(f"wrote {path}")
        arguments.lines.emit("file", path=path)
    scenario = next(path for path in files if path.endswith(".toml"))
    say(f"\nsearch it:   simsock run {scenario}\nas tests:    {command_of_tests(arguments.server or arguments.handler)} scenarios/")
    return OK


__all__ = ["add_parsers"]
