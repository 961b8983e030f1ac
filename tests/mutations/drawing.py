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
    "simsock/net/tcp/handshake.py: socket.accepting is not None and socket.listening -> (socket.listening)": "each says the other",
}
"""Mutations that nobody can notice, each with the reason: ``"path: old -> new"``, as they are told."""


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
    """Every mutation of the rooms, but for those that change nothing."""
    changed = changed_lines(revision) if revision else None
    found = []
    for room in rooms:
        base = ROOT / "simsock" / room
        for path in sorted(base.rglob("*.py")) if base.is_dir() else [base.with_suffix(".py")]:
            name = path.relative_to(ROOT).as_posix()
            if changed is None or name in changed:
                every = mutations_of(name, path.read_text(encoding="utf-8"))
                found += [one for one in every if str(one) not in CHANGES_NOTHING and (changed is None or one.line in changed[name])]
    return found


def draw(every: list[Mutation], count: int, seed: int) -> list[Mutation]:
    """So many of them, in an order of their own."""
    return sorted(every, key=lambda one: blake2b(f"{seed} {one.key}".encode(), digest_size=8).digest())[:count]
