"""Which mutations there are in some rooms, and which of them are drawn.

Owns the table of changes that change nothing, and the drawing: each mutation has a number of its own from the seed and its text, and those with the
smallest are drawn. So a change of one file leaves alone what is drawn of the others. Does not know how one is tried.
"""

from __future__ import annotations

import re
import subprocess
from hashlib import blake2b
from pathlib import Path

from tests.mutations.operators import Mutation, mutations_of

ROOT = Path(__file__).resolve().parent.parent.parent
ROOMS = ("socketserver", "choices", "patching", "net", "kernel")

CHANGES_NOTHING: dict[str, str] = {
    "simsock/kernel/session.py: False -> True": "the first session that opens says how things were before anybody reads it",
    "simsock/kernel/preempt.py: sys.version_info >= (3, 12) -> (sys.version_info > (3, 12))": "a version has five parts and is never equal to two",
    "simsock/kernel/preempt.py: sys.version_info >= (3, 14) -> (sys.version_info > (3, 14))": "the same",
    "simsock/kernel/touching.py: inner is not None and inner.f_lineno is not None -> (inner is not None)": "a frame that calls another stands on a line",
    "simsock/kernel/core.py: task.timer = None -> pass in task.timer = None #1": "``detach()`` takes the timer back, and one that has fired is none any more",
    "simsock/kernel/footprints.py: self.frame is None or value is _UNKNOWN or value is _CONSTANT -> (self.frame is None or value is _UNKNOWN)": (
        "what stands for a constant is nothing that can be called"
    ),
    "simsock/kernel/hard_timer.py: 48 -> 49": "Linux reads no more than its 64 bytes",
    "simsock/kernel/hard_timer.py: self._library or _library() -> (_library())": "it is the same library, asked for again",
    "simsock/kernel/preempt.py: self._take_out() -> pass in self._take_out() #0": "whoever leaves a world has taken it out",
    'simsock/kernel/boundaries.py: offset >= 2 and code[offset] == opmap["CALL"] and code[offset - 2] == opmap["LOAD_SPECIAL"] -> '
    "(code[offset] == opmap['CALL'] and code[offset - 2] == opmap['LOAD_SPECIAL'])": "no code begins with a call",
    "simsock/kernel/teardown.py: 1 -> 2 in kernel.alarm = -1": "any number below 0 is below every step",
    "simsock/kernel/signals.py: first.queue is not None and first.pending is self._due -> (first.queue is not None)": (
        "whatever else is pending for the first task has taken it out of its queue"
    ),
    "simsock/patching/captured.py: True -> False in return True, True #12": "the other value says so already",
    "simsock/patching/captured.py: _is_method(target) or target not in self._left -> (target not in self._left)": "no method is among those that are left",
    "simsock/patching/census.py: kind not in _DESCRIPTORS and kind not in _OF_C and not _weak_offset_of(kind) -> "
    "(kind not in _DESCRIPTORS or kind not in _OF_C or (not _weak_offset_of(kind)))": "more holders of holders are looked for, and none of them is asked",
    "simsock/patching/task_locals.py: registered[self] = (args, kwargs) -> pass": "the next world's search finds it all the same, only later",
    "simsock/net/link/partitions.py: Way = tuple[str | None, str | None] -> pass": "a type",
    "simsock/net/options.py: 1 -> 2 in _INT_MAX = (1 << 31) - 1": "Python itself refuses what is no int of C",
    "simsock/net/tcp/sender.py: 1 -> 2 in self._recover = -1": "any number below 0 says that nothing is repaired",
    "simsock/net/unix/common.py: (sender.writers or sender.pollers) and sender.writable -> (sender.writable)": "waking nobody costs time only",
    "simsock/net/tcp/handshake.py: socket.accepting is not None and socket.listening -> (socket.listening)": "each says the other",
}
"""Mutations that nobody can notice, each with the reason: ``"path: old -> new"``, as they are told, and where the same text stands elsewhere too,
`` in `` the first line of the statement, and `` #1``, the second in the file, if that is not enough."""


def row_of(mutation: Mutation) -> str | None:
    """Its row in the table of those that change nothing."""
    where = f"{mutation} in {mutation.statement}"
    return next((row for row in (str(mutation), where, f"{where} #{mutation.nth}") if row in CHANGES_NOTHING), None)


def rows_found() -> set[str]:
    """The rows that stand for some mutation of today's sources."""
    paths = {row.partition(": ")[0] for row in CHANGES_NOTHING}
    every = [one for path in sorted(paths) for one in _all_of(path.removeprefix("simsock/").removesuffix(".py"), None)]
    return {row for one in every if (row := row_of(one)) is not None}


def changed_lines(revision: str) -> dict[str, set[int]]:
    """The lines of each file that differ from a revision."""
    text = subprocess.run(["git", "diff", "-U0", revision, "--", "simsock"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    lines: dict[str, set[int]] = {}
    path = ""
    for line in text.splitlines():
        if line.startswith("+++ b/"):
            path = line[6:]
        elif found := re.match(r"@@ -\S+ \+(\d+)(?:,(\d+))? @@", line):
            first, count = int(found[1]), int(found[2] or 1)
            lines.setdefault(path, set()).update(range(first, first + count))
    return lines


def candidates(rooms: list[str], revision: str | None) -> list[Mutation]:
    """Every mutation of the rooms; of the lines that differ from a revision only, if there is one."""
    changed = changed_lines(revision) if revision else None
    return [one for room in rooms for one in _all_of(room, changed)]


def _all_of(room: str, changed: dict[str, set[int]] | None) -> list[Mutation]:
    base = ROOT / "simsock" / room
    found = []
    for path in sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]:
        name = path.relative_to(ROOT).as_posix()
        if changed is None or name in changed:
            found += [one for one in mutations_of(name, path.read_text(encoding="utf-8")) if changed is None or one.line in changed[name]]
    return found


def draw(every: list[Mutation], count: int, seed: int) -> list[Mutation]:
    """So many of them, in an order of their own."""
    return sorted(every, key=lambda one: blake2b(f"{seed} {one.key}".encode(), digest_size=8).digest())[:count]
