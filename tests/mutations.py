"""What the tests of a room miss: ``python -m tests.mutations net --count 60 --seed 2026``.

Owns the operators that change one place of a source file, the drawing of places with a seed, and the table of changes that change nothing.
Each mutation is made in a copy of the project, where the tests of its file are run until one fails; what none of them notices is told, and
the exit code is 1. Laws: the same seed and sources give the same mutations; nothing is written outside the copies.

``--changed REVISION`` draws only from lines that differ from a revision, ``--minutes`` ends a run that has lasted so long (and says how many
were left), ``--list`` tells the mutations without trying them, ``--progress`` each outcome as it comes.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("simsock", "pytest_plugin", "tests", "scenarios", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
PATIENCE_S = 900
"""How long the tests of one mutation may take: one that makes them hang is noticed."""

_NET = "test_connecting test_bytes test_polling test_errors_alike test_differential"
TESTS = {
    "simsock/net/tcp": f"tcp test_tcp test_netstat {_NET} test_faults_of_hosts test_capture",
    "simsock/net/link": "test_links test_impairments test_profiles test_faults test_faults_of_connections test_tcp test_datagrams /report/test_story",
    "simsock/net/unix": "test_unix test_messages test_differential test_netstat",
    "simsock/net/datagrams.py": "test_datagrams test_impairments test_errors_alike test_differential",
    "simsock/net/resolver.py": "test_names test_faults_of_names",
    "simsock/net/options.py": "test_options test_errors_alike",
    "simsock/net/netstat.py": "test_netstat",
    "simsock/net/tap.py": "test_capture",
    "simsock/net/ports.py": f"test_ports {_NET} test_datagrams",
    "simsock/net/chunks.py": "test_chunks test_bytes",
    "simsock/net": f"test_options test_ports test_names test_links /world {_NET} .",
    "simsock/kernel/strategies": "/search /kernel",
    "simsock/kernel": "/kernel /world /stdlib test_polling test_descriptors",
    "simsock/socketserver": "/framework",
    "simsock/choices": "/choices /search",
    "simsock/patching": "/patching /unmodified",
}
"""Which tests are to notice a change of a file: those of the longest prefix, the nearest first; in ``tests/net`` unless they begin with a slash."""

CHANGES_NOTHING: dict[str, str] = {
    "simsock/kernel/session.py: False -> True": "the first session that opens says how things were before anybody reads it",
    "simsock/kernel/preempt.py: sys.version_info >= (3, 12) -> (sys.version_info > (3, 12))": "a version has five parts and is never equal to two",
    "simsock/kernel/preempt.py: sys.version_info >= (3, 14) -> (sys.version_info > (3, 14))": "the same",
    "simsock/net/tcp/handshake.py: socket.accepting is not None and socket.listening -> (socket.listening)": "each says the other",
}
"""Mutations that nobody can notice, each with the reason: ``"path: old -> new"``, as they are told."""

_COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr}
_ARITHMETIC |= {ast.LShift: ast.RShift, ast.RShift: ast.LShift}
_SWAPPED_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
_DROPPED = (ast.Expr, ast.Assign, ast.AugAssign, ast.Delete, ast.Break, ast.Continue)


class Mutation(NamedTuple):
    """One change of one place."""

    path: str
    line: int
    start: int
    end: int
    """Where, in bytes of the file."""
    new: str
    old: str

    def __str__(self) -> str:
        return f"{self.path}: {_short(self.old)} -> {_short(self.new)}"


def _short(text: str) -> str:
    return " ".join(text.split())


def mutations_of(path: str, source: str) -> list[Mutation]:
    """Every mutation of a file, in the order of its text."""
    data = source.encode()
    starts = [0]
    for line in data.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = []
    for node, new in _changes(ast.parse(source)):
        start, end = starts[node.lineno - 1] + node.col_offset, starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        found.append(Mutation(path, node.lineno, start, end, new, data[start:end].decode()))
    return sorted(found, key=lambda mutation: mutation[1:5])


def _changes(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """(a node, what stands there instead). Leaves alone what says something and does nothing: types, texts, slots, messages of errors."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)) or _says_something(node):
            continue
        yield from _changes_of(node)
        if isinstance(node, (ast.FunctionDef, ast.AnnAssign, ast.arg)):
            parts = [*getattr(node, "body", ()), *([node.value] if isinstance(node, ast.AnnAssign) and node.value is not None else [])]
            if isinstance(node, ast.FunctionDef):
                parts += [*node.args.defaults, *filter(None, node.args.kw_defaults)]
            yield from _changes(ast.Module(body=parts, type_ignores=[]))
        else:
            yield from _changes(node)


