"""The documentation as a site: ``python -m sphinx -W --keep-going -c docs/site docs FOLDER`` (docs/development.md).

Owns how pages that are plain Markdown in a checkout become a site. Laws:

* a page is written once: the README and the change log are read where they stand, and the menu is made of the links in docs/index.md, section by section;
* links between pages are checked, and so are the headings that they lead to: what leads nowhere ends the build;
* what lies in the repository and is no page (scenarios, tests) is shown as text, since a site does not have it.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent.parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), str(ROOT / "pytest_plugin")]

import simsock  # noqa: E402  # from the checkout

project = "simsock"
author = copyright = "the simsock developers"
version = release = simsock.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "index"
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
html_theme = "furo"
html_title = f"simsock {release}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False

myst_heading_anchors = 4
"""Headings are found by the names that code hosts give them."""
suppress_warnings = ["myst.header"]
"""A page that is read in a checkout may begin lower than with a first heading."""

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
nitpicky = False

ELSEWHERE = {"README.md": "site/readme", "CHANGELOG.md": "site/changelog", "docs/search.md": "site/how-soon"}
"""Files that stand elsewhere in the site: those outside docs/, and one whose name is that of Sphinx's own search page."""
exclude_patterns = ["search.md"]
_LINK = re.compile(r"(?<!!)\[((?:[^\]\[]|\[[^\]]*\])*)\]\((\.\./[^)#]*|[^):#]+)(#[^)]*)?\)")
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_NO_MENU = ("The picture in three sentences",)


def menu_of(index: str) -> str:
    """Of the index's text: a hidden table of contents for each section, with the pages to which the section links, in its order."""
    parts = _SECTION.split(index)
    made = []
    docs = DOCS.relative_to(ROOT).as_posix()
    seen: set[str] = set()
    for title, text in zip(parts[1::2], parts[2::2], strict=True):
        pages = []
        for _, target, anchor in _LINK.findall(text):
            name = target.removeprefix("../") if target.startswith("../") else f"{docs}/{target}"
            page = ELSEWHERE.get(name, re.sub(r"\.(md|rst)$", "", target))
            if not anchor and page not in seen and title not in _NO_MENU:
                seen.add(page)
                pages.append(page)
        if pages:
            made.append("\n".join(["```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""]))
    return "\n".join(made)


def on_site(text: str, folder: Path) -> str:
    """A page's text with its links out of docs/ as the site has them. ``folder``: where the text stands in the repository."""

    def changed(found: re.Match[str]) -> str:
        words, target, anchor = found.groups()
        path = (folder / target).resolve()
        if not path.exists() or not path.is_relative_to(ROOT):
            return found[0]  # the build complains
        name = path.relative_to(ROOT).as_posix()
        if name in ELSEWHERE:
            return f"[{words}](/{ELSEWHERE[name]}.md{anchor or ''})"
        if path.is_relative_to(DOCS) and path.is_file():
            return f"[{words}](/{path.relative_to(DOCS).as_posix()}{anchor or ''})"
        return words if words.startswith("`") else f"{words} (`{name}`)"

    return _LINK.sub(changed, text)


def read_page(app: Any, name: str, source: list[str]) -> None:
    """What Sphinx is given instead of a page's text."""
    stands_in = {page: file for file, page in ELSEWHERE.items()}
    if name in stands_in:
        file = ROOT / stands_in[name]
        source[0] = on_site(file.read_text(encoding="utf-8"), file.parent)
        app.env.note_dependency(str(file))
    elif name == root_doc:
        source[0] = on_site(source[0], DOCS) + "\n" + menu_of(source[0])
    elif not name.startswith("site/"):
        source[0] = on_site(source[0], (DOCS / name).parent)


def setup(app: Any) -> dict[str, Any]:
    app.connect("source-read", read_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
