"""A run with another server than the scenario's says so in its token, and is not mistaken for one with the scenario's own."""

import re

import pytest

from simsock import cli
from simsock.choices import Token
from simsock.scenario.repeating import with_server, without_server


@pytest.fixture
def token(scenario, capsys):
    """Of a run of a careful server's scenario that failed with a careless one in its place."""
    path = scenario(server='class = "counter:Careful"', expect="inconclusive")
    assert cli.main(["run", path, "--server", "counter:Whole"]) == cli.FAILED
    return re.search(r"^token: (\S+)$", capsys.readouterr().out, re.MULTILINE)[1]


def test_a_token_tells_which_server_it_was_made_with_and_nothing_is_run_because_of_it(token, capsys):
    assert Token.decode(token).target == "it.toml --server counter:Whole"
    for target in ([], ["it.toml"]):
        assert cli.main(["replay", token, *target]) == cli.BROKEN
        out, err = capsys.readouterr()
        assert out == ""
        assert "the token was made with --server counter:Whole, and not with the server of it.toml" in err
        assert err.endswith("if you trust it, give --server counter:Whole yourself\n")


def test_with_that_server_it_fails_again_and_with_another_it_says_which(token, capsys):
    assert cli.main(["replay", token, "--server", "counter:Whole"]) == cli.FAILED
    assert "fails: AssertionError: " in capsys.readouterr().out
    assert cli.main(["replay", token, "--server", "counter:Careful"]) in (cli.OK, cli.BROKEN)
    told = "".join(capsys.readouterr())
    assert "the run passes with --server counter:Careful; the token was made with --server counter:Whole" in told


def test_a_token_of_the_files_own_server_needs_none_and_says_when_there_is_one(scenario, capsys):
    path = scenario(server='class = "counter:Whole"')
    assert cli.main(["run", path]) == cli.OK
    token = re.search(r"^token: (\S+)$", capsys.readouterr().out, re.MULTILINE)[1]
    assert Token.decode(token).target == "it.toml"
    assert cli.main(["replay", token]) == cli.FAILED
    assert cli.main(["replay", token, "--server", "counter:Careful"]) in (cli.OK, cli.BROKEN)
    assert "the run passes with --server counter:Careful; the token was made with the server of the file" in "".join(capsys.readouterr())


def test_a_strangers_server_is_shown_harmlessly(scenario, capsys):
    scenario()
    token = Token(0, {}, (), target="it.toml --server \x1b[31mcounter:Whole").encode()
    assert cli.main(["replay", token]) == cli.BROKEN
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert "'\\x1b[31mcounter:Whole...'" in err


@pytest.mark.parametrize(("target", "server"), [("a.toml", "m:S"), ("a b.toml", None), (None, None)])
def test_what_a_token_was_made_for_goes_there_and_back(target, server):
    assert without_server(with_server(target, server)) == (target, server)
    assert with_server(None, "m:S") is None
