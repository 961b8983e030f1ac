"""Processes that the tests of this folder fork."""

from __future__ import annotations

import os


def child(function, *args):
    """Fork a process that calls a function and ends with what it returns."""
    pid = os.fork()
    if not pid:
        os._exit(function(*args) or 0)
    return pid


def status_of(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
