"""What becomes of a world whose run a signal breaks.

Owns the choice between raising at once, at the next point, and when the world has ended. Does not know signals, nor who sends them. Law: what is raised
is raised in the world's first task, or not until the kernel's tables are whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from simsock.errors import RealTimeLimit
from simsock.kernel.boundaries import BOUNDARY, INNER, PROGRAM
from simsock.kernel.program_lines import place_text, program_frame
from simsock.kernel.spinning import busy_loop, loop_of, program_frame_of
from simsock.kernel.task_table import task_table
from simsock.kernel.teardown import refuse_loop

if TYPE_CHECKING:
    from types import FrameType

    from simsock.kernel.core import Kernel


def interrupt(kernel: Kernel, error: BaseException, place: int, frame: FrameType | None) -> None:
    """A signal arrived in the world's thread, in ``frame``: stop the current task where it stands.

    ``place``: it may stand in the kernel or below a stand-in, whose tables may be half written. Then the next point does it; if none
    comes, the second signal finds ``pending_signal`` still there and does not wait any longer. Where the world begins or ends, it waits.
    """
    if kernel.ending:
        if not isinstance(error, RealTimeLimit):
            kernel.pending_signal = error  # raised by whoever ends the world, when it has ended
        if place == PROGRAM and kernel.current is not kernel.first:
            refuse_loop(kernel)
    elif place == BOUNDARY or (place == INNER and kernel.pending_signal is None):
        kernel.pending_signal = error
        kernel.alarm = 0
    else:
        kernel.pending_signal = None
        about_to_raise(kernel, error, frame)
        if kernel.ended:
            raise error
        kernel.fatal(error)


def about_to_raise(kernel: Kernel, error: BaseException, frame: FrameType | None) -> None:
    """A signal's error is about to be raised in ``frame``. Where its ``with`` statement would not see it, the world is left before."""
    kernel.struck = True
    if kernel.with_statement is not None and kernel.leave_now is not None and kernel.with_statement.is_passed_over(frame):
        kernel.leave_now(error)


def real_time_error(kernel: Kernel, frame: FrameType | None) -> RealTimeLimit:
    """What the watchdog raises in ``frame``."""
    if loop_of(program_frame_of(frame)) is not None:
        return busy_loop(kernel, program_frame_of(frame))
    place = place_text(program_frame(frame))
    limit = kernel.limits.real_seconds
    text = f"the run took longer than max_real_time ({limit:g} s of real time); task {kernel.current.path} at {place}\n{task_table(kernel)}"
    return RealTimeLimit(text, limit="max_real_time", place=place)


__all__ = ["about_to_raise", "interrupt", "real_time_error"]
