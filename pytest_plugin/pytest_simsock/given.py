"""``sim`` under Hypothesis's ``@given``: handed to each example.

Owns how a test under ``@given`` that asks for ``sim`` is called; how pytest does not see that it asks is ``hiding``'s. Does not know worlds:
``examples`` makes them. Laws:

* while the test is called, its function is what Hypothesis made; before and after, only its signature differs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_simsock import coroutines
from pytest_simsock.hiding import SIGNATURE


class _Placeholder:
    """What Hypothesis sees, and prints, in place of a world."""

    def __repr__(self) -> str:
        return "<a fresh world>"


@contextmanager
def handing_sim(item: pytest.Function) -> Iterator[None]:
    """While this lasts, a call of the test hands each example a world."""
    __tracebackhide__ = True
    from simsock.supported import check

    check()
    from pytest_simsock.examples import Examples

    called = item.obj
    function: Any = getattr(called, "__func__", called)
    handle, hidden = function.hypothesis, function.__signature__
    inner = handle.inner_test
    body = coroutines.synchronous(item, inner) if inspect.iscoroutinefunction(inner) else inner
    signature = getattr(function, SIGNATURE)
    hands_sim = "sim" in signature.parameters
    with Examples(item, hands_sim) as examples:

        @functools.wraps(inner)
        def test(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return examples.run(body, args, kwargs)

        usual = function._hypothesis_internal_use_settings
        if examples.preempts:
            function._hypothesis_internal_use_settings = _without_explaining(usual)
        handle.inner_test = test
        function.__signature__ = signature
        if hands_sim:
            item.obj = functools.partial(called, sim=_Placeholder())
        try:
            yield
        finally:
            item.obj = called
            function.__signature__ = hidden
            handle.inner_test = inner
            function._hypothesis_internal_use_settings = usual


def _without_explaining(settings: Any) -> Any:
    """Settings without the phase in which Hypothesis watches the test's lines, as preemption does all the time."""
    from hypothesis import Phase
    from hypothesis import settings as make

    return make(settings, phases=[phase for phase in settings.phases if phase is not Phase.explain])
