"""What a world does besides choosing who runs: tasks that stand still, collections of garbage.

PYTEST_DONT_REWRITE

Owns how these options come to a world's points. Does not know how either works. Law: they are asked after the strategies have seen a point, in one
order; in the first schedule of a search both are dull.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.kernel.collecting import Collecting
from simsock.kernel.stalls import Stalls

if TYPE_CHECKING:
    from types import CodeType

    from simsock.kernel import Kernel, Task
    from simsock.kernel.undoing import Undoing
    from simsock.world.options import Options


def see_choices(kernel: Kernel, options: Options, is_plain: bool, begun: Undoing) -> None:
    """Let the world's points be seen by those that the options ask for."""
    seers = [kernel.sees] if kernel.sees is not None else []
    if options.collect is not None:
        collecting = Collecting(kernel, is_plain)
        seers.append(collecting.sees)
        begun.begin(collecting.end)
        collecting.begin()
    if options.stalls is not None:
        seers.append(Stalls(kernel, options.stall_ns, is_plain).sees)

    def sees(task: Task, code: CodeType | None, place: int) -> None:
        for see in seers:
            see(task, code, place)

    kernel.sees = seers[0] if len(seers) == 1 else sees


__all__ = ["see_choices"]
