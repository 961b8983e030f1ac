"""Worlds that all tests of a class, a module or a session share: what lives in them, what each test is told, what they cannot do."""

from __future__ import annotations

SERVER = """
    import socket, socketserver, threading, time, unittest
    import pytest
    from hypothesis import given, strategies as st

    class Upper(socketserver.StreamRequestHandler):
        def handle(self):
            line = self.rfile.readline()
            if line == b"fail\\n":
                raise ValueError("refused")
            self.wfile.write(line.upper())

    def serve():
        server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upper)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address
        server.shutdown()
        server.server_close()
        thread.join()
        assert is_inside()

    def say(address, words=b"hello\\n"):
        with socket.create_connection(address) as client:
            client.sendall(words)
            return client.makefile("rb").readline()

    def is_inside():
        with socket.socket() as probe:
            return probe.fileno() >= 10_000
"""


MODULE = """
    pytestmark = [pytest.mark.simsock(world="module", seed=3), pytest.mark.usefixtures("sim")]
    server = pytest.fixture(scope="module")(serve)

    def setup_module(module):
        module.began = is_inside()

    def test_first(server, simsock_seed):
        assert began and simsock_seed == 3
        assert say(server) == b"HELLO\\n"
        time.sleep(100)

    def test_second(server, sim, monkeypatch):
        assert round(sim.now, 4) == 100
        assert say(server) == b"HELLO\\n"

    def test_what_a_handler_raises_fails_its_own_test(server):
        say(server, b"fail\\n")

    def test_what_is_expected_is_for_one_test(server, sim):
        with sim.expect_errors(ValueError):
            say(server, b"fail\\n")

    def test_after_it(server, testbed):
        assert testbed.kind == "sim" and say(server) == b"HELLO\\n"

    class TestSetUp:
        @classmethod
        def setup_class(cls):
            cls.wide = is_inside()
        def setup_method(self):
            self.narrow = is_inside()
        def test_it(self):
            assert self.wide and self.narrow

    class Unittest(unittest.TestCase):
        @classmethod
        def setUpClass(cls):
            cls.wide = is_inside()
        def test_it(self):
            assert self.wide and is_inside()

    @pytest.mark.simsock(seed=4)
    def test_own_options(sim):
        pass

    @pytest.mark.simsock(schedules=4)
    def test_searched(sim):
        pass

    @pytest.mark.simsock(world="test")
    def test_own_world(sim):
        pass

    @given(st.integers())
    def test_given(sim, number):
        pass
"""


def test_a_module_whose_tests_share_a_world_comes_over_with_its_server_and_its_set_up(project):
    project.write_plain(SERVER, MODULE)
    result = project.run("-q", "--setup-show")
    result.assert_outcomes(passed=6, failed=1, errors=4)
    result.stdout.fnmatch_lines_random(
        [
            "*seed= on one of the tests that share the world of a module: options of their world belong on the module",
            "*schedules= with a world as wide as a module: *",
            "*@pytest.mark.simsock(world=) says how many tests share a world: it belongs on their class or module*",
            "*@given with a world as wide as a module: each example has a fresh world*",
            "E*ValueError: refused",
            "pytest test_it.py",
        ]
    )
    shown = [line.split()[:3] for line in result.outlines if line.strip().startswith(("SETUP", "TEARDOWN"))]
    assert shown.count(["SETUP", "M", "sim"]) == shown.count(["TEARDOWN", "M", "sim"]) == 1
    order = [name for what, scope, name in shown if (what, scope) == ("SETUP", "M")]
    assert order.index("sim") < min(order.index("server"), next(place for place, name in enumerate(order) if name.startswith("_xunit_setup_module")))


def test_the_ini_file_gives_a_session_one_world_and_who_asks_for_none_is_outside(project):
    project.pytester.makeconftest("import pytest\nfrom test_it import serve\nserver = pytest.fixture(scope='session')(serve)\n")
    project.write_plain(
        SERVER,
        """
        def test_first(server, sim):
            assert say(server) == b"HELLO\\n"
            time.sleep(1000)

        def test_outside():
            assert not is_inside()
            with socket.socket() as real:
                assert real.fileno() < 10_000

        @pytest.mark.simsock(world="class")
        class TestNarrower:
            def test_it(self, sim):
                pass
        """,
    )
    project.write_plain(
        """
        from test_it import say
        def test_next_module(sim, server):
            assert round(sim.now, 4) == 1000 and say(server) == b"HELLO\\n"
        """,
        name="test_that",
    )
    result = project.run("-q", "-p", "no:randomly", "-o", "simsock_world=session")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*the world of the session still runs, and there is one world at a time: let this test share it*"])


def test_a_class_has_a_world_and_the_next_test_its_own(project):
    project.write_plain(
        SERVER,
        """
        @pytest.mark.simsock(world="class")
        @pytest.mark.usefixtures("sim")
        class TestShared:
            @classmethod
            def setup_class(cls):
                cls.listener = socket.create_server(("127.0.0.1", 0))
            @classmethod
            def teardown_class(cls):
                assert cls.listener.fileno() >= 10_000
                cls.listener.close()
            def test_first(self):
                time.sleep(5)
            def test_second(self, sim):
                assert round(sim.now, 4) == 5

        def test_alone(sim):
            assert sim.now == 0

        @pytest.mark.simsock(world="class")
        @pytest.mark.usefixtures("sim")
        class TestCase(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                cls.listener = socket.create_server(("127.0.0.1", 0))
            @classmethod
            def tearDownClass(cls):
                cls.listener.close()
            def test_it(self):
                assert self.listener.fileno() >= 10_000
                socket.create_connection(self.listener.getsockname()).close()

        @pytest.mark.simsock(world="wide")
        class TestMisspelt:
            def test_it(self, sim):
                pass
        """,
    )
    result = project.run("-q", "-p", "no:randomly")
    result.assert_outcomes(passed=4, errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.simsock(world='wide'): expected one of test, class, module, session*"])
