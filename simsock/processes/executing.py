"""``os.exec*`` in a child: it goes on as another program.

PYTEST_DONT_REWRITE

Owns both sides of it: what home keeps of the process, and what of it is the new program's. Does not know how a program is run. Laws:

* the process stays the same to everybody else, with its number, parent, group, masks, timers and the descriptors that can be inherited;
* of its memory and of its other threads nothing is left, and none of their ``finally`` blocks runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from simsock.kernel import session
from simsock.processes import interpreter, programs, proxy
from simsock.processes.child_kernel import far, refuse

if TYPE_CHECKING:
    from simsock.processes.child import Child
    from simsock.processes.family import Member
    from simsock.processes.interpreter import Start


def execute(child: Child, start: Start) -> NoReturn:
    """In the child: become the program. Its streams are numbers of this process."""
    if child.threads.number(child.kernel.current):
        refuse("os.execv in another thread than the main one")
    streams = tuple(far(fd) for fd in start.streams)
    passed = None if start.passed is None else tuple(far(fd) for fd in start.passed)
    ignored = child.ask("exec", streams, passed)
    child.be_alone()
    stdin, stdout, stderr = streams
    interpreter.become(child, start._replace(streams=(stdin, stdout, stderr)), frozenset(ignored))


def execute_for(member: Member, streams: tuple[int, int, int], passed: tuple[int, ...] | None) -> tuple[int, ...]:
    """At home; returns the signals that it ignores."""
    kernel = session.kernel()
    kernel.point()
    proxy.dismiss_threads(kernel, member)
    ignored = programs.ignored_by(kernel, member)
    kernel.log.append((kernel.now, kernel.current.path, "exec", member.pid))
    programs.pass_on(member.table, member.table, streams, passed)
    programs.forget_handlers(member, ignored)
    return tuple(sorted(ignored))


__all__ = ["execute", "execute_for"]
