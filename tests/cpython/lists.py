"""Which tests of the interpreter's own are run in worlds, and which of them do not pass there: the files of ``lists/`` and ``reasons/``.

Owns how these files are written and read. There is one of each for a version of Python. A list has the tests that touch a socket, a poller or
a thread and pass on real ones: in the share ``asyncio`` those of the loop's own suites, in ``threads`` those that use threads, locks and queues
and no socket, in ``processes`` those that start processes, in ``sockets`` all others. Reasons are sentences, each above the tests that do not pass
because of it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
SHARES = {
    "sockets": "sockets and pollers, without the suites of asyncio",
    "asyncio": "the suites of asyncio and contextlib's asynchronous one",
    "threads": "threads, locks and queues without sockets",
    "processes": "processes: pools of them, and a share of multiprocessing",
}
VERSIONS = tuple(version for version in ("3.11", "3.12", "3.13", "3.14", "3.15") if (HERE / "lists" / f"{version}.txt").exists())
RUNNING = f"{sys.version_info[0]}.{sys.version_info[1]}"


class Test(NamedTuple):
    """One test of a list."""

    share: str
    module: str
    name: str
    """As ``unittest`` has it: module, class, method. Doctests have a name of their own."""


def list_file(version: str = RUNNING) -> Path:
    """The list for a version."""
    return HERE / "lists" / f"{version}.txt"


def reasons_file(version: str = RUNNING) -> Path:
    """The reasons for a version."""
    return HERE / "reasons" / f"{version}.txt"


def read(version: str = RUNNING) -> list[Test]:
    """The tests of a list, in its order."""
    tests: list[Test] = []
    share = module = ""
    for line in list_file(version).read_text(encoding="utf-8").splitlines():
        if line.startswith("== "):
            _, share, module = line.split()
        elif line and not line.startswith("#"):
            case, *methods = line.split()
            names = methods if case == "-" else [f"{module}.{case}.{method}" for method in methods]
            tests += [Test(share, module, name) for name in names]
    return tests


def write(tests: Iterable[Test], title: str, version: str = RUNNING) -> None:
    """A list, sorted by share, module and class."""
    cases: dict[tuple[str, str], dict[str, list[str]]] = {}
    for test in sorted(tests, key=lambda test: (list(SHARES).index(test.share), test.module, test.name)):
        prefix = test.module + "."
        case, method = test.name.removeprefix(prefix).split(".") if test.name.startswith(prefix) else ("-", test.name)
        cases.setdefault((test.share, test.module), {}).setdefault(case, []).append(method)
    lines = [f"# {title}"]
    for (share, module), methods in cases.items():
        lines += ["", f"== {share} {module}"]
        lines += [" ".join([case, *names]) for case, names in methods.items()]
    list_file(version).write_text("\n".join(lines) + "\n", encoding="utf-8")


def read_reasons(version: str = RUNNING) -> dict[str, str]:
    """Why which test does not pass in a world: its name, then the sentence."""
    reasons: dict[str, str] = {}
    sentence = ""
    for line in reasons_file(version).read_text(encoding="utf-8").splitlines():
        if line.startswith("    "):
            name = line.strip()
            if name in reasons:
                raise ValueError(f"{reasons_file(version)}: {name} has two reasons")
            reasons[name] = sentence
        elif line and not line.startswith("#"):
            sentence = line
    return reasons


def write_reasons(reasons: Mapping[str, str], version: str = RUNNING) -> None:
    """The reasons, the one with most tests first."""
    tests: dict[str, list[str]] = {}
    for name, sentence in sorted(reasons.items()):
        tests.setdefault(sentence, []).append(name)
    lines = [f"# Tests of lists/{version}.txt that do not pass in a world, below the reason why. One that passes must leave this file."]
    for sentence, names in sorted(tests.items(), key=lambda item: (-len(item[1]), item[0])):
        lines += ["", sentence, *(f"    {name}" for name in names)]
    reasons_file(version).write_text("\n".join(lines) + "\n", encoding="utf-8")
