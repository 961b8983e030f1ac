"""What type checkers say of programs that use simsock: they find each of the mistakes in ``typed_program.py``, and no others.

What they know stands in modules that nobody imports while a program runs; here it is compared with what runs.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

import pytest_simsock
import simsock
from simsock.kernel.preempt import GRANULARITIES
from simsock.kernel.strategies import NAMES, check_strategy
from simsock.net.chunks import NAMES as CUTS
from simsock.net.link.distributions import DISTRIBUTIONS
from simsock.net.link.profiles import PROFILES, besides
from simsock.net.link.settings import ARGUMENTS
from simsock.world.options import WORLD_OPTIONS, Options

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ROOT / "tests" / "typed_program.py"
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir"],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}
_TOLD = {"mypy": re.compile(r"typed_program\.py:(\d+): error"), "pyright": re.compile(r"typed_program\.py:(\d+):\d+ - (?:error|warning)")}


def names_in(kind: Any) -> set[Any]:
    """The literals of a type, those of its parts included."""
    return {name for part in get_args(kind) for name in (names_in(part) or ({part} if isinstance(part, str) else set()))}


@pytest.mark.slow
@pytest.mark.parametrize("checker", CHECKERS)
def test_each_planted_mistake_is_found_and_no_other(checker, tmp_path):
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: it comes with the extra dev")
    command = [sys.executable, *CHECKERS[checker], *([str(tmp_path)] if checker == "mypy" else []), str(PROGRAM)]
    path = os.pathsep.join([str(ROOT), str(ROOT / "pytest_plugin")])
    environment = {**os.environ, "MYPYPATH": path, "PYTHONPATH": path}
    # away from the project, whose settings are for its own code
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
    told = {int(number) for number in _TOLD[checker].findall(done.stdout)}
    wrong = {number for number, line in enumerate(PROGRAM.read_text(encoding="utf-8").splitlines(), 1) if line.endswith("# wrong")}
    assert len(wrong) > 50
    assert told == wrong, f"not found: {sorted(wrong - told)}, and none: {sorted(told - wrong)}\n{done.stdout}{done.stderr}"


def test_the_options_that_type_checkers_know_are_those_of_a_world():
    from simsock.strategies.typed import DrawnOptions
    from simsock.world.typed import MarkerOptions, StrategyName, WorldOptions

    assert tuple(WorldOptions.__annotations__) == WORLD_OPTIONS == tuple(DrawnOptions.__annotations__)
    assert set(MarkerOptions.__annotations__) == {*WORLD_OPTIONS, "seed", "schedules", "world", "runner"}
    hints = get_type_hints(WorldOptions)
    for option in ("preempt", "entropy", "tls_time", "asyncio_order", "collect"):
        for name in names_in(hints[option]) | {option}:
            if name != option:
                Options(**{option: name})
    assert names_in(hints["preempt"]) == set(GRANULARITIES)
    assert names_in(hints["chunks"]) == set(CUTS)
    assert set(NAMES) <= names_in(StrategyName)
    for name in names_in(StrategyName):
        check_strategy(name)


def test_the_impairments_that_type_checkers_know_are_those_of_a_link():
    from simsock.net.link.typed import Distribution, Impairments, MachinesName, ProfileName

    assert sorted(Impairments.__annotations__) == ARGUMENTS
    assert {*get_args(ProfileName), *get_args(MachinesName)} == set(PROFILES)
    assert {name for name, link in PROFILES.items() if besides(link)} == set(get_args(MachinesName))
    assert get_args(Distribution) == tuple(DISTRIBUTIONS) or set(get_args(Distribution)) == set(DISTRIBUTIONS)


def test_the_typed_marker_is_the_marker():
    assert pytest_simsock.marker(schedules=5, link="lan").mark == pytest.mark.simsock(schedules=5, link="lan").mark


def test_what_is_generic_can_be_written_with_its_parameter():
    assert simsock.Task[int] is not None
