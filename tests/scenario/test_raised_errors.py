"""What handlers and tasks raised is told when a scenario fails, whatever it fails with; and the words for what was not expected."""

import json

import pytest

from simsock import cli
from simsock.scenario import read, run
from simsock.scenario.judging import unlike
from simsock.scenario.repeating import RAISED_MAX
from simsock.search.verdict import Verdict

SOURCE = """
from simsock.socketserver import StreamRequestHandler


class Angry(StreamRequestHandler):
    def handle(self):
        raise RuntimeError("boom\\nand more")


class Various(StreamRequestHandler):
    def handle(self):
        self.server.count = count = getattr(self.server, "count", 0) + 1
        raise RuntimeError(f"boom {count}")


class Silent(StreamRequestHandler):
    def handle(self):
        raise KeyError


class Polite(StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())
"""

SCENARIO = """
[scenario]
name = "it"
about = "It is."
expect = "{expect}"

[server]
handler = "srv:{handler}"

[search]
schedules = 2
preempt = "calls"

[[populations]]
kind = "polite"
count = {count}
request = "hi\\n"
"""

SERVED = '[expectations]\nserved = { polite = "2s" }\n'


@pytest.fixture
def scenario(tmp_path, monkeypatch):
    """Writes a scenario and its module, and returns the scenario's path."""
    monkeypatch.chdir(tmp_path)

    def write(handler="Angry", count=3, more="", expect="inconclusive"):
        (tmp_path / "srv.py").write_text(SOURCE)
        (tmp_path / "it.toml").write_text(SCENARIO.format(handler=handler, count=count, expect=expect) + more)
        return "it.toml"

    return write


@pytest.mark.parametrize("more", ["", SERVED], ids=["as errors", "as an expectation"])
def test_a_handlers_errors_are_in_the_output_and_in_the_report(scenario, capsys, more):
    assert cli.main(["run", scenario(more=more), "--report", "found"]) == cli.FAILED
    out = capsys.readouterr().out
    told = "raised by handlers and tasks in that run:\n  RuntimeError: boom (srv.py:7), 3 times\n"
    assert told in out
    with open("found/it.txt") as file:
        assert told in file.read()
    with open("found/it.json") as file:
        assert json.load(file)["raised"] == [{"type": "RuntimeError", "message": "boom", "place": "srv.py:7", "times": 3}]


def test_an_error_that_is_what_the_run_fails_with_is_not_told_twice(scenario, capsys):
    assert cli.main(["run", scenario(count=1)]) == cli.FAILED
    out = capsys.readouterr().out
    assert "raised RuntimeError: boom" in out
    assert "raised by handlers" not in out


def test_errors_without_a_text_and_without_number_are_told_shortly(scenario):
    result = run(read(scenario("Silent", 2, SERVED)))
    assert result.again.raised_lines() == ["raised by handlers and tasks in that run:", "  KeyError (srv.py:18), 2 times"]
    result = run(read(scenario("Various", RAISED_MAX + 3, SERVED)))
    lines = result.again.raised_lines()
    assert lines[1] == "  RuntimeError: boom 1 (srv.py:13)"
    assert (len(lines), lines[-1]) == (RAISED_MAX + 2, "  and 3 more")
    assert len(result.again.raised) == RAISED_MAX + 3


def test_where_no_handler_raises_nothing_is_told(scenario, capsys):
    assert cli.main(["run", scenario("Polite", more=SERVED.replace("2s", "1ms") + '[link]\nlatency = "1s"\n'), "--report", "found"]) == cli.FAILED
    assert "raised by handlers" not in capsys.readouterr().out
    with open("found/it.json") as file:
        assert json.load(file)["raised"] == []


def test_an_expected_error_is_also_looked_for_among_several(scenario):
    path = scenario(expect="fails")
    with open(path) as file:
        text = file.read()
    for wanted, surprise in [("boom", ""), ("bang", "expected an error with 'bang' in it, and it is ExceptionGroup: 3 errors")]:
        with open(path, "w") as file:
            file.write(text.replace("[server]", f'error = "{wanted}"\n[server]'))
        assert run(read(path)).surprise[: len(surprise) or None] == surprise


@pytest.mark.parametrize(
    ("expected", "status", "words"),
    [
        ("fails", "fails", ""),
        ("fails", "inconclusive", "expected that a schedule fails, and none does (20 schedules tried)"),
        ("fails", "holds", "expected that a schedule fails, and none does (all there are were tried)"),
        ("inconclusive", "fails", "expected that no schedule fails, and schedule 7 does"),
        ("inconclusive", "inconclusive", ""),
        ("inconclusive", "holds", ""),
        ("holds", "fails", "expected that all schedules pass, and schedule 7 does not"),
        ("holds", "inconclusive", "expected that all schedules are tried, and the search ended after 20 of them, none of which fails"),
        ("holds", "holds", ""),
    ],
)
def test_what_is_not_as_expected_is_told_in_words(expected, status, words):
    verdict = Verdict(status, 20, 0)
    verdict.failing_schedule = 7
    assert unlike(expected, verdict) == words
