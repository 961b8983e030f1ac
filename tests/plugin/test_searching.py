"""Tests with ``schedules=N``: one test of many runs, one report."""

from __future__ import annotations

import re

import pytest

RACE = """
    @pytest.mark.simsock(schedules=100)
    def test_race(sim, log):
        state = []
        def first():
            state.append(1)
            state.append(2)
        def second():
            assert state != [1], "whoever is switched out between two lines"
        tasks = [sim.spawn(first), sim.spawn(second)]
        for task in tasks:
            task.result()
"""
"""Fails when ``second`` runs between the two lines of ``first``."""

LOG = """
    import pytest
    seeds = []

    @pytest.fixture
    def log(simsock_seed):
        seeds.append(simsock_seed)
        return seeds

    def pytest_sessionfinish():
        print("\\nseeds", *seeds)
"""
"""For a conftest: the seeds of all runs."""


def seeds_in(result):
    """What ``LOG`` printed."""
    return next(line for line in result.outlines if line.startswith("seeds")).split()[1:]


def test_a_race_is_found_shrunk_and_reported_once(project, section):
    project.write_lost_update()
    reports = project.reports()
    assert [(report.nodeid, report.when, report.outcome) for report in reports] == [
        ("test_it.py::test_count", "setup", "passed"),
        ("test_it.py::test_count", "call", "failed"),
        ("test_it.py::test_count", "teardown", "passed"),
    ]
    told = section(reports[1], "deviations")
    before, after = re.search(r"of seed 0 failed: AssertionError.*\n(\d+) deviations, shrunk to (\d+) in \d+ runs\n", told).groups()
    assert int(before) > 20 > 5 > int(after) > 0
    assert re.search(r"ran between test_it.py:1[01] and test_it.py:1[12] of handler-", told)
    assert "11 value += 1" in told  # the columns
    assert "assert served.server.count == 3" in reports[1].longreprtext


def test_the_healthy_twin_passes_and_is_called_inconclusive(project, section):
    project.write(
        """
        import simsock.stdlib.threading

        class Locked(ThreadingTCPServer):
            count = 0
            lock = None

        class CountLocked(Count):
            def handle(self):
                with self.server.lock:
                    super().handle()

        @pytest.mark.simsock(schedules=60)
        def test_count(sim):
            served = sim.serve(Locked, CountLocked)
            served.server.lock = sim.network.threading.Lock()
            for task in [sim.spawn(visit, sim, served) for _ in range(3)]:
                task.result()
            assert served.server.count == 3
        """
    )
    setup, call, teardown = project.reports("--simsock-seed=5")
    assert call.passed
    tried, seen = section(call, "search").splitlines()
    assert tried == "inconclusive, 60 schedules tried (seed 5)"
    assert re.fullmatch(r"\d+ different orders, \d+% of the last tenth new; at most \d+ tasks alive at once", seen)


def test_every_schedule_sets_up_the_fixtures_of_the_function_and_no_others(project):
    project.write_plain(
        """
        import pytest

        @pytest.fixture(scope="session")
        def wide():
            print("\\nwide up")
            yield
            print("\\nwide down")

        @pytest.fixture(scope="class")
        def middle(wide):
            print("\\nmiddle up")
            yield
            print("\\nmiddle down")

        @pytest.fixture
        def narrow(middle):
            print("\\nnarrow up")
            yield
            print("\\nnarrow down")

        class TestIt:
            @pytest.mark.simsock(schedules=5)
            def test_searched(self, sim, narrow):
                assert not hasattr(self, "mark"), "each run has an instance of its own"
                self.mark = 1

            def test_after(self, middle):
                pass

        def test_elsewhere(wide):
            pass
        """
    )
    result = project.run("-s")
    result.assert_outcomes(passed=3)
    words = [line for line in result.outlines if line.endswith((" up", " down"))]
    assert words == ["wide up", "middle up", *["narrow up", "narrow down"] * 5, "middle down", "wide down"]


def test_wide_fixtures_are_set_up_once_also_when_a_schedule_fails(project):
    project.write_plain(
        """
        import pytest

        @pytest.fixture(scope="module")
        def wide():
            print("\\nwide up")
            yield []
            print("\\nwide down")

        @pytest.fixture
        def log(wide):
            return wide

        def test_before(wide):
            pass
        """,
        RACE,
        "def test_after(wide):\n    pass",
    )
    result = project.run("-s")
    result.assert_outcomes(passed=2, failed=1)
    assert [line for line in result.outlines if line.startswith("wide")] == ["wide up", "wide down"]


def test_schedules_have_seeds_of_their_own_that_follow_from_the_sessions(project):
    project.write_plain(LOG, name="conftest")
    project.write_plain("import pytest", RACE.replace("100", "3").replace("assert", "pass #"))
    assert seeds_in(project.run("-s", "--simsock-seed=7")) == ["7/1", "7/2", "7/3"]


