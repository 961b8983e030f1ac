"""``async def`` fixtures without another plugin: one folder of tests with them, run once, and what became of each."""

from __future__ import annotations

import asyncio

import trio

FILE = """
    import asyncio, socketserver
    import pytest, simsock, trio
    from hypothesis import given, strategies as st

    on_asyncio = pytest.mark.simsock(runner="asyncio")
    said = []

    class Upper(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(self.rfile.readline().upper())

    @pytest.fixture
    def served(sim):
        return sim.serve(Upper)

    @pytest.fixture
    async def stream(sim, served):
        stream = await sim.aconnect(served)
        yield stream
        await stream.aclose()
        said.append("stream ended")

    @pytest.fixture(params=[b"one", b"two"])
    async def word(request, stream):
        await stream.send_all(request.param + b"\\n")
        return request.param.upper()

    async def test_one_rests_on_another(stream, word):
        assert await stream.receive_some(10) == word + b"\\n"
        said.clear()

    def test_it_has_ended():
        assert said == ["stream ended"]

    @pytest.fixture
    async def pair(served):
        reader, writer = await asyncio.open_connection(*served.address)
        yield reader, writer
        writer.close()

    @on_asyncio
    async def test_on_asyncio(pair):
        pair[1].write(b"hi\\n")
        assert await pair[0].readline() == b"HI\\n"

    @pytest.fixture
    async def nursery(sim):
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel()
        said.append("nursery ended")

    @pytest.fixture
    async def group(sim):
        async with asyncio.TaskGroup() as group:
            yield group

    async def bad():
        raise LookupError("a bad child")

    async def test_a_nursery_spans_the_test(nursery):
        nursery.start_soon(trio.sleep_forever)
        await trio.sleep(1)

    async def test_a_child_of_a_fixture_s_nursery_fails(nursery):
        nursery.start_soon(bad)
        await trio.sleep_forever()

    @on_asyncio
    async def test_a_child_of_a_fixture_s_group_fails(group):
        group.create_task(bad())
        await asyncio.Event().wait()

    async def test_the_test_fails(nursery):
        said.clear()
        assert 1 == 2

    def test_the_nursery_has_ended():
        assert said == ["nursery ended"]

    @pytest.fixture
    async def limit(sim):
        with trio.move_on_after(5):
            yield

    async def test_a_limit_cancels(limit):
        await trio.sleep_forever()

    @pytest.fixture
    async def timeout(sim):
        async with asyncio.timeout(5):
            yield

    @on_asyncio
    async def test_a_timeout_strikes(timeout):
        await asyncio.sleep(10)

    @pytest.fixture
    async def breaks(sim):
        raise OSError("cannot begin")

    async def test_a_fixture_fails(nursery, breaks):
        pass

    @pytest.fixture
    async def ends_badly(sim):
        yield
        raise OSError("cannot end")

    async def test_an_end_fails(ends_badly):
        pass

    async def test_both_fail(ends_badly):
        assert 1 == 2

    @pytest.fixture
    async def yields_twice(sim):
        yield 1
        yield 2

    async def test_two_yields(yields_twice):
        pass

    @pytest.fixture
    async def skips(sim):
        pytest.skip("not here")

    async def test_skipped(nursery, skips):
        pass

    @pytest.fixture
    async def hangs(sim):
        await trio.sleep_forever()

    async def test_a_fixture_waits_for_ever(hangs):
        pass

    begun = []

    @pytest.fixture
    async def fresh(sim):
        begun.append(sim)
        yield []
        await trio.sleep(1)

    @pytest.mark.simsock(schedules=3, strategy="random")
    async def test_a_search_begins_them_anew(sim, fresh):
        assert fresh == [] and begun[-1] is sim
        fresh.append(1)

    @pytest.mark.usefixtures("nursery")
    class TestClass:
        @pytest.fixture
        async def own(self, sim):
            self.mine = 5
            return self

        async def test_method(self, own, testbed):
            assert own is self and self.mine == 5

    @pytest.fixture(scope="module")
    async def wide():
        return 1

    async def test_too_wide(sim, wide):
        pass

    @pytest.fixture
    def plain(stream):
        return stream

    async def test_a_plain_one_asks(plain):
        pass

    async def test_asked_for_while_it_runs(sim, request):
        request.getfixturevalue("stream")

    @given(number=st.integers())
    async def test_given(sim, nursery, number):
        pass

    def test_plain(stream):
        pass

    def test_another_plain_one(stream):
        pass
"""

