"""``async def`` tests without another plugin: run by ``trio.run``, or ``asyncio.run``, in the test's world.

Owns which tests these are, by what each is run, and what is raised of what leaves it. Does not know worlds: one runs when a test's function is called.
Laws:

* a test that is another plugin's (marked ``asyncio``, ``trio``, ``anyio``; every one where aiohttp's runs them), or has no world and no testbed, is left alone;
* what is asked for and cannot be had is an error that says so: no coroutine is dropped without having run;
* one error in groups alone leaves the test as itself, and so does what skips it, ends it, or interrupts pytest; several errors leave it as the group that they
  are in.
"""

from __future__ import annotations

import functools
import inspect
import unittest
import warnings
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any

import pytest

from pytest_simsock import async_fixtures, mistakes
from pytest_simsock.configuring import RUNNERS, STAGE
from pytest_simsock.hiding import SIGNATURE
from pytest_simsock.sharing import asks_for_world

OTHERS = ("asyncio", "trio", "anyio")
"""Markers by which other plugins' tests are known."""
AIOHTTP = "aiohttp.pytest_plugin"
"""A plugin that runs every coroutine function and makes every async fixture, and has no marker for that."""
OPTION = "runner"


def is_ours(item: Any) -> bool:
    """Whether a test is a coroutine function with a world or a testbed, and nobody else's."""
    return _is_coroutine_function(item) and asks_for_world(item) and whose(item) is None


def whose(item: Any) -> str | None:
    """The marker of another plugin that a test has; anyio's in auto mode gives its tests a fixture instead, and aiohttp's takes all that nobody else has."""
    marker = next((name for name in OTHERS if item.get_closest_marker(name) is not None), None)
    if marker is None and "anyio_backend" in item.fixturenames:
        marker = "anyio"
    return marker or (AIOHTTP if item.config.pluginmanager.has_plugin(AIOHTTP) else None)


def _is_coroutine_function(item: Any) -> bool:
    if issubclass(getattr(item, "cls", None) or object, unittest.TestCase):
        return False  # an affair of unittest's own
    function: Any = getattr(item, "obj", None)
    function = getattr(function, "__func__", function)
    if hasattr(function, SIGNATURE):  # under @given, and to be handed worlds
        function = function.hypothesis.inner_test
    return inspect.iscoroutinefunction(function)


def runner_of(item: Any, config: Any = None) -> str:
    """By what a test is run: the nearest marker says it, or ``simsock_config`` (``config``), or the ini file. Raises ``ValueError`` on anything else."""
    for marker in item.iter_markers("simsock"):
        if OPTION in marker.kwargs:
            return _checked(marker.kwargs[OPTION], "@pytest.mark.simsock(runner={!r})")
    if isinstance(config, dict) and OPTION in config:
        return _checked(config[OPTION], "simsock_config: runner: {!r}")
    return item.config.getini("simsock_runner") or RUNNERS[0]


def _checked(value: object, where: str) -> str:
    if value not in RUNNERS:
        raise ValueError(f"{where.format(value)}: expected one of {', '.join(RUNNERS)}")
    return str(value)


def mistake(item: Any) -> str:
    """What is wrong with a test that is a coroutine function; empty when nothing is."""
    own = next((marker.kwargs[OPTION] for marker in item.iter_markers("simsock") if OPTION in marker.kwargs), None)
    if own is not None:
        runner_of(item)
    if not _is_coroutine_function(item) or not asks_for_world(item):
        return ""
    other = whose(item)
    if other is not None:
        if own is None:
            return ""
        if other == AIOHTTP:
            return (
                f"@pytest.mark.simsock(runner={own!r}) beside the plugin {AIOHTTP}, which runs every coroutine: one of them can run the test; remove the other"
            )
        also = f" (which every coroutine has while {other}_mode is auto)" if other in ("asyncio", "anyio") else ""
        return f"@pytest.mark.simsock(runner={own!r}) and @pytest.mark.{other}{also}: one of them can run the test; remove the other"
    return async_fixtures.mistake(item)


def prepare(item: Any) -> None:
    """Before a test's world begins: what will run it is imported outside, where it stays imported."""
    if is_ours(item):
        _module(runner_of(item))


def _module(runner: str) -> Any:
    __tracebackhide__ = True
    try:
        return __import__(runner)
    except ImportError as error:
        told = f"an async test is run by {runner}, and that cannot be imported ({error}): install it, or say runner="
    raise mistakes.plain_mistake(f"{told}{' or '.join(map(repr, (name for name in RUNNERS if name != runner)))}")