def test_the_number_of_schedules_can_be_given_on_the_command_line_and_in_the_ini_file(project):
    project.write_plain(LOG, name="conftest")
    project.write_plain("import pytest", RACE.replace("assert", "pass #"), "def test_once(sim, log):\n    pass")
    assert seeds_in(project.run("-s", "--simsock-schedules=2")) == ["0/1", "0/2", "0"]
    project.pytester.makeini("[pytest]\nsimsock_schedules = 4\n")
    assert len(seeds_in(project.run("-s"))) == 5


def test_a_search_stops_at_the_first_failing_schedule_and_repeats_that_one(project):
    project.write_plain(LOG, name="conftest")
    project.write_plain("import pytest", RACE)
    seeds = seeds_in(project.run("-s"))
    searched = [f"0/{number}" for number in range(1, int(seeds[-1].partition("/")[2]) + 1)]
    assert seeds[: len(searched)] == searched
    assert set(seeds[len(searched) :]) == {searched[-1]}


def test_only_the_reported_run_has_captured_output_and_properties(project):
    project.write_plain(
        "import pytest",
        """
        @pytest.fixture
        def log(record_property):
            print("a run")
            record_property("run", 1)
        """,
        RACE,
    )
    report = project.failure()
    assert [name for name, _ in report.user_properties] == ["run", "simsock_token", "simsock_repeat", "simsock_schedules"], "each once"
    assert report.user_properties[0] == ("run", 1)
    assert [content for title, content in report.sections if title.startswith("Captured")] == ["a run\n"]


def test_the_time_told_is_that_of_all_runs(project):
    project.write_plain("import pytest, time", "@pytest.mark.simsock(schedules=20)\ndef test_it(sim):\n    time.sleep(0.01)")
    setup, call, teardown = project.reports()
    assert call.duration >= 0.2


def test_a_failing_setup_that_depends_on_the_schedule_is_searched_too(project, section):
    project.write_plain(
        """
        import pytest

        @pytest.fixture
        def race(sim):
            state = []
            def first():
                state.append(1)
                state.append(2)
            def second():
                assert state != [1], "seen"
            tasks = [sim.spawn(first), sim.spawn(second)]
            for task in tasks:
                task.result()

        @pytest.mark.simsock(schedules=100)
        def test_race(race):
            pass
        """,
    )
    setup, teardown = project.reports()
    assert setup.failed and setup.when == "setup" and teardown.passed
    assert "shrunk to 1 in" in section(setup, "deviations")


def test_a_skip_ends_the_search(project):
    project.write_plain(LOG, name="conftest")
    project.write_plain(
        """
        import pytest

        @pytest.mark.simsock(schedules=50)
        def test_skips(sim, log):
            if len(log) == 3:
                pytest.skip("enough")

        @pytest.mark.skip(reason="never to be run")
        @pytest.mark.simsock(schedules=50)
        def test_never(sim, log):
            pass
        """
    )
    result = project.run("-s")
    result.assert_outcomes(skipped=2)
    assert seeds_in(result) == ["0/1", "0/2", "0/3"]


def test_an_expected_failure_is_found_by_the_search(project):
    project.write_plain("import pytest", "@pytest.fixture\ndef log(): pass", RACE.replace("@pytest", "@pytest.mark.xfail(strict=True)\n    @pytest", 1))
    project.run().assert_outcomes(xfailed=1)


def test_an_expected_failure_that_no_schedule_shows_is_told_as_usual(project):
    project.write_plain(
        """
        import pytest

        @pytest.mark.xfail(strict=True, reason="passes under every schedule")
        @pytest.mark.simsock(schedules=5)
        def test_strict(sim):
            pass

        @pytest.mark.xfail(reason="passes under every schedule")
        @pytest.mark.simsock(schedules=5)
        def test_loose(sim):
            pass

        @pytest.mark.simsock(schedules=5)
        def test_imperative(sim):
            pytest.xfail("known")
        """
    )
    result = project.run()
    result.assert_outcomes(failed=1, xpassed=1, xfailed=1)
    result.stdout.fnmatch_lines(["*XPASS(strict)*"])


def test_a_marker_with_schedules_on_a_test_without_a_world_is_an_error(project):
    project.write_plain("import pytest", "@pytest.mark.simsock(schedules=5)\ndef test_it():\n    print('ran')")
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*@pytest.mark.simsock has the options of a world, and this test has none*"])
    assert "ran\n" not in result.stdout.str()


