"""How suites of other projects are compared and told: with made-up outcomes, without any suite."""

from __future__ import annotations

import json

import pytest

from tests.others import comparing, fetching, suites, table
from tests.others.comparing import Reason
from tests.others.running import Outcome, Report, _outcome_of, keep, kept

SUITE = suites.Suite("a-project", "1.2", ("tests",), aside=("tests/test_commands.py::*",))


def runs(**outcomes):
    """Two reports: ``name="pass fail"`` is a test that passes really and fails in a world."""
    names = {name: both.split() for name, both in outcomes.items()}
    real = {f"tests/test_it.py::{name}": Outcome(both[0], 1.0, made=1) for name, both in names.items()}
    world = {f"tests/test_it.py::{name}": Outcome(both[1], 0.5) for name, both in names.items()}
    return Report(real), Report(world)


def test_only_what_passes_really_counts():
    real, world = runs(a="pass pass", b="pass fail", c="fail pass", d="skip skip")
    found = comparing.compare(SUITE, real, world, [])
    assert (found.tests, found.real, found.networked, found.world, found.share) == (4, 2, 2, 1, 0.5)
    assert found.unexplained == ["tests/test_it.py::b"]
    assert (found.seconds_real, found.seconds_world) == (2.0, 1.0)


def test_a_test_that_starts_a_process_is_left_aside_by_what_it_does_or_by_name():
    real, world = runs(a="pass pass")
    real.outcomes["tests/test_it.py::b"] = Outcome("pass", started=("subprocess.Popen",))
    real.outcomes["tests/test_commands.py::c"] = Outcome("pass")
    found = comparing.compare(SUITE, real, world, [])
    assert (found.real, found.aside, found.unexplained) == (1, 2, [])


def test_a_difference_has_a_reason_and_a_reason_a_difference():
    real, world = runs(a="pass fail", b="pass error", c="pass pass")
    reasons = [
        Reason("a-project", "it counts real threads", ("tests/test_it.py::a",)),
        Reason("a-project", "it is too early", ("tests/test_it.py::[b]", "*::b", "tests/test_it.py::c")),
        Reason("another", "of somebody else", ("*",)),
    ]
    found = comparing.compare(SUITE, real, world, reasons)
    assert found.lost == {"it counts real threads": ["tests/test_it.py::a"], "it is too early": ["tests/test_it.py::b"]}
    assert found.unexplained == []
    assert found.stale == ["tests/test_it.py::[b]", "tests/test_it.py::c"]


def test_who_reaches_the_real_network_from_a_world_is_named():
    real, world = runs(a="pass pass")
    world.outcomes["tests/test_it.py::a"] = Outcome("pass", reached=("socket.__new__",))
    assert comparing.compare(SUITE, real, world, []).reached == {"tests/test_it.py::a": ("socket.__new__",)}


def phase(when, outcome, xfail=False):
    return dict(when=when, outcome=outcome, xfail=xfail, seconds=0.1, reason="why", digest="d" if when == "call" else "")


@pytest.mark.parametrize(
    ("outcome", "phases"),
    [
        ("pass", [phase("setup", "passed"), phase("call", "passed"), phase("teardown", "passed")]),
        ("error", [phase("setup", "failed"), phase("teardown", "passed")]),
        ("error", [phase("setup", "passed"), phase("call", "passed"), phase("teardown", "failed")]),
        ("fail", [phase("setup", "passed"), phase("call", "failed"), phase("teardown", "failed")]),
        ("skip", [phase("setup", "skipped"), phase("teardown", "passed")]),
        ("xfail", [phase("setup", "passed"), phase("call", "skipped", xfail=True), phase("teardown", "passed")]),
        ("xpass", [phase("setup", "passed"), phase("call", "passed", xfail=True), phase("teardown", "passed")]),
        ("error", []),
    ],
)
def test_what_came_of_a_test_is_read_off_its_phases(outcome, phases):
    assert _outcome_of(phases, dict(made=1, started=[], reached=[])).outcome == outcome


def test_a_run_is_kept_and_read_again(tmp_path):
    report = Report({"a": Outcome("fail", 1.5, "why", 2, ("os.exec",), ("socket.bind",), "d")}, "a note")
    keep(report, tmp_path / "run.json")
    assert kept(tmp_path / "run.json") == report


def test_the_table_says_what_was_found(tmp_path):
    real, world = runs(a="pass fail", b="pass pass")
    found = comparing.compare(SUITE, real, world, [Reason("a-project", "it counts real threads", ("*::a",))])
    table.note(found, (1, 2), tmp_path / "results.json")
    table.note(found, None, tmp_path / "results.json")  # not asked a second time: what was known is kept
    page = tmp_path / "page.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    table.write(table.read(tmp_path / "results.json"), page)
    text = page.read_text()
    assert "| a-project 1.2 |" in text and "| 2 (2 with sockets) | 1 (50.0 %) | – | 1 of 2 | none | 2.0, 1.0 | 1: it counts real threads |" in text
    assert text.startswith("before\n") and text.endswith(f"{table.END}\nafter\n") and "old" not in text
    with pytest.raises(ValueError, match="expected the marks"):
        table.write({}, _with(tmp_path / "other.md", "nothing"))


def _with(path, text):
    path.write_text(text)
    return path


def test_the_page_has_the_table_of_what_is_recorded():
    assert "\n".join(table.lines(table.read())) in table.PAGE.read_text(encoding="utf-8"), "python -m tests.others --compare writes it"


def test_every_suite_is_known_and_pinned_and_every_reason_is_of_one():
    known = suites.load()
    assert {reason.suite for reason in comparing.load_reasons()} <= set(known)
    assert set(table.read()) <= set(known)
    assert [name for name in table.read() if not (fetching.PINS / f"{name}.txt").is_file()] == []
    assert all(known[name].version == row["version"] for name, row in table.read().items()), "another version is another row"
    assert json.loads(table.RESULTS.read_text()) == table.read()


def test_a_key_that_no_suite_has_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"a has \['colour'\]; expected some of name, version"):
        suites.load(_with(tmp_path / "suites.toml", '[a]\nversion = "1"\ntests = ["t"]\ncolour = "red"\n'))
