"""A page with planted defects: each check sees what it is there for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browse import HEAVIEST, VIEWS, Visit, examine_all, opened, serve
from links import problems
from playwright.sync_api import Browser

GOOD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,"></head><body><main><h1 id="top">A page</h1>
<p>Words, and <a href="index.html#top">a link</a> and <a href="https://example.org/">one more</a>.
<img src="dot.svg" alt="a dot"></p><details><summary>What?</summary>That.</details>%s</main></body>
</html>"""
DOT = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><circle r="4"/></svg>'
BLOCKER = "<script>addEventListener('keydown', e => e.preventDefault())</script>"
SHUT = "<script>document.querySelector('summary').onclick = e => e.preventDefault()</script>"

SEEN = [
    ("light", '<script src="https://cdn.example.org/a.js"></script>', "asks another host"),
    ("light", "<script>console.error('oh')</script>", "console error: oh"),
    ("light", "<script>nobody.knows()</script>", "script error: nobody is not defined"),
    ("light", '<img src="dot.svg">', "image without alt text: dot.svg"),
    ("light", '<img src="gone.png" alt="gone">', "answer 404"),
    ("light", '<p style="color:#aaa">pale</p>', "axe color-contrast"),
    ("dark", '<img src="dot.svg">', "axe image-alt"),
    ("phone", "<table><tr><td>" + "wide_" * 90 + "</td></tr></table>", "scrolls sideways"),
    ("light", "<script>fetch('heavy.png').then(r => r.blob())</script>", "bytes, more than"),
    ("light", BLOCKER, "Tab does not reach: <a"),
    ("light", SHUT, "Enter does not open"),
]
READ = [
    ('<a href="gone.html">x</a>', "leads nowhere: gone.html"),
    ('<a href="../outside.html">x</a>', "leads nowhere"),
    ('<a href="index.html#nowhere">x</a>', "no such place on the page"),
    ('<a href="#nowhere">x</a>', "no such place on the page"),
    ('<a href="/index.html">x</a>', "starts at the root of the host"),
    ('<a href="http://example.org/">x</a>', "not https"),
    ('<a href="https://example/a b">x</a>', "malformed"),
    ('<a href="//example.org/">x</a>', "not https"),
    ('<script src="https://cdn.example.org/a.js"></script>', "loads from another host"),
    ('<link rel="stylesheet" href="//cdn.example.org/a.css">', "loads from another host"),
    ('<img src="gone.png" alt="gone">', "leads nowhere: gone.png"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outside.html").write_text("outside", encoding="utf-8")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "dot.svg").write_text(DOT, encoding="utf-8")
    (tmp_path / "site" / "heavy.png").write_bytes(bytes(HEAVIEST))
    return tmp_path / "site"


@pytest.fixture
def root(folder: Path) -> Iterator[str]:
    with serve(folder) as address:
        yield address


def visited(browser: Browser, folder: Path, root: str, name: str, defect: str) -> Visit:
    (folder / "index.html").write_text(GOOD % defect, encoding="utf-8")
    (view,) = [view for view in VIEWS if view.name == name]
    with opened(browser, root, "index.html", view) as (page, visit):
        examine_all(page, visit, view)
    return visit


@pytest.mark.slow
@pytest.mark.parametrize("name", [view.name for view in VIEWS])
def test_a_good_page_has_no_fault(browser: Browser, folder: Path, root: str, name: str) -> None:
    visit = visited(browser, folder, root, name, "")
    assert visit.problems == []
    assert visit.weight > 300
    assert problems(folder, "index.html", {}) == []


@pytest.mark.slow
@pytest.mark.parametrize(("name", "defect", "told"), SEEN, ids=[told for *_, told in SEEN])
def test_a_defect_is_seen(
    browser: Browser, folder: Path, root: str, name: str, defect: str, told: str
) -> None:
    visit = visited(browser, folder, root, name, defect)
    assert any(told in problem for problem in visit.problems), visit.problems


@pytest.mark.parametrize(("defect", "told"), READ)
def test_a_bad_link_is_seen(folder: Path, defect: str, told: str) -> None:
    (folder / "index.html").write_text(GOOD % defect, encoding="utf-8")
    (problem,) = problems(folder, "index.html", {})
    assert told in problem
