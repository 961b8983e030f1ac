"""Two servers in one scenario, side by side: ``simsock run --versus``."""

from __future__ import annotations

import json
import shlex

import pytest

from simsock import cli

SERVER = """
import socketserver
import time

class Server(socketserver.ThreadingTCPServer):
    served = 0

class Careless(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        seen = self.server.served
        time.sleep(0)
        self.server.served = seen + 1
        self.wfile.write(b"hello\\n")

class Careful(socketserver.StreamRequestHandler):
    def handle(self):
        self.rfile.readline()
        self.server.served += 1
        time.sleep(1)
        self.wfile.write(b"hello\\n")

class CarefulServer(socketserver.ThreadingTCPServer):
    served = 0

    def __init__(self, address, handler):
        super().__init__(address, Careful)

def check(server):
    assert server.served == 2, "one was lost"
"""
SCENARIO = """
[scenario]
name = "counted"
about = "Two clients."
expect = "inconclusive"

[server]
class = "sided:Server"
handler = "sided:Careless"

[[populations]]
kind = "polite"
count = 2
request = "x\\n"

[check]
function = "sided:check"

[search]
schedules = 40
preempt = "calls"
"""


@pytest.fixture
def here(folder_with):
    return folder_with({"sided.py": SERVER, "counted.toml": SCENARIO})


def table(text):
    """The rows below the title, as words."""
    lines = text.splitlines()
    return [line.split() for line in lines[lines.index("side by side:") + 1 :]]


def test_both_are_run_and_told_in_one_table(here, capsys):
    assert cli.main(["run", "counted.toml", "--versus", "sided:CarefulServer"]) == 1
    text = capsys.readouterr().out
    heads, first, second = table(text)
    assert heads == ["server", "verdict", "clients", "served", "median", "p99"]
    assert first == ["the", "file's", "fails", "(NOT", "AS", "EXPECTED)", "polite", "100.0%", "0.000s", "0.000s"]
    assert second == ["sided:CarefulServer", "inconclusive", "polite", "100.0%", "1.000s", "1.000s"]
    assert "counted.toml --server sided:CarefulServer: Two clients." in text


def test_the_command_of_a_failure_names_its_own_server(here, capsys):
    assert cli.main(["run", "counted.toml", "--server", "sided:CarefulServer", "--versus", "sided:Server"]) == 1
    text = capsys.readouterr().out
    (command,) = [line.partition(": ")[2] for line in text.splitlines() if line.startswith("repeat it: ")]
    words = shlex.split(command)
    assert words[words.index("--server") + 1] == "sided:Server"
    assert [row[0] for row in table(text)] == ["server", "sided:CarefulServer", "sided:Server"]
    assert cli.main(words[1:]) == 1, "it fails again"


def test_with_all_every_schedule_counts_for_both(here, capsys):
    assert cli.main(["run", "counted.toml", "--all", "--versus", "sided:CarefulServer", "--json"]) == 1
    printed = capsys.readouterr()
    results = [one for one in map(json.loads, printed.out.splitlines()) if one["event"] == "result"]
    assert [(one["server"], one["outcome"], one["schedules"]) for one in results] == [(None, "fails", 40), ("sided:CarefulServer", "inconclusive", 40)]
    assert 0 < results[0]["failed"] < 40 and results[1]["failed"] == 0
    assert results[1]["title"] == "counted.toml --server sided:CarefulServer: Two clients."
    assert [row[:2] for row in table(printed.err)[1:]] == [["the", "file's"], ["sided:CarefulServer", "inconclusive"]]


def test_values_files_and_servers_are_all_in_the_table(here, capsys):
    (here / "again.toml").write_text(SCENARIO.replace('name = "counted"', 'name = "again"'))
    arguments = ["run", "counted.toml", "again.toml", "--schedules", "1", "--versus", "sided:CarefulServer", "--sweep", "populations.1.count=1,2"]
    assert cli.main(arguments) == 1, "with one client the check fails"
    rows = table(capsys.readouterr().out)
    assert rows[0][:4] == ["scenario", "set", "server", "verdict"]
    assert [(row[0], row[1]) for row in rows[1:]] == [(file, f"populations.1.count={n}") for file in ("counted.toml", "again.toml") for n in (1, 1, 2, 2)]


def test_a_report_of_each_is_written(here, capsys):
    cli.main(["run", "counted.toml", "--versus", "sided:CarefulServer", "--report", "out", "--schedules", "20"])
    listed = json.loads((here / "out" / "index.json").read_text())["reports"]
    assert [row["title"] for row in listed] == ["counted.toml: Two clients.", "counted.toml --server sided:CarefulServer: Two clients."]
    assert len({row["page"] for row in listed}) == 2


def test_a_server_that_is_not_there_is_told_and_the_other_is_run(here, capsys):
    assert cli.main(["run", "counted.toml", "--schedules", "1", "--versus", "sided:Missing"]) == 2
    printed = capsys.readouterr()
    assert "sided:Missing" in printed.err
    assert printed.out.count("as expected: inconclusive") == 1
    assert len(table(printed.out)) == 2
