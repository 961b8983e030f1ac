"""A token may come from a stranger: what lets a program out of its world needs the word of whoever repeats it, and the screen says what it asks for."""

from __future__ import annotations

import subprocess

import pytest

import simsock
from simsock import cli
from simsock.choices import Token
from simsock.errors import Fenced, UsageError

OUT = {"patch": False, "entropy": "real"}


def reaches_out(sim):
    subprocess.run(["true"], check=True)


@pytest.fixture
def token():
    return Token(1, OUT, (), target="program:test").encode()


@pytest.mark.parametrize(
    "repeat", [lambda token: simsock.replay(reaches_out, token), lambda token: simsock.Simulation(token=token)], ids=["replay", "Simulation"]
)
def test_a_token_cannot_switch_the_world_off(repeat, token):
    with pytest.raises(UsageError, match=r"it asks for patch=False, entropy='real', which lets the program reach out of its world.*say patch=False"):
        repeat(token)


@pytest.mark.parametrize("said", [{"patch": False}, {"entropy": "real"}])
def test_half_a_consent_is_none(said, token):
    with pytest.raises(UsageError, match="lets the program reach out"):
        simsock.replay(reaches_out, token, **said)


def test_who_says_the_same_gets_it(token):
    simsock.replay(reaches_out, token, **OUT)
    assert not simsock.Simulation(token=token, **OUT).options.patch


def test_what_is_said_and_what_the_token_says_must_agree(token):
    with pytest.raises(UsageError, match="made with patch=False, patch=True cannot be given beside it"):
        simsock.replay(reaches_out, token, patch=True)
    with pytest.raises(UsageError, match="made with entropy='tape', entropy='real' cannot be given beside it"):
        simsock.replay(reaches_out, Token(1).encode(), entropy="real")


def test_a_harmless_token_needs_no_consent_and_stays_behind_the_fence():
    with pytest.raises(Fenced):
        simsock.replay(reaches_out, Token(1, {"preempt": "lines", "chunks": "bytes", "link": [["latency_ns", 1]], "max_steps": 7_000}).encode())


def test_the_command_says_what_the_token_asks_for_and_wants_consent(token, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "consenting_program.py").write_text("import subprocess\ndef test(sim):\n    subprocess.run(['true'], check=True)\n")
    target = "consenting_program:test"
    assert cli.main(["replay", token, target]) == 2
    shown = capsys.readouterr()
    assert shown.out == "the token asks for: patch=False, entropy='real'\n"
    assert "may come from a stranger" in shown.err
    assert cli.main(["replay", token, target, "--consent", "patch=False"]) == 2
    assert cli.main(["replay", token, target, "--consent", "patch=False", "--consent", "entropy=real"]) == 0
    assert cli.main(["replay", token, target, "--consent", "everything"]) == 2
    assert "--consent: expected patch=False, entropy=real or allow=ADDRESS:PORT, got 'everything'" in capsys.readouterr().err


def test_a_token_with_a_screenful_of_options_is_told_in_a_line():
    with pytest.raises(UsageError) as caught:
        simsock.replay(reaches_out, Token(1, {f"{'x' * 4_000}{number}": 1 for number in range(100)}).encode())
    assert len(str(caught.value)) < 500
