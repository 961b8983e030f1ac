"""Which program a command line starts: Python, with what, or something else.

Owns the reading of command lines as the system and ``python`` read them: the search on PATH, lines that begin with ``#!``, ``env``, plain commands of a shell,
Python's own options. Starts nothing. Law: what cannot be done as Python would do it is said in words, and never passed over.
"""

from __future__ import annotations

import errno
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from simsock.kernel.looking import absolute, are_one, exists, is_program
from simsock.kernel.originals import original
from simsock.tuples import NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

# Taken now: a patched world replaces the names.
_open, _read, _close = (original(os, name) for name in ("open", "read", "close"))
_stat = original(os, "stat")
_NAME = re.compile(r"python(3(\.\d+)?)?\Z")
_SHELLS = frozenset(("sh", "bash", "dash"))
_LETTERS = "bBdEhiIOPqRsSuvVx?"
_KEPT = frozenset("BEIPqRsSuV")
"""Options that are heeded, or that change nothing that a program in a world could see."""
_OF_PROCESS = {"O": "optimize", "b": "bytes_warning", "d": "debug", "i": "inspect", "v": "verbose"}
"""Options that are as in the process that runs the world, by the name of their flag."""
_X_KEPT = frozenset(("faulthandler", "frozen_modules", "utf8", "no_debug_ranges", "int_max_str_digits", "tracemalloc", "cpu_count", "context_aware_warnings"))
_DEPTH = 4
"""How many interpreters of interpreters the system follows."""
_FIRST_LINE = 255
_SPECIAL = frozenset("|&;<>()$`\\*?[]#~=%{}!\n")
"""What a shell does not take for itself."""


class Command(NamedTuple):
    """A start of Python."""

    executable: str
    line: tuple[str, ...]
    """The command line: ``sys.orig_argv``."""
    kind: str
    """"script", "code", "module", "stdin" or "version"."""
    target: str
    """The script's path, the code, or the module's name."""
    args: tuple[str, ...]
    """What follows that: ``sys.argv[1:]``."""
    flags: frozenset[str]
    warnings: tuple[str, ...]
    options: tuple[str, ...]
    """Those after ``-X``."""


def on_path(name: str, env: dict[str, str] | None) -> list[str]:
    """Where a program of that name may be, the first place first."""
    return [name] if os.path.dirname(name) else [os.path.join(folder, name) for folder in os.get_exec_path(env)]


def recognise(candidates: Iterable[Any], args: Iterable[Any], env: dict[str, str] | None, cwd: Any = None) -> Command | str | OSError:
    """What is started: Python; or why that cannot take part in a world, in words; or the system's error. ``cwd``: the folder that it is started in."""
    folder = "" if cwd is None else os.fsdecode(cwd)
    path: str | OSError = _first(map(os.fsdecode, candidates), folder)
    line = [os.fsdecode(arg) for arg in args]
    for _ in range(_DEPTH):
        if isinstance(path, OSError):
            return path
        there = os.path.join(folder, path)
        if _is_python(there):
            is_this = _are_in_one_venv(there, sys.executable) and are_one(there, sys.executable)
            return _parse(path, line) if is_this else f"{path} is another Python than {sys.executable}"
        name = os.path.basename(path)
        if name in _SHELLS and line[1:2] == ["-c"]:
            words = _words(line[2]) if len(line) == 3 else None
            found = _first(on_path(words[0], env), folder) if words else None
            if not words or not isinstance(found, str):  # what is on no PATH is the shell's own, or the shell says that there is no such thing
                return f"{path} is a shell, which is no Python program; a command without anything that the shell itself does, such as `python -m …`, can be"
            path, line = found, words
        elif name == "env":
            words = line[1:]
            if words[:1] == ["-S"]:
                words = _split(" ".join(words[1:2])) + words[2:]
            found = _first(on_path(words[0], env), folder) if words else None
            if not isinstance(found, str) or words[0].startswith("-") or "=" in words[0]:
                return f"{path} with {' '.join(line[1:])!r} is no Python program"
            path, line = found, words
        else:
            interpreter = _interpreter(there)
            if not interpreter:
                return f"{path} is no Python program"
            line = [*interpreter, path, *line[1:]]
            path = _first([interpreter[0]], folder)
    return OSError(errno.ELOOP, os.strerror(errno.ELOOP))


