"""The command line: ``simsock COMMAND ...``.

Owns the list of commands, and what becomes of errors and Ctrl-C. Does not know any command: each has a file here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from simsock import __version__
from simsock.cli import beginning, completing, examining, replaying, scenarios, searching, shelling
from simsock.cli.arguments import Misused, Parser
from simsock.cli.lines import JSON_HELP, JsonLines, Lines, asks_for_json
from simsock.cli.printing import BROKEN, FAILED, INTERRUPTED, OK, Interrupted, Progress, complain, say
from simsock.cli.replaying import target_from
from simsock.cli.searching import FOLDER
from simsock.errors import Nondeterminism, SimsockError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

SIMSOCK_ROOM = "outside"
UNHANDLED = 1
"""What Python ends with after a traceback: a defect of simsock, or an error that a program raises while it is imported."""
_CODES = (
    "exit codes: 0 as expected, 1 an expectation failed (the token is printed), 2 usage or a broken file, 130 interrupted; "
    "`simsock COMMAND --help` says what each means to that command"
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    with JsonLines() if asks_for_json(sys.argv[1:] if argv is None else argv) else Lines() as lines:
        try:
            code, interrupted = _run(argv, lines)
            lines.end(code, interrupted)
        except BrokenPipeError:  # `simsock run … | head`: nobody reads on, and the interpreter must not complain about it while it ends
            if not lines.is_on:
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return BROKEN
        except SystemExit as leaving:  # of a program that ends itself while it is imported
            lines.error(leaving)
            lines.end(leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else UNHANDLED)
            raise
        except Exception as error:
            lines.error(error)
            lines.end(UNHANDLED)
            raise
    return code


def _run(argv: Sequence[str] | None, lines: Lines) -> tuple[int, str | None]:
    """The exit code, and what is to be said if it was interrupted."""
    try:
        parser = make_parser()
        arguments = parser.parse(argv)
    except Misused as wrong:
        lines.error(UsageError(wrong.told))
        return BROKEN, None
    except SystemExit as leaving:  # argparse, after --help and --version
        return leaving.code if isinstance(leaving.code, int) else BROKEN, None
    arguments.lines, arguments.parser = lines, parser
    try:
        return arguments.run(arguments), None
    except (Interrupted, KeyboardInterrupt) as told:
        if argv is None:  # the process ends now: another Ctrl-C ends it at once, without a traceback from some exit handler
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        said = str(told) or "interrupted"
        complain(said)
        return INTERRUPTED, said
    except SimsockError as error:
        complain(str(error))
        lines.error(error)
        return FAILED if isinstance(error, Nondeterminism) else BROKEN, None


def make_parser() -> Parser:
    """The arguments of every command."""
    parser = Parser(prog="simsock", description="Deterministic simulation testing for blocking sockets and threads.", epilog=_CODES)
    parser.add_argument("--version", action="version", version=f"simsock {__version__}")
    parser.add_argument("--json", action="store_true", help=JSON_HELP)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for room in (scenarios, shelling, replaying, searching, examining, beginning, completing):
        room.add_parsers(commands)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help=JSON_HELP)
        command.set_defaults(command_parser=command)
    return parser


__all__ = ["BROKEN", "FAILED", "FOLDER", "INTERRUPTED", "OK", "Interrupted", "Progress", "complain", "main", "make_parser", "say", "target_from"]
