"""``async def`` tests under pytest-asyncio in patched worlds: the loop is made in the world and ends in it, or is refused by name."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("pytest_asyncio")

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
HEAD = """
    import asyncio, socket, threading, time
    import pytest, pytest_asyncio

    async def shout(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()

    async def ask(port):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"hello\\n")
        answer = await reader.readline()
        writer.close()
        await writer.wait_closed()
        return answer

    in_a_world = pytest.mark.simsock(patch=True)
"""


@pytest.fixture
def project(project):
    """A project with pytest-asyncio."""
    project.pytester.makeini(INI)
    project.without = ("-p", "no:randomly")
    return project


def test_a_server_its_clients_and_an_hour_run_in_the_world(project):
    project.write_plain(
        HEAD,
        """
        @in_a_world
        @pytest.mark.asyncio
        async def test_it(sim):
            server = await asyncio.start_server(shout, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            began = asyncio.get_running_loop().time()
            assert await asyncio.gather(*(ask(port) for _ in range(5))) == [b"HELLO\\n"] * 5
            await asyncio.sleep(3600)
            assert asyncio.get_running_loop().time() - began >= 3600
            assert sim.now >= 3600
            server.close()

        @in_a_world
        @pytest.mark.asyncio
        async def test_next(sim):
            assert sim.now == 0

        @pytest.mark.asyncio
        async def test_without_a_world():
            assert await asyncio.to_thread(lambda: 5) == 5

        async def test_without_a_mark_by_trio(sim):
            import trio

            await trio.sleep(5)
            assert sim.now >= 5
        """,
    )
    project.run_apart().assert_outcomes(passed=4)


def test_an_async_fixture_that_depends_on_the_world_lives_and_ends_in_it(project):
    project.write_plain(
        HEAD,
        """
        @pytest_asyncio.fixture
        async def port(sim):
            server = await asyncio.start_server(shout, "127.0.0.1", 0)
            yield server.sockets[0].getsockname()[1]
            await asyncio.sleep(10)
            server.close()
            print("\\nclosed at", sim.now)

        @in_a_world
        @pytest.mark.asyncio
        async def test_it(port, sim):
            assert await ask(port) == b"HELLO\\n"
        """,
    )
    result = project.run_apart("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["closed at 10.0*"])


def test_what_an_async_fixture_raises_at_its_end_fails_the_test(project):
    project.write_plain(
        HEAD,
        """
        @pytest_asyncio.fixture
        async def failing(sim):
            yield
            raise LookupError("at the end")

        @in_a_world
        @pytest.mark.asyncio
        async def test_it(failing, sim):
            pass

        @in_a_world
        @pytest.mark.asyncio
        async def test_next(sim):
            await asyncio.sleep(1)
        """,
    )
    result = project.run_apart()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*LookupError: at the end*"])


@pytest.mark.parametrize(
    ("test", "told"),
    [
        (
            """
            @pytest_asyncio.fixture
            async def early():
                yield

            @in_a_world
            @pytest.mark.asyncio
            async def test_it(early, sim):
                pass
            """,
            "its event loop was made before the world (by the async fixture 'early', which asks for no world); make the async fixture depend on sim",
        ),
        *(
            (
                f"""
                @in_a_world
                @pytest.mark.asyncio(loop_scope="{scope}")
                async def test_it(sim):
                    pass
                """,
                f"its event loop has the scope '{scope}' (pytest-asyncio's loop_scope) and so is made before the world, or outlives it",
            )
            for scope in ("module", "session")
        ),
    ],
    ids=["fixture", "module", "session"],
)
def test_a_loop_that_is_not_of_the_world_is_refused_by_name(project, test, told):
    project.write_plain(HEAD, test, "@in_a_world\n@pytest.mark.asyncio\nasync def test_next(sim):\n    await asyncio.sleep(3600)")
    result = project.run_apart()
    result.assert_outcomes(passed=1, errors=1)
    assert told in re.sub(r"\s+", " ", result.stdout.str())


def test_a_threaded_server_and_an_async_client_share_the_world(project):
    project.write_plain(
        HEAD,
        """
        import socketserver

        class Upper(socketserver.StreamRequestHandler):
            def handle(self):
                time.sleep(60)
                self.wfile.write(self.rfile.readline().upper())

        @in_a_world
        @pytest.mark.asyncio
        async def test_it(sim):
            with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upper) as server:
                thread = threading.Thread(target=server.serve_forever)
                thread.start()
                assert await ask(server.server_address[1]) == b"HELLO\\n"
                assert sim.now >= 60
                await asyncio.to_thread(server.shutdown)
                thread.join()
        """,
    )
    project.run_apart().assert_outcomes(passed=1)


def test_async_tests_are_searched(project):
    """Each schedule gets a world, and a loop, of its own."""
    project.write_plain(
        HEAD,
        """
        loops = []

        @pytest.mark.simsock(patch=True, schedules=10)
        @pytest.mark.asyncio
        async def test_it(sim):
            loops.append(asyncio.get_running_loop())
            await asyncio.sleep(1)

        def test_loops():
            assert len(set(map(id, loops))) == 10
            assert all(loop.is_closed() for loop in loops)
        """,
    )
    project.run_apart().assert_outcomes(passed=2)


def test_in_auto_mode_every_coroutine_is_its_own_and_a_runner_beside_that_is_refused(project):
    project.pytester.makeini(INI + "asyncio_mode = auto\n")
    project.write_plain(
        HEAD,
        """
        async def test_by_asyncio(sim):
            await asyncio.sleep(5)
            assert sim.now >= 5

        @pytest.mark.simsock(runner="trio")
        async def test_of_two(sim):
            pass
        """,
    )
    result = project.run_apart()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*runner='trio') and @pytest.mark.asyncio (which every coroutine has while asyncio_mode is auto)*"])
