"""Values in the place of a scenario file's: ``--set`` and ``--sweep``."""

from __future__ import annotations

import re

import pytest

from simsock import cli
from simsock.errors import ScenarioError, UsageError
from simsock.scenario.setting import checked, put_in, swept, with_settings, without_settings, words

FILE = """
[scenario]
name = "echo"
about = "An echo."
expect = "inconclusive"

[server]
handler = "echoing:Echo"

[[links]]
host = "first"
latency = "1ms"

[[links]]
host = "talker"
latency = "2ms"

[[populations]]
kind = "polite"
name = "talker"
count = 2
request = "hello"
until = "HELLO"

[[hosts]]
name = "first"
addresses = ["10.9.9.9"]

[expectations]
served = { talker = "10s" }
"""
SERVER = """
from simsock.socketserver import BaseRequestHandler

class Echo(BaseRequestHandler):
    def handle(self):
        self.request.sendall(self.request.recv(100).upper())
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "echo.toml").write_text(FILE)
    (tmp_path / "echoing.py").write_text(SERVER)
    return tmp_path


def test_a_value_goes_where_the_file_s_complaints_say_it_is():
    document = {"links": [{"loss": 0}, {"loss": 0}], "link": {}}
    assert put_in(document, ("links.2.loss=5%", "links[1].loss=0.5", "search.schedules=7", "link.latency=80ms"), "f") == {
        "links": [{"loss": 0.5}, {"loss": "5%"}],
        "link": {"latency": "80ms"},
        "search": {"schedules": 7},
    }
    assert document == {"links": [{"loss": 0}, {"loss": 0}], "link": {}}, "the file stays as it was"


@pytest.mark.parametrize(
    ("text", "value"),
    [("5", 5), ("5%", "5%"), ('"5"', "5"), ("true", True), ('["a", "b"]', ["a", "b"]), ("80ms", "80ms"), ("1\ny = 2", "1\ny = 2"), ("[" * 9999,) * 2],
)
def test_a_value_is_what_toml_reads_or_else_text(text, value):
    assert put_in({}, (f"a.b={text}",), "f") == {"a": {"b": value}}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("links.3.loss=1%", "--set links.3: there are 2, counted from 1"),
        ("links.0.loss=1%", "--set links.0: there are 2, counted from 1"),
        ("links.loss=1%", "expected the name of a value"),
        ("links.latency.x=1%", "--set links.latency: there are 2 of them: say which"),
        ("scenario.name.x=1", "expected the name of a value"),
        ("link.1.loss=1%", "--set link.1: there is no list of tables"),
        ("links.1=1%", "expected the name of a value"),
        ("links.1.los=1%", "unknown key; did you mean links[1].loss?"),
        ("links.1.loss=much", "links[1]"),
        ("search.seed=" + "9" * 400, "bits"),
    ],
)
def test_what_cannot_be_set_is_an_error_that_says_why(here, capsys, setting, said):
    assert cli.main(["run", "echo.toml", "--set", setting]) == 2
    told = capsys.readouterr().err
    assert said in told and "echo.toml" in told


@pytest.mark.parametrize("text", ["links.1.loss", "=5", "a b=1", "links.1.loss=", "a..b=1", "--x=1"])
def test_what_sets_nothing_is_a_usage_error(text):
    with pytest.raises(UsageError, match=re.escape(repr(text))):
        checked(text)


def test_a_sweep_is_every_value_with_every_value():
    assert swept([]) == [()]
    assert swept(["a.b=0%,1%", 'c=["x,y"],"p,q"']) == [("a.b=0%", 'c=["x,y"]'), ("a.b=0%", 'c="p,q"'), ("a.b=1%", 'c=["x,y"]'), ("a.b=1%", 'c="p,q"')]
    with pytest.raises(UsageError, match="1,100 runs, and at most 1,000"):
        swept([f"a={','.join(map(str, range(11)))}", f"b={','.join(map(str, range(100)))}"])


def test_a_token_says_what_was_set_and_is_repeated_with_it_only(here, capsys):
    settings = ("populations.1.until=never", "search.schedules=2")
    assert cli.main(["run", "echo.toml", "--set", settings[0], "--set", settings[1]]) == 1
    shown = capsys.readouterr().out
    assert shown.startswith("echo.toml --set populations.1.until=never --set search.schedules=2: An echo.")
    command = re.search(r"^repeat it: simsock (.*)$", shown, re.MULTILINE)[1].split()
    assert command[-4:] == ["--set", settings[0], "--set", settings[1]]
    assert cli.main(command) == 1
    assert cli.main(command[:-4]) == 2
    assert f"give them yourself:{words(settings)}" in capsys.readouterr().err
    assert cli.main([*command[:-4], "--set", "search.schedules=2"]) in (0, 2), "with other values it is another run"
    assert "the token was made with --set populations" in "".join(capsys.readouterr())


def test_settings_come_back_from_a_token_as_they_were_and_a_stranger_s_words_are_none():
    settings = ('a.b=it\'s "5"', "c= --set d=1")
    assert without_settings(with_settings("s.toml --server m:C", settings)) == ("s.toml --server m:C", settings)
    assert with_settings(None, settings) is None
    assert without_settings("s.toml") == ("s.toml", ())
    for text in ("s.toml --set 'open", "s.toml --set a --other b", "s.toml --set "):
        assert without_settings(text)[1] in ((), ("",))


def test_a_sweep_ends_with_a_table_of_what_came_of_each_value(here, capsys):
    assert cli.main(["run", "echo.toml", "--schedules", "1", "--sweep", "links.2.latency=1ms,100ms", "--report", "out"]) == 0
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.partition("the sweep:\n")[2].splitlines()]
    assert rows[0] == ["set", "verdict", "clients", "served", "median", "p99"]
    assert [row[:4] for row in rows[1:]] == [
        ["links.2.latency=1ms", "inconclusive", "talker", "100.0%"],
        ["links.2.latency=100ms", "inconclusive", "talker", "100.0%"],
    ]
    assert float(rows[2][4][:-1]) > float(rows[1][4][:-1])
    assert (here / "out" / "echo-links.2.latency-1ms.html").exists()


def test_a_broken_file_says_which_values_it_was_read_with(here):
    from simsock.scenario import read

    with pytest.raises(ScenarioError) as caught:
        read("echo.toml", ("links.1.loss=much",))
    assert caught.value.__notes__ == ["with --set links.1.loss=much"]


def test_the_table_of_a_failing_scenario_is_of_the_schedule_that_it_names_and_not_of_the_shrunk_run(here):
    from simsock.scenario import read, run

    with (here / "echoing.py").open("a") as file:
        file.write("\n\ndef never(server):\n    assert False\n")
    settings = ("links.2.loss=30%", "populations.1.count=5", 'check.function="echoing:never"', "scenario.expect=fails")
    result = run(read("echo.toml", settings))
    assert result.as_expected and not result.verdict.deviations, "no loss is needed to fail"
    assert result.verdict.failing_schedule == 1 and "schedule 1, which fails" in result.table()[0]
    (row,) = result.rows
    assert row.max > 0.2, "and yet the network lost something, which was sent again"
    passing = run(read("echo.toml", (settings[0], settings[1], "search.schedules=1")))
    assert row == passing.rows[0], "the same run, but for what is checked in the end"
