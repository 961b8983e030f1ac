"""``async def`` tests without another plugin: one folder of them, run once, and what became of each.

Those that pass, and need no more than a world of their own, are tests of this suite itself: ``tests/world/test_async_clients.py``.
"""

from __future__ import annotations

import asyncio
import sys
import textwrap

import pytest
import trio

from pytest_simsock import coroutines

FILE = """
    import asyncio, os, signal, warnings
    import pytest, simsock, trio
    from hypothesis import given, settings, strategies as st

    on_asyncio = pytest.mark.simsock(runner="asyncio")

    async def test_a_child_fails(sim):
        async def child():
            await trio.sleep(1)
            assert 1 == 2

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)
            nursery.start_soon(trio.sleep_forever)

    async def test_two_children_fail(sim):
        async def child(error):
            raise error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child, ValueError("one"))
            nursery.start_soon(child, LookupError("two"))

    @on_asyncio
    async def test_a_task_of_asyncio_fails(sim):
        async def child():
            await asyncio.sleep(1)
            raise ValueError("a child")

        async with asyncio.TaskGroup() as group:
            group.create_task(child())

    async def wait_for_nobody():
        await trio.sleep_forever()

    async def test_deadlock(sim):
        await wait_for_nobody()

    @on_asyncio
    async def test_deadlock_of_asyncio(sim):
        async def child():
            await asyncio.Event().wait()

        await asyncio.create_task(child())

    async def test_skipped(sim):
        pytest.skip("not today")

    async def test_skipped_in_a_child(sim):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.sleep_forever)
            pytest.skip("not today")

    async def test_xfailed(sim):
        pytest.xfail("known")

    @pytest.mark.xfail(raises=ValueError, strict=True)
    async def test_xfailed_by_its_mark_in_a_child(sim):
        async def child():
            raise ValueError

        async with trio.open_nursery() as nursery:
            nursery.start_soon(child)

    async def test_refused(sim):
        await trio.open_tcp_stream("127.0.0.1", 9)

    async def test_broken(sim):
        listener = (await trio.open_tcp_listeners(80, host="127.0.0.1"))[0]
        stream = await trio.open_tcp_stream("127.0.0.1", 80)
        async with listener:
            other = await listener.accept()
            await stream.send_all(b"unread")
            await trio.sleep(1)
            await other.aclose()
            await trio.sleep(1)
            await stream.receive_some()

    class TestInAClass:
        @pytest.mark.parametrize("seconds", [1, 2])
        async def test_method(self, sim, seconds):
            await trio.sleep(seconds)
            assert seconds <= sim.now < seconds + 0.1

    async def test_testbed(testbed):
        began = trio.current_time()
        await trio.sleep(0.01)
        assert trio.current_time() - began >= 0.01

    @pytest.mark.simsock(schedules=200)
    async def test_searched(sim):
        total = 0

        async def add():
            nonlocal total
            value = total
            await trio.lowlevel.checkpoint()
            total = value + 1

        async def now_and_then(event):
            await event.wait()
            await add()

        event = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now_and_then, event)
            await trio.testing.wait_all_tasks_blocked()
            event.set()
            await add()
        assert total == 2

    @pytest.mark.simsock(schedules=5)
    async def test_searched_in_vain(sim):
        assert sim.now == 0
        await trio.sleep(1)
        assert sim.now < 1.1

    @given(st.integers(0, 3))
    @settings(max_examples=5)
    async def test_given(sim, seconds):
        assert sim.now == 0
        await trio.sleep(seconds)
        assert sim.now >= seconds

    async def test_struck_in_the_middle_of_trio(sim):
        def strike(_):
            raise simsock.StepLimit("struck")

        with trio.move_on_after(1):
            await trio.lowlevel.wait_task_rescheduled(strike)

    @pytest.mark.simsock(runner="curio")
    async def test_wrong_runner(sim):
        pass

    @pytest.mark.simsock(patch=False)
    async def test_unpatched(sim):
        pass

    @pytest.mark.trio
    async def test_of_another_plugin_that_is_not_here(sim):
        pass

    @pytest.mark.trio
    @on_asyncio
    async def test_of_two(sim):
        pass

    @pytest.fixture
    async def async_fixture():
        yield

    async def test_with_an_async_fixture(sim, async_fixture):
        pass

    @pytest.mark.simsock(world="class")
    @pytest.mark.usefixtures("sim")
    class TestInOneWorld:
        async def test_first(self, sim):
            await trio.sleep(5)

        @on_asyncio
        async def test_second(self, sim):
            await asyncio.sleep(5)
            assert sim.now >= 10

    async def test_without_a_world():
        pass
"""

