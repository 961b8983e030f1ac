"""The scenarios that come with simsock, by name and from anywhere, and what lets a shell complete commands."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from simsock.cli import main
from simsock.scenario import shipped

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def command(capsys, tmp_path, monkeypatch):
    """Calls ``main`` in an empty folder; returns its exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        code = main(arguments)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The scenarios where a wheel puts them; there is no checkout."""
    prefix = tmp_path / "environment"
    shutil.copytree(ROOT / "scenarios", prefix / shipped.SHARED, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(shipped, "_CHECKOUT", str(tmp_path / "none"))
    return prefix / shipped.SHARED


def test_the_wheel_puts_them_where_they_are_looked_for():
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert targets["shared-data"] == {"scenarios": Path(shipped.SHARED).as_posix()}


def test_where_there_are_no_others_they_are_listed_by_name(command, installed):
    code, out, err = command("scenarios")
    assert (code, err) == (0, "")
    assert "\nlost-update " in out
    assert out.splitlines()[-1].endswith(str(installed))
    assert len(out.splitlines()) == len(list(installed.glob("*.toml"))) + 2


def test_they_are_listed_beside_others_when_asked_for(command, installed, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "own.toml").write_text((ROOT / "scenarios" / "slowloris.toml").read_text())
    assert command("scenarios")[1].splitlines()[0].startswith("scenarios/own.toml ")
    assert command("scenarios", "--shipped")[1].startswith("backlog-overflow ")
    assert command("scenarios", "--shipped", "folder") == (2, "", "simsock: --shipped lists what comes with simsock, and not folder\n")


def test_a_name_runs_one_from_anywhere_and_its_lines_are_searched(command, installed):
    code, out, _ = command("run", "lost-update", "--schedules", "100")
    assert code == 0
    assert out.splitlines()[-1] == "as expected: fails"
    token = next(line.split()[1] for line in out.splitlines() if line.startswith("token: "))
    assert command("replay", token, "lost-update")[0] == 1
    assert f"repeat it: simsock replay {token}" in out


def test_a_file_of_that_name_comes_first(command, installed, tmp_path):
    (tmp_path / "lost-update").write_text("x")
    code, _, err = command("run", "lost-update")
    assert code == 2
    assert err.startswith("simsock: lost-update: not TOML")


def test_one_s_own_of_that_name_comes_before_the_shipped_one(command, installed, tmp_path):
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios" / "lost-update.toml").write_text("x")
    assert command("run", "lost-update")[2].startswith("simsock: scenarios/lost-update.toml: not TOML")
    assert "did you mean 'lost-update'?" in command("run", "lost-updates")[2]


def test_a_name_that_is_none_is_told_with_the_nearest(command):
    code, _, err = command("run", "lost-updat")
    assert code == 2
    here = "there is no file 'lost-updat' here, nor 'scenarios/lost-updat.toml'"
    assert err == f"simsock: {here}, and no scenario that is called so comes with simsock; did you mean 'lost-update'?\n"
    assert "`simsock scenarios --shipped` lists" in command("run", "zzzz")[2]


def test_an_installation_without_them_says_so(command, installed):
    shutil.rmtree(installed)
    code, _, err = command("run", "lost-update")
    assert (code, "install it anew" in err) in ((2, True), (0, False))  # or another installation of it has them


def test_without_shtab_completion_says_what_to_install(command, monkeypatch):
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert command("completion", "bash") == (
        2,
        "",
        "simsock: completion: it is made by shtab, which is not installed: pip install 'simsock[completion]'\n",
    )


def test_an_old_shtab_that_does_not_know_the_shell_is_told(command, monkeypatch):
    monkeypatch.setattr(pytest.importorskip("shtab"), "SUPPORTED_SHELLS", ["bash"])
    assert command("completion", "fish") == (2, "", "simsock: completion: this shtab does not know fish: pip install --upgrade shtab\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_commands_and_options(command, shell):
    if shell not in pytest.importorskip("shtab").SUPPORTED_SHELLS:
        pytest.skip("an older shtab")
    code, out, _ = command("completion", shell)
    assert code == 0
    for word in ("explore", "preempt", "scenarios"):
        assert word in out
