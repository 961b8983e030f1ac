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


TIMED_OUT = """
import os, pytest

@pytest.mark.timeout(15)
def test_hangs(sim):
    with open("home", "w") as file:
        file.write(str(os.getppid()))
    if not os.fork():
        while True:
            pass
    os.wait()

def test_after(sim):
    pid = os.fork()
    if not pid:
        os._exit(3)
    assert os.waitpid(pid, 0) == (pid, 3 << 8)
"""


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_no_child_outlives_a_test_that_pytest_timeout_ends(tmp_path, method):
    pytest.importorskip("pytest_timeout")
    psutil = pytest.importorskip("psutil")
    (tmp_path / "test_it.py").write_text(TIMED_OUT)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--timeout-method={method}", str(tmp_path)]
    home = subprocess.Popen(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": os.environ.get("PYTHONPATH", str(ROOT))}, stdout=subprocess.PIPE)
    child = until(lambda: psutil.Process(home.pid).children())[0]
    out = home.communicate()[0].decode()
    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    if method == "signal":
        assert "1 failed, 1 passed" in out, out


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
