"""The scenarios that come with simsock: sound servers pass, and the broken ones that their first lines name do not."""

import re
from pathlib import Path

import pytest

from simsock.scenario import read, run

ROOT = Path(__file__).resolve().parents[2]
PATHS = sorted((ROOT / "scenarios").glob("*.toml"))
_NAMED = re.compile(r"--server\s+([\w.]+:\w+)")


def head_of(path):
    """The comment that a file begins with, as one line."""
    lines = []
    for line in path.read_text().splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return " ".join(lines)


BROKEN = [(path, name) for path in PATHS for name in _NAMED.findall(head_of(path))]


@pytest.fixture(autouse=True)
def in_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_each_begins_with_what_it_shows(path):
    assert len(head_of(path)) > 100
    assert len(read(str(path)).table("scenario")["about"]) < 120


@pytest.mark.parametrize("path", [path for path in PATHS if "lost-update" not in path.stem], ids=lambda path: path.stem)
def test_each_comes_out_as_it_expects_and_tells_of_its_clients(path):
    result = run(read(str(path.relative_to(ROOT))), schedules=3)
    assert result.surprise == ""
    assert result.report.outcomes or not result.plan.rows("populations")


@pytest.mark.slow
@pytest.mark.parametrize(("path", "server"), BROKEN, ids=lambda value: getattr(value, "stem", value))
@pytest.mark.filterwarnings("ignore::simsock.LeakWarning")
def test_the_broken_server_that_it_names_fails_and_the_failure_repeats(path, server):
    result = run(read(str(path.relative_to(ROOT))), server=server)
    assert result.verdict.failed
    assert result.repeats


def test_nearly_every_scenario_names_a_broken_server():
    assert len({path for path, _ in BROKEN}) >= len(PATHS) - 5, (
        "the lost update is broken by itself, and its twin is the healthy one; a stalled handshake and a partition that must strike too"
    )
