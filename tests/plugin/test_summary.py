"""What a session of pytest says of its searches together, and what JUnit's XML has of each test."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import pytest

from pytest_simsock.telling import note_properties

SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"
SEARCHES = """
    import os, signal
    import pytest

    @pytest.mark.simsock(schedules=20)
    def test_sound(sim):
        task = sim.spawn(lambda: None)
        task.result()

    @pytest.mark.simsock(schedules=30, seed=0)
    def test_racing(sim):
        state = []
        def add():
            state.append(1)
            state.append(2)
        def look():
            assert state != [1]
        tasks = [sim.spawn(work) for work in (add, add, look, look)]
        for task in tasks:
            task.result()

    @pytest.mark.simsock(schedules=7)
    def test_skipped(sim):
        pytest.skip("not here")

    def test_of_one_run(sim):
        sim.sleep(1)

    def test_without():
        pass
"""

STOPPED = """
    import itertools
    runs = itertools.count(1)

    @pytest.mark.simsock(schedules=300)
    def test_stopped(sim):
        if next(runs) == 12:
            os.kill(os.getpid(), signal.SIGINT)
            sim.sleep(1)
"""


def said(result):
    """The line that sums up the searches of a session; none if there is none."""
    lines = [line for line in result.stdout.lines if line.startswith("simsock: ") and " searched, " in line]
    assert len(lines) < 2
    return lines[0].removeprefix("simsock: ") if lines else None


def tried_of(root, name):
    return int(properties(root, name)["simsock_schedules"])


def properties(root, name):
    """The properties of a test, by its name or its class's."""
    (case,) = [case for case in root.iter("testcase") if name in (case.get("name"), case.get("classname"))]
    found = [(one.get("name"), one.get("value")) for one in case.iter("property")]
    assert len(found) == len(dict(found)), "each is there once"
    return dict(found)


@pytest.mark.parametrize("args", [(), ("-p", "xdist", "-n", "2")], ids=["here", "xdist"])
def test_searches_are_counted_and_summed_up(project, args):
    if args:
        pytest.importorskip("xdist")
    project.write_plain(SEARCHES)
    result = (project.run_apart if args else project.run)(*args, "--junitxml=out.xml", "--simsock-database=none")
    result.assert_outcomes(failed=1, passed=3, skipped=1)
    root = ElementTree.parse(project.pytester.path / "out.xml").getroot()
    failed_in = tried_of(root, "test_racing")
    assert 1 <= failed_in <= 30
    assert said(result) == f"2 tests searched, {20 + failed_in} schedules, 1 failed, 1 inconclusive"


def test_a_session_without_a_search_has_no_such_line(project):
    project.write_plain(SEARCHES)
    result = project.run("-k", "of_one_run or without or skipped")
    result.assert_outcomes(passed=2, skipped=1, deselected=2)
    assert said(result) is None


def test_one_schedule_is_one_schedule(project):
    project.write_plain(SEARCHES.replace("schedules=20", "schedules=1"))
    assert said(project.run("-k", "sound")) == "1 test searched, 1 schedule, 1 inconclusive"


def test_what_ctrl_c_has_cut_short_is_counted_with_what_it_had_tried(project):
    project.write_plain(SEARCHES, STOPPED)
    result = project.run_apart("-k", "sound or stopped")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert said(result) == "2 tests searched, 32 schedules, 1 inconclusive, 1 interrupted"


def test_failures_that_are_kept_from_an_earlier_session_count_as_one_run_each(project):
    project.write_plain(SEARCHES)
    project.run("-k", "racing")
    assert said(project.run("-k", "racing")) == "1 test searched, 1 schedule, 1 failed"


def test_scenario_files_are_counted(project):
    folder = project.pytester.mkdir("scenarios")
    for name in ("lost-update.toml", "lost-update-locked.toml", "counter.py", "counter_locked.py"):
        (folder / name).write_text((SCENARIOS / name).read_text().replace("schedules = 1000", "schedules = 40"))
    (folder / "wrong.toml").write_text(
        (folder / "lost-update.toml").read_text().replace('expect = "fails"\nerror = "visitors came"', 'expect = "inconclusive"')
    )
    result = project.run("scenarios", "--junitxml=out.xml")
    result.assert_outcomes(passed=2, failed=1)
    root = ElementTree.parse(project.pytester.path / "out.xml").getroot()
    found = {case.get("classname"): properties(root, case.get("classname")) for case in root.iter("testcase")}
    tried = int(found["scenarios.lost-update.toml"]["simsock_schedules"])
    assert 1 <= tried < 40
    assert found["scenarios.lost-update-locked.toml"] == {"simsock_schedules": "40"}
    assert found["scenarios.wrong.toml"]["simsock_repeat"].startswith(f"simsock replay {found['scenarios.wrong.toml']['simsock_token']}")
    assert said(result) == f"3 tests searched, {2 * tried + 40} schedules, 1 failed, 2 as expected"


def test_junit_xml_has_what_repeats_a_failure(project):
    project.write_plain(SEARCHES)
    project.run("--junitxml=out.xml", "--simsock-database=none")
    root = ElementTree.parse(project.pytester.path / "out.xml").getroot()
    found = properties(root, "test_racing")
    assert sorted(found) == ["simsock_repeat", "simsock_schedules", "simsock_token"]
    words = shlex.split(found["simsock_repeat"])
    assert words[:2] == ["pytest", "test_it.py::test_racing"] and words[2] == f"--simsock-replay={found['simsock_token']}"
    project.run(*words[1:]).assert_outcomes(failed=1)
    assert properties(root, "test_sound") == {"simsock_schedules": "20"}
    assert properties(root, "test_of_one_run") == {}


def test_junit_xml_has_the_command_of_a_failure_that_was_not_searched_for(project):
    project.write_plain("def test_one(sim):\n    assert sim.now < 0\n")
    project.run("--junitxml=out.xml")
    found = properties(ElementTree.parse(project.pytester.path / "out.xml").getroot(), "test_one")
    assert list(found) == ["simsock_repeat"] and found["simsock_repeat"].startswith("pytest test_it.py::test_one --simsock-seed=")


def test_sarif_has_the_line_of_each_failure_and_an_empty_file_says_that_there_is_none(project):
    project.write_plain(SEARCHES)
    project.run("--simsock-report=out", "--simsock-database=none")
    (result,) = json.loads((project.pytester.path / "out" / "simsock.sarif").read_text())["runs"][0]["results"]
    (place,) = result["locations"]
    line = place["physicalLocation"]["region"]["startLine"]
    source = (project.pytester.path / "test_it.py").read_text().splitlines()
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "test_it.py" and source[line - 1].strip() == "assert state != [1]"
    project.run("--simsock-report=out", "-k", "sound")
    assert json.loads((project.pytester.path / "out" / "simsock.sarif").read_text())["runs"][0]["results"] == []


def test_a_report_folder_that_cannot_be_made_is_told_and_no_success(project):
    project.write_plain(SEARCHES)
    (project.pytester.path / "out").write_text("a file")
    result = project.run("--simsock-report=out", "-k", "without")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["simsock: --simsock-report *out: cannot be made: File exists"])


def test_properties_of_a_test_that_is_run_again_are_there_once():
    item, reports = SimpleNamespace(user_properties=[("own", 1)]), [SimpleNamespace(user_properties=[("own", 1)])]
    for tried in (3, 5):
        note_properties(item, reports, simsock_schedules=tried, simsock_token=None)
    assert item.user_properties == reports[0].user_properties == [("own", 1), ("simsock_schedules", "5")]
