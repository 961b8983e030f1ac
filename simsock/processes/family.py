"""Who is whose child in a world, who has ended how, and who waits for that.

PYTEST_DONT_REWRITE

Owns the processes of a world as home knows them: numbers, parents, groups, ends, dispositions of signals. Does not know messages. Laws:

* numbers are given out in the order of forks, from that of the process that entered the world on; they are the same in every run;
* a process that has ended is kept until its parent has waited for it; one whose parent has ended belongs to nobody, and is forgotten when it ends.
"""

from __future__ import annotations

import errno
import os
import resource
import signal as _real
from collections import deque
from typing import TYPE_CHECKING, Any

from simsock.kernel import session
from simsock.kernel.failures import os_error
from simsock.kernel.files import Process, Tables
from simsock.kernel.identity import PARENT, PROCESS
from simsock.kernel.signals import signals_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from simsock.kernel import Kernel, Task
    from simsock.kernel.files import OpenFile
    from simsock.kernel.interval_timers import IntervalTimers
    from simsock.processes.messages import Channel

HANDLED, IGNORED, DEFAULT = "handled", "ignored", "default"
OWN_SESSION = -2
"""In the place of a process group: one of its own, in a session of its own."""
_SILENT = frozenset(int(getattr(_real, name)) for name in ("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH") if hasattr(_real, name))
_getuid = os.getuid
_WNOHANG, _WNOWAIT, _WEXITED = os.WNOHANG, os.WNOWAIT, os.WEXITED
_RUSAGE = resource.struct_rusage
_KEPT = _WNOHANG | os.WUNTRACED | os.WCONTINUED
_P_PIDFD = getattr(os, "P_PIDFD", -1)
_KEPT_OF_WAITID = _WNOHANG | _WNOWAIT | _WEXITED | os.WSTOPPED | os.WCONTINUED


class Member:
    """One process."""

    __slots__ = (
        "channel",
        "dispositions",
        "epilogue",
        "group",
        "held",
        "left",
        "masks",
        "parent",
        "pending",
        "pid",
        "real",
        "reaped",
        "session",
        "signalled",
        "status",
        "table",
        "task",
        "threads",
        "threads_made",
        "timers",
        "waiting",
        "wanted",
        "watched",
    )

    def __init__(self, pid: int, parent: Member | None, table: Process) -> None:
        self.pid = pid
        self.parent = parent
        self.table = table
        self.group: int = parent.group if parent is not None else pid
        self.session: int = parent.session if parent is not None else pid
        self.dispositions: dict[int, str] = dict(parent.dispositions) if parent is not None else {}
        """What it does about signals, as far as that was said in this world; nothing for home, whose handlers the kernel has."""
        self.pending: set[int] = set()
        """Signals whose handlers it is to run."""
        self.masks: dict[int, frozenset[int]] = {0: frozenset()}
        """Which signals its threads block, by their numbers."""
        self.held: set[int] = set()
        """Signals that have come, and are blocked or waited for."""
        self.wanted: dict[int, frozenset[int]] = {}
        self.signalled: deque[Task] = deque()
        """Which signals its threads wait for, by their numbers, and where."""
        self.timers: IntervalTimers | None = None
        self.status: int | None = None
        """As wait(2) tells it, once it has ended."""
        self.reaped = False
        self.waiting: deque[Task] = deque()
        """Who of it waits for the end of a child."""
        self.task: Task | None = None
        """Of its main thread; and of the others by their numbers."""
        self.threads: dict[int, Task] = {}
        self.threads_made = 0
        self.channel: Channel | None = None
        self.real = 0
        """The real process's number."""
        self.left: int | None = None
        """The status with which it has said that it ends."""
        self.watched: list[OpenFile] = []
        """Open files that say when it has ended."""
        self.epilogue: Callable[[], object] | None = None
        """Called when it has ended, if the world goes on."""

    def holds(self, number: int) -> bool:
        """Whether a signal to it is kept: all of its threads block it, or one waits for it."""
        return all(number in mask for mask in self.masks.values()) or any(number in wanted for wanted in self.wanted.values())

    def describe(self) -> str:
        """For tables of waits."""
        return f"a child of process {self.pid}"


class Family:
    """``kernel.room(Family)``."""

    __slots__ = ("ended", "home", "members")

    def __init__(self) -> None:
        self.home: Member | None = None
        self.members: list[Member] = []
        """All that were ever forked."""
        self.ended: list[Member] = []
        """Those that have ended, in that order."""


def family_of(kernel: Kernel) -> Family:
    """The world's, with home in it."""
    family = kernel.room(Family)
    if family.home is None:
        home = family.home = Member(PROCESS, None, kernel.process)
        kernel.process.owner = home
        kernel.room(Tables).home = kernel.process
    return family


def caller(kernel: Kernel) -> Member:
    """The process whose call is being made."""
    family_of(kernel)
    return kernel.process.owner  # type: ignore[no-any-return]  # every table has one by now


def has_children(kernel: Kernel) -> bool:
    """Whether any process was ever forked in this world."""
    return bool(kernel.room(Family).members)


def everybody(kernel: Kernel) -> list[Member]:
    """The processes that there are, home among them: all that nobody has waited for."""
    known = family_of(kernel)
    return [member for member in (known.home, *known.members) if member is not None and not member.reaped]