FAILED = {
    "test_a_child_fails": ("async with trio.open_nursery() as nursery", ">       assert 1 == 2", "E       assert 1 == 2"),
    "test_two_children_fail": ("ExceptionGroup", "ValueError: one", "LookupError: two"),
    "test_a_task_of_asyncio_fails": ("async with asyncio.TaskGroup() as group", 'raise ValueError("a child")', "ValueError: a child"),
    "test_deadlock": (">       await trio.sleep_forever()", "Deadlock: deadlock", "test_it.py:34 in wait_for_nobody\n", "trio's tasks, and where each waits"),
    "test_deadlock_of_asyncio": (
        ">       await asyncio.create_task(child())",
        "Deadlock: deadlock",
        "test_deadlock_of_asyncio.<locals>.child  test_it.py",
    ),
    "test_refused": ('>       await trio.open_tcp_stream("127.0.0.1", 9)', "nobody listens on port 9"),
    "test_broken": (">           await stream.receive_some()", "BrokenResourceError"),
    "test_searched": (">       assert total == 2",),
    "test_struck_in_the_middle_of_trio": (">           await trio.lowlevel.wait_task_rescheduled(strike)", "StepLimit: struck"),
    "test_wrong_runner": ("@pytest.mark.simsock(runner='curio'): expected one of trio, asyncio",),
    "test_unpatched": ("an async test in a world with patch=False",),
    "test_of_another_plugin_that_is_not_here": ("@pytest.mark.trio is for a plugin that runs such tests, and none has run this one",),
    "test_of_two": ("@pytest.mark.simsock(runner='asyncio') and @pytest.mark.trio", "remove the other"),
    "test_without_a_world": ("async def functions are not natively supported",),
}
"""What each of the failures must say."""
SKIPPED = {"test_skipped", "test_skipped_in_a_child", "test_xfailed", "test_xfailed_by_its_mark_in_a_child"}
PASSED = {
    "test_method[1]",
    "test_method[2]",
    "test_testbed[sim]",
    "test_searched_in_vain",
    "test_given",
    "test_first",
    "test_second",
    "test_with_an_async_fixture",
}


def test_async_tests_are_run_in_their_worlds_or_refused_by_name(project, section, command_in):
    assert trio.__name__ == "trio" and asyncio.__name__ == "asyncio"  # imported here: pytester takes what is imported in a run out again
    project.pytester.makeini("[pytest]\nmarkers =\n    trio\n")
    project.write_plain(FILE)
    reports = project.reports("-p", "no:hypothesispytest")
    told = {}
    outcomes = {}
    for report in reports:
        name = report.nodeid.rpartition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            outcomes[name] = report.outcome
        if report.failed:
            told[name] = report
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == SKIPPED
    assert {name for name, outcome in outcomes.items() if outcome == "passed"} == PASSED
    assert set(told) == FAILED.keys()
    for name, wanted in FAILED.items():
        report = told[name]
        for words in wanted:
            assert words in report.longreprtext, f"{name}:\n{report.longreprtext}"
        if name in ("test_a_child_fails", "test_deadlock", "test_refused"):
            assert "trio/_core" not in report.longreprtext and "simsock/" not in report.longreprtext, report.longreprtext
    searched = told["test_searched"]
    assert "in the event loop of main" in section(searched, "deviations")
    again = project.failure(*command_in(section(searched, "repeat")))
    assert ">       assert total == 2" in again.longreprtext


def test_who_takes_every_coroutine_for_its_own_runs_it_and_a_runner_beside_that_is_refused(project):
    pytest.importorskip("anyio.pytest_plugin")
    project.pytester.makeini("[pytest]\nanyio_mode = auto\n")
    project.write_plain(
        """
        import asyncio
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        async def test_of_anyio(sim):
            await asyncio.sleep(5)
            assert sim.now >= 5

        @pytest.mark.simsock(runner="trio")
        async def test_of_two(sim):
            pass
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*runner='trio') and @pytest.mark.anyio (which every coroutine has while anyio_mode is auto)*"])


def test_the_tests_and_fixtures_of_aiohttp_s_plugin_stay_its_own(project):
    """It runs every coroutine, and makes an async fixture when a plain one asks for it."""
    project.pytester.syspathinsert()
    (project.pytester.path / "aiohttp").mkdir()
    (project.pytester.path / "aiohttp" / "__init__.py").touch()
    (project.pytester.path / "aiohttp" / "pytest_plugin.py").write_text(
        textwrap.dedent(
            """
            import asyncio, inspect

            def pytest_fixture_setup(fixturedef):
                made = fixturedef.func
                if inspect.iscoroutinefunction(made):
                    fixturedef.func = lambda **given: asyncio.run(made(**given))

            def pytest_pyfunc_call(pyfuncitem):
                if inspect.iscoroutinefunction(pyfuncitem.function):
                    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}))
                    return True
            """
        )
    )
    project.write_plain(
        """
        import asyncio
        import pytest

        @pytest.fixture
        async def made():
            await asyncio.sleep(1)
            return 1

        @pytest.fixture
        def asks(made):
            return made

        async def test_of_aiohttp(asks):
            await asyncio.sleep(3600)
            assert asks == 1

        @pytest.mark.simsock(runner="trio")
        async def test_of_two(sim):
            pass
        """
    )
    result = project.run("-p", "aiohttp.pytest_plugin", "--simsock-autoworld=on")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*runner='trio') beside the plugin aiohttp.pytest_plugin, which runs every coroutine*"])


@pytest.mark.parametrize(
    ("lines", "told"),
    [("simsock_runner = asyncio", ""), ("simsock_runner = curio", "simsock_runner: expected one of trio, asyncio, got 'curio'")],
    ids=["asyncio", "wrong"],
)
def test_the_ini_file_says_by_what_async_tests_are_run(project, lines, told):
    project.pytester.makeini(f"[pytest]\n{lines}\n")
    project.write_plain("import asyncio\n\nasync def test_it(sim):\n    await asyncio.sleep(5)\n    assert sim.now >= 5\n")
    result = project.run()
    if told:
        result.stderr.fnmatch_lines([f"*{told}*"])
    else:
        result.assert_outcomes(passed=1)


def test_where_trio_is_not_installed_the_error_says_so_and_what_else_there_is(monkeypatch):
    monkeypatch.setitem(sys.modules, "trio", None)
    with pytest.raises(pytest.fail.Exception, match=r"run by trio, and that cannot be imported .*install it, or say runner='asyncio'"):
        coroutines._module("trio")
