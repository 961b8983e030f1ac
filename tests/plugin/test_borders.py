"""Where a test's world begins: servers made outside it, ``setup_method``, markers without a world, and modules called ``pytest_something``."""

from __future__ import annotations

import subprocess
import sys

import pytest

SERVE = """
    import socket, threading
    import pytest

    def serve(asked=True):
        listener = socket.create_server(("127.0.0.1", 0))
        def run():
            client, _ = listener.accept()
            client.sendall(b"hello")
            client.close()
        if asked:
            threading.Thread(target=run, daemon=True).start()
        return listener

    def ask(listener):
        with socket.create_connection(listener.getsockname(), 5) as client:
            assert client.recv(5) == b"hello"
"""


@pytest.mark.parametrize("asks", ["by_argument", "by_usefixtures"])
def test_setup_method_of_a_test_that_asks_for_sim_runs_in_its_world(project, asks):
    project.write_plain(
        SERVE,
        f"""
        {'@pytest.mark.usefixtures("sim")' if asks == "by_usefixtures" else ""}
        class TestIt:
            def setup_method(self):
                self.listener = serve()
            def teardown_method(self):
                self.listener.close()
            def test_it(self{", sim" if asks == "by_argument" else ""}):
                ask(self.listener)
                assert self.listener.fileno() >= 10_000
        """,
        """
        import unittest
        @pytest.mark.usefixtures("sim")
        class Unittest(unittest.TestCase):
            def setUp(self):
                self.first = socket.socket()
                self.addCleanup(self.first.close)
            def setup_method(self, method):
                self.second = socket.socket()
            def teardown_method(self, method):
                assert self.second.fileno() >= 10_000
                self.second.close()
            def test_it(self):
                assert self.first.fileno() >= 10_000
        """
        if asks == "by_usefixtures"
        else "",
    )
    project.run("-q").assert_outcomes(passed=2 if asks == "by_usefixtures" else 1)


def test_setup_function_runs_in_the_world_and_setup_show_agrees(project):
    project.write_plain(
        SERVE,
        """
        def setup_function(function):
            function.listener = serve()
        def teardown_function(function):
            function.listener.close()
        def test_it(sim):
            ask(test_it.listener)
            assert test_it.listener.fileno() >= 10_000
        """,
    )
    result = project.run("-q", "--setup-show")
    result.assert_outcomes(passed=1)
    shown = [line.strip() for line in result.outlines if "SETUP" in line or "TEARDOWN" in line]
    assert [line.split()[2] for line in shown if "sim " in line or "xunit" in line or line.endswith("sim")][:1] == ["sim"], shown


def test_setup_method_of_a_test_without_a_world_stays_real(project):
    project.write_plain(
        SERVE,
        """
        class TestIt:
            def setup_method(self):
                self.listener = serve()
            def teardown_method(self):
                self.listener.close()
            def test_it(self):
                ask(self.listener)
                assert self.listener.fileno() < 10_000
        """,
    )
    project.run("-q").assert_outcomes(passed=1)


@pytest.mark.parametrize(("name", "scope", "order"), [("server", "function", "server, sim"), ("shared", "module", "sim, shared")])
def test_a_connection_refused_because_the_server_is_outside_says_so_and_who_made_it(project, name, scope, order):
    project.write_plain(
        SERVE,
        f"""
        ADDRESS = []

        @pytest.fixture(scope="{scope}")
        def {name}():
            with serve(False) as listener:
                ADDRESS.append(listener.getsockname())
                yield listener

        def test_it({order}):
            socket.create_connection(ADDRESS[0], 5)
        """,
    )
    told = str(project.failure().longrepr)
    assert "ConnectionRefusedError: [Errno 111] Connection refused" in told
    assert "but a real socket of this process does, bound by serve (test_it.py:" in told and f" for {name} (test_it.py:" in told
    assert "Make the server inside it: in a fixture that asks for `sim`, or in the test" in told


def test_a_marker_on_a_test_without_a_world_is_an_error_that_says_what_to_write(project):
    project.write_plain(
        """
        import pytest
        @pytest.mark.simsock(seed=3)
        def test_it():
            pass
        @pytest.mark.simsock(seed=3)
        class TestMany:
            def test_of_a_marked_class_may_do_without(self):
                pass
        """
    )
    result = project.run("-q")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.simsock has the options of a world, and this test has none: let it ask for `sim`*"])


def test_a_module_whose_name_begins_with_pytest_is_the_programs_unless_it_is_a_plugin(project):
    project.write_plain(
        """
        import threading
        def start():
            seen = []
            thread = threading.Thread(target=seen.append, args=(1,))
            thread.start()
            thread.join()
            return seen
        """,
        name="pytest_mini",
    )
    project.write_plain("import pytest_mini\ndef test_it(sim):\n    assert pytest_mini.start() == [1]\n")
    project.run_apart("-q", "-o", "timeout=30").assert_outcomes(passed=1)


