"""``sim`` under Hypothesis's ``@given``: hidden from pytest, handed to each example.

Owns how a test under ``@given`` that asks for ``sim`` is collected and called. Does not know worlds: ``examples`` makes them. Laws:

* pytest does not see the parameter, so there is no fixture that outlives an example, and nothing for Hypothesis to warn of;
* a test that has a ``sim`` of its project's is left alone, and so is one whose ``sim`` Hypothesis draws;
* while the test is called, its function is what Hypothesis made; before and after, only its signature differs.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

_SIGNATURE = "_simsock_signature"
"""Where a function keeps the signature that it had."""


class _Placeholder:
    """What Hypothesis sees, and prints, in place of a world."""

    def __repr__(self) -> str:
        return "<a fresh world>"


def hide_sim(collector: Any, obj: Any) -> None:
    """Take our ``sim`` out of what a test asks pytest for, if it is one under ``@given``."""
    function = getattr(obj, "__func__", obj)
    if not getattr(function, "is_hypothesis_test", False) or hasattr(function, _SIGNATURE):
        return
    signature = inspect.signature(function)
    found = collector.session._fixturemanager.getfixturedefs("sim", collector) if "sim" in signature.parameters else None
    if not found or found[-1].func.__module__ != "pytest_simsock.fixtures":
        return
    setattr(function, _SIGNATURE, signature)
    function.__signature__ = signature.replace(parameters=[value for name, value in signature.parameters.items() if name != "sim"])


def takes_sim(item: Any) -> bool:
    """Whether a test under ``@given`` is to be handed worlds."""
    function = getattr(item, "obj", None)
    return hasattr(getattr(function, "__func__", function), _SIGNATURE)


@contextmanager
def handing_sim(item: pytest.Function) -> Iterator[None]:
    """While this lasts, a call of the test hands each example a world."""
    __tracebackhide__ = True
    from pytest_simsock.examples import Examples

    called = item.obj
    function: Any = getattr(called, "__func__", called)
    handle, hidden = function.hypothesis, function.__signature__
    inner = handle.inner_test
    if inspect.iscoroutinefunction(inner):
        pytest.fail(
            f"{item.nodeid}: Unsupported: async def under @given with sim; use simsock.strategies.simulations() and an event loop of your own", pytrace=False
        )
    with Examples(item) as examples:

        @functools.wraps(inner)
        def test(*args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            return examples.run(inner, args, kwargs)

        usual = function._hypothesis_internal_use_settings
        if examples.preempts:
            function._hypothesis_internal_use_settings = _without_explaining(usual)
        handle.inner_test = test
        function.__signature__ = getattr(function, _SIGNATURE)
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
