"""Errors that a test expects of tasks and handlers, and the raising of those it does not.

Owns ``expect_errors`` and the form in which several errors are raised at once. Knows worlds and real testbeds only as something that
settles.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from simsock.errors import Finding, SimsockError, UsageError
from simsock.escaping import printable
from simsock.patching import unseen
from simsock.world.causes import chain_of

if TYPE_CHECKING:
    from simsock.kernel import Kernel


class Expectation:
    """Errors of certain types (and texts) that are not to fail the test. ``errors`` are those that came."""

    def __init__(self, world: Any, types: tuple[type[BaseException], ...], match: str | None) -> None:
        for kind in types:
            if not (isinstance(kind, type) and issubclass(kind, BaseException)):
                raise UsageError(f"expect_errors: expected exception classes, got {kind!r}")
        self._world = world
        self._types = types or (BaseException,)
        self._match = match
        self._open = True
        self._earlier: list[BaseException] = []
        """What nobody expected when the block of a ``with`` began: not its business."""
        self.errors: list[BaseException] = []

    def take(self, error: BaseException) -> bool:
        """Whether the error is one of those expected."""
        if any(error is known for known in self.errors):
            return True
        if any(error is known for known in self._earlier):
            return False
        if isinstance(error, Finding) and not any(issubclass(kind, Finding) for kind in self._types):
            return False  # an oracle's, and no task's
        if not self._open or not isinstance(error, self._types) or (self._match is not None and not re.search(self._match, str(error))):
            return False
        self.errors.append(error)
        return True

    def check(self) -> None:
        """Raise ``AssertionError`` if no such error came."""
        unexpected = self._world.errors  # asking also hands out what came since
        if not self.errors:
            wanted = " or ".join(kind.__name__ for kind in self._types) + (f" matching {self._match!r}" if self._match else "")
            came = printable(f"; what came: {unexpected!r}") if unexpected else ""
            raise AssertionError(f"expected an error of a task or handler: {wanted}; none came{came}")

    def __enter__(self) -> Expectation:
        self._open = False
        self._earlier = list(self._world.errors)
        self._open = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        if kind is None:
            self._world.settle()
            self.check()
            self._open = False


def raise_errors(raised: list[tuple[Any, BaseException]]) -> None:
    """Raise one error as itself and several as an ``ExceptionGroup``, each with a note that says where it came from."""
    errors = []
    for task, error in raised:
        if task is not None and not any("raised in task" in text for text in getattr(error, "__notes__", ())):
            error.add_note(f"raised in task {task.path}")
        errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup(f"{len(errors)} errors in the world's tasks and handlers", errors)


def note(error: BaseException, raised: list[tuple[Any, BaseException]]) -> None:
    """Tell, on an error that is being raised, what tasks and handlers raised as well: it is often the cause."""
    if not raised:
        return
    import traceback  # reads sources, for which it loads a reader of Python

    told = chain_of(error)
    said = "\n".join(getattr(error, "__notes__", ()))
    for task, other in raised[:5]:
        if not any(other is known for known in told) and not (isinstance(other, SimsockError) and str(other) in said):
            where = f" in task {task.path}" if task is not None else ""
            error.add_note(f"also raised{where}: " + printable("".join(traceback.format_exception(other)).rstrip(), lines=True))


def tell_unseen(kernel: Kernel, error: BaseException | None, raised: list[tuple[Any, BaseException]]) -> str:
    """Note on an error that is being raised what futures keep and nobody has looked at, which may be the cause; it is given back where there is no error."""
    words = unseen.words(kernel)
    failure = error or (raised[0][1] if raised else None)
    if failure is None or not words:
        return words
    failure.add_note(words)
    return ""
