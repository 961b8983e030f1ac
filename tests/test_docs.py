"""Every Python example of the README and the documentation is run as it stands.

Examples that define tests are collected by pytest; the others are executed. Shell examples are the business of ``.ci/run``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PLAIN = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:asyncio", "-q", "--hypothesis-profile=ci")
"""The profile has no deadline: on a busy machine an example may take its 200 ms of real time."""
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


def test_the_readme_s_examples_run_together(pytester: pytest.Pytester) -> None:
    shown = examples(ROOT / "README.md")
    tests = [block for block in shown if "schedules=1000" not in block and "verdict = " not in block]
    # The README shows the handler after the test that uses it, and leaves imports and the searched test to the reader.
    pytester.makepyfile(test_readme="import pytest\nimport simsock\n" + "\n\n".join(tests))
    result = pytester.runpytest_subprocess(*PLAIN, "--simsock-network=both")
    assert result.ret == 0, result.stdout.str()
    result.stdout.fnmatch_lines(["*4 passed*"])


def test_every_page_is_reachable_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(([\w./-]+\.md)\)", index))
    assert {page.name for page in PAGES if page.parent.name == "docs" and page.name != "index.md"} <= linked
    for link in linked:
        assert (ROOT / "docs" / link).exists(), link
