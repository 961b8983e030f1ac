"""Programs that are started: by home, or by a child that asks home for it; and what of its starter's a process keeps across exec(2).

PYTEST_DONT_REWRITE

Owns descriptors, groups and dispositions of signals at that moment, as home has them. Does not know how a program is run. Law: it is home that is forked,
whoever starts a program: nothing of its starter's memory is needed.
"""

from __future__ import annotations

import os
import signal as _real
from typing import TYPE_CHECKING, Any

from simsock.errors import Unsupported
from simsock.kernel.failures import bad_descriptor
from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.kernel.looking import absolute
from simsock.kernel.originals import original
from simsock.processes import child_kernel, family
from simsock.processes.borrowing import borrow
from simsock.processes.command_lines import Command
from simsock.processes.interpreter import Start

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.kernel.files import Process
    from simsock.processes.child import Child
    from simsock.processes.family import Member

starter: Any = None
"""Forks home for a program: (start). Put here by who can take the world out of the way."""
_close, _umask, _fstat = (original(os, name) for name in ("close", "umask", "fstat"))
_RESTORED = frozenset(int(getattr(_real, name)) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ") if hasattr(_real, name))


def start(program: Start) -> int:
    """Start a program from this process; its number."""
    return int(starter(program))


# -- by a child ------------------------------------------------------------------------------------------------------------------------------


def ask_home(child: Child, program: Start) -> int:
    """In a child: as ``start``."""
    streams = [number if fd < 0 else fd for number, fd in enumerate(program.streams)]
    real = [fd for fd in program.passed or () if not child_kernel.is_simulated(fd)]
    if real:
        raise Unsupported(f"subprocess: pass_fds with the real descriptors {real} in a child process of a world: that is not simulated yet")
    mask = program.umask
    if mask < 0:
        mask = _umask(0)
        _umask(mask)
    cwd = absolute("" if program.cwd is None else os.fsdecode(program.cwd))
    command = (*program.command[:5], sorted(program.command.flags), *program.command[6:])
    passed = None if program.passed is None else [child_kernel.far(fd) for fd in program.passed]
    return int(
        child.ask("start", command, program.env, cwd, [child_kernel.far(fd) for fd in streams], passed, mask, program.group, child_kernel.far(program.told))
    )


def start_for(member: Member, command: Any, env: Any, cwd: str, streams: list[int], passed: Any, mask: int, group: int, told: int) -> int:
    """At home: on behalf of a child, whose real descriptors are borrowed for as long as it takes."""
    borrowed: list[int] = []
    try:
        here = []
        for fd in streams:
            if fd < FIRST_DESCRIPTOR:
                fd = borrow(member.real, fd, os.O_WRONLY | os.O_APPEND if fd else os.O_RDONLY)
                borrowed.append(fd)
            here.append(fd)
        executable, line, kind, target, args, flags, warnings, options = command
        made = Command(executable, tuple(line), kind, target, tuple(args), frozenset(flags), tuple(warnings), tuple(options))
        stdin, stdout, stderr = here
        return start(Start(made, env, cwd, (stdin, stdout, stderr), None if passed is None else tuple(passed), mask, group, told))
    finally:
        for fd in borrowed:
            _close(fd)


# -- at home ---------------------------------------------------------------------------------------------------------------------------------


def check(start: Start, parent: Process) -> None:
    """``OSError`` EBADF if a descriptor that the program is to have is not open."""
    for fd in (*start.streams, *(start.passed or ())):
        if fd >= FIRST_DESCRIPTOR and fd not in parent.files:
            raise bad_descriptor()
        if 0 <= fd < FIRST_DESCRIPTOR:
            _fstat(fd)


def ignored_by(kernel: Kernel, parent: Member) -> frozenset[int]:
    """Signals that a process ignores: so does what it starts."""
    own = (_real.SIGKILL, _real.SIGSTOP)
    return frozenset(int(n) for n in _real.valid_signals() if n not in own and family.disposition(kernel, parent, int(n)) == family.IGNORED) - _RESTORED


def begin(member: Member, start: Start, parent: Process, ignored: frozenset[int]) -> None:
    """A process that was forked to run a program: it has its parent's descriptors so far."""
    pass_on(parent, member.table, start.streams, start.passed)
    if start.group == family.OWN_SESSION:
        member.group = member.session = member.pid
    elif start.group >= 0:
        member.group = start.group or member.pid
    forget_handlers(member, ignored)


def pass_on(parent: Process, table: Process, streams: tuple[int, int, int], passed: tuple[int, ...] | None) -> None:
    """Of the parent's descriptors, which the table has so far, a program keeps the streams, and what is passed: see ``Start``."""
    kept = set(table.inheritable if passed is None else passed)
    found = {number: parent.files.get(child_kernel.LOW + number if fd < 0 else fd) for number, fd in enumerate(streams)}
    for file in found.values():
        if file is not None:
            file.references += 1
    for fd in sorted(fd for fd in table.files if fd >= child_kernel.LOW or fd not in kept):
        table.close(fd)
    table.files.update({child_kernel.LOW + number: file for number, file in found.items() if file is not None})
    table.inheritable = set(table.files)


def forget_handlers(member: Member, ignored: frozenset[int]) -> None:
    """What it does about signals from now on."""
    member.dispositions = {int(number): family.DEFAULT for number in _real.valid_signals()}
    member.dispositions.update(dict.fromkeys(ignored, family.IGNORED))
    member.dispositions[int(_real.SIGPIPE)] = family.IGNORED  # Python's own
    if int(_real.SIGINT) not in ignored:
        member.dispositions[int(_real.SIGINT)] = family.HANDLED


__all__ = ["ask_home", "begin", "check", "forget_handlers", "ignored_by", "pass_on", "start", "start_for"]
