"""The command line: ``simsock COMMAND ...``.

Owns the list of commands, and what becomes of errors and Ctrl-C. Does not know any command: each has a file here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from simsock import __version__
from simsock.cli import examining, replaying, scenarios, searching
from simsock.cli.arguments import EXIT_CODES, Parser
from simsock.cli.printing import BROKEN, FAILED, INTERRUPTED, OK, Interrupted, Progress, complain, say
from simsock.cli.replaying import target_from
from simsock.cli.searching import FOLDER
from simsock.errors import Nondeterminism, SimsockError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

SIMSOCK_ROOM = "outside"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    try:
        arguments = make_parser().parse_args(argv)
    except SystemExit as leaving:  # argparse: --help, --version, and usage errors after printing what is wrong
        return leaving.code if isinstance(leaving.code, int) else BROKEN
    try:
        code: int = arguments.run(arguments)
    except (Interrupted, KeyboardInterrupt) as told:
        if argv is None:  # the process ends now: another Ctrl-C ends it at once, without a traceback from some exit handler
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        complain(str(told) or "interrupted")
        return INTERRUPTED
    except Nondeterminism as error:
        complain(str(error))
        return FAILED
    except SimsockError as error:
        complain(str(error))
        return BROKEN
    except BrokenPipeError:  # `simsock run … | head`: nobody reads on, and the interpreter must not complain about it while it ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN
    return code


def make_parser() -> argparse.ArgumentParser:
    """The arguments of every command."""
    parser = Parser(prog="simsock", description="Deterministic simulation testing for blocking sockets and threads.", epilog=EXIT_CODES)
    parser.add_argument("--version", action="version", version=f"simsock {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for room in (scenarios, replaying, searching, examining):
        room.add_parsers(commands)
    return parser


__all__ = ["BROKEN", "FAILED", "FOLDER", "INTERRUPTED", "OK", "Interrupted", "Progress", "complain", "main", "make_parser", "say", "target_from"]
