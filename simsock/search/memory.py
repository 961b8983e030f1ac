"""What earlier searches of a test have found: kept, tried first next time, and dropped when it passes; and the runs that guided searches begin with.

Owns the form in which a run is kept and the name under which: a token in one of Hypothesis's example databases, by default a folder. Does not
know how a run is made. Laws:

* what is kept never shifts the numbers of schedules, nor what strategies learn: it is tried before the first;
* an entry that cannot be read, or that another simsock, other options or other questions have made, is harmless: it is passed over, and damage is told;
* a database that cannot be used costs a sentence, never a search;
* Hypothesis is not loaded while a session is open, nor where there is nothing kept and nothing to keep.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simsock.choices import Token
from simsock.errors import BadToken, UsageError
from simsock.escaping import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simsock.world.options import Options

FOLDER = ".simsock/failures"
"""Where the command and pytest keep what they found unless told otherwise, in the directory of the project. They know it by themselves: they load
nothing of this before there is a world."""
NONE = "none"
KEPT_MAX = 20
"""Failures of one test that are kept; what comes after that is not."""
RUNS_MAX = 40
"""Runs that showed something, for guided searches: those that showed what few did."""
_DIGITS_MAX = 60
_IGNORE = "# made by simsock\n*\n"
_PLAIN = (bool, int, float, str, bytes, type(None))
_NOT_COMPARED = ("strategy", "schedule")
"""Options that do not matter to a run whose deviations are known."""


class Memory:
    """Of one test. ``database``: a folder, one of Hypothesis's ``ExampleDatabase``, or None for nothing at all."""

    def __init__(self, database: Any, name: str) -> None:
        self._given = checked_database(database)
        self._made: Any = None
        self._key = b"simsock\0" + name.encode("utf-8", "surrogatepass")
        self._texts: dict[int, bytes] = {}
        self.notes: list[str] = []
        """What is to be said of it."""

    @property
    def database(self) -> Any:
        """The database, made when it is first needed; None when nothing is kept."""
        if self._made is None and self._given is not None:
            if isinstance(self._given, Path):
                from hypothesis.database import DirectoryBasedExampleDatabase

                self._made = DirectoryBasedExampleDatabase(self._given)
            else:
                self._made = self._given
        return self._made

    def kept(self) -> list[Token]:
        """The failures that were kept and can be tried here, in an order that is the same everywhere."""
        return self._read(self._key)

    def runs(self, options: Options) -> list[Token]:
        """The runs that showed something and were kept, of worlds with these options."""
        return [token for token in self._read(self._runs_key) if fits(token, options)]

    def keep_runs(self, options: Options, runs: Iterable[tuple[int | str, Any]], target: str | None) -> None:
        """These runs (seeds and deviations), instead of those that were kept before. What is too long for a token is left out."""
        if self._given is None:
            return
        texts = set()
        for seed, deviations in runs:
            try:
                texts.add(Token(seed, options.as_dict(), deviations, target=target).encode().encode("ascii"))
            except (BadToken, UsageError):
                continue
        try:
            there = set(self.database.fetch(self._runs_key))
            for text in sorted(there - texts):
                self.database.delete(self._runs_key, text)
            for text in sorted(texts - there):
                self.database.save(self._runs_key, text)
            if isinstance(self._given, Path):
                self._hide(self._given)
        except Exception as error:
            self._cannot("kept", error)

    @property
    def _runs_key(self) -> bytes:
        return self._key + b"\0runs"

    def _read(self, key: bytes) -> list[Token]:
        if self._given is None or (isinstance(self._given, Path) and not self._given.is_dir()):
            return []
        try:
            texts = sorted(set(self.database.fetch(key)))
        except Exception as error:
            self._cannot("read", error)
            return []
        found = []
        for text in texts:
            try:
                token = Token.decode(bytes(text).decode("ascii"))
            except (BadToken, UnicodeDecodeError, TypeError) as error:
                if not (isinstance(error, BadToken) and "questions" in error.facts):  # of worlds that asked other questions: passed over in silence
                    self.notes.append(f"an entry of {self._where} cannot be read and is passed over: {printable(str(error))}")
                continue
            if token.deviations is not None:
                self._texts[id(token)] = bytes(text)
                found.append(token)
        found.sort(key=lambda token: (len(token.deviations or ()), number_of(token), str(token.seed)))
        return found

    def keep(self, seed: int | str, options: Options, deviations: Any, target: str | None, number: int) -> None:
        """A run that fails. One that is too long for a token is not kept."""
        if self._given is None:
            return
        try:
            text = Token(seed, {**options.as_dict(), "schedule": number}, deviations, target=target).encode().encode("ascii")
        except (BadToken, UsageError):
            return
        try:
            there = set(self.database.fetch(self._key))
            if text in there or len(there) >= KEPT_MAX:
                return
            self.database.save(self._key, text)
            if isinstance(self._given, Path):
                self._hide(self._given)
                if text not in set(self.database.fetch(self._key)):
                    raise OSError("it is not there after it was written")
        except Exception as error:
            self._cannot("kept", error)

    def _hide(self, folder: Path) -> None:
        """Our own folder is no part of the program: whoever wants to share it names another one."""
        ignore = folder.parent / ".gitignore"
        if folder.parts[-2:] == Path(FOLDER).parts and not ignore.exists():
            ignore.write_text(_IGNORE, encoding="utf-8")

    def passed(self, token: Token) -> None:
        """A kept run was tried with the options that it was made with, and passes: it is dropped, unless it was made on another Python."""
        if any(difference.startswith("the token was made on Python") for difference in token.differences_here()):
            return
        if self._forget(token):
            self.notes.append(f"kept from an earlier search, and passes now: schedule {number_of(token)} of seed {base_seed(token)!r}; it is dropped")

    def _forget(self, token: Token) -> bool:
        text = self._texts.get(id(token))
        if text is None:
            return False
        try:
            self.database.delete(self._key, text)
        except Exception as error:
            self._cannot("changed", error)
            return False
        return True

    def replace(self, token: Token) -> None:
        """A kept run fails, and what was made of it is kept in its place."""
        self._forget(token)

    @property
    def _where(self) -> str:
        return str(self._given) if isinstance(self._given, Path) else f"{type(self._given).__name__}"

    def _cannot(self, what: str, error: Exception) -> None:
        said = f"failures cannot be {what} in {self._where}: {type(error).__name__}: {printable(str(error))}"
        if said not in self.notes:
            self.notes.append(said)


