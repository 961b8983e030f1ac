"""Processes that go on as another program, and code between fork and exec."""

from __future__ import annotations

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

from simsock import Fenced, Simulation, Unsupported
from tests.processes.children import child, status_of

PYTHON = sys.executable


def test_a_child_becomes_a_program_with_its_number_and_what_it_can_inherit(world):
    reading, writing = os.pipe()
    kept, lost = os.dup(writing), os.dup(writing)
    os.set_inheritable(kept, True)
    code = f"""
import os, sys
try:
    os.fstat({lost})
except OSError:
    print("closed", file=sys.stderr)
    os.write({kept}, f"{{os.getpid()}} {{sys.argv[1:]}} {{os.environ['WORD']}}".encode())
sys.exit(5)
"""
    pid = child(os.execve, PYTHON, [PYTHON, "-c", code, "one"], {"WORD": "new"})
    for fd in (writing, kept, lost):
        os.close(fd)
    assert os.read(reading, 100) == f"{pid} ['one'] new".encode()
    assert os.read(reading, 100) == b""
    assert status_of(pid) == 5


def test_the_functions_that_search_for_a_program_find_it(world, tmp_path):
    script = tmp_path / "script"
    script.write_text(f"#!{PYTHON}\nimport sys; sys.exit(len(sys.argv))\n")
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"/nowhere:{tmp_path}"}
    assert status_of(child(os.execvpe, "script", ["script", "one"], environment)) == 2
    assert status_of(child(os.execlp, PYTHON, PYTHON, "-c", "raise SystemExit(4)")) == 4
    assert os.spawnv(os.P_WAIT, PYTHON, [PYTHON, "-c", "raise SystemExit(6)"]) == 6
    assert os.waitpid(os.spawnl(os.P_NOWAIT, PYTHON, PYTHON, "-c", "raise SystemExit(7)"), 0)[1] == 7 << 8


def test_a_program_becomes_another_one_on_the_same_streams(world):
    code = f"import os, sys; print('first', flush=True); os.execv({PYTHON!r}, [{PYTHON!r}, '-c', 'print(input())'])"
    done = subprocess.run([PYTHON, "-c", code], input="second", capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "first\nsecond\n", "")


def test_the_errors_of_exec_are_the_systems_and_the_process_goes_on(world, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()

    def tries():
        for path, number in ((tmp_path / "none", errno.ENOENT), (folder, errno.EACCES)):
            with pytest.raises(OSError, match=rf"\[Errno {number}\]"):
                os.execv(path, ["name"])
        with pytest.raises(ValueError, match=r"execv\(\) arg 2 must not be empty"):
            os.execv(PYTHON, [])
        with pytest.raises(TypeError, match="argv must be a tuple or list"):
            os.execv(PYTHON, "words")
        return 3

    assert status_of(child(tries)) == 3


def test_what_cannot_be_executed_is_refused_by_name(world):
    with pytest.raises(Unsupported, match=r"os\.execv: it would end the process in which the world runs"):
        os.execv(PYTHON, [PYTHON, "-c", ""])
    with pytest.raises(Fenced, match=r"os\.execv\('true\'.*is no Python program"):
        os.execv("/bin/true", ["true"])
    world.expect_errors(Fenced, match="true is no Python program")
    assert status_of(child(os.execv, "/bin/true", ["true"])) == 1


def test_ignored_signals_stay_ignored_and_handlers_are_gone(world):
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: None)
    pid = child(os.execv, PYTHON, [PYTHON, "-c", "import time; time.sleep(100)"])
    time.sleep(1)
    os.kill(pid, signal.SIGUSR1)
    time.sleep(1)
    os.kill(pid, signal.SIGTERM)
    assert status_of(pid) == -signal.SIGTERM


def test_threads_are_gone_with_the_program(world):
    ours, theirs = socket.socketpair()

    def body():
        def wait():
            try:
                time.sleep(5)
            finally:
                theirs.send(b"never")

        threading.Thread(target=wait).start()
        os.execv(PYTHON, [PYTHON, "-c", "import time; time.sleep(50)"])

    pid = child(body)
    theirs.close()
    assert status_of(pid) == 0
    assert round(world.now) == 50
    assert ours.recv(10) == b""


def test_only_the_main_thread_of_a_process_becomes_another_program(world):
    def body():
        thread = threading.Thread(target=os.execv, args=(PYTHON, [PYTHON, "-c", ""]))
        thread.start()
        thread.join()

    world.expect_errors(Unsupported, match="in another thread than the main one")
    child(body)
    time.sleep(1)


def test_streams_are_what_was_put_in_their_place(world):
    reading, writing = os.pipe()
    given, taken = os.pipe()

    def redirected():
        os.dup2(writing, 1)
        os.dup2(given, 0)
        os.write(1, b"before\n")
        os.execv(PYTHON, [PYTHON, "-c", "print(input())"])

    pid = child(redirected)
    os.close(writing)
    os.write(taken, b"words\n")
    assert status_of(pid) == 0
    assert os.read(reading, 100) == b"before\nwords\n"
    assert os.read(reading, 100) == b""


def test_a_program_that_turns_to_a_file_has_left_its_pipe(world, tmp_path):
    log = tmp_path / "log"
    code = f"""
import os, sys, time
print("in the pipe", flush=True)
with open({str(log)!r}, "w") as file:
    os.dup2(file.fileno(), 1)
print("in the file", flush=True)
time.sleep(100)
"""
    with subprocess.Popen([PYTHON, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout.read() == b"in the pipe\n"
        assert world.now < 10
    assert log.read_text() == "in the file\n"


def _limit():
    os.setsid()
    os.nice(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)


LOOK = """
import os, resource, signal
print(os.getpgrp() == os.getpid(), resource.getrlimit(resource.RLIMIT_CORE), signal.getsignal(signal.SIGINT) == signal.SIG_IGN)
"""
NESTED = """
import subprocess, sys
from tests.processes.test_executing import _limit, LOOK
print(subprocess.check_output([sys.executable, "-c", LOOK], preexec_fn=_limit, text=True), end="")
"""


def test_code_runs_between_fork_and_exec(world):
    assert subprocess.check_output([PYTHON, "-c", LOOK], preexec_fn=_limit) == b"True (0, 0) True\n"
    assert subprocess.check_output([PYTHON, "-c", NESTED]) == b"True (0, 0) True\n"


def test_code_before_exec_is_in_the_folder_and_has_the_umask_and_the_group(world, tmp_path):
    seen = tmp_path / "seen"
    options = {
        "cwd": tmp_path,
        "umask": 0o27,
        "process_group": 0,
        "preexec_fn": lambda: seen.write_text(f"{os.getcwd()} {os.umask(0o27):o} {os.getpgrp() == os.getpid()}"),
    }
    assert subprocess.call([PYTHON, "-c", ""], **options) == 0
    assert seen.read_text() == f"{tmp_path} 27 True"


def test_an_error_before_exec_is_the_real_one(world):
    with pytest.raises(subprocess.SubprocessError, match=r"^Exception occurred in preexec_fn\.$"):
        subprocess.Popen([PYTHON, "-c", ""], preexec_fn=lambda: 1 // 0)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_nothing_is_left_of_them():
    before = psutil.Process().num_fds()
    for _ in range(3):
        with Simulation():
            assert status_of(child(os.execv, PYTHON, [PYTHON, "-c", ""])) == 0
            subprocess.run([PYTHON, "-c", ""], preexec_fn=int, check=True)
    assert psutil.Process().num_fds() == before
    assert psutil.Process().children() == []
