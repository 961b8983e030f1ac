"""``simsock completion``.

Owns its arguments. What is printed is made of the parser of all commands by shtab, a library that comes with the extra ``completion``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from simsock.cli.arguments import codes_of
from simsock.cli.printing import OK, say
from simsock.errors import UsageError

if TYPE_CHECKING:
    import argparse

SHELLS = ("bash", "zsh", "fish", "tcsh")
_ABOUT = (
    'Print what lets a shell complete commands and options: eval "$(simsock completion bash)" in ~/.bashrc; for zsh into a file _simsock in fpath, '
    "for fish into ~/.config/fish/completions/simsock.fish."
)


def add_parsers(commands: Any) -> None:
    """The command's arguments."""
    command = commands.add_parser("completion", help="print what lets a shell complete commands", description=_ABOUT, epilog=codes_of("completion"))
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=" or ".join(SHELLS))
    command.set_defaults(run=completion_command)


def completion_command(arguments: argparse.Namespace) -> int:
    """``simsock completion``."""
    try:
        shtab: Any = import_module("shtab")
    except ImportError:
        raise UsageError("completion: it is made by shtab, which is not installed: pip install 'simsock[completion]'") from None
    if arguments.shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(f"completion: this shtab does not know {arguments.shell}: pip install --upgrade shtab")
    say(shtab.complete(arguments.parser, arguments.shell))
    return OK


__all__ = ["add_parsers"]
