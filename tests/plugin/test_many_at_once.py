"""Beside plugins that decide where and in which order tests run: xdist and pytest-randomly. A world is the same in any process and any order."""

from __future__ import annotations

import re

import pytest

TESTS = """
    import random

    @pytest.mark.parametrize("number", range(8))
    @pytest.mark.simsock(strategy="random", preempt="lines")
    def test_world(sim, number):
        served = sim.serve(Counter, Count)
        tasks = [sim.spawn(visit, sim, served) for _ in range(3)]
        for task in tasks:
            task.result()
        print("\\nran", number, sim.digest, sim.now)

    @pytest.mark.simsock(patch=True)
    @pytest.mark.parametrize("number", range(3))
    def test_chance(sim, number):
        print("\\nran", 100 + number, random.random(), random.getrandbits(64))

    def test_fails(sim):
        sim.sleep(1)
        assert visit(sim, sim.serve(Refuse)) == b""
"""


def told(result):
    """What each test said of its world, and how the one that fails is repeated."""
    text = result.stdout.str()
    said = {int(number): rest for number, rest in re.findall(r"^ran (\d+) (.*)$", text, re.MULTILINE)}
    return said, re.findall(r"^pytest \S*::\S* --simsock-seed=\S+$", text, re.MULTILINE)


@pytest.fixture
def alone(project):
    """What is told when the tests run one after the other in one process."""
    project.write(TESTS)
    result = project.run_apart("-rA", "--simsock-seed=77")
    result.assert_outcomes(passed=11, failed=1)
    said, commands = told(result)
    assert sorted(said) == [*range(8), 100, 101, 102]
    assert len(commands) == 1
    return said, commands


@pytest.mark.slow
def test_in_four_processes_every_world_is_the_same(project, alone):
    pytest.importorskip("xdist")
    result = project.run_apart("-rA", "--simsock-seed=77", "-n", "4")
    result.assert_outcomes(passed=11, failed=1)
    assert len(set(re.findall(r"\[(gw\d)\]", result.stdout.str()))) > 1, "not in several processes"
    assert told(result) == alone


@pytest.mark.slow
def test_four_processes_share_a_seed_that_was_drawn(project):
    pytest.importorskip("xdist")
    project.write("@pytest.mark.parametrize('number', range(8))\ndef test_seed(number, simsock_seed):\n    print('\\nran', number, simsock_seed)")
    result = project.run_apart("-rA", "--simsock-seed=random", "-n", "4")
    said, _commands = told(result)
    assert len(said) == 8
    assert set(said.values()) == set(re.findall(r"seed (\d+), network", result.stdout.str()))


@pytest.mark.slow
@pytest.mark.real
def test_in_four_processes_both_networks_run(project):
    pytest.importorskip("xdist")
    project.write(
        """
        @pytest.mark.parametrize("number", range(4))
        def test_count(testbed, number):
            assert visit(testbed, testbed.serve(Counter, Count)) == b"1\\n"
            print("\\nran", number + 4 * (testbed.kind == "sim"), testbed.kind)

        @pytest.mark.simsock(schedules=5)
        def test_search(sim):
            pass
        """
    )
    result = project.run_apart("-rA", "--simsock-network=both", "-n", "4")
    result.assert_outcomes(passed=9)
    assert sorted(told(result)[0].values()) == ["real"] * 4 + ["sim"] * 4


def test_in_another_order_every_world_is_the_same(project, alone):
    """pytest-randomly shuffles tests and seeds the global generators before each; neither is a world's business."""
    pytest.importorskip("pytest_randomly")
    project.without = ()
    orders = []
    for seed in (1, 2):
        result = project.run_apart("-rA", "-v", "--simsock-seed=77", "-p", "no:asyncio", f"--randomly-seed={seed}")
        result.assert_outcomes(passed=11, failed=1)
        assert told(result) == alone
        orders.append(re.findall(r"^test_it\.py::(\S+) (?:PASSED|FAILED)", result.stdout.str(), re.MULTILINE))
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1], "nothing was shuffled"


def test_without_randomly_the_order_is_that_of_the_file(project, alone):
    project.without = ()
    result = project.run_apart("-rA", "-v", "--simsock-seed=77", "-p", "no:asyncio", "-p", "no:randomly")
    order = re.findall(r"^test_it\.py::test_world\[(\d)\] PASSED", result.stdout.str(), re.MULTILINE)
    assert order == list("01234567")
    assert told(result) == alone
