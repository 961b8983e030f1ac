"""Beginning something so that it can be taken back, whatever happens on the way.

Owns the order: what was begun last is taken back first. Does not know what is begun. Laws:

* how a step is taken back is noted before the step is taken, so what takes it back must also do when it was not, or was half, or is taken back already;
* one that fails is tried once more, and keeps none of the others from being taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Undoing:
    """What takes back what was begun."""

    __slots__ = ("_steps",)

    def __init__(self) -> None:
        self._steps: list[Callable[[], object]] = []

    def __bool__(self) -> bool:
        return bool(self._steps)

    def begin(self, undo: Callable[[], object]) -> None:
        """The step that ``undo`` takes back comes next."""
        self._steps.append(undo)

    def take_back(self) -> None:
        """Undo all of it; then raise the first error that came of it. To be called again if it is interrupted."""
        raised: BaseException | None = None
        steps = self._steps
        while steps:
            raised = _twice(steps[-1]) or raised
            steps.pop()
        if raised is not None:
            raise raised


def do_all(*steps: Callable[[], object]) -> None:
    """Take every step, also after one that fails; then raise the first error."""
    raised: BaseException | None = None
    for step in steps:
        error = _twice(step)
        raised = raised or error
    if raised is not None:
        raise raised


def _twice(step: Callable[[], object]) -> BaseException | None:
    try:
        step()
    except BaseException as error:
        try:
            step()
        except BaseException as again:
            again.__context__ = None
            return error
        return error
    return None


__all__ = ["Undoing", "do_all"]
