"""``simsock doctor``.

Owns its arguments and what it prints. Does not know what a world cannot reach.
"""

from __future__ import annotations

import argparse
import os
from typing import Any

from simsock.cli.arguments import codes_of, find_modules_here
from simsock.cli.printing import FAILED, OK, say
from simsock.errors import UsageError

_DOCTOR_ABOUT = """\
Import modules, and look for what a world cannot reach in the process: real functions kept where they cannot be swapped, locks made before any
world, and modules with C code that talks to the network on its own."""


def add_parsers(commands: Any) -> None:
    """The command's arguments."""
    doctor = commands.add_parser(
        "doctor",
        help="say what worlds cannot reach in your modules, and what to do about it",
        description=_DOCTOR_ABOUT,
        epilog=codes_of("doctor"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    doctor.add_argument("modules", nargs="*", metavar="MODULE", help="what to import first (app.server); the working directory is importable")
    doctor.add_argument("--all", action="store_true", help="also list what is kept and swapped by itself")
    doctor.set_defaults(run=doctor_command)


def doctor_command(arguments: argparse.Namespace) -> int:
    """``simsock doctor``."""
    from importlib import import_module

    from simsock.patching.living import open_descriptors
    from simsock.report.diagnosis import diagnose
    from simsock.report.story import one_line

    find_modules_here()
    before = open_descriptors()
    for name in arguments.modules:
        try:
            import_module(name)
        except Exception as error:
            hint = f"; a module is named as it is imported: {name.removesuffix('.py').replace(os.sep, '.')}" if name.endswith(".py") else ""
            raise UsageError(f"doctor: cannot import {name!r}: {one_line(error)}{hint}") from None
    found = diagnose(before)
    text = "\n".join(found.lines(arguments.all))
    say(text)
    arguments.lines.result(found.facts(arguments.modules, text, arguments.all))
    return OK if found.is_healthy else FAILED


__all__ = ["add_parsers"]
