"""Programs that are started, at home: what of its starter's a process keeps across exec(2).

Owns descriptors, groups and dispositions of signals at that moment, as home has them. Does not know how a program is run.
"""

from __future__ import annotations

import signal as _real
from typing import TYPE_CHECKING

from simsock.kernel.files import FIRST_DESCRIPTOR
from simsock.processes import child_kernel, family

if TYPE_CHECKING:
    from simsock.kernel import Kernel
    from simsock.kernel.files import Process
    from simsock.processes.family import Member
    from simsock.processes.interpreter import Start

_RESTORED = frozenset(int(getattr(_real, name)) for name in ("SIGPIPE", "SIGXFZ", "SIGXFSZ") if hasattr(_real, name))


def ignored_by(kernel: Kernel, parent: Member) -> frozenset[int]:
    """Signals that a process ignores: so does what it starts."""
    own = (_real.SIGKILL, _real.SIGSTOP)
    return frozenset(int(n) for n in _real.valid_signals() if n not in own and family.disposition(kernel, parent, int(n)) == family.IGNORED) - _RESTORED


def begin(member: Member, start: Start, parent: Process, ignored: frozenset[int]) -> None:
    """A process that was forked to run a program: it has its parent's descriptors so far."""
    table = member.table
    streams = {child_kernel.LOW + number: parent.files[fd] for number, fd in enumerate(start.streams) if fd >= FIRST_DESCRIPTOR}
    passed = table.inheritable if start.passed is None else set(start.passed)
    for file in streams.values():
        file.references += 1
    for fd in sorted(table.files.keys() - passed):
        table.close(fd)
    table.files.update(streams)
    table.inheritable = set(table.files)
    if start.group >= 0:
        member.group = start.group or member.pid
    member.dispositions = {int(number): family.DEFAULT for number in _real.valid_signals()}
    member.dispositions.update(dict.fromkeys(ignored, family.IGNORED))
    member.dispositions[int(_real.SIGPIPE)] = family.IGNORED  # Python's own
    if int(_real.SIGINT) not in ignored:
        member.dispositions[int(_real.SIGINT)] = family.HANDLED


__all__ = ["begin", "ignored_by"]
