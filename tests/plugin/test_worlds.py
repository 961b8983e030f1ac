"""The fixture ``sim``: a world around a test, how it begins and how it ends, and what its options are."""

from __future__ import annotations

import pytest


def outcomes(reports):
    """(test, phase, outcome) of everything that did not just pass, and of every call."""
    return [(report.nodeid.rpartition("::")[2], report.when, report.outcome) for report in reports if report.when == "call" or not report.passed]


def test_the_body_is_the_first_task_of_a_fresh_world(project):
    project.write(
        """
        worlds = []

        @pytest.mark.parametrize("number", [1, 2])
        def test_fresh(sim, number):
            assert sim not in worlds and sim.now == 0
            worlds.append(sim)
            sim.sleep("1h")
            assert round(sim.now, 4) == 3600
            assert visit(sim, sim.serve(Counter, Count)) == b"1\\n"
            assert [record[1] for record in sim.records][0] == "main"
        """
    )
    project.run().assert_outcomes(passed=2)


def test_what_a_handler_raises_fails_the_call_and_shows_the_handler(project):
    project.write(
        """
        def test_refused(sim):
            assert visit(sim, sim.serve(Refuse)) == b""
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*raise ValueError(*refused*)", "*ValueError: refused", "*raised in task server-1/handler-1"])
    result.stdout.no_fnmatch_line("*simulation.py*")


def test_the_traceback_of_a_handler_in_another_file_begins_in_it(project):
    project.write_plain(
        """
        from simsock.socketserver import StreamRequestHandler

        class Refuse(StreamRequestHandler):
            def handle(self):
                raise ValueError("refused")
        """,
        name="handlers",
    )
    project.write_plain(
        """
        from handlers import Refuse

        def test_refused(sim):
            sim.connect(sim.serve(Refuse)).recv(1)
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["handlers.py:5: ValueError"])
    result.stdout.no_fnmatch_line("*pytest_simsock*")
    result.stdout.no_fnmatch_line("*simulation.py*")


def test_expected_errors_of_handlers_do_not_fail_the_test(project):
    project.write(
        """
        def test_refused(sim):
            sim.expect_errors(ValueError, match="refused")
            assert visit(sim, sim.serve(Refuse)) == b""
        """
    )
    project.run().assert_outcomes(passed=1)


def test_fixtures_that_depend_on_the_world_are_finished_while_it_lives(project):
    project.write(
        """
        @pytest.fixture
        def served(sim):
            served = sim.serve(Counter, Count)
            yield served
            assert visit(sim, served) == b"2\\n"

        @pytest.fixture
        def client(served, sim, log):
            yield sim.connect(served)
            log.append(sim.now)

        @pytest.fixture
        def log(tmp_path):
            log = []
            yield log
            print("log", log)

        def test_it(sim, client):
            sim.sleep(2)
            client.sendall(b"hello\\n")
            assert client.recv(10) == b"1\\n"
        """
    )
    result = project.run("-rP")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["log [[]2.0[]]"])


def test_a_handler_that_raises_while_a_fixture_is_finished_fails_the_call(project):
    project.write(
        """
        @pytest.fixture
        def served(sim):
            served = sim.serve(Refuse)
            yield served
            visit(sim, served)

        def test_it(served):
            pass
        """
    )
    assert outcomes(project.reports()) == [("test_it", "call", "failed")]


