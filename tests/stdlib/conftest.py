"""Small worlds driven by hand: a kernel, a session and nothing above them."""

from __future__ import annotations

import queue as real_queue
import threading as real_threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from simsock.choices import DefaultSource, SeededSource, Tape
from simsock.kernel import Kernel, Limits, Session
from simsock.kernel.scope import Scope
from simsock.kernel.strategies import Run, begin
from simsock.kernel.teardown import end


@contextmanager
def open_world(seed: int | None = None, lines_of: str | None = None, **limits: Any) -> Iterator[Kernel]:
    """A world around the block: plain fifo, or the random strategy with a seed, switching tasks between the lines of one file if asked.

    What a task raised is raised at the end, unless the test took it out of ``kernel.errors``.
    """
    session = Session() if lines_of is None else Session("lines", Scope([lines_of], []))
    with session:
        choose = None if seed is None else begin("random", Run(seed))
        kernel = Kernel(Tape(DefaultSource() if seed is None else SeededSource(seed)), choose, Limits(**{"steps": 200_000, **limits}), session.launcher)
        session.enter_world(kernel, None)
        try:
            yield kernel
        finally:
            if session.preemption is not None:
                session.preemption.leave()
            problems = end(kernel)
            session.leave_world()
    assert problems == []
    for _task, error in kernel.errors:
        raise error


@pytest.fixture
def world():
    """``with world(seed=...) as kernel:``."""
    return open_world


@pytest.fixture(params=["real", "sim"])
def std(request):
    """``threading`` and ``queue``: the real modules, then ours inside a world. For programs whose outcome does not depend on time or order."""
    if request.param == "real":
        yield SimpleNamespace(threading=real_threading, queue=real_queue, kind="real")
        return
    from simsock.stdlib import queue, threading

    with open_world():
        yield SimpleNamespace(threading=threading, queue=queue, kind="sim")