# -- programs --------------------------------------------------------------------------------------------------------------------------------


def _first(candidates: Iterable[str], folder: str) -> str | OSError:
    """The first that can be executed."""
    error = OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    for path in candidates:
        there = os.path.join(folder, path)
        try:
            _stat(there)
        except OSError as caught:
            if caught.errno not in (errno.ENOENT, errno.ENOTDIR):
                error = caught
            continue
        if is_program(there):
            return path
        error = OSError(errno.EACCES, os.strerror(errno.EACCES))
    return OSError(error.errno, error.strerror)


def _is_python(path: str) -> bool:
    return _NAME.match(os.path.basename(path)) is not None and not _interpreter(path)


def _are_in_one_venv(path: str, other: str) -> bool:
    """Whether two Pythons belong to the same virtual environment, or to none."""
    one, another = _venv(path), _venv(other)
    return one == another or (one is not None and another is not None and are_one(one, another))


def _venv(path: str) -> str | None:
    folder = os.path.dirname(absolute(path))
    return next((place for place in (folder, os.path.dirname(folder)) if exists(os.path.join(place, "pyvenv.cfg"))), None)


def _interpreter(path: str) -> list[str]:
    """The words of a first line that begins with ``#!``."""
    try:
        fd = _open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return []
    try:
        start = _read(fd, _FIRST_LINE)
    finally:
        _close(fd)
    if not start.startswith(b"#!"):
        return []
    return os.fsdecode(start.split(b"\n", 1)[0][2:]).strip().split(None, 1)


def _split(command: str) -> list[str]:
    import shlex

    return shlex.split(command)


def _words(command: str) -> list[str] | None:
    """A shell's command as words; None if the shell does anything itself."""
    outside = re.sub(r"'[^']*'", "", command)
    plain = re.sub(r'"[^"$`\\]*"', "", outside)
    if not _SPECIAL.isdisjoint(plain) or '"' in plain or "'" in plain:
        return None
    return _split(command)


# -- Python's own options --------------------------------------------------------------------------------------------------------------------


def _parse(path: str, line: list[str]) -> Command | str:
    """As CPython's ``Python/getopt.c`` and ``Python/initconfig.c`` read it."""
    flags: set[str] = set()
    warnings: list[str] = []
    options: list[str] = []
    left = line[1:]

    def made(kind: str, target: str, args: list[str]) -> Command:
        return Command(path, tuple(line), kind, target, tuple(args), frozenset(flags), tuple(warnings), tuple(options))

    while left and left[0].startswith("-") and left[0] != "-":
        word = left.pop(0)
        if word == "--":
            break
        if word.startswith("--"):
            if word == "--version":
                return made("version", "", [])
            return f"the option {word} of Python is not simulated"
        for place, letter in enumerate(word[1:], 1):
            if letter in "cmWX":
                value = word[place + 1 :]
                if not value and not left:
                    return f"the option -{letter} of Python expects something after it"
                value = value or left.pop(0)
                if letter in "cm":
                    return made("code" if letter == "c" else "module", value, left)
                (warnings if letter == "W" else options).append(value)
                if letter == "X" and value.partition("=")[0] not in _X_KEPT and value.partition("=")[0] not in sys._xoptions:
                    return f"the option -X {value} of Python cannot be given to a program in a world, whose memory is that of the tests' process"
                break
            if letter not in _LETTERS:
                return f"the option -{letter} of Python is not known"
            if letter not in _KEPT and not (letter in _OF_PROCESS and getattr(sys.flags, _OF_PROCESS[letter])):
                return f"the option -{letter} of Python cannot be given to a program in a world, which shares the tests' process: run the tests with it"
            flags.add(letter)
    if "V" in flags:
        return made("version", "", [])
    if not left or left[0] == "-":
        return made("stdin", left[0] if left else "", left[1:])
    return made("script", left[0], left[1:])


__all__ = ["Command", "on_path", "recognise"]
