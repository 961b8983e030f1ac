"""Every Python example of the README and the documentation is run as it stands, and every link leads somewhere.

Examples that define tests are collected by pytest; the others are executed. Of shell examples the ``simsock`` commands are read, by their own parser; the
README's two are run by ``.ci/run``.
"""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from simsock.cli import make_parser

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAIN = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio", "-q", "--hypothesis-profile=ci")
"""The profile has no deadline: on a busy machine an example may take its 200 ms of real time."""
LINKED = [*PAGES, ROOT / "CHANGELOG.md"]
_BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def examples(page: Path) -> list[str]:
    """The Python blocks of a page, in order."""
    return _BLOCK.findall(page.read_text(encoding="utf-8"))


def test_the_pages_have_examples() -> None:
    assert sum(len(examples(page)) for page in PAGES) >= 10


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "README.md" and examples(page)], ids=lambda page: page.name)
def test_the_examples_of_a_page_run(page: Path, pytester: pytest.Pytester) -> None:
    blocks = examples(page)
    tests = [block for block in blocks if re.search(r"^(async )?def test_|^    def test_", block, re.MULTILINE)]
    for number, block in enumerate(blocks):
        if block not in tests:
            path = pytester.makepyfile(**{f"example_{number}": block})
            result = pytester.runpython(path)
            assert result.ret == 0, f"example {number} of {page.name}:\n{block}\n{result.stderr.str()}"
    if tests:
        pytester.makepyfile(test_examples="\n\n".join(tests))
        result = pytester.runpytest_subprocess(*PLAIN)
        assert result.ret == 0, result.stdout.str()


def test_the_readme_s_examples_can_be_pasted_and_run(pytester: pytest.Pytester) -> None:
    """The first one into ``shout.py``, from which the others import; the one with the race fails, as it says."""
    first, *others = examples(ROOT / "README.md")
    pytester.makepyfile(shout=first)
    tests = {f"test_{number}": block for number, block in enumerate(others) if "def test_" in block}
    pytester.makepyfile(**tests)
    result = pytester.runpytest_subprocess("shout.py", *(f"{name}.py" for name in tests), *PLAIN, "--import-mode=prepend", "--simsock-network=both")
    result.stdout.fnmatch_lines(["*before = self.visits*", "FAILED*::test_no_visit_is_lost*", "1 failed, 5 passed*"])
    plain = [block for block in others if "def test_" not in block]
    done = pytester.runpython(pytester.makepyfile(plain="".join(f"exec({block!r}, dict(__name__='example'))\n" for block in plain)))
    assert done.ret == 0, done.stderr.str()


def test_every_page_is_reachable_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w./-]+\.md)\)", index))
    assert {page.name for page in PAGES if page.parent.name == "docs" and page.name != "index.md"} <= linked
    for link in linked:
        assert (ROOT / "docs" / link).exists(), link


def test_no_example_of_a_page_hides_another_one_s_test_or_means_something_else_by_a_name() -> None:
    for page in PAGES:
        seen: dict[str, str] = {}
        for block in examples(page):
            if "def test_" not in block:
                continue
            for node in ast.parse(block).body:
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                    known, ours = seen.get(node.name), ast.dump(node)
                    assert known is None or (known == ours and not node.name.startswith("test_")), f"{page.name}: two examples define {node.name}"
                    seen[node.name] = ours


def headings(page: Path) -> set[str]:
    """What a link to a heading of a page may say, by the rules of code hosts."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    titles = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title) for title in re.findall(r"^#{1,6} (.+)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links_of(page: Path) -> list[str]:
    """Where a page's links lead, without those in its blocks of code."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", text)


@pytest.mark.parametrize("page", LINKED, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in links_of(page):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in headings(target), f"{page.name}: {link}: {target.name} has no such heading"


def commands_of(page: Path) -> list[str]:
    """The ``simsock`` commands in a page's shell blocks, and in those that show what a command prints."""
    found = []
    for kind, block in re.findall(r"^```(bash|console|text)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        mark = "" if kind == "bash" else r"\$ "
        found += re.findall(rf"^{mark}(simsock .+)$", block, re.MULTILINE)
    return found


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=lambda page: page.name)
def test_every_command_of_a_page_can_be_read(page: Path) -> None:
    for command in commands_of(page):
        words = shlex.split(command, comments=True)
        words = words[1 : next((place for place, word in enumerate(words) if re.match(r"\d?>", word)), None)]
        make_parser().parse_args(words)