def test_the_ini_file_says_whose_a_package_is(project):
    project.write_plain("from time import monotonic\ndef moment():\n    return monotonic()\n", name="mine")
    project.write_plain("import mine, time\ndef test_it(sim):\n    assert (mine.moment() == time.monotonic()) is EXPECTED\n".replace("EXPECTED", "False"))
    project.run_apart("-q", "-o", "simsock_harness=mine").assert_outcomes(passed=1)
    result = project.run_apart("-q", "-o", "simsock_program=not-a-name")
    result.stderr.fnmatch_lines(["*simsock_program: expected names of top-level packages, such as pytest_mini, got 'not-a-name'*"])


def test_methods_that_a_plugin_puts_back_after_each_test_do_no_harm(project):
    project.pytester.makeconftest(
        """
        import socket
        taken = socket.socket.connect
        def pytest_runtest_teardown():
            socket.socket.connect = taken
        """
    )
    project.write_plain(
        """
        import socket
        def once():
            with socket.create_server(("127.0.0.1", 0)) as listener:
                socket.create_connection(listener.getsockname()).close()
        def test_one(sim):
            once()
        def test_two(sim):
            once()
        def test_three():
            once()
        """
    )
    project.run_apart("-q").assert_outcomes(passed=3)


def test_packages_of_the_ini_file_are_imported_anew_in_each_world_and_what_tests_hold_of_them_is_the_worlds(project):
    project.pytester.makepyfile(
        **{
            "shop/__init__": """
            import socketserver, threading
            class Upper(socketserver.StreamRequestHandler):
                def handle(self):
                    self.wfile.write(self.rfile.readline().upper())
            class App:
                pass
            server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Upper)
            PORT = server.server_address[1]
            threading.Thread(target=server.serve_forever, daemon=True).start()
        """,
            "conftest": """
            import pytest
            from shop import App, PORT
            @pytest.fixture
            def app(sim):
                return App()
            @pytest.fixture
            def early_app():
                return App()
            @pytest.fixture
            def port(sim):
                return PORT
        """,
        }
    )
    project.write_plain("""
        import socket
        import pytest, shop
        from shop import App, PORT
        def say():
            with socket.create_connection(("127.0.0.1", PORT)) as client:
                client.sendall(b"hi\\n")
                return client.makefile("rb").readline()
        def test_one(sim, app, port):
            assert say() == b"HI\\n"
            assert port == PORT == shop.PORT
            assert type(app) is App is shop.App
        @pytest.mark.parametrize("kind", [App])
        def test_parameters(kind, sim):
            assert kind is App is shop.App
        def test_real():
            assert say() == b"HI\\n"
        @pytest.mark.simsock(patch=False)
        def test_unpatched(sim):
            pass
        @pytest.mark.simsock(schedules=3, preempt="calls")
        def test_search(sim):
            assert say() == b"HI\\n"
        @pytest.mark.simsock(fresh=[])
        def test_without(sim):
            say()
        def test_early(early_app, sim):
            pass
        @pytest.mark.simsock(fresh=["test_it"])
        def test_itself(sim):
            pass
    """)
    result = project.run("-o", "simsock_fresh=shop")
    result.assert_outcomes(passed=5, failed=1, errors=2)
    result.stdout.fnmatch_lines(
        [
            "options of the sim fixture: fresh=*an object of shop.App is held by the fixture early_app. Import it inside the test*",
            "options of the sim fixture: fresh=*: test_it is the module of the test itself*",
            "*(one that a module makes when it is imported: fresh=*its package*; one of a wider fixture or of setup_class: a world as wide, world=*",
        ]
    )


def test_a_wide_fixture_that_asks_for_sim_is_told_first_what_to_do(project):
    project.write_plain(
        """
        import pytest
        @pytest.fixture(scope="module")
        def server(sim):
            return 1
        def test_it(server):
            pass
        """
    )
    told = str(project.failure().longrepr).splitlines()[0]
    assert told.startswith(
        "a fixture of scope 'module' asks for sim, which is a test's: make the fixture function-scoped, or give all tests of the module one world"
    )


def test_a_copy_of_the_standard_error_that_pytest_captures_is_written_to_in_a_world_though_it_is_a_pipe(project):
    project.write_plain(
        """
        import logging, os
        def pytest_configure():  # before pytest puts something else in its place
            logging.getLogger().addHandler(logging.StreamHandler(os.fdopen(os.dup(2), "w")))
        """,
        name="conftest",
    )
    project.write_plain(
        """
        import logging, os
        import pytest
        from simsock import Fenced

        @pytest.fixture
        def pipe():
            ends = os.pipe()
            yield ends
            for end in ends:
                os.close(end)

        def test_it(pipe, sim):
            logging.warning("told")
            with pytest.raises(Fenced, match="a pipe"):
                os.write(pipe[1], b"x")
        """
    )
    run = [sys.executable, "-m", "pytest", "-q", *project.without]
    done = subprocess.run(run, cwd=project.pytester.path, capture_output=True, text=True, timeout=60)
    assert "1 passed" in done.stdout, done.stdout
    assert done.stderr == "told\n"
