"""What simsock said about an error, told on the error that came of it.

Owns the look along the chain of an error. A client's library makes an error of its own of a refused connection (``requests``' is the fourth in a row), some
leave out what it came of, and event loops make a new one of a mere number: what simsock has to say then stands where nobody looks, or nowhere. Laws: it is said
as the first note of the error that is raised, once; nothing is said where the error, or a note of its own, says it already; no code of the program runs but
an error's ``__str__``, which may fail.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from simsock.errors import Fenced, SimsockError
from simsock.escaping import printable, told
from simsock.net.fabric import fabric_of
from simsock.stdlib._refusals import explained, is_taken_outside, words_of

if TYPE_CHECKING:
    from simsock.kernel import Kernel

_DEEP_MAX = 100
_REFUSED = ("Connection refused", "Connect call failed")
"""How errors without a number tell of it: asyncio's about several addresses is one."""


def tell_cause(error: BaseException, kernel: Kernel) -> None:
    """Note on an error that is being raised what simsock said on the way to it, or before it to who has swallowed that."""
    chain = chain_of(error, hidden=True)
    if not any(isinstance(one, Fenced) for one in chain):
        stopped = next((known for _, known in kernel.errors if isinstance(known, Fenced)), None)
        if stopped is not None:
            _note_first(error, f"before it the fence stopped a call: {_words(stopped)}")
        elif (refused := fabric_of(kernel).refused) is not None and not any(map(_is_refusal, chain)) and is_taken_outside(fabric_of(kernel), refused[2]):
            _note_first(error, f"before it a connection was refused: {explained(fabric_of(kernel), *refused)}")  # to who looks whether a server is up
    already = "\n".join([told(error), *vars(error).get("__notes__", ())])
    for inner in chain:
        if words := _words(inner):
            break
    else:
        refused = fabric_of(kernel).refused
        if refused is None or not any(map(_is_refusal, chain)):
            return
        inner, words = error, explained(fabric_of(kernel), *refused)
    if words not in already:
        what = "" if inner is error else f"it came of {type(inner).__name__}: "
        _note_first(error, what + words)


def _note_first(error: BaseException, words: str) -> None:
    words = printable(words, lines=True)
    if words not in vars(error).get("__notes__", ()):  # the harness asks as well as the world's end
        BaseException.add_note(error, words)
        notes = vars(error)["__notes__"]
        notes.insert(0, notes.pop())


def chain_of(error: BaseException, hidden: bool = False) -> list[BaseException]:
    """The error and all that is told with it: causes, contexts, the members of groups. ``hidden``: and what ``raise … from None`` leaves out."""
    found: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left and len(found) < _DEEP_MAX:
        one = left.pop(0)
        if one is not None and not any(one is known for known in found):
            found.append(one)
            left += [one.__cause__, None if one.__suppress_context__ and not hidden else one.__context__]
            left += one.exceptions if isinstance(one, BaseExceptionGroup) else ()
    return found


def _words(error: BaseException) -> str:
    return str(error).partition("\n")[0] if isinstance(error, SimsockError) else words_of(error)


def _is_refusal(error: BaseException) -> bool:
    if not isinstance(error, OSError):
        return False
    return error.errno == errno.ECONNREFUSED or any(words in told(error) for words in _REFUSED)


__all__ = ["chain_of", "tell_cause"]
