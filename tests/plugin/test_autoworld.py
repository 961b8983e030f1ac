"""A world for every test of a suite that says nothing of it (``simsock_autoworld``): who gets one, and where it begins."""

from __future__ import annotations

SUITE = """
    import socket, threading, time, unittest
    import pytest
    from hypothesis import given, settings, strategies as st

    def is_inside():
        with socket.socket() as probe:
            return probe.fileno() >= 10_000

    @pytest.fixture(autouse=True)
    def mine(tmp_path, request):
        yield is_inside()
        if "examples" not in request.node.name:  # Hypothesis has it once for all examples
            assert is_inside() == expected

    @pytest.fixture(scope="module")
    def wide():
        return is_inside()

    def test_plain(wide, mine):
        assert mine and not wide
        time.sleep(3600)

    @pytest.mark.parametrize("number", [1, 2])
    def test_parameters(number):
        assert is_inside()

    def test_it_may_ask(sim, mine):
        assert mine and sim.now == 0

    @pytest.mark.filterwarnings("error")
    def test_threads_may_be_left():
        threading.Thread(target=threading.Event().wait).start() if is_inside() else None

    class TestMethods:
        def setup_method(self):
            assert is_inside()
        def test_it(self):
            assert is_inside()

    class TestUnit(unittest.TestCase):
        def setUp(self):
            assert is_inside()
        def test_it(self):
            assert is_inside()

    @settings(max_examples=3, deadline=None, database=None)
    @given(st.integers())
    def test_examples(number):
        assert is_inside()
        time.sleep(3600)

    def test_beds(testbed):
        assert is_inside() == (testbed.kind == "sim")
"""


def test_every_test_gets_a_world_that_begins_before_all_of_its_own(project):
    project.pytester.makeini("[pytest]\nsimsock_autoworld = on\n")
    project.write_plain(SUITE.replace("expected", "True").replace("def test_beds", "def not_here"))
    found = project.run("-rA")
    found.assert_outcomes(passed=8)
    found.stdout.fnmatch_lines(["*, a world for every test"])


def test_without_it_they_are_real(project):
    project.pytester.makeini("[pytest]\nsimsock_autoworld = on\n")
    project.write_plain(SUITE.replace("expected", "False"))
    reports = [report for report in project.reports("--simsock-autoworld=off", "-k", "test_plain or test_parameters or TestUnit") if report.when == "call"]
    assert len(reports) == 4
    assert all(report.failed for report in reports)


def test_a_testbed_is_what_it_is_asked_to_be(project):
    project.write_plain(SUITE.replace("assert is_inside() == expected", "pass"))
    project.run("--simsock-autoworld=on", "--simsock-network=both", "-k", "test_beds").assert_outcomes(passed=2)


def test_worlds_may_be_as_wide_as_a_module(project):
    project.pytester.makeini("[pytest]\nsimsock_autoworld = on\nsimsock_world = module\n")
    project.write_plain(
        SUITE.replace("mine and not wide", "mine and wide").replace("sim.now == 0", "sim.now >= 3600").replace("assert is_inside() == expected", "pass")
    )
    project.run("-k", "test_plain or test_it_may_ask or TestUnit or test_parameters").assert_outcomes(passed=5)


def test_a_suite_with_a_sim_of_its_own_is_told_at_once(project):
    project.write_plain("import pytest", "@pytest.fixture\ndef sim():\n    return 5", "def test_it(): pass")
    project.run("--simsock-autoworld=on").stderr.fnmatch_lines(["*simsock_autoworld: test_it.py::test_it has a fixture `sim` that is not simsock's (test_it)*"])


def test_a_word_that_is_neither_on_nor_off(project):
    project.write_plain("def test_it(): pass")
    project.run("--simsock-autoworld=yes").stderr.fnmatch_lines(["*--simsock-autoworld: expected on or off, got 'yes'*"])
