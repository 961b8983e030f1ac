"""``async def`` fixtures of tests that simsock runs: begun and ended in the test's own event loop, around its body.

Owns when they are made, and in which order they end. Does not know loops: it is a coroutine that whoever runs the test runs instead of it. Laws:

* they begin in the order in which pytest would set them up, after all plain fixtures, and end in the opposite one, in the task of the test: a nursery or a
  task group may span the test, and is told when the test was cancelled;
* what was begun is ended, whatever the test or another fixture raises; what the test raises is told before what a fixture raises at its end, but for its
  being cancelled;
* a plain fixture cannot be handed what is not made yet: that is an error before the test begins.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from pytest_simsock import mistakes
from pytest_simsock.hiding import SIGNATURE

_FORCED = ("_force_asyncio_fixture", "_force_trio_fixture")
"""What the decorators of other plugins leave on a function."""
_ASYNC = 0x80 | 0x200
"""``CO_COROUTINE`` and ``CO_ASYNC_GENERATOR``."""


class Later:
    """Stands for what an async fixture is going to make."""

    def __init__(self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
        self.fixturedef = fixturedef
        self.key = fixturedef.cache_key(request)  # type: ignore[arg-type]  # a SubRequest, as for pytest itself
        self.function = _bound(fixturedef.func, request.instance)
        self.arguments = {name: request.getfixturevalue(name) for name in fixturedef.argnames}
        self.steps: AsyncGenerator[Any, None] | None = None

    def __repr__(self) -> str:
        return f"<the async fixture {self.fixturedef.argname!r}, which is made when the test's event loop runs>"

    async def begin(self, made: dict[str, Any]) -> Any:
        """What the fixture makes. ``made``: what those before it have made."""
        __tracebackhide__ = True
        called = self.function(**{name: made[name] if isinstance(value, Later) else value for name, value in self.arguments.items()})
        if inspect.isawaitable(called):
            value = await called
        else:
            value = await anext(called)
            self.steps = called
        self.fixturedef.cached_result = (value, self.key, None)
        return value

    async def end(self, error: BaseException | None) -> None:
        """Let it go on after its ``yield``. ``error``: by which the test was cancelled, for a nursery or a timeout around the ``yield`` to know for its own."""
        __tracebackhide__ = True
        if self.steps is None:
            return
        told = f"the async fixture {self.fixturedef.argname!r} "
        try:
            if error is None:
                await anext(self.steps)
            else:
                await self.steps.athrow(error)
        except StopAsyncIteration:
            if error is None:
                return
            raise AssertionError(told + "cancelled the test") from None
        await self.steps.aclose()
        raise AssertionError(told + "has more than one yield")


_LATERS = pytest.StashKey[list[Later]]()


def mistake(item: Any) -> str:
    """What is wrong with the async fixtures of a test that simsock runs; empty when nothing is."""
    found = item._fixtureinfo.name2fixturedefs
    in_use = {name: found[name][-1] for name in item.fixturenames if found.get(name)}
    ours = {name: fixturedef for name, fixturedef in in_use.items() if is_async(fixturedef.func)}
    for name, fixturedef in ours.items():
        told = f"the async fixture {name!r} "
        if any(hasattr(fixturedef.func, forced) for forced in _FORCED):
            return told + "is another plugin's, and simsock runs this test: decorate it by @pytest.fixture, or mark the test as that plugin's"
        if fixturedef.scope != "function":
            return told + f"has the scope {fixturedef.scope!r}, and lives in the event loop of one test: it cannot be wider than a function's"
        if hasattr(getattr(item.obj, "__func__", item.obj), SIGNATURE):
            return told + "has no place under @given, where each example has a world and an event loop of its own: do in the test what it does"
    for name, fixturedef in in_use.items():
        if name not in ours and (asked := next((one for one in fixturedef.argnames if one in ours), None)) is not None:
            return (
                f"the fixture {name!r} asks for the async fixture {asked!r}, which is made when the test's event loop runs: make {name!r} an async def as well"
            )
    return ""


def refuse(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest, told: str) -> None:
    """Fail the test because of an async fixture that nobody can make. pytest finishes what has a result, so that is what it gets."""
    __tracebackhide__ = True
    error = mistakes.plain_mistake(told)
    fixturedef.cached_result = (None, fixturedef.cache_key(request), (error, None))  # type: ignore[arg-type]  # a SubRequest, as for pytest itself
    raise error from None


def explain_unmade(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> None:
    """pytest has refused to set up a fixture. If that is because it is an async one, and the test is a plain one with a world: say what to do instead."""
    __tracebackhide__ = True
    if is_async(fixturedef.func) and fixturedef.cached_result is None:
        name, test = fixturedef.argname, getattr(request.node, "originalname", "test")
        told = f"the async fixture {name!r} is made in the event loop of an async test, and {test} is a plain one"
        refuse(fixturedef, request, f"{told}: write async def {test}(...), or make {name!r} a plain fixture")


def put_off(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Later:
    """What pytest is given instead of setting up an async fixture of a test that simsock runs."""
    __tracebackhide__ = True
    item = request.node
    if fixturedef.argname not in item.fixturenames:
        refuse(fixturedef, request, f"the async fixture {fixturedef.argname!r} is asked for by getfixturevalue: name it as an argument")
    later = Later(fixturedef, request)
    laters = item.stash.setdefault(_LATERS, [])
    laters.append(later)
    fixturedef.addfinalizer(functools.partial(laters.remove, later))
    fixturedef.cached_result = (later, later.key, None)
    return later


def with_fixtures(item: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A test as a coroutine function that has its async fixtures around it."""
    laters = list(item.stash.get(_LATERS, ()))
    if not laters:
        return function

    @functools.wraps(function)
    async def run(**arguments: Any) -> Any:
        __tracebackhide__ = True
        begun: list[Later] = []
        made: dict[str, Any] = {}
        error: BaseException | None = None
        result = None
        try:
            for later in laters:
                made[later.fixturedef.argname] = await later.begin(made)
                begun.append(later)
            item.funcargs.update(made)
            result = await function(**{name: made[name] if isinstance(value, Later) else value for name, value in arguments.items()})
        except BaseException as raised:
            error = raised
        for later in reversed(begun):
            cancelled = error if error is not None and _is_cancellation(error) else None
            try:
                await later.end(cancelled)
            except BaseException as raised:
                if error is None or error is cancelled:
                    error = raised
                else:
                    error.add_note(f"the async fixture {later.fixturedef.argname!r} raised at its end: {type(raised).__name__}: {raised}")
        if error is not None:
            raise error
        return result

    return run


def _is_cancellation(error: BaseException) -> bool:
    """Whether an error is trio's or asyncio's way to end a task, and nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(_is_cancellation, error.exceptions))
    return type(error).__name__ in ("Cancelled", "CancelledError") and not isinstance(error, Exception)


def is_async(function: Any) -> bool:
    """Whether a fixture's function is an ``async def``."""
    return bool(getattr(getattr(function, "__code__", None), "co_flags", 0) & _ASYNC)


def _bound(function: Any, instance: Any) -> Any:
    """A fixture of a class belongs to the instance that the test has."""
    owner = getattr(function, "__self__", None)
    if owner is None or instance is None or not isinstance(instance, type(owner)):
        return function
    return function.__func__.__get__(instance)


__all__ = ["explain_unmade", "is_async", "mistake", "put_off", "with_fixtures"]
