"""Every page of the built site, in a real browser, light, dark and on a phone."""

from __future__ import annotations

import pytest
from browse import ROOT, VIEWS, View, Visit, examine_all, opened, pages_of
from playwright.sync_api import Browser

pytestmark = pytest.mark.slow

SCREENSHOTS = ROOT / "_build" / "screenshots"
CHAPTERS = pages_of(ROOT / "_toc.yml")
PAGES = [*CHAPTERS, "404", "search", "genindex"]


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: view.name)
@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_fault(
    browser: Browser, site: str, note: list[tuple[str, Visit]], name: str, view: View
) -> None:
    with opened(browser, site, f"{name}.html", view) as (page, visit):
        picture = SCREENSHOTS / view.name / f"{name.replace('/', '-')}.png"
        page.screenshot(path=picture, full_page=True, animations="disabled")
        examine_all(page, visit, view)
    if view.name == "light":
        note.append((name, visit))
    assert not visit.problems, "\n".join(visit.problems)


def test_the_search_finds_a_word_of_a_page(browser: Browser, site: str) -> None:
    with opened(browser, site, "search.html?q=poison", VIEWS[0]) as (page, visit):
        page.locator("#search-results li a").first.wait_for(timeout=20_000)
        found = page.locator("#search-results li a").evaluate_all("links => links.map(a => a.href)")
        assert any(f"{CHAPTERS[1]}.html" in address for address in found), found
        assert visit.problems == []


def test_the_front_door_leads_to_the_first_page(browser: Browser, site: str) -> None:
    with opened(browser, site, "", VIEWS[0]) as (page, visit):
        page.wait_for_url(f"{site}{CHAPTERS[0]}.html")
        assert visit.problems == []


def test_an_address_that_does_not_exist_leads_back(browser: Browser, site: str) -> None:
    with opened(browser, site, "no/such/page.html", VIEWS[0]) as (page, _):
        assert page.locator("h1").inner_text() == "There is no such page"
        page.locator("main li a").nth(1).click()
        page.wait_for_url(f"{site}{CHAPTERS[1]}.html")
    with opened(browser, site, "no/such/page.html", VIEWS[0]) as (page, _):
        page.get_by_role("searchbox").fill("poison")
        page.keyboard.press("Enter")
        page.locator("#search-results li a").first.wait_for(timeout=20_000)