def test_a_search_fails_for_what_none_of_its_schedules_showed(project):
    project.write_plain(
        """
        import pytest

        @pytest.mark.simsock(schedules=5)
        def test_never(sim):
            sim.sometimes(sim.now > 1, "late")

        @pytest.mark.simsock(schedules=5, require_faults=True)
        def test_no_fault(sim):
            sim.host("a"), sim.host("b")
            sim.partition("a", "b")

        @pytest.mark.simsock(require_faults=True)
        def test_alone(sim):
            sim.host("a"), sim.host("b")
            sim.partition("a", "b")

        @pytest.mark.simsock(schedules=5, require_faults=True)
        def test_well(sim):
            sim.sometimes(True, "here")
            if sim.now > 1:
                other.reachable("of somebody else")
        """
    )
    result = project.run()
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*never held: 'late' at *test_it.py:5*(asked in 5 of them)*", "*never took effect: partition a <-> b (require_faults=True)*"])
    result.stdout.fnmatch_lines(["*NeverHappened: never took effect in this run: partition a <-> b (require_faults=True)*"])


def test_a_failure_without_a_world_is_reported_as_it_is(project):
    project.write_plain("import pytest", "@pytest.mark.simsock(schedules=5)\ndef test_it(nothing, sim):\n    pass\ndef test_after(sim): pass")
    result = project.run()
    result.assert_outcomes(errors=1, passed=1)
    result.stdout.fnmatch_lines(["*fixture 'nothing' not found"])


def test_a_failure_that_does_not_repeat_is_reported_as_it_was_found_and_that_is_said(project, section, command_in):
    file = project.write_plain(
        """
        import pytest
        runs = []

        @pytest.mark.simsock(schedules=50)
        def test_flaky(sim):
            runs.append(1)
            assert len(runs) != 7

        def test_after(sim):
            pass
        """
    )
    report = project.failure()
    assert "assert 7 != 7" in report.longreprtext
    assert "did not fail again" in section(report, "search")
    file.write_text(file.read_text().replace("len(runs) != 7", "simsock_seed != '0/7'").replace("(sim)", "(sim, simsock_seed)"))
    assert "assert '0/7' != '0/7'" in project.failure(*command_in(section(report, "repeat"))).longreprtext


def test_a_teardown_that_raises_ends_the_search(project):
    project.write_plain(
        """
        import pytest
        runs = []

        @pytest.fixture
        def broken():
            runs.append(1)
            yield
            assert len(runs) != 3

        @pytest.mark.simsock(schedules=50)
        def test_it(broken, sim):  # what is set up in a world is finished there, what was before it in the teardown
            pass

        def test_after(sim):
            assert len(runs) == 4
        """
    )
    project.run().assert_outcomes(passed=2, errors=1)


