"""Whether a test notices a mutation: a copy of the project, the tests that are run in it, and in which order.

Owns the copies (nothing is written outside of them), the table from files to tests, and the order: where it is known which tests execute the
mutated line (``executed_lines``), those of the file's table, the most telling first; otherwise all the files of the table, first those that import the
mutated module and name what it defines. Laws: the first test that fails ends it; what is not even collected, or does not end, is noticed.
"""

from __future__ import annotations

import ast
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from tests.mutations.drawing import ROOT
from tests.mutations.operators import Mutation

COPIED = ("simsock", "pytest_plugin", "tests", "scenarios", "docs", "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE")
PATIENCE_S = 60
"""How long one test may take: one that hangs has noticed. Less for those that are known to be fast: ten times as long as before, and this at least."""
PATIENCE_MIN_S = 20

PATIENCE_WITH_ALL_S = 240
"""How long the files of tests may take of which it is not known whether they execute the line: what none has noticed by then counts as surviving."""
KNOWN_MAX_S = 30
"""For how long those that are known to execute a line are run, the most telling first, unless all are asked for."""
FEW = 3
"""What so few tests are known to execute may be done once in a process: it is looked at like what none is known to."""
FIRST_MAX = 40
"""So many tests are tried before all that are left are collected."""

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
    "simsock/kernel/coverage_check.py": "/plugin/test_coverage",
    "simsock/kernel/touching.py": "/search /kernel/test_footprints",
    "simsock/kernel/footprints.py": "/kernel/test_footprints /search",
    "simsock/kernel": "/kernel /world /stdlib test_polling test_descriptors",
    "simsock/socketserver": "/framework",
    "simsock/choices": "/choices /search",
    "simsock/patching": "/patching /unmodified",
}
"""Which tests are to notice a change of a file: those of the longest prefix, the nearest first; in ``tests/net`` unless they begin with a slash."""

_SPENT_A_TEST_S = 0.02
"""What a test takes beside its own time."""


