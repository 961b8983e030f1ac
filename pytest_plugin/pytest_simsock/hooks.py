"""Where pytest is listened to.

Owns the hooks of collection and of a test's phases, and what happens at once in them. Does not know worlds: it hands over to ``worlds``,
``searching`` and ``telling`` as soon as a test uses one. Law: for a test without a world each hook costs a look into its stash, no more.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

import pytest

from pytest_simsock import async_fixtures, autoworld, coroutines, given, mistakes, neighbours, shelter, turns, wide
from pytest_simsock.configuring import CHOSEN, STAGE, declare_harness
from pytest_simsock.hiding import hide_sim, takes_sim
from pytest_simsock.marking import mistake_in_marker, schedules_of
from pytest_simsock.progress import SEARCHED, mark_searched
from pytest_simsock.sharing import asks_for_sim, is_ours
from pytest_simsock.widening import widen

_DECLARED = pytest.StashKey[bool]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run tests that ask for our ``testbed`` once for each network that is wanted, unless they say themselves which."""
    if "testbed" not in metafunc.fixturenames or not is_ours(metafunc._arg2fixturedefs.get("testbed", ())):
        return
    for marker in metafunc.definition.iter_markers("parametrize"):
        names = marker.args[0] if marker.args else marker.kwargs.get("argnames", ())
        if "testbed" in ([name.strip() for name in names.split(",")] if isinstance(names, str) else names):
            return
    metafunc.parametrize("testbed", metafunc.config.stash[CHOSEN].networks, indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Before anything is collected."""
    autoworld.begin(session)


@pytest.hookimpl(tryfirst=True)
def pytest_collectstart(collector: pytest.Collector) -> None:
    """Before a class is collected: of a ``TestCase``, unlike of others, pytest asks nobody what its tests are."""
    if isinstance(collector, pytest.Class) and collector.obj is not None:  # asking reads its markers
        widen(collector)


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: Any, obj: object) -> None:
    """Before pytest looks what a test asks for."""
    widen(collector)
    if getattr(obj, "is_hypothesis_test", False) is True:
        hide_sim(collector, obj, autoworld.gives_worlds(collector))


def pytest_itemcollected(item: Any) -> None:
    """``setup_method`` and ``setup_function`` of a test that asks for ``sim`` run in its world: the world comes first."""
    autoworld.place(item)
    if not asks_for_sim(item):
        return
    wide.come_first(item)
    neighbours.arrange(item)
    names = item.fixturenames
    first = next((place for place, name in enumerate(names) if name.startswith(turns.XUNIT)), None)
    if first is not None and names.index("sim") > first:
        names.remove("sim")
        names.insert(first, "sim")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Some test has a world: from now on, remember where real servers are made, for the words about a connection that is refused."""
    if any(asks_for_sim(item) for item in session.items):
        from simsock.supported import why_not

        if not why_not():
            from simsock.stdlib import _makers

            _makers.watch()
    _declare(session.config)


def _declare(config: pytest.Config) -> None:
    if "simsock" in sys.modules and not config.stash.get(_DECLARED, False):
        declare_harness(config)
        config.stash[_DECLARED] = True


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """A token that names its test selects it, if it is among those selected."""
    replay = config.stash[CHOSEN].replay
    if replay is None or replay.target is None:
        return
    meant = [item for item in items if item.nodeid == replay.target]
    if meant:
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid != replay.target])
        items[:] = meant


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    schedules = schedules_of(item)
    if schedules is None:
        return None
    from simsock.supported import why_not

    if why_not():  # the fixture will say so
        return None
    with shelter.sheltered():
        from pytest_simsock.searching import Search

        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in Search(item, nextitem, schedules).reports():
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(wrapper=True, trylast=True)  # the innermost wrapper: those of other plugins are pytest's turn
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Generator[None, Any, Any]:
    __tracebackhide__ = True
    is_sheltered = shelter.is_active()
    seed = request.getfixturevalue("simsock_seed") if _is_faker_of_a_world(fixturedef, request) else None
    if is_sheltered:
        for name in fixturedef.argnames:
            request.getfixturevalue(name)  # pytest would make them inside what is exposed; so it finds them made
    before = len(fixturedef._finalizers)
    own = turns.current is not None and turns.is_own(fixturedef)
    narrow = fixturedef.scope == "function"
    if own and narrow and (stage := request.node.stash.get(STAGE, None)) is not None and stage.world is not None:
        stage.add(request)  # what is begun in a world is finished there
    turn = turns.begin(own)
    try:
        if not is_sheltered:
            result = yield
        else:
            with shelter.exposed():
                result = yield
        if seed is not None:
            from simsock.choices import derive_seed

            result.seed_instance(derive_seed(seed, "faker"))
        return result
    except pytest.fail.Exception:
        if STAGE in request.node.stash:
            async_fixtures.explain_unmade(fixturedef, request)
        raise
    finally:
        turns.finish(turn)
        if own and not narrow:
            fixturedef._finalizers[before:] = map(wide.inside, fixturedef._finalizers[before:])
        if is_sheltered:
            if fixturedef.cached_result is None:  # struck before pytest had begun: it would not finish what it has not set up
                fixturedef._finalizers.clear()
            else:
                fixturedef._finalizers[before:] = map(shelter.exposing, fixturedef._finalizers[before:])


