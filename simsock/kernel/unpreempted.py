"""Code that nobody is to be switched in for, but that may wait: the body of a module.

PYTEST_DONT_REWRITE

Owns how the kernel behaves while such code runs. Does not know modules. Laws:

* its points are counted and nobody is asked at them; when it parks, or starts a thread, the others run as ever;
* worlds without such code pay nothing: the kernel changes its class for as long as it runs.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from simsock.kernel.core import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from simsock.kernel.task import Task


class _Unpreempted(Kernel):
    """A kernel whose current task runs such code."""

    __slots__ = ()

    def point(self) -> None:
        self.steps = steps = self.steps + 1
        if steps >= self.alarm:
            self._alarm()
        if self.asks_strategy:
            self.current.points += 1

    def _park(self) -> None:
        self._leave_to_others(Kernel._park)

    def go_to(self, other: Task) -> None:
        self._leave_to_others(Kernel.go_to, other)

    def fatal(self, error: BaseException) -> None:
        self._leave_to_others(Kernel.fatal, error)

    def _leave_to_others(self, switch: Callable[..., object], *args: Any) -> None:
        atomic = self.atomic
        self.atomic = 0
        self.__class__ = Kernel  # type: ignore[assignment]  # the same but for methods
        try:
            switch(self, *args)
        finally:
            self.__class__ = _Unpreempted
            self.atomic = atomic


@contextmanager
def unpreempted(kernel: Kernel) -> Iterator[None]:
    """The current task runs such code within the block."""
    before, atomic = kernel.__class__, kernel.atomic
    kernel.atomic = 1
    kernel.__class__ = getattr(before, "UNPREEMPTED", _Unpreempted)  # a class of kernels may have one of its own
    try:
        yield
    finally:
        kernel.__class__ = before
        kernel.atomic = atomic


__all__ = ["unpreempted"]