def found(kernel: Kernel, pid: int) -> Member | None:
    """A process by its number, until it was waited for."""
    return next((member for member in kernel.room(Family).members if member.pid == pid and not member.reaped), None)


def parent_of(member: Member) -> int:
    """getppid(2)."""
    parent = member.parent
    return PARENT if parent is None else 1 if parent.status is not None else parent.pid


# -- the end -------------------------------------------------------------------------------------------------------------------------------


def ends(kernel: Kernel, member: Member, status: int) -> None:
    """It has ended: its parent is told."""
    family = family_of(kernel)
    member.status = status
    family.ended.append(member)
    tables = kernel.room(Tables).children
    if member.table in tables:
        tables.remove(member.table)
    for child in family.members:
        if child.parent is member and child.status is not None:
            child.reaped = True
    parent = member.parent
    if parent is None or parent.status is not None or disposition(kernel, parent, _real.SIGCHLD) == IGNORED:
        member.reaped = True
    if parent is not None:
        kernel.wake_all(parent.waiting)
    for file in member.watched:
        file.changed()
    if member.epilogue is not None and not kernel.ending:
        member.epilogue()


def disposition(kernel: Kernel, member: Member, number: int) -> str:
    """What a process does about a signal: it handles it, ignores it, or leaves it to the system."""
    said = member.dispositions.get(int(number))
    if said is not None:
        return said
    if member.parent is None and kernel.signals is None and number == _real.SIGCHLD:
        return DEFAULT  # nobody has asked for signals in this world, and what a program of before does about this one is real
    return kind_of(signals_of(kernel).disposition(int(number)))


def is_nothing(number: int, what: str) -> bool:
    """Whether a signal with this disposition does nothing."""
    return what == IGNORED or (what == DEFAULT and number in _SILENT)


def kind_of(handler: Any) -> str:
    """What a handler, SIG_IGN or SIG_DFL amounts to."""
    return HANDLED if callable(handler) else IGNORED if handler == _real.SIG_IGN else DEFAULT


# -- waiting -------------------------------------------------------------------------------------------------------------------------------


def collect(kind: str, number: int, options: int) -> tuple[int, int]:
    """The one way to wait for children: (pid, status), (0, 0) with WNOHANG when none has ended. ``kind``: "pid", "group" or "any"."""
    kernel = session.kernel()
    kernel.point()
    me = caller(kernel)
    if kind == "group" and not number:
        number = me.group
    while True:
        family = family_of(kernel)
        mine = [
            member
            for member in family.members
            if member.parent is me and not member.reaped and (kind == "any" or number == (member.pid if kind == "pid" else member.group))
        ]
        if not mine:
            raise os_error(errno.ECHILD)
        over = next((member for member in family.ended if member in mine), None)
        if over is not None:
            if not options & _WNOWAIT:
                over.reaped = True
            kernel.log.append((kernel.now, kernel.current.path, "wait", over.pid, over.status))
            return over.pid, over.status or 0
        if options & _WNOHANG:
            kernel.fruitless()
            return 0, 0
        kernel.wait(me.waiting, None, "waitpid", me)


def _kind(pid: int) -> tuple[str, int]:
    return ("pid", pid) if pid > 0 else ("any", 0) if pid == -1 else ("group", -pid)


def waitpid(pid: int, options: int, /) -> tuple[int, int]:
    """Wait for a child to end: (pid, status)."""
    if options & ~_KEPT:
        raise os_error(errno.EINVAL)
    return collect(*_kind(pid), options)


def wait() -> tuple[int, int]:
    """Wait for any child to end."""
    return collect("any", 0, 0)


def wait4(pid: int, options: int) -> tuple[int, int, Any]:
    """As ``waitpid``, with what the child has used, of which nothing is known."""
    return (*waitpid(pid, options), _RUSAGE((0,) * len(_RUSAGE.__match_args__)))


def wait3(options: int) -> tuple[int, int, Any]:
    """As ``wait4`` for any child."""
    return wait4(-1, options)


def waitid(idtype: int, ident: int, options: int, /) -> Any:
    """Wait for a child to end; what is known of that, or None with WNOHANG."""
    if options & ~_KEPT_OF_WAITID or not options & _WEXITED:
        raise os_error(errno.EINVAL)
    kinds = {int(os.P_PID): "pid", int(os.P_PGID): "group", int(os.P_ALL): "any"}
    if idtype == _P_PIDFD:
        file: Any = session.kernel().files.get(ident)
        if not hasattr(file, "member"):
            raise os_error(errno.EBADF)
        idtype, ident = os.P_PID, file.member.pid
    if idtype not in kinds:
        raise os_error(errno.EINVAL)
    pid, status = collect(kinds[int(idtype)], ident, options)
    if not pid:
        return None
    killed = os.WIFSIGNALED(status)
    code = os.CLD_KILLED if killed else os.CLD_EXITED
    return os.waitid_result((pid, _getuid(), int(_real.SIGCHLD), os.WTERMSIG(status) if killed else os.WEXITSTATUS(status), code))


__all__ = [
    "DEFAULT",
    "HANDLED",
    "IGNORED",
    "OWN_SESSION",
    "Family",
    "Member",
    "caller",
    "collect",
    "disposition",
    "ends",
    "everybody",
    "family_of",
    "found",
    "has_children",
    "is_nothing",
    "kind_of",
    "parent_of",
]
