"""Groups and sessions of processes, which jobs and daemons are made of."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from tests.processes.children import child, status_of


def number_of(function, *args):
    try:
        function(*args)
    except OSError as error:
        return error.errno
    return None


def test_a_child_is_of_its_parents_group_and_session_until_it_begins_its_own(world):
    def begin():
        parent = os.getppid()
        assert (os.getpgrp(), os.getsid(0)) == (os.getpgid(parent), os.getsid(parent)) == (parent, parent)
        assert os.setsid() is None
        assert os.getpgid(0) == os.getsid(os.getpid()) == os.getpid() != os.getsid(parent)
        assert number_of(os.setsid) == number_of(os.setpgid, 0, 0) == errno.EPERM

    assert status_of(child(begin)) == 0


def test_who_leads_a_group_begins_no_session_but_may_go_back(world):
    def lead():
        parent = os.getppid()
        os.setpgrp()
        assert os.getpgrp() == os.getpid()
        assert number_of(os.setsid) == errno.EPERM
        os.setpgid(0, os.getpgid(parent))
        assert os.getpgrp() == parent
        assert number_of(os.setpgid, 0, 99_999) == errno.EPERM
        assert number_of(os.setpgid, 0, -3) == errno.EINVAL
        assert number_of(os.setpgid, parent, 0) == number_of(os.getsid, 987_654) == errno.ESRCH

    assert status_of(child(lead)) == 0


def test_a_parent_puts_its_children_into_groups(world):
    reading, writing = os.pipe()
    first = child(lambda: os.close(writing) or len(os.read(reading, 1)))
    assert (os.getpgid(first), os.getsid(first)) == (os.getpgrp(), os.getsid(0))
    os.setpgid(first, first)
    assert os.getpgid(first) == first

    def join():
        os.setpgid(0, first)
        assert os.getpgrp() == first
        os.setsid()

    second = child(join)
    assert status_of(second) == 0
    os.close(writing)
    assert status_of(first) == 0
    assert number_of(os.getpgid, first) == number_of(os.setpgid, first, 0) == errno.ESRCH


def test_a_process_of_another_session_is_not_put_into_a_group(world):
    reading, writing = os.pipe()
    ready, begun = os.pipe()

    def leave():
        os.close(writing)
        os.setsid()
        os.write(begun, b".")
        os.read(reading, 1)

    pid = child(leave)
    os.read(ready, 1)
    assert os.getsid(pid) == os.getpgid(pid) == pid
    assert number_of(os.setpgid, pid, 0) == number_of(os.setpgid, pid, os.getpgrp()) == errno.EPERM
    os.close(writing)
    assert status_of(pid) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [({}, "False False"), ({"start_new_session": True}, "True True"), ({"process_group": 0}, "False True"), ({"preexec_fn": os.setsid}, "True True")],
    ids=["as its starter", "session", "group", "preexec_fn"],
)
def test_a_started_program_has_the_session_and_group_that_it_was_given(world, options, said):
    code = "import os; print(os.getsid(0) == os.getpid(), os.getpgrp() == os.getpid())"
    assert subprocess.check_output([sys.executable, "-c", code], text=True, **options) == said + "\n"


def test_a_whole_tree_of_processes_ends_by_its_group(world):
    code = (
        "import subprocess, sys, time\n"
        "for _ in range(2): subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)'])\n"
        "print('up', flush=True); time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout.readline() == b"up\n"
        os.killpg(os.getpgid(process.pid), signal.SIGTERM)
        assert process.stdout.read() == b""  # nobody is left who has it open
    assert process.returncode == -signal.SIGTERM
    assert world.now < 100
