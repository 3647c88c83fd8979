"""What a page may hold: formulas, widgets, wide tables, boxes to open. All of it at home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sample
from browse import ROOT, VIEWS, View, examine_all, opened, serve
from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

WHERE = {
    "BOOK_REPOSITORY_URL": "https://github.com/Alice/trap-lab",
    "BOOK_REPOSITORY_BRANCH": "dev",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sample.build(tmp_path_factory.mktemp("sample"), **WHERE)


@pytest.fixture(scope="module")
def root(built: Path) -> Iterator[str]:
    with serve(built) as address:
        yield address


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("name", ["book/index", "book/widgets"])
def test_no_page_has_a_fault(browser: Browser, root: str, name: str, view: View) -> None:
    with opened(browser, root, f"{name}.html", view) as (page, visit):
        picture = ROOT / "_build" / "screenshots" / view.name / f"sample-{name[5:]}.png"
        page.screenshot(path=picture, full_page=True, animations="disabled")
        examine_all(page, visit, view)
    assert not visit.problems, "\n".join(visit.problems)


def test_formulas_are_set(browser: Browser, root: str) -> None:
    with opened(browser, root, "book/index.html", VIEWS[0]) as (page, _):
        assert page.locator("mjx-container").count() == 2


def test_widgets_live_without_a_kernel(browser: Browser, root: str) -> None:
    with opened(browser, root, "book/widgets.html", VIEWS[0]) as (page, _):
        button = page.locator("button.counter")
        assert button.inner_text() == "count 7"
        button.click()
        assert button.inner_text() == "count 8"
        assert page.locator(".widget-readout").inner_text() == "42"


def test_a_recording_goes_before_a_panel_without_a_kernel(browser: Browser, root: str) -> None:
    with opened(browser, root, "book/widgets.html", VIEWS[0]) as (page, _):
        assert page.locator("#recording").inner_text() == "a recording"


def test_the_launch_buttons_open_this_very_page(built: Path) -> None:
    text = (built / "book" / "widgets.html").read_text(encoding="utf-8")
    page = "book/widgets.ipynb"
    assert f"https://colab.research.google.com/github/Alice/trap-lab/blob/dev/{page}" in text
    assert f"https://mybinder.org/v2/gh/Alice/trap-lab/dev?urlpath=lab/tree/{page}" in text
    assert "executablebooks" not in text


def test_a_card_of_a_page_has_a_picture_with_a_full_address(built: Path) -> None:
    text = (built / "book" / "index.html").read_text(encoding="utf-8")
    home = "https://alice.github.io/trap-lab/"
    assert f'<meta property="og:image" content="{home}the_trap.png" />' in text
    assert f'<meta property="og:url" content="{home}book/index.html" />' in text
    assert (built / "the_trap.png").is_file()


def test_the_page_for_missing_addresses_knows_where_the_site_lies(built: Path, root: str) -> None:
    assert '<base href="/trap-lab/">' in (built / "404.html").read_text(encoding="utf-8")
    assert root.endswith("/trap-lab/")