def checked_database(database: Any) -> Any:
    """None, a folder as a path, or a database. Raises ``UsageError`` for anything else."""
    if database is None or (isinstance(database, str) and database.lower() == NONE):
        return None
    if isinstance(database, (str, os.PathLike)) and str(database):
        path = Path(database)
        if path.exists() and not path.is_dir():
            raise UsageError(f"database: expected a folder, and {str(database)!r} is none")
        return path
    if all(callable(getattr(database, part, None)) for part in ("fetch", "save", "delete")) and not isinstance(database, type):
        return database
    raise UsageError(f"database: expected a folder, 'none' or one of Hypothesis's ExampleDatabase, got {database!r}")


def number_of(token: Token) -> int:
    """Which schedule of its search a kept run was; what it was made of, where it was made of another one."""
    number = token.options.get("schedule", 0)
    if not number and (tail := str(token.seed).rpartition("/")[2]).isdecimal() and len(tail) < _DIGITS_MAX:
        number = int(tail)
    return number if isinstance(number, int) else 0


def base_seed(token: Token) -> int | str:
    """The seed of its search, a number if it reads like one."""
    base, separator, _ = str(token.seed).rpartition("/")
    base = base if separator else str(token.seed)
    digits = base.removeprefix("-")
    return int(base) if digits.isascii() and digits.isdigit() and len(digits) < _DIGITS_MAX else base


def fits(token: Token, options: Options) -> bool:
    """Whether a kept run was made with these options, by which it is repeated."""
    mine, made = ({name: value for name, value in plain.items() if name not in _NOT_COMPARED} for plain in (options.as_dict(), token.options))
    return bool(_as_lists(mine) == made)


def _as_lists(value: Any) -> Any:
    """Plain values as a token gives them back."""
    if isinstance(value, dict):
        return {name: _as_lists(one) for name, one in value.items()}
    return [_as_lists(one) for one in value] if isinstance(value, (list, tuple)) else value


def name_of(test: Any) -> str:
    """The name by which a test is known from one process to the next."""
    if isinstance(test, functools.partial):
        given = [repr(value) for value in test.args if isinstance(value, _PLAIN)]
        given += [f"{name}={value!r}" for name, value in sorted(test.keywords.items()) if isinstance(value, _PLAIN)]
        return f"{name_of(test.func)}({', '.join(given)})"
    while hasattr(test, "__wrapped__"):
        test = test.__wrapped__
    named = test if hasattr(test, "__qualname__") else type(test)
    module = str(getattr(named, "__module__", None) or "?")
    if module in ("__main__", "__mp_main__"):
        code = getattr(getattr(test, "__func__", test), "__code__", None)
        module = Path(code.co_filename).stem if code is not None else module
    return f"{module}:{named.__qualname__}"


__all__ = ["FOLDER", "NONE", "Memory", "base_seed", "checked_database", "fits", "name_of", "number_of"]