def _is_faker_of_a_world(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    """Whether it is Faker's own fixture in a test that runs in a world, and nobody has said what seed it is to have."""
    if fixturedef.argname != "faker" or fixturedef.func.__module__ != "faker.contrib.pytest.plugin":
        return False
    names = request.fixturenames
    return "faker_seed" not in names and ("sim" in names or "testbed" in names)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, Any, Any]:
    __tracebackhide__ = True
    if takes_sim(pyfuncitem):
        with given.handing_sim(pyfuncitem):
            return (yield)
    if (stage := pyfuncitem.stash.get(STAGE, None)) is not None:
        stage.body_begins(pyfuncitem)
    turn = turns.begin()
    try:
        if not shelter.is_active():
            return (yield)
        with shelter.exposed():
            return (yield)
    finally:
        turns.finish(turn)


@pytest.hookimpl(wrapper=True, trylast=True)  # the innermost wrapper: what the world's end prints is captured, its time counts
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    __tracebackhide__ = True
    _declare(item.config)
    if (mistake := mistake_in_marker(item)) is not None:
        raise mistakes.plain_mistake(str(mistake))
    coroutines.prepare(item)
    if turns.current is not None and turns.current.node is not None:
        from pytest_simsock.wide_worlds import begin_test

        begin_test(item)
    try:
        return (yield)
    except BaseException as error:
        _end(item, error)
        raise


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    __tracebackhide__ = True
    if turns.current is not None and turns.current.takes_part and not _runs_a_function(item):
        turns.current.sim._resume()  # pytest_pyfunc_call may not be called
    try:
        with _together(item):
            if shelter.is_active() and not _runs_a_function(item):
                with shelter.exposed():
                    result = yield
            else:
                result = yield
    except BaseException as error:
        _end(item, error)
        raise
    _end(item, None)
    return result


def _together(item: pytest.Item) -> AbstractContextManager[object]:
    """While a test under Hypothesis is called: its examples are judged together."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False) is not True:
        return nullcontext()
    if "simsock" in sys.modules:
        from simsock.hypothesis_time import leave_out_our_constants

        leave_out_our_constants()
    if not (takes_sim(item) or "simsock.strategies.worlds" in sys.modules):
        return nullcontext()
    from simsock.search.together import Together

    return Together()


def _runs_a_function(item: pytest.Item) -> bool:
    """Whether its test is a plain function, for which ``pytest_pyfunc_call`` is called, and not unittest's or another plugin's."""
    return isinstance(item, pytest.Function) and type(item).runtest is pytest.Function.runtest


def _end(item: pytest.Item, error: BaseException | None) -> None:
    __tracebackhide__ = True
    stage = item.stash.get(STAGE, None)
    if stage is not None:
        stage.end(error)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    if call.excinfo is not None and call.when == "setup":
        wide.explain(call.excinfo.value)
    if call.excinfo is not None and "simsock.errors" in sys.modules:
        from pytest_simsock.frames import hide_ours

        hide_ours(coroutines.is_ours(item))
    if call.excinfo is not None and STAGE in item.stash:
        neighbours.explain(call.excinfo.value)
    report = yield
    if call.excinfo is not None and getattr(call.excinfo.value, "is_plain_mistake", False) and not item.config.getoption("fulltrace", False):
        from pytest_simsock.escaped import without_frames

        without_frames(report.longrepr)
    if call.when == "call" and (searched := item.stash.get(SEARCHED, None)) is not None:
        mark_searched(report, *searched)
    if call.when == "teardown" and "simsock.world.simulation" in sys.modules:
        from simsock.world.simulation import take_back_what_was_left

        if take_back_what_was_left():
            said = f"{item.nodeid}: a world was not left, because Python passed over its end: it has been taken back"
            report.sections.append(("simsock", said))
            with suppress(RuntimeWarning):  # where warnings are errors
                warnings.warn(said, RuntimeWarning, stacklevel=1)
    stage = item.stash.get(STAGE, None)
    if stage is not None:
        if call.when == "teardown":
            del item.stash[STAGE]  # it holds the whole world
            if item.config.stash[CHOSEN].report is not None:
                from pytest_simsock.artefacts import discard

                discard(item)
        elif report.failed and call.excinfo is not None and stage.world is not None:
            from pytest_simsock.telling import tell

            tell(item, report, stage.world, call.excinfo.value)
    return report


def pytest_enter_pdb() -> None:
    """``breakpoint()`` in a world: the time that somebody takes to think is not the world's."""
    _watchdog("hold")


def pytest_leave_pdb() -> None:
    _watchdog("let_go")


def _watchdog(method: str) -> None:
    module = sys.modules.get("simsock.kernel.watchdog")  # only where a world may run
    if module is not None:
        getattr(module.watchdog, method)()
