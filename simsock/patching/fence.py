"""The fence: nothing real behind a world's back.

Owns one audit hook of the process. A real socket, process or fork from inside a world's thread is an error that names the call. Law: an
audit hook cannot be taken out, so this one is put in once and asks first whether a world is live in this thread.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import Any

from simsock.errors import UsageError
from simsock.kernel import session

_EVENTS = frozenset(
    "socket.__new__ socket.connect socket.bind socket.sendto socket.sendmsg socket.getaddrinfo socket.gethostbyname socket.gethostbyaddr "
    "subprocess.Popen os.fork os.forkpty os.system os.posix_spawn os.exec".split()
)
_installed = False
fenced = False
"""Whether the live world has a fence; a world without patching has none."""


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if fenced and event in _EVENTS:
        kernel = session.active
        if kernel is not None and kernel.thread == get_ident():
            raise UsageError(f"a real {event}{_shown(args)} from inside a world: it has no place there (and cannot be repeated)")


def _shown(args: tuple[Any, ...]) -> str:
    return "(" + ", ".join(f"{arg!r:.60}" for arg in args[1:3]) + ")" if len(args) > 1 else ""


def put_up() -> None:
    """A patched world begins."""
    global _installed, fenced
    if not _installed:
        sys.addaudithook(_hook)
        _installed = True
    fenced = True


def take_down() -> None:
    """It is over."""
    global fenced
    fenced = False
