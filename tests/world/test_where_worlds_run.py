"""Where worlds do not run, the first one says why, and nothing before it.

Other systems and builds are played here: an interpreter of their own is told to be one, and loses what that system does not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PLAYED = {
    "macOS": """
        import ctypes.util, hypothesis, os, select, sysconfig
        sysconfig.get_config_vars()  # these look for what only the real system has
        for name in [name for name in dir(select) if name.lower().startswith("epoll")]:
            delattr(select, name)
        for name in ("getrandom", "sched_setaffinity", "pidfd_open", "memfd_create", "eventfd"):
            hasattr(os, name) and delattr(os, name)
    """,
    "Windows": """
        import os, select, signal, socket, sys
        import asyncio, hypothesis.extra.pytestplugin, pytest, _pytest.pytester  # what runs there; halves of it would only confuse
        for name in [name for name in dir(select) if "poll" in name.lower()] + ["PIPE_BUF"]:
            delattr(select, name)
        for name in ("SIGUSR1", "SIGUSR2", "SIGALRM", "pthread_kill", "pthread_sigmask", "setitimer", "alarm"):
            delattr(signal, name)
        for name in ("fork", "getrandom", "register_at_fork", "sendfile", "eventfd"):
            delattr(os, name)
        for name in ("socketpair", "AF_UNIX", "sethostname"):
            delattr(socket, name)
        for name in ("fcntl", "termios", "resource", "pwd", "grp", "_posixsubprocess"):
            sys.modules[name] = None
    """,
    "a free-threaded build": "",
    "PyPy": "",
}
"""What is not there."""
CALLED = {
    "macOS": "import sys; sys.platform = 'darwin'",
    "Windows": "import sys; sys.platform = 'win32'",
    "a free-threaded build": "import sys, sysconfig; sysconfig.get_config_vars(); sys.abiflags = 't'",
    "PyPy": "import sys; sys.implementation.name = 'pypy'",
}
"""What it says it is; pytest, which starts otherwise on each, is only told when it has started."""
REASON = {
    "macOS": "worlds run on Linux only (sys.platform is 'darwin', expected 'linux')",
    "Windows": "worlds run on Linux only (sys.platform is 'win32', expected 'linux')",
    "a free-threaded build": f"worlds do not run on a free-threaded build of Python (this is {sys.version_info[0]}.{sys.version_info[1]}t",
    "PyPy": "worlds run on CPython only (sys.implementation.name is 'pypy', expected 'cpython')",
}


def played(tmp_path, system, code, *, arguments=()):
    """Run a program on such a system; returns the finished process."""
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PLAYED[system]) + textwrap.dedent(code))
    (tmp_path / "conftest.py").write_text(CALLED[system])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "pytest_plugin")]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "CI": "true"}
    return subprocess.run([sys.executable, str(program), *arguments], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("system", PLAYED)
def test_simsock_can_be_imported_and_its_first_world_says_why_there_is_none(tmp_path, system):
    code = """
        import simsock
        from simsock.errors import Unsupported

        def test(sim):
            pass

        for first in ("Simulation().__enter__()", "explore(test)", "talk(object, b'')", "check_determinism(test)", "RealNetwork()"):
            try:
                eval("simsock." + first)
            except Unsupported as error:
                print(error)
    """
    done = played(tmp_path, system, f"{CALLED[system]}\n{textwrap.dedent(code)}")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) >= 4 and all(line.startswith(REASON[system]) for line in lines), done.stdout + done.stderr


def test_where_worlds_run_nothing_hinders_them():
    """The tests run here, after all."""
    from simsock.supported import check, why_not

    assert why_not() == ""
    check()


TESTS = """
    def test_without_a_world():
        assert True
"""
WITH_WORLDS = """
    import pytest
    from hypothesis import given, strategies as st

    def test_in_a_world(sim):
        raise AssertionError("it ran")

    @pytest.mark.simsock(schedules=5)
    def test_in_many(sim):
        raise AssertionError("it ran")

    @given(st.integers())
    def test_in_examples(sim, number):
        raise AssertionError("it ran")

    def test_on_a_testbed(testbed):
        raise AssertionError("it ran")
"""
PYTEST = """
    import sys, pytest
    sys.exit(pytest.main(["-p", "pytest_simsock", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


@pytest.mark.parametrize("system", PLAYED)
def test_a_plugin_that_is_merely_installed_stays_silent(tmp_path, system):
    (tmp_path / "test_it.py").write_text(textwrap.dedent(TESTS))
    (tmp_path / "pytest.ini").write_text("[pytest]\nsimsock_locks = hybrid\nfilterwarnings = error\n")
    done = played(tmp_path, system, PYTEST, arguments=["-q"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout and "worlds" not in done.stdout and done.stderr == ""


@pytest.mark.parametrize("system", PLAYED)
def test_every_test_that_asks_for_a_world_is_told_why_there_is_none(tmp_path, system):
    (tmp_path / "test_it.py").write_text(textwrap.dedent(WITH_WORLDS) + textwrap.dedent(TESTS))
    done = played(tmp_path, system, PYTEST, arguments=["-q", "-rfE", "--tb=line"])
    assert done.returncode == 1, done.stdout + done.stderr
    assert "it ran" not in done.stdout and "INTERNALERROR" not in done.stdout + done.stderr
    assert "1 passed" in done.stdout
    told = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert len(told) == 4, done.stdout


def test_a_scenario_file_is_told_as_well(tmp_path):
    (tmp_path / "one.toml").write_text('[scenario]\nname = "x"\n')
    done = played(tmp_path, "macOS", PYTEST, arguments=["-q", "one.toml"])
    assert done.returncode != 0
    assert REASON["macOS"] in done.stdout, done.stdout