def test_what_ends_badly_after_a_failure_is_a_note_on_it(project):
    project.write(
        """
        @pytest.fixture
        def late(sim):
            yield
            raise OSError("late")

        def test_it(sim, late):
            visit(sim, sim.serve(Refuse))
            assert 1 == 2
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    for said in ("*assert 1 == 2", "*also raised in task *", "*ValueError: refused", "*also raised at the end of the test*", "*OSError: late"):
        result.stdout.fnmatch_lines([said])


def test_several_errors_at_the_end_are_all_told(project):
    project.write(
        """
        @pytest.fixture
        def late(sim):
            yield
            raise OSError("late")

        def test_it(sim, late):
            visit(sim, sim.serve(Refuse))
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines_random(["*ValueError: refused*", "*OSError: late*"])


def test_a_setup_that_fails_ends_the_world(project):
    project.write(
        """
        @pytest.fixture
        def broken(sim):
            visit(sim, sim.serve(Refuse))
            raise OSError("broken")

        def test_broken(broken):
            pass

        def test_next(sim):
            pass
        """
    )
    reports = project.reports()
    assert outcomes(reports) == [("test_broken", "setup", "failed"), ("test_next", "call", "passed")]
    assert "ValueError: refused" in reports[0].longreprtext


def test_skipping_and_expected_failures_end_the_world_too(project):
    project.write(
        """
        def test_skips(sim):
            pytest.skip("not today")

        def test_skips_in_a_task(sim):
            sim.spawn(pytest.skip, "not here").result()

        @pytest.mark.xfail(raises=ValueError)
        def test_refused(sim):
            visit(sim, sim.serve(Refuse))

        def test_passes(sim):
            pass
        """
    )
    project.run().assert_outcomes(skipped=2, xfailed=1, passed=1)


def test_a_world_asked_for_in_the_body_ends_with_it(project):
    project.write(
        """
        def test_dynamic(request):
            sim = request.getfixturevalue("sim")
            visit(sim, sim.serve(Refuse))

        def test_next(sim):
            pass
        """
    )
    assert outcomes(project.reports()) == [("test_dynamic", "call", "failed"), ("test_next", "call", "passed")]


def test_a_world_inside_the_world_is_an_error(project):
    project.write(
        """
        import simsock

        def test_it(sim):
            with pytest.raises(simsock.UsageError, match="inside a world"), simsock.Simulation():
                pass
        """
    )
    project.run().assert_outcomes(passed=1)


def test_a_test_of_a_unittest_class_may_have_a_world_around_it(project):
    project.write(
        """
        import unittest

        @pytest.mark.usefixtures("sim")
        class TestOld(unittest.TestCase):
            def test_time(self):
                import simsock
                assert simsock.network.in_force().time.monotonic() >= 0
        """
    )
    project.run().assert_outcomes(passed=1)


def test_a_world_is_let_go_after_the_test(project):
    project.write(
        """
        import gc, weakref
        worlds = []

        @pytest.mark.parametrize("number", range(3))
        def test_it(sim, number):
            worlds.append(weakref.ref(sim))

        def test_later():
            gc.collect()
            assert [world() for world in worlds] == [None] * 3
        """
    )
    project.run().assert_outcomes(passed=4)


# -- options -----------------------------------------------------------------------------------------------------------------------------------


def test_options_come_from_the_marker_then_from_the_config_fixture(project):
    project.write(
        """
        pytestmark = pytest.mark.simsock(seed=1, max_steps=1000, chunks="bytes")

        @pytest.fixture
        def simsock_config():
            return {"seed": 2, "max_steps": 2000, "max_time": "3s"}

        @pytest.mark.simsock(seed=3)
        def test_it(sim, simsock_seed):
            assert sim.seed == simsock_seed == 3
            assert (sim.options.limits.steps, sim.options.limits.time_ns, sim.options.chunks) == (1000, 3 * 10**9, "bytes")
        """
    )
    project.run("--simsock-seed=4").assert_outcomes(passed=1)


def test_the_config_fixture_beats_the_command_line_which_beats_the_ini_file(project):
    project.pytester.makeini("[pytest]\nsimsock_seed = 5\n")
    project.write(
        """
        class TestConfig:
            @pytest.fixture
            def simsock_config(self):
                return {"seed": 2}

            def test_it(self, sim):
                print(sim.seed)

        def test_plain(sim):
            print(sim.seed)
        """
    )
    project.run("-rP", "--simsock-seed=4").stdout.fnmatch_lines(["2", "4"])
    project.run("-rP").stdout.fnmatch_lines(["2", "5"])


def test_link_options_reach_the_network(project):
    project.write(
        """
        from simsock import Link

        @pytest.mark.simsock(link=Link(latency="10ms"))
        def test_slow(sim):
            visit(sim, sim.serve(Counter, Count))
            assert sim.now == pytest.approx(0.04)
        """
    )
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("marker", "said"),
    [
        ("schedule=5", "*@pytest.mark.simsock: unknown option 'schedule'; did you mean 'schedules'?*"),
        ("patience=5", "*@pytest.mark.simsock: unknown option 'patience'*seed, schedules*"),
        ("5", "*@pytest.mark.simsock takes keywords only, got 5*"),
        ("schedules=0", "*@pytest.mark.simsock(schedules=0): expected a whole number from 1*"),
        ("seed=1.5", "*seed: expected a whole number or a text, got 1.5*"),
        ("strategy='clever'", "*options of the sim fixture: strategy: expected one of *'clever'*"),
        ("allow=['db:1']", "*options of the sim fixture: allow: expected the address and the port of a real peer*'db:1'*"),
        ("schedules=3, preempt='words'", "*preempt: expected one of *'words'*"),
    ],
)
def test_a_mistake_in_the_marker_is_an_error_that_names_the_option(project, marker, said):
    project.write(f"@pytest.mark.simsock({marker})\ndef test_it(sim):\n    pass\n")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([said])
    result.stdout.no_fnmatch_line("*During handling*")


@pytest.mark.parametrize(
    ("config", "said"), [("{'sed': 1}", "*unknown option 'sed'; did you mean 'seed'?*"), ("{'schedules': 2}", "*schedules*marker only*"), ("7", "*a dict*7*")]
)
def test_a_mistake_in_the_config_fixture_is_an_error(project, config, said):
    project.write(
        f"""
        @pytest.fixture
        def simsock_config():
            return {config}

        def test_it(sim):
            pass
        """
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*simsock_config: " + said])


def test_the_markers_options_are_listed(project):
    project.run("--markers").stdout.fnmatch_lines(["@pytest.mark.simsock(seed=, schedules=, *"])


def test_a_world_whose_end_was_passed_over_is_taken_back_with_its_test_and_that_is_said(project):
    project.write(
        """
        import time
        import simsock

        REAL = time.sleep

        def lose(monkeypatch):
            with monkeypatch.context() as patch:
                patch.setattr(simsock.Simulation, "__exit__", lambda *exc: None)
                with simsock.Simulation() as lost:
                    pass

        def test_loses(monkeypatch):
            lose(monkeypatch)

        def test_after():
            assert time.sleep is REAL

        def test_with_a_world(sim):
            time.sleep(1)
            assert round(sim.now, 4) == 1
        """
    )
    result = project.run("-Wdefault")
    result.assert_outcomes(passed=3, warnings=1)
    result.stdout.fnmatch_lines(["*test_loses: a world was not left*it has been taken back*"])
