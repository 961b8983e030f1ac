"""The table of modules in ``docs/compatibility.md``, made of ``lists/``, ``reasons/`` and ``seconds/``. ``python -m tests.cpython.table`` writes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import fsum
from pathlib import Path

from . import lists

PAGE = lists.HERE.parent.parent / "docs" / "compatibility.md"
FIRST, LAST = "<!-- written by python -m tests.cpython.table -->", "<!-- until here -->"


def seconds_file(version: str = lists.RUNNING) -> Path:
    """What the tests of each module took: really, and in worlds."""
    return lists.HERE / "seconds" / f"{version}.txt"


def read_seconds(version: str) -> dict[str, tuple[float, float]]:
    """By module."""
    if not seconds_file(version).exists():
        return {}
    lines = [line.split() for line in seconds_file(version).read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return {module: (float(real), float(world)) for module, real, world in lines}


def write_seconds(measured: Mapping[str, tuple[float, float]], version: str = lists.RUNNING) -> None:
    """Put what was measured in the place of what was there of these modules."""
    known = {**read_seconds(version), **measured}
    lines = ["# Seconds of the tests of a module: on real sockets, in worlds. Written by `python -m tests.cpython --real --write`."]
    lines += [f"{module} {real:.1f} {world:.1f}" for module, (real, world) in sorted(known.items())]
    seconds_file(version).parent.mkdir(exist_ok=True)
    seconds_file(version).write_text("\n".join(lines) + "\n", encoding="utf-8")


def counts(version: str) -> dict[tuple[str, str], tuple[int, int]]:
    """How many tests of a module pass in a world, and how many there are, by share and module; of whole shares under the name ``""``."""
    reasons = lists.read_reasons(version)
    listed: Counter[tuple[str, str]] = Counter()
    passing: Counter[tuple[str, str]] = Counter()
    for test in lists.read(version):
        for module in (test.module, ""):
            listed[test.share, module] += 1
            passing[test.share, module] += test.name not in reasons
    return {key: (passing[key], total) for key, total in listed.items()}


def lines() -> list[str]:
    """The table, line by line."""
    versions = lists.VERSIONS
    counted = {version: counts(version) for version in versions}
    result = []
    for share, words in lists.SHARES.items():
        modules = sorted({module for version in versions for of, module in counted[version] if of == share and module})
        result += ["", f"**{words[0].upper()}{words[1:]}**", "", "| module | " + " | ".join(versions) + " |", "|---" * (len(versions) + 1) + "|"]
        for module in [*modules, ""]:
            cells = [counted[version].get((share, module)) for version in versions]
            title = f"`{module.removeprefix('test.')}`" if module else "all"
            result.append(f"| {title} | " + " | ".join(_cell(cell, share=not module) for cell in cells) + " |")
    measured = {version: read_seconds(version) for version in versions}
    if any(measured.values()):
        result += ["", "| all of them | " + " | ".join(versions) + " |", "|---" * (len(versions) + 1) + "|"]
        for title, place in (("seconds on real sockets", 0), ("seconds in worlds", 1)):
            # fsum: the same to the last digit on every Python
            sums = [fsum(pair[place] for pair in measured[version].values()) for version in versions]
            result.append(f"| {title} | " + " | ".join(f"{total:.0f}" if total else "" for total in sums) + " |")
    result += ["", *_why(versions)]
    return result


def _cell(pair: tuple[int, int] | None, *, share: bool) -> str:
    if pair is None:
        return ""
    passing, total = pair
    return f"{passing} of {total}" + (f" ({passing / total:.1%})" if share else "") if passing != total or share else f"{total}"


def _why(versions: tuple[str, ...]) -> list[str]:
    """The reasons, each with how many tests of which version do not pass for it."""
    sums = {version: Counter(lists.read_reasons(version).values()) for version in versions}
    sentences = sorted({sentence for counter in sums.values() for sentence in counter}, key=lambda text: (-sum(of[text] for of in sums.values()), text))
    rows = [f"| {sentence} | " + " | ".join(str(sums[version][sentence] or "") for version in versions) + " |" for sentence in sentences]
    return ["| what does not pass, and why | " + " | ".join(versions) + " |", "|---" * (len(versions) + 1) + "|", *rows]


def page_with_table() -> str:
    """The page as it should be."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(FIRST)
    _, after = rest.split(LAST)
    return before + FIRST + "\n" + "\n".join(lines()) + "\n\n" + LAST + after


def write() -> None:
    """Write it."""
    PAGE.write_text(page_with_table(), encoding="utf-8")


if __name__ == "__main__":
    write()
