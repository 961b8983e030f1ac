"""Tables on narrow terminals: nothing runs over the edge, and everywhere else a table is a table."""

from __future__ import annotations

import io

import pytest

from simsock import cli
from simsock.report.fitting import fitted, hung

TABLE = """\
task             waits for                       where               held by
main             join first                      app.py:13 in test
first (daemon)   acquire Lock-2 (self.lock)      app.py:7 in one     second
second           poll stream server:32768 until  app.py:11 in two"""

PARAGRAPHS = """\
main
  waits for  join first
  where      app.py:13 in test
first (daemon)
  waits for  acquire Lock-2 (self.lock)
  where      app.py:7 in one
  held by    second
second
  waits for  poll stream server:32768 until
  where      app.py:11 in two"""


@pytest.mark.parametrize("lead", ["", "  ", "E   ", "E       "])
def test_a_table_that_is_too_wide_becomes_paragraphs(lead):
    def led(text):
        return "\n".join(lead + line for line in text.split("\n"))

    text = f"{lead}deadlock: no task can run\n{{}}\n\n{lead}(+2 more tasks)"
    assert fitted(text.format(led(TABLE)), 60) == text.format(led(PARAGRAPHS))
    assert fitted(text.format(led(TABLE)), 100) == text.format(led(TABLE))


def test_other_lines_stay():
    text = "main waits for first\n" + "x" * 200 + "\ntask  waits for  where  held by"
    assert fitted(text, 20) == text


def test_a_row_of_two_cells_is_wrapped_below_its_second():
    assert hung("slow  ", "a scenario of many words", None) == hung("slow  ", "a scenario of many words", 80) == "slow  a scenario of many words"
    assert hung("slow  ", "a scenario of many words, and more", 30) == "slow  a scenario of many\n      words, and more"
    assert hung("s" * 20, "words of a scenario", 30) == "s" * 20 + "words of a scenario", "no room for two columns"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_command_fits_what_it_prints_into_a_terminal_and_not_into_a_pipe(monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("NO_COLOR", "1")
    for stream, expected in ((Terminal(), PARAGRAPHS), (io.StringIO(), TABLE)):
        cli.say(TABLE, stream)
        assert stream.getvalue() == expected + "\n"
    for command in ("scenarios", "profiles"):
        terminal, pipe = Terminal(), io.StringIO()
        for stream in (terminal, pipe):
            monkeypatch.setattr("sys.stdout", stream)
            assert cli.main([command]) == 0
        assert max(map(len, terminal.getvalue().split("\n"))) <= 60 < max(map(len, pipe.getvalue().split("\n")))
        assert terminal.getvalue().split() == pipe.getvalue().split()
