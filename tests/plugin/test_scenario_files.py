"""``pytest scenarios/``: each scenario file is a test."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(pytester):
    """A project with the scenario of the lost update, its twin, and a file that is no scenario."""
    folder = pytester.mkdir("scenarios")
    for name in ("lost-update.toml", "lost-update-locked.toml", "counter.py", "counter_locked.py"):
        text = (ROOT / "scenarios" / name).read_text().replace("schedules = 1000", "schedules = 200")
        (folder / name).write_text(text)
    (folder / "other.toml").write_text('[tool]\nname = "x"\n')
    pytester.path.joinpath("pyproject.toml").write_text('[project]\nname = "x"\n')
    return pytester


def run(project, *arguments):
    return project.runpytest_subprocess("-p", "no:faker", "-p", "no:hypothesispytest", "-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def test_each_scenario_is_an_item_and_other_files_are_none(project):
    result = run(project, "scenarios", "-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["scenarios/lost-update-locked.toml::lost-update-locked PASSED*", "scenarios/lost-update.toml::lost-update PASSED*"])


def test_they_are_found_from_the_root_too_and_one_can_be_chosen(project):
    run(project, "-k", "locked").assert_outcomes(passed=1, deselected=1)
    run(project, "scenarios/lost-update.toml::lost-update").assert_outcomes(passed=1)


def test_one_that_is_not_as_expected_fails_with_verdict_token_and_command(project):
    path = project.path / "scenarios" / "lost-update.toml"
    path.write_text(path.read_text().replace('expect = "fails"\nerror = "visitors came"', 'expect = "inconclusive"'))
    result = run(project, str(path))
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    assert "NOT AS EXPECTED: expected that no schedule fails, and schedule " in text
    assert re.search(r"^repeat it: simsock replay simsock1\.\S+$", text, re.MULTILINE)
    assert re.search(r"^fails: schedule \d+ of seed 0 raised AssertionError: 3 visitors came", text, re.MULTILINE)
    assert "pytest_simsock" not in text.partition("NOT AS EXPECTED")[0], "no traceback of the plugin's"


def test_a_broken_file_is_an_error_of_collection_that_names_the_key(project):
    path = project.path / "scenarios" / "lost-update.toml"
    path.write_text(path.read_text().replace("about =", "abuot ="))
    result = run(project, "scenarios")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*scenarios/lost-update.toml: scenario.abuot = *: unknown key; did you mean scenario.about?"])


def test_a_server_that_is_not_there_fails_with_one_line(project):
    path = project.path / "scenarios" / "lost-update.toml"
    path.write_text(path.read_text().replace("counter:CountingServer", "counter:Nobody"))
    result = run(project, str(path))
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["scenarios/lost-update.toml: server.class = 'counter:Nobody': 'counter' has no 'Nobody'"])


def test_a_scenario_elsewhere_is_run_when_it_is_named(project):
    project.mkdir("elsewhere")
    for path in (project.path / "scenarios").iterdir():
        path.rename(project.path / "elsewhere" / path.name)
    run(project).assert_outcomes()
    run(project, "elsewhere/lost-update.toml").assert_outcomes(passed=1)