def _says_something(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    targets = node.targets if isinstance(node, ast.Assign) else []
    return any(isinstance(target, ast.Name) and target.id in ("__slots__", "__all__") for target in targets)


def _changes_of(node: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _COMPARISONS:
        yield node, _text(ast.Compare(node.left, [_COMPARISONS[type(node.ops[0])]()], node.comparators))
    elif isinstance(node, ast.BoolOp):
        yield node, _text(ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values))
        for number in range(len(node.values)):
            rest = node.values[:number] + node.values[number + 1 :]
            yield node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest))
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, _text(node.operand)
    elif isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC and not isinstance(node.left, (ast.Constant, ast.JoinedStr)):
        yield node, _text(ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right))
    elif isinstance(node, ast.Constant) and type(node.value) is int:
        yield node, str(node.value + 1)
    elif isinstance(node, ast.Constant) and type(node.value) is bool:
        yield node, str(not node.value)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _SWAPPED_CALLS:
        yield node, _text(ast.Call(ast.Name(_SWAPPED_CALLS[node.func.id]), node.args, node.keywords))
    elif isinstance(node, _DROPPED):
        yield node, "pass"
    elif isinstance(node, ast.IfExp):
        yield node, _text(ast.IfExp(node.test, node.orelse, node.body))


def _text(node: ast.expr) -> str:
    return f"({ast.unparse(ast.fix_missing_locations(node))})"


def tests_for(path: str) -> list[str]:
    """What is to notice a change of a file."""
    names = TESTS[max((prefix for prefix in TESTS if path.startswith(prefix)), key=len)].split()
    paths = [f"tests{name}" if name.startswith("/") else f"tests/net/{name}" for name in names]
    return [found + ".py" if (ROOT / f"{found}.py").exists() else found for found in paths]


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


def copy_of_the_project() -> Path:
    """A place in which one mutation after the other is tried."""
    place = Path(tempfile.mkdtemp(prefix="mutations-"))
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, place / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place / name)
    return place


def survives(mutation: Mutation, place: Path) -> bool:
    """Whether no test notices it."""
    path = place / mutation.path
    whole = path.read_bytes()
    path.write_bytes(whole[: mutation.start] + mutation.new.encode() + whole[mutation.end :])
    environment = {**os.environ, "PYTHONPATH": f"{place}{os.pathsep}{place / 'pytest_plugin'}", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-x",
        "-q",
        "-n",
        "0",
        "-p",
        "no:cacheprovider",
        "--no-header",
        "--tb=no",
        "--timeout=300",
        *tests_for(mutation.path),
    ]
    try:
        # Not even collected is noticed as well.
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, timeout=PATIENCE_S).returncode == 0
    except subprocess.TimeoutExpired:
        return False
    finally:
        path.write_bytes(whole)


def main(arguments: list[str] | None = None) -> int:
    """Draw, try, tell."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__.partition("\n")[0])
    parser.add_argument("rooms", nargs="+", help="net, net/tcp, kernel, kernel/timers …")
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--changed", metavar="REVISION")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--progress", action="store_true")
    options = parser.parse_args(arguments)
    every = candidates(options.rooms, options.changed)
    drawn = random.Random(options.seed).sample(every, min(options.count, len(every)))
    print(f"{len(drawn)} of {len(every)} mutations, seed {options.seed}", flush=True)
    if options.list:
        for mutation in drawn:
            print(f"{mutation.path}:{mutation.line}: {_short(mutation.old)} -> {_short(mutation.new)}")
        return 0
    return try_all(drawn, options.jobs, time.monotonic() + options.minutes * 60, options.progress)


def try_all(drawn: list[Mutation], jobs: int, end: float, progress: bool = False) -> int:
    """Try the mutations; 1 if some survive."""
    places: SimpleQueue[Path] = SimpleQueue()
    for _ in range(jobs):
        places.put(copy_of_the_project())

    def attempt(mutation: Mutation) -> bool | None:
        if time.monotonic() > end:
            return None
        place = places.get()
        try:
            return survives(mutation, place)
        finally:
            places.put(place)

    outcomes = []
    try:
        with ThreadPoolExecutor(jobs) as pool:
            for mutation, outcome in zip(drawn, pool.map(attempt, drawn)):
                outcomes.append(outcome)
                if progress:
                    print(f"{len(outcomes)}: {'left' if outcome is None else 'survives' if outcome else 'noticed'}", flush=True)
                if outcome:
                    print(f"survives: {mutation.path}:{mutation.line}: {_short(mutation.old)} -> {_short(mutation.new)}", flush=True)
    finally:
        for _ in range(jobs):
            shutil.rmtree(places.get(), ignore_errors=True)
    left = outcomes.count(None)
    print(f"{outcomes.count(False)} noticed, {outcomes.count(True)} survive" + (f", {left} left when the time was over" if left else ""))
    return 1 if True in outcomes else 0


if __name__ == "__main__":
    sys.exit(main())
