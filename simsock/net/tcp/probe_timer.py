"""Timers of streams that only ask whether the other end is still there: keepalive, and probes of a closed window.

PYTEST_DONT_REWRITE

Owns one such timer each. Law: a world in which nothing else is left to happen is a deadlock, however many of them are set: once a probe was
answered there and nothing has changed, the next would be answered alike, and none is sent any more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simsock.net.tcp.stream import StreamSocket


class Background:
    """A timer that nobody waits for: ``settle`` does not, either."""

    __slots__ = ("_action", "_answered", "_no_news", "_stream", "_timer")

    def __init__(self, stream: StreamSocket, action: Callable[[], None], no_news: Callable[[], bool]) -> None:
        """``no_news`` says whether an answer would say what the last one said."""
        self._stream = stream
        self._action = action
        self._no_news = no_news
        self._timer: Any = None
        self._answered = False

    @property
    def armed(self) -> bool:
        """Whether it is set."""
        return self._timer is not None

    def arm(self, deadline: int) -> None:
        """Set it anew."""
        self.stop()
        stream = self._stream
        stream.fabric.background_timers += 1
        self._timer = stream.kernel.timers.add(deadline, self._fires, None)

    def stop(self) -> None:
        """Take it back."""
        timer, self._timer = self._timer, None
        if timer is not None:
            self._stream.fabric.background_timers -= 1
            self._stream.kernel.timers.cancel(timer)

    def answered(self) -> None:
        """A probe was answered."""
        self._answered = True

    def busy(self) -> None:
        """Something happened."""
        self._answered = False

    def _fires(self, _: Any) -> None:
        self._timer = None
        fabric, kernel = self._stream.fabric, self._stream.kernel
        fabric.background_timers -= 1
        if self._answered and not kernel.runq and not kernel.held and len(kernel.timers) == fabric.background_timers and self._no_news():
            return
        self._action()
