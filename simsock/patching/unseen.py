"""Errors of futures that nobody looks at: what a pool's job raised, and nobody has asked for.

Owns what is noted of each, as words. Does not know when it is told. Laws: a future and its error live as long as they would without a world, so neither is
kept; that a task waits for a future has no frame of simsock's in it; no code of the program runs. Errors of a kind that the program has looked at elsewhere
are not told: of jobs that fail alike it is enough to look at one.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from types import WrapperDescriptorType
from typing import TYPE_CHECKING, Any

from simsock.escaping import printable
from simsock.kernel import session
from simsock.kernel.program_lines import is_library, is_simsock, short_path
from simsock.patching.classes import changed, names_of
from simsock.patching.room import Room

if TYPE_CHECKING:
    from simsock.kernel import Kernel

_TOLD_MAX = 5
_ENTRY = "_simsock_unseen"
_CLASSES = (("concurrent.futures._base", "Future", "_exception"), ("multiprocessing.pool", "ApplyResult", "_value"))
_PLAIN = (str, bytes, int, float, bool, type(None))
_applied: dict[tuple[str, str, str], tuple[type, str, Any]] = {}


class Unseen:
    """One error, in words."""

    __slots__ = ("kind", "place", "text")

    def __init__(self, error: Exception) -> None:
        self.kind = type(error)
        self.text = _text(error)
        self.place = _place(error)

    def words(self) -> str:
        """For people."""
        return printable(f"{self.kind.__qualname__}{f': {self.text}' if self.text else ''}{f' ({self.place})' if self.place else ''}")


def _text(error: Exception) -> str:
    """What it says, if no code of the program is needed for that."""
    plain = isinstance(getattr(type(error), "__str__", None), WrapperDescriptorType) and all(type(part) in _PLAIN for part in error.args)
    return str(error)[:200] if plain else ""


def _place(error: Exception) -> str:
    """The innermost line of the program."""
    found, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if not is_simsock(code.co_filename) and not is_library(code.co_filename):
            found = f"{short_path(code.co_filename)}:{trace.tb_lineno} in {code.co_qualname}"
        trace = trace.tb_next
    return found


class _Looked:
    """In the place of an attribute of futures, which stays where it is: notes that an error came there, and that somebody has read it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, future: Any, owner: Any = None) -> Any:
        if future is None:
            return self
        space = future.__dict__
        if _ENTRY in space:
            _seen(space.pop(_ENTRY))
        try:
            return space[self._name]
        except KeyError:
            raise AttributeError(f"{type(future).__name__!r} object has no attribute {self._name!r}") from None

    def __set__(self, future: Any, value: Any) -> None:
        space = future.__dict__
        space[self._name] = value
        if isinstance(value, Exception) and not space.get("_success"):
            kernel = session.active
            if kernel is not None and kernel.thread == get_ident() and not kernel.ending:
                space[_ENTRY] = entry = Unseen(value)
                kernel.room(Room).unseen[id(entry)] = entry


def _seen(entry: Unseen) -> None:
    kernel = session.active
    if kernel is not None:
        room = kernel.room(Room)
        room.unseen.pop(id(entry), None)
        room.kinds_seen.add(entry.kind)


def words(kernel: Kernel) -> str:
    """What there is to tell of a world; nothing as a rule."""
    room = kernel.room(Room)
    left = [entry.words() for entry in room.unseen.values() if entry.kind not in room.kinds_seen]
    if not left:
        return ""
    more = f"; and {len(left) - _TOLD_MAX} more" if len(left) > _TOLD_MAX else ""
    return f"nobody has looked at what work in a pool raised, of which its future knows: {'; '.join(left[:_TOLD_MAX])}{more}"


def apply() -> None:
    """The patched state begins, or goes on after an import."""
    for key in _CLASSES:
        if key in _applied:
            continue
        module, name, attribute = key
        cls = getattr(sys.modules.get(module), name, None)
        if isinstance(cls, type) and attribute not in (names := names_of(cls)):
            looked = _Looked(attribute)
            _applied[key] = cls, attribute, looked
            names[attribute] = looked
            changed(cls)


def remove() -> None:
    """The patched state ends."""
    while _applied:
        key, (cls, attribute, looked) = next(iter(_applied.items()))
        if (names := names_of(cls)).get(attribute) is looked:
            del names[attribute]
            changed(cls)
        del _applied[key]
