"""``sim`` under Hypothesis's ``@given``: hidden from pytest.

Owns the signature that pytest sees of such a test. Laws:

* pytest does not see the parameter, so there is no fixture that outlives an example, and nothing for Hypothesis to warn of;
* a test that does not ask, and is to have worlds all the same, is not handed them;
* a test that has a ``sim`` of its project's is left alone, and so is one whose ``sim`` Hypothesis draws.
"""

from __future__ import annotations

import inspect
from typing import Any

SIGNATURE = "_simsock_signature"
"""Where a function keeps the signature that it had."""


def hide_sim(collector: Any, obj: Any, anyway: bool = False) -> None:
    """Take our ``sim`` out of what a test asks pytest for, if it is one under ``@given``. ``anyway``: it is to have worlds also if it does not ask."""
    function = getattr(obj, "__func__", obj)
    if not getattr(function, "is_hypothesis_test", False) or hasattr(function, SIGNATURE):
        return
    signature = inspect.signature(function)
    found = collector.session._fixturemanager.getfixturedefs("sim", collector) if anyway or "sim" in signature.parameters else None
    if not found or found[-1].func.__module__ != "pytest_simsock.fixtures":
        return
    setattr(function, SIGNATURE, signature)
    function.__signature__ = signature.replace(parameters=[value for name, value in signature.parameters.items() if name != "sim"])


def takes_sim(item: Any) -> bool:
    """Whether a test under ``@given`` is to be handed worlds."""
    function = getattr(item, "obj", None)
    return hasattr(getattr(function, "__func__", function), SIGNATURE)