@pytest.hookimpl(specname="pytest_fixture_setup", tryfirst=True)
def pytest_fixture_setup_of_coroutines(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> object:
    """Put off an async fixture of a test that is ours."""
    __tracebackhide__ = True
    if not async_fixtures.is_async(fixturedef.func) or fixturedef.scope != "function" or not is_ours(request.node):
        return None
    return async_fixtures.put_off(fixturedef, request)


@pytest.hookimpl(specname="pytest_pyfunc_call")
def pytest_pyfunc_call_of_coroutines(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function, if nobody else has, or wants to."""
    __tracebackhide__ = True
    if not inspect.iscoroutinefunction(pyfuncitem.obj) or not asks_for_world(pyfuncitem):
        return None
    if (other := whose(pyfuncitem)) == AIOHTTP:
        return None  # loaded by -p, it is asked after this one
    if other is not None:
        raise mistakes.plain_mistake(f"@pytest.mark.{other} is for a plugin that runs such tests, and none has run this one; without the marker simsock does")
    run = synchronous(pyfuncitem, async_fixtures.with_fixtures(pyfuncitem, pyfuncitem.obj))
    result = run(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames})
    if result is not None:  # as pytest says it
        told = f"Test functions should return None, but {pyfuncitem.nodeid} returned {type(result)!r}.\nDid you mean to use `assert` instead of `return`?"
        warnings.warn(pytest.PytestReturnNotNoneWarning(told), stacklevel=1)
    return True


def synchronous(item: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A coroutine function as a plain one that runs it to its end."""
    __tracebackhide__ = True
    told = ""
    try:
        runner = runner_of(item, item._request.getfixturevalue("simsock_config"))
    except ValueError as error:
        told = str(error)
    if told:
        raise mistakes.plain_mistake(told)
    module = _module(runner)
    _check_patched(item)

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        error: BaseException
        try:
            return _RUN[runner](module, functools.partial(function, *args, **kwargs))
        except BaseException as raised:
            error = _alone(raised)
        raise error

    return run


def _check_patched(item: Any) -> None:
    __tracebackhide__ = True
    stage = item.stash.get(STAGE, None)
    if stage is not None and stage.world is not None and not stage.world.options.patch:
        raise mistakes.plain_mistake("Unsupported: an async test in a world with patch=False: its event loop would wait for real sockets")


def _run_on_trio(trio: Any, function: Callable[[], Any]) -> Any:
    __tracebackhide__ = True
    try:
        return trio.run(function)
    except trio.TrioInternalError as error:
        cause = error.__cause__
        if cause is None or not _strikes(cause):
            raise
        _end_on_trio(error, cause)
    raise cause


def _end_on_trio(error: BaseException, cause: BaseException) -> None:
    """Something has struck in the middle of trio: it is told as where the test waits, and the tasks end."""
    from simsock.patching.coroutines import program_frames
    from simsock.patching.trio_waits import end_tasks, tasks_of

    trace = error.__traceback__
    while trace is not None:
        runner = trace.tb_frame.f_locals.get("runner") if trace.tb_frame.f_code.co_name == "run" else None
        if runner is not None and runner.main_task is not None:
            if frames := program_frames(runner.main_task.coro):
                cause.__traceback__ = _as_if_raised_in(frames)
            end_tasks(tasks_of(runner))
            return
        trace = trace.tb_next


def _run_on_asyncio(asyncio: Any, function: Callable[[], Any]) -> Any:
    """As ``asyncio.run`` does. A deadlock is told as where the test waits, and tasks that are cancelled for it have no more to say."""
    __tracebackhide__ = True
    from simsock.errors import Deadlock, LimitExceeded
    from simsock.patching.coroutines import asyncio_rows, program_frames, tell_waits

    with asyncio.Runner() as runner:
        coroutine = function()
        try:
            return runner.run(coroutine)
        except (Deadlock, LimitExceeded) as error:
            if frames := program_frames(coroutine):  # it waits: the loop has raised that, and not a call of the test
                tell_waits(error, "asyncio", asyncio_rows(asyncio.all_tasks(runner.get_loop())))
                error.__traceback__ = _as_if_raised_in(frames)
            raise


_RUN: dict[str, Callable[[Any, Callable[[], Any]], Any]] = {"trio": _run_on_trio, "asyncio": _run_on_asyncio}


def _alone(error: BaseException) -> BaseException:
    """What leaves the test instead of an error: the one that it is about, if it is about one."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    leaves = list(_leaves(error))
    for leaf in leaves:
        if isinstance(leaf, (KeyboardInterrupt, SystemExit, pytest.exit.Exception)):
            return leaf
    outcomes = (pytest.skip.Exception, pytest.xfail.Exception)
    if len(leaves) == 1 or any(all(isinstance(leaf, outcome) for leaf in leaves) for outcome in outcomes):
        return leaves[0].with_traceback(_joined(error))
    return error


def _joined(error: BaseException) -> TracebackType | None:
    """The way from the test into the group, and on to what its first error was raised by."""
    entries: list[TracebackType] = []
    inner: BaseException | None = error
    while inner is not None:
        trace = inner.__traceback__
        while trace is not None:
            entries.append(trace)
            trace = trace.tb_next
        inner = inner.exceptions[0] if isinstance(inner, BaseExceptionGroup) else None
    joined = None
    for entry in reversed(entries):
        joined = TracebackType(joined, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return joined


def _strikes(error: BaseException) -> bool:
    """Whether it may come between any two lines, also of trio's: from a signal's handler, or from simsock."""
    from simsock.errors import SimsockError

    return isinstance(error, (SimsockError, KeyboardInterrupt, pytest.fail.Exception, pytest.exit.Exception))


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _as_if_raised_in(frames: list[FrameType]) -> TracebackType | None:
    trace = None
    for frame in reversed(frames):
        trace = TracebackType(trace, frame, frame.f_lasti, frame.f_lineno)
    return trace


__all__ = ["mistake", "prepare", "pytest_fixture_setup_of_coroutines", "pytest_pyfunc_call_of_coroutines", "runner_of", "synchronous"]