def selection() -> str:
    """Which tests are tried, as pytest's ``-m`` has it: those that the suite runs, and those of the whole process, which it leaves to a smaller one."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]["addopts"]
    usual = str(options[options.index("-m") + 1])
    if " and not heap" not in usual:
        raise LookupError(f"pyproject.toml: expected 'and not heap' in {usual!r}")
    return usual.replace(" and not heap", "")


class Verdict(NamedTuple):
    """What became of one mutation."""

    noticed: bool | None
    """None: there was no time."""
    by: str = ""
    """The first test that failed, or what else happened."""


class Lines:
    """Which tests execute which lines, from the files that ``tests.mutations.executed_lines`` wrote."""

    def __init__(self, folder: Path | None) -> None:
        self.seconds: dict[str, float] = {}
        self._tests: dict[tuple[str, int], list[str]] = {}
        self._count: dict[tuple[str, str], int] = {}
        """How many lines of a file a test executes."""
        for path in sorted(folder.glob("*.json")) if folder else ():
            for test, (seconds, files) in json.loads(path.read_text()).items():
                self.seconds[test] = seconds
                for name, lines in files.items():
                    self._count[test, name] = len(lines)
                    for line in lines:
                        self._tests.setdefault((name, line), []).append(test)

    def executing(self, mutation: Mutation) -> list[str]:
        """The tests that execute what is changed; those that execute most of its file in the shortest time first."""
        first, last = mutation.lines
        places: Iterable[tuple[str, int]] = ((mutation.path, line) for line in range(first, last + 1))
        if mutation.names:
            places = list(_mentions(mutation.names))
        found = {test for place in places for test in self._tests.get(place, ())}
        return sorted(found, key=lambda test: ((self.seconds[test] + _SPENT_A_TEST_S) / (1 + self._count.get((test, mutation.path), 0)), test))


def _mentions(names: tuple[str, ...]) -> Iterable[tuple[str, int]]:
    """Where simsock's sources have one of some names."""
    pattern = re.compile(r"\b(?:" + "|".join(map(re.escape, names)) + r")\b")
    for path in sorted((ROOT / "simsock").rglob("*.py")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if pattern.search(line):
                yield path.relative_to(ROOT).as_posix(), number


def tests_for(path: str) -> list[str]:
    """What is to notice a change of a file: paths of files and folders."""
    names = TESTS[max((prefix for prefix in TESTS if path.startswith(prefix)), key=len)].split()
    paths = [f"tests{name}" if name.startswith("/") else f"tests/net/{name}" for name in names]
    return [found + ".py" if (ROOT / f"{found}.py").exists() else found for found in paths]


def nearest_first(path: str) -> list[str]:
    """The files of tests for a file: those that import it and name most of what it defines before the others."""
    nearness = nearness_of(path)
    return sorted(nearness, key=nearness.__getitem__)


def nearness_of(path: str) -> dict[str, tuple[bool, bool, int]]:
    """The files of tests for a file, and of each whether it does not import it, nor is called so, and how little of what it defines it names."""
    files = []
    for name in tests_for(path):
        found = [ROOT / name] if name.endswith(".py") else sorted((ROOT / name).rglob("test_*.py"))
        files += [one.relative_to(ROOT).as_posix() for one in found]
    module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
    package, _, last = module.rpartition(".")
    imported = re.compile(rf"\b{re.escape(module)}\b|from {re.escape(package)} import [^\n]*\b{last}\b")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    defined = [node.name for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not node.name.startswith("_")]
    named = re.compile(r"\b(?:" + "|".join(map(re.escape, defined or ["-"])) + r")\b")
    nearness = {}
    for name in dict.fromkeys(files):
        text = (ROOT / name).read_text(encoding="utf-8")
        nearness[name] = imported.search(text) is None, last not in Path(name).stem, -len(set(named.findall(text)))
    return nearness


_later = itertools.count(1)


class Copy:
    """A place in which one mutation after the other is tried."""

    _process: subprocess.Popen[str] | None = None
    _stopped = False

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp(prefix="mutations-"))
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.place / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(source, self.place / name)

    def remove(self) -> None:
        """Nothing stays."""
        shutil.rmtree(self.place, ignore_errors=True)

    def stop(self) -> None:
        """End what is being tried, and try nothing more."""
        self._stopped = True
        self._end_process()

    def _end_process(self) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)

    def attempt(self, mutation: Mutation, lines: Lines, end: float = float("inf"), whole: bool = False) -> Verdict:
        """Make it, run the tests, take it back."""
        path = self.place / mutation.path
        text, stat = path.read_bytes(), path.stat()
        path.write_bytes(text[: mutation.start] + mutation.new.encode() + text[mutation.end :])
        # Bytecode is kept by time and size: each mutation has a time of its own.
        os.utime(path, (stat.st_atime, int(stat.st_mtime) + next(_later)))
        try:
            return self._look(mutation, lines, end, whole)
        finally:
            path.write_bytes(text)
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    def _look(self, mutation: Mutation, lines: Lines, end: float, whole: bool) -> Verdict:
        known, count = self._known(mutation, lines, whole)
        for tests in (known[:FIRST_MAX], known[FIRST_MAX:]):
            if tests:
                seconds = [lines.seconds[test] for test in tests]
                patience = max(PATIENCE_MIN_S, round(10 * max(seconds)))
                limit = time.monotonic() + 120 + 10 * sum(seconds) + len(tests) * _SPENT_A_TEST_S
                verdict = self.run(sorted({test.partition("::")[0] for test in tests}), tests, min(limit, end), patience)
                if verdict.noticed is None and time.monotonic() < end:
                    return Verdict(True, "it does not end")
                if verdict.noticed is not False:
                    return verdict
        # What other processes execute is not known, nor what was done once in the process and is kept: whatever imports the module is run as well.
        nearness = nearness_of(mutation.path)
        others = [name for name in nearest_first(mutation.path) if whole or count <= FEW or not nearness[name][0]]
        said = f"{len(known)} of {count} tests that execute it were run"
        if others:
            verdict = self.run(others, None, end if whole else min(time.monotonic() + PATIENCE_WITH_ALL_S, end))
            if verdict.noticed or (verdict.noticed is None and time.monotonic() >= end):
                return verdict
            said += f" and {'what there was time for of ' if verdict.noticed is None else ''}{len(others)} files"
        return Verdict(False, said)

    def _known(self, mutation: Mutation, lines: Lines, whole: bool) -> tuple[list[str], int]:
        """The tests to be run of those that are known to execute it, the most telling first, and how many there are."""
        known = lines.executing(mutation)
        room = tuple(tests_for(mutation.path))
        if not whole and any(test.startswith(room) for test in known):
            known = [test for test in known if test.startswith(room)]
        spent = 0.0
        for number, test in enumerate(known):
            spent += lines.seconds[test] + _SPENT_A_TEST_S
            if spent > KNOWN_MAX_S and number and not whole:
                return known[:number], len(known)
        return known, len(known)

    def run(self, files: list[str], tests: list[str] | None, limit: float, patience: int = PATIENCE_S) -> Verdict:
        """Run the tests in the copy, those that are named or all of the files, until one fails. It is not known when there was no time for all."""
        environment = {**os.environ, "PYTHONPATH": f"{self.place}{os.pathsep}{self.place / 'pytest_plugin'}"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--no-header", "--tb=no", f"--timeout={patience}"]
        command += ["-m", selection()]
        if tests is not None:
            chosen = self.place / "chosen.txt"
            chosen.write_text("\n".join(tests))
            environment["CHOSEN_TESTS"] = str(chosen)
            command += ["-p", "tests.mutations.choosing"]
        process = self._process = subprocess.Popen(
            [*command, *files],
            cwd=self.place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        if self._stopped:
            self._end_process()
        try:
            output, _ = process.communicate(timeout=max(limit - time.monotonic(), 0.01))
        except subprocess.TimeoutExpired:
            return Verdict(None)
        finally:
            self._end_process()
            process.communicate()
        if process.returncode == 0:
            return Verdict(False)
        if process.returncode == 5:
            raise LookupError(f"pytest found no test in {files}: {output[-2000:]}")
        failed = re.search(r"^(?:FAILED|ERROR) (\S.*?)(?: - .*)?$", output, re.MULTILINE)
        return Verdict(True, failed[1] if failed else f"exit code {process.returncode}: {output.strip()[-200:]}")
