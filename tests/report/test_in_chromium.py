"""Reports as a real browser shows them: Debian's ``chromium``. Run with ``python -m pytest -m browser tests/report``."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from simsock.report.page import index_page, page
from tests.report.test_pages import FACTS, HOSTILE, _everywhere, _row

pytestmark = pytest.mark.browser

ASKS = """<script>
addEventListener("load", () => setTimeout(() => {
  const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
  %s
}, 50));
</script></body>"""
"""What a test asks a page by a script of its own, in a copy whose policy lets it."""


@pytest.fixture
def chromium(tmp_path):
    command = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if command is None:
        pytest.fail("there is no chromium: apt-get install chromium")

    def show(source, width=1280, height=900, *options):
        file = tmp_path / "page.html"
        file.write_text(source, encoding="utf-8")
        words = [command, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},{height}"]
        words += ["--enable-logging=stderr", "--virtual-time-budget=2000", "--dump-dom", *options, file.as_uri()]
        done = subprocess.run(words, capture_output=True, text=True, timeout=90, check=True)
        return done.stdout, done.stderr

    return show


def asking(source, script):
    """The page with a script that says what it saw in the title."""
    open_to_us = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", source)
    assert open_to_us != source
    return open_to_us.replace("</body>", ASKS % script)


def title(dom):
    return re.search(r"<title>(.*?)</title>", dom, re.DOTALL)[1]


def test_the_script_of_a_page_runs_under_its_policy_and_nothing_else_does(chromium):
    for source in (page(FACTS, ["a.json"]), page(_everywhere(FACTS, HOSTILE), [HOSTILE]), index_page([{**_row(FACTS), "title": HOSTILE, "error": HOSTILE}])):
        dom, log = chromium(source)
        assert re.search(r'<button id="theme"(?![^>]*hidden)', dom), "the script has shown its button"
        assert "Content Security Policy" not in log and "Uncaught" not in log, log
        assert "alert" not in title(dom) or "&lt;script" in title(dom)
        assert dom.count("<script") == 1 and "<img" not in dom
    dom, log = chromium(page(FACTS, []).replace("</body>", "<script>document.title = 'ran'</script><img src=x onerror=\"document.title = 'ran'\"></body>"))
    assert title(dom) != "ran" and "Content Security Policy" in log, "had the escaping failed, the policy would still have held"


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_its_window(chromium, width):
    dom, _ = chromium(asking(page(FACTS, ["a.json"]), "document.title = document.documentElement.scrollWidth + ' of ' + innerWidth;"), width)
    wide, _, window = title(dom).partition(" of ")
    assert int(wide) <= int(window)


def test_keys_walk_over_the_story_and_change_the_colours(chromium):
    script = """
      key("j"); key("j"); key("k");
      const rows = [...document.querySelectorAll("tr[data-row]")];
      const before = getComputedStyle(document.body).backgroundColor;
      key("t");
      const after = getComputedStyle(document.body).backgroundColor;
      document.title = [rows.findIndex((row) => row.classList.contains("here")), document.querySelectorAll(".source .here").length, before !== after].join();
    """
    dom, _ = chromium(asking(page(FACTS, ["a.json"]), script))
    assert title(dom) == "0,1,true"


def test_what_is_lost_is_seen_in_the_diagram(chromium):
    script = """
      const cross = [...document.querySelectorAll("#packets ~ .picture .cut")].filter((one) => one.querySelector(".cross"));
      const box = cross[0].querySelector("line").getBoundingClientRect();
      const colour = getComputedStyle(cross[0].querySelector("line")).stroke;
      document.title = [cross.length > 0, box.width > 50, colour !== getComputedStyle(document.querySelector(".plain line")).stroke].join();
    """
    dom, _ = chromium(asking(page(FACTS, ["a.json"]), script))
    assert title(dom) == "true,true,true"
