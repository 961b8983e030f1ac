"""Processes in a patched world: what stands in for ``os.fork`` and its kin.

PYTEST_DONT_REWRITE

Owns who is let through to simulated processes, and how the patched state stands aside for a fork. Does not know how processes are simulated. Laws:

* what concerns processes from before the world is real, and only looked at; nothing waits for one;
* after a world no child of it is left.
"""

from __future__ import annotations

import os
import sys
from _thread import get_ident
from typing import TYPE_CHECKING, Any, NoReturn

from simsock.kernel import Kernel, session
from simsock.kernel.files import Process
from simsock.kernel.watchdog import watchdog
from simsock.patching import child_signals, late
from simsock.patching.task_locals import Carrier
from simsock.processes import at_fork, family, groups
from simsock.processes.doors import execute, leave_process
from simsock.stdlib import _identity
from simsock.stdlib import os as sim_os

if TYPE_CHECKING:
    from simsock.processes.interpreter import Start

_WAITS = "wait wait3 wait4 waitid waitpid".split()
_GROUPS = "getpgid getsid setpgid setsid".split()
_waitid = getattr(os, "waitid", None)
in_force: Any = None
"""The patched state; put here by it."""


class ProcessCarrier(Carrier):
    """What carries a task's state over switches, in a world of several processes: its descriptors as well."""

    __slots__ = ()

    def switch(self, task: Any) -> None:
        kernel: Any = self.kernel
        process = kernel.process
        home: Any = family.family_of(kernel).home
        kernel.process, kernel.files = home.table, home.table.files  # a task that stood still before the first fork brings nothing back
        try:
            Carrier.switch(self, task)
        finally:
            kernel.process, kernel.files = process, process.files

    def become_a_childs(self) -> None:
        """In a child, whose descriptors are home's."""
        self.__class__ = Carrier  # type: ignore[assignment]  # the same but for methods

    def begin(self) -> None:
        kernel: Any = self.kernel
        home: Any = family.family_of(kernel).home
        kernel.process, kernel.files = home.table, home.table.files
        Carrier.begin(self)


class _Forked(Kernel):
    """The kernel of such a world."""

    __slots__ = ()

    def fatal(self, error: BaseException) -> None:
        home: Any = family.family_of(self).home
        self.process, self.files = home.table, home.table.files  # the first task goes on, by a switch of its own kind
        Kernel.fatal(self, error)


def _carry(kernel: Kernel) -> None:
    child_signals.quiet(kernel)
    kernel.thread_state.__class__ = ProcessCarrier
    kernel.__class__ = _Forked


def fork() -> int:
    """``os.fork``: a real one, whose child takes part in this world."""
    at_fork.run("before")
    try:
        pid = start(None)
    except BaseException:
        at_fork.run("after_in_parent")
        raise
    at_fork.run("after_in_parent" if pid else "after_in_child")
    return pid


def registering(before: Any, kernel: Kernel) -> Any:
    """``os.register_at_fork`` in a world, given what it was."""

    def register_at_fork(**functions: Any) -> None:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        is_program_s = caller.partition(".")[0] not in sys.stdlib_module_names and (session.active is kernel or type(kernel.process) is not Process)
        if is_program_s and not kernel.ending and kernel.thread == get_ident() and functions.keys() <= set(at_fork.NAMES):
            at_fork.register(kernel, functions)
        else:  # of modules that stay loaded; those of home's installed packages do
            before(**functions)

    return register_at_fork


def start(program: Start | None) -> int:
    """Fork a process that takes part in this world, and have it run a program, if there is one."""
    kernel = session.kernel()

    def stand_aside() -> None:
        watchdog.pause()
        if kernel.preemption is not None:
            kernel.preemption.live = None
        session.suspended, session.active = kernel, None
        in_force.suspend()

    def come_back() -> None:
        in_force.resume()
        if kernel.preemption is not None:
            kernel.preemption.live = kernel
        session.active, session.suspended = kernel, None
        watchdog.go_on(kernel)

    return int(_forking().fork(stand_aside, come_back, _carry, program))


def start_program(*about: Any) -> int:
    """Start a process that takes part in this world and runs a program: see ``Start``."""
    _forking()
    programs: Any = late.import_module("simsock.processes.programs")  # whose function is another one in a child
    return int(programs.start(programs.Start(*about)))


def become_program(*about: Any) -> NoReturn:
    """Go on as a program, in this process: see ``Start``."""
    _forking()
    execute(late.import_module("simsock.processes.programs").Start(*about))
    raise AssertionError  # never


def _forking() -> Any:
    """What worlds with more than one process need."""
    found = late.import_module("simsock.processes.forking")
    late.import_module("simsock.processes.programs").starter = start
    return found


def _waiting(name: str) -> Any:
    legacy, simulated = sim_os.waiting(name), getattr(family, name)

    def wait(*args: Any, **keywords: Any) -> Any:
        kernel = session.kernel()
        if family.has_children(kernel) or not _any_real():
            return simulated(*args, **keywords)
        return legacy(*args, **keywords)

    wait.__name__ = wait.__qualname__ = name
    return wait


def _of_group(name: str) -> Any:
    alone, simulated = getattr(_identity, name), getattr(groups, name)

    def call(*args: Any) -> Any:
        return simulated(*args) if family.has_children(session.kernel()) and all(map(groups.is_known, args[:1])) else alone(*args)

    call.__name__ = call.__qualname__ = name
    return call


def _any_real() -> bool:
    """Whether this process has children from before the world."""
    try:
        _waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # type: ignore[misc]
    except ChildProcessError:
        return False
    return True


def pairs() -> list[tuple[Any, Any]]:
    """Originals and what stands in for them."""
    of_groups = [(getattr(os, name), _of_group(name)) for name in _GROUPS if hasattr(os, name)]
    return [(os.fork, fork), (os._exit, leave_process), *((getattr(os, name), _waiting(name)) for name in _WAITS), *of_groups]


def leave(carrier: Any) -> None:
    """The world is over. Safe to call again."""
    if type(carrier) is ProcessCarrier and carrier.kernel is not None:
        _forking().end_all(carrier.kernel)
        child_signals.loud()
        carrier.__class__ = Carrier  # type: ignore[assignment]  # what it was
