"""Beginning something so that it can be taken back, whatever happens on the way.

Owns the order: what was begun last is taken back first. Does not know what is begun. Laws:

* how a step is taken back is noted before the step is taken, so what takes it back must also do when it was not, or was half, or is taken back already;
* one that fails is tried once more, and keeps none of the others from being taken back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Undoing(list["Callable[[], object]"]):
    """What takes back what was begun: a list of it, since each world begins a dozen steps."""

    __slots__ = ()

    begin = list.append
    """``begin(undo)``: the step that ``undo`` takes back comes next."""

    def take_back(self) -> None:
        """Undo all of it; then raise the first error that came of it. To be called again if it is interrupted."""
        raised: BaseException | None = None
        while self:
            step = self[-1]
            try:
                step()
            except BaseException as error:
                _again(step)
                raised = raised or error
            self.pop()
        if raised is not None:
            raise raised


def do_all(*steps: Callable[[], object]) -> None:
    """Take every step, also after one that fails; then raise the first error."""
    raised: BaseException | None = None
    for step in steps:
        try:
            step()
        except BaseException as error:
            _again(step)
            raised = raised or error
    if raised is not None:
        raise raised


def each_again(*steps: Callable[[], object]) -> None:
    """For steps that are taken in a row without further ado, as all but ever they can be: one of them has failed, so take each (once more), whatever comes of
    it. What had failed is the caller's to raise."""
    for step in steps:
        try:
            step()
        except BaseException:
            _again(step)


def _again(step: Callable[[], object]) -> None:
    try:
        step()
    except BaseException as error:
        error.__context__ = None


__all__ = ["Undoing", "do_all", "each_again"]