@pytest.mark.parametrize("fails", [False, True])
def test_a_timeout_that_strikes_before_a_teardown_ends_the_search(project, fails):
    project.write_plain(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_teardown(item):
            if item.name == "test_it" and not item.config.stash.get("struck", False):
                item.config.stash["struck"] = True
                pytest.fail("Timeout (>1.0s) from pytest-timeout.")
        """,
        name="conftest",
    )
    project.write_plain(
        f"""
        import pytest
        runs = []

        @pytest.mark.simsock(schedules=5)
        def test_it(sim):
            runs.append(1)
            assert not {fails}

        def test_after(sim):
            assert len(runs) == 1
        """
    )
    result = project.run()
    result.assert_outcomes(errors=1, **({"passed": 1, "failed": 1} if fails else {"passed": 2}))


def test_a_debugger_is_offered_the_failure_once(project):
    project.write_plain("def pytest_exception_interact(node, call):\n    print('\\ninteract', call.excinfo.typename)", name="conftest")
    project.write_plain("import pytest", "@pytest.fixture\ndef log(): pass", RACE)
    result = project.run("-s")
    assert [line for line in result.outlines if line.startswith("interact")] == ["interact AssertionError"]


def test_the_pattern_of_a_fixture_that_looks_at_reports_works(project):
    project.write_plain(
        """
        import pytest
        key = pytest.StashKey()

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            item.stash.setdefault(key, {})[report.when] = report
            return report

        @pytest.fixture
        def log(request):
            yield
            assert request.node.stash[key]["setup"].passed
            call = request.node.stash[key].get("call")  # not yet there where a run is the first that comes so far
            print("\\nended", call.outcome if call is not None else "-")
        """,
        name="conftest",
    )
    project.write_plain("import pytest", RACE)
    result = project.run("-s")
    result.assert_outcomes(failed=1)
    assert result.outlines.count("ended failed") > 2


def test_a_searched_test_may_be_parametrized_and_be_a_method(project, command_in):
    fixture = "import pytest\n@pytest.fixture(params=['a b', 'c'])\ndef log(request): pass\n"
    project.write_plain(fixture + "class TestIt:\n" + RACE.replace("test_race(sim", "test_race(self, sim"))
    result = project.run("test_it.py::TestIt::test_race[a b]")
    result.assert_outcomes(failed=1)
    assert "'test_it.py::TestIt::test_race[a b]'" in result.stdout.str()
    project.run(*command_in(result.stdout.str())).assert_outcomes(failed=1)


def test_switched_off_for_real_sockets_the_search_is_one_run(project):
    project.write(
        """
        @pytest.mark.simsock(schedules=5)
        def test_it(testbed):
            print("ran on", testbed.kind)
            assert visit(testbed, testbed.serve(Counter, Count)) == b"1\\n"
        """
    )
    result = project.run("--simsock-network=both", "-s")
    result.assert_outcomes(passed=2)
    assert result.stdout.str().count("ran on sim") == 5
    assert result.stdout.str().count("ran on real") == 1


def test_options_that_a_fixture_changes_between_runs_are_followed(project):
    project.write_plain(
        """
        import pytest
        runs = []

        @pytest.fixture
        def simsock_config():
            runs.append(1)
            return {"preempt": ["lines", "calls"][len(runs) % 2], "max_steps": 1000 + len(runs)}

        @pytest.mark.simsock(schedules=6)
        def test_it(sim):
            assert sim.options.limits.steps == 1000 + len(runs)
            assert sim.options.preempt == ["lines", "calls"][len(runs) % 2]
        """
    )
    project.run().assert_outcomes(passed=1)


def test_a_guided_search_goes_on_from_what_its_runs_have_shown(project, command_in):
    project.write_plain(
        """
        import pytest
        import simsock

        @pytest.mark.simsock(schedules=300, strategy="guided", link=simsock.Link(loss="4%", latency="1ms"))
        def test_three_in_a_row(sim):
            inbox, sender = sim.datagram(host="inbox"), sim.datagram(host="sender")
            inbox.settimeout(1)
            def is_lost():
                sender.sendto(b"x", inbox.getsockname())
                try:
                    inbox.recv(10)
                except TimeoutError:
                    return True
            if not is_lost():
                return
            if not is_lost():
                return
            assert not is_lost()
        """
    )
    found = project.run()
    found.stdout.fnmatch_lines(["schedule * of seed 0 failed: AssertionError*", "3 deviations, shrunk to 3 in *"])
    project.run(*command_in(str(found.stdout))).assert_outcomes(failed=1)
    project.run().stdout.fnmatch_lines(["*kept from an earlier search, failed: AssertionError*"])


def test_what_a_guided_search_has_kept_is_where_the_next_one_begins(project):
    project.write_plain(
        """
        import pytest
        import simsock

        @pytest.mark.simsock(schedules=44, strategy="guided", link=simsock.Link(loss="20%", latency="1ms"))
        def test_it(sim):
            inbox, sender = sim.datagram(host="inbox"), sim.datagram(host="sender")
            inbox.settimeout(1)
            sender.sendto(b"x", inbox.getsockname())
            try:
                inbox.recv(10)
            except TimeoutError:
                with open("lost", "a") as file:
                    file.write(f"{sim.seed} ")
        """
    )
    seeds = []
    for _ in range(2):
        project.run("--simsock-database=kept").assert_outcomes(passed=1)
        seeds.append(project.pytester.path.joinpath("lost").read_text().split())
        project.pytester.path.joinpath("lost").unlink()
    assert len(list(project.pytester.path.joinpath("kept").rglob("*"))) > 1
    assert seeds[0] != seeds[1]
    project.run("--simsock-database=kept", "--simsock-seed=0").assert_outcomes(passed=1)
    assert project.pytester.path.joinpath("lost").read_text().split() == seeds[0]


def test_beside_a_long_story_a_shorter_run_is_named_that_fails_otherwise(project):
    project.write(
        """
        import pytest
        import simsock

        @pytest.mark.simsock(schedules=20, link=simsock.Link(loss=0.9))
        def test_lost(sim):
            inbox, sender = sim.datagram(host="server"), sim.datagram(host="client")
            inbox.settimeout(1)
            lost = 0
            for _ in range(5):
                sender.sendto(b"x", inbox.getsockname())
                try:
                    inbox.recv(1)
                except TimeoutError:
                    lost += 1
            assert lost < 4
            if lost == 1:
                raise LookupError("one is lost")
        """
    )
    text = str(project.run().stdout)
    found = re.search(r"\nwith 1 deviation it fails otherwise: LookupError: one is lost\n  pytest \S+ (--simsock-replay=\S+)\n", text)
    assert found is not None, text
    assert "LookupError: one is lost" in str(project.run(found[1]).stdout)