FAILED = {
    "test_a_child_of_a_fixture_s_nursery_fails": ("LookupError: a bad child",),
    "test_a_child_of_a_fixture_s_group_fails": ("LookupError: a bad child",),
    "test_the_test_fails": (">       assert 1 == 2",),
    "test_a_limit_cancels": ("AssertionError: the async fixture 'limit' cancelled the test",),
    "test_a_timeout_strikes": ("TimeoutError",),
    "test_a_fixture_fails": ('>       raise OSError("cannot begin")',),
    "test_an_end_fails": ('>       raise OSError("cannot end")',),
    "test_both_fail": (">       assert 1 == 2", "the async fixture 'ends_badly' raised at its end: OSError: cannot end"),
    "test_two_yields": ("the async fixture 'yields_twice' has more than one yield",),
    "test_a_fixture_waits_for_ever": ("Deadlock: deadlock", "test_it.py:133 in hangs"),
    "test_too_wide": ("the async fixture 'wide' has the scope 'module', and lives in the event loop of one test",),
    "test_a_plain_one_asks": ("the fixture 'plain' asks for the async fixture 'stream'", "make 'plain' an async def as well"),
    "test_asked_for_while_it_runs": ("the async fixture 'stream' is asked for by getfixturevalue: name it as an argument",),
    "test_given": ("the async fixture 'nursery' has no place under @given",),
    "test_plain": (
        "the async fixture 'stream' is made in the event loop of an async test, and test_plain is a plain one: write async def test_plain(...), or make",
    ),
    "test_another_plain_one": ("the async fixture 'stream' is made in the event loop of an async test, and test_another_plain_one is a plain one",),
}
"""What each of the failures must say."""


def test_async_fixtures_live_in_the_loop_of_their_test(project):
    assert trio.__name__ == "trio" and asyncio.__name__ == "asyncio"  # imported here: pytester takes what is imported in a run out again
    project.write_plain(FILE)
    outcomes, told = {}, {}
    for report in project.reports("-p", "no:hypothesispytest"):
        name = report.nodeid.rpartition("::")[2]
        if report.when == "call" or report.outcome != "passed":
            outcomes[name] = report.outcome
        if report.failed:
            told[name] = report.longreprtext
    for name, wanted in FAILED.items():
        for words in wanted:
            assert words in told.get(name, "it passed"), f"{name}:\n{told.get(name)}"
        assert "pytest_simsock/" not in told[name] and "simsock/patching" not in told[name], told[name]
    assert told.keys() == FAILED.keys()
    assert {name for name, outcome in outcomes.items() if outcome == "skipped"} == {"test_skipped"}
    assert {name for name, outcome in outcomes.items() if outcome == "passed"} == {
        "test_one_rests_on_another[one]",
        "test_one_rests_on_another[two]",
        "test_it_has_ended",
        "test_on_asyncio",
        "test_a_nursery_spans_the_test",
        "test_the_nursery_has_ended",
        "test_a_search_begins_them_anew",
        "test_method[sim]",
    }


def test_an_async_fixture_of_another_plugin_is_named(project):
    project.write_plain(
        """
        import pytest

        async def forced(sim):
            pass
        forced._force_asyncio_fixture = True  # as pytest_asyncio.fixture does
        forced = pytest.fixture(forced)

        async def test_it(forced):
            pass
        """
    )
    assert "the async fixture 'forced' is another plugin's, and simsock runs this test" in project.failure().longreprtext
