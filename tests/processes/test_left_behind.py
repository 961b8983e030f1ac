"""No process is left, however many worlds there were, and however home ends. Long: ``pytest -m exhaustive tests/processes``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simsock import Simulation

pytestmark = pytest.mark.exhaustive
ROOT = Path(__file__).resolve().parents[2]
FORKS = """
import os, simsock
with simsock.Simulation() as sim:
    if not os.fork():
        while True:
            pass
    os.wait()
"""
STARTS = """
import subprocess, sys, simsock
with simsock.Simulation() as sim:
    subprocess.run([sys.executable, "-c", "while True: pass"], capture_output=True)
"""


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            return file.read().split()
    except OSError:
        return []


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition):
    """Wait for a condition, as long as it takes: the test's own limit ends what never comes."""
    while not (found := condition()):
        time.sleep(0.05)
    return found


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT, signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("program", [FORKS, STARTS], ids=["forks", "starts"])
def test_a_child_ends_with_home_also_while_it_computes(program, number):
    home = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.DEVNULL)
    child = until(lambda: children_of(home.pid))[0]
    home.send_signal(number)
    home.wait()
    until(lambda: not lives(child))


def test_a_thousand_worlds_leave_no_process_and_no_descriptor():
    before = children_of(os.getpid()), len(os.listdir("/proc/self/fd"))
    for seed in range(1_000):
        with Simulation(seed=seed, strategy="random"):
            pids = []
            for number in range(2):
                pid = os.fork()
                if not pid:
                    os._exit(number)
                pids.append(pid)
            os.kill(pids[0], signal.SIGKILL)
            for pid in pids:
                os.waitpid(pid, 0)
    assert (children_of(os.getpid()), len(os.listdir("/proc/self/fd"))) == before


def test_hundreds_of_worlds_with_programs_leave_no_process_and_no_descriptor():
    before = children_of(os.getpid()), len(os.listdir("/proc/self/fd"))
    for seed in range(300):
        with Simulation(seed=seed, strategy="random"):
            processes = [subprocess.Popen([sys.executable, "-c", "import time; time.sleep(9)"], stdout=subprocess.PIPE) for _ in range(2)]
            processes[0].kill()
            for process in processes:
                process.communicate()
    assert (children_of(os.getpid()), len(os.listdir("/proc/self/fd"))) == before
