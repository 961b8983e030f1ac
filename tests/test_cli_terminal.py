"""What the command shows on terminals, and what it does not show elsewhere."""

from __future__ import annotations

import io
import sys

import pytest

from simsock import cli


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_verdicts_have_colours_and_what_a_program_prints_has_none(monkeypatch):
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    terminal, pipe = Terminal(), io.StringIO()
    text = "fails: one \x1b[31m\nsomething else\nas expected: fails"
    for stream in (terminal, pipe):
        cli.say(text, stream)
    assert terminal.getvalue() == "\x1b[1;31mfails: one \\x1b[31m\x1b[0m\nsomething else\n\x1b[32mas expected: fails\x1b[0m\n"
    assert pipe.getvalue() == "fails: one \\x1b[31m\nsomething else\nas expected: fails\n"
    for name, value in (("NO_COLOR", "1"), ("CI", "true"), ("TERM", "dumb")):
        with monkeypatch.context() as patched:
            patched.setenv(name, value)
            plain = Terminal()
            cli.say(text, plain)
            assert plain.getvalue() == pipe.getvalue()


def test_a_usage_error_begins_with_what_is_wrong(capsys):
    assert cli.main(["run", "--jobs", "none", "x.toml"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "simsock run: error: argument --jobs: expected a whole number from 1 to 1000, got 'none'"
    assert lines[1].startswith("usage: simsock run")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("init", "x", "--sever", "y"), "simsock init: error: unrecognized arguments: --sever y; did you mean '--server'?"),
        (("explore", "a:b", "--premept=calls"), "simsock explore: error: unrecognized arguments: --premept=calls; did you mean '--preempt'?"),
        (("run", "x", "--zzz"), "simsock run: error: unrecognized arguments: --zzz"),
        (("rn", "x"), "expected one of run, scenarios, profiles, shell, replay, explore, check, doctor, init, completion; did you mean 'run'?"),
        (("completion", "fihs"), "invalid choice: 'fihs'; expected one of bash, zsh, fish, tcsh; did you mean 'fish'?"),
    ],
)
def test_what_was_mistyped_is_told_first_with_what_was_meant(capsys, arguments, told):
    assert cli.main(arguments) == 2
    assert capsys.readouterr().err.splitlines()[0].endswith(told)


def test_a_function_that_does_not_fit_is_called_by_its_name(capsys, tmp_path, monkeypatch):
    (tmp_path / "deposits.py").write_text("def deposit(sim, server):\n    pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert cli.main(["explore", "deposits:deposit", "--database", "none"]) == 2
    assert "got deposit(sim, server), which cannot be called with the world alone" in capsys.readouterr().err
    del sys.modules["deposits"]
