"""Every link of the built site leads somewhere, and every page says what it is."""

from __future__ import annotations

import pytest
from browse import ROOT, SITE, pages_of
from links import Facts, problems, read

CHAPTERS = pages_of(ROOT / "_toc.yml")
PAGES = [f"{name}.html" for name in (*CHAPTERS, "index", "404", "search", "genindex")]


@pytest.fixture(scope="module")
def known() -> dict[str, Facts]:
    """The facts of the pages read so far."""
    return {}


@pytest.mark.slow
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("page", PAGES)
def test_every_link_and_anchor_leads_somewhere(page: str, known: dict[str, Facts]) -> None:
    found = problems(SITE, page, known)
    assert not found, "\n".join(found)


@pytest.mark.slow
@pytest.mark.usefixtures("site")
@pytest.mark.parametrize("page", CHAPTERS)
def test_every_chapter_says_what_it_is(page: str) -> None:
    facts = read(SITE / f"{page}.html")
    assert facts.lang == "en"
    assert facts.meta["og:title"]
    assert len(facts.meta["og:description"]) > 40
    assert facts.meta["description"] == facts.meta["og:description"]
    assert facts.meta.get("og:image", "https://").startswith("https://")


@pytest.mark.slow
@pytest.mark.usefixtures("site")
def test_the_page_for_missing_addresses_names_every_chapter() -> None:
    facts = read(SITE / "404.html")
    assert facts.links == [f"{page}.html" for page in CHAPTERS]
    assert facts.base.startswith("/")
    assert facts.base.endswith("/")
