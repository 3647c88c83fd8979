"""What every page of the site says about itself, and the pages that Jupyter Book does not make."""

from __future__ import annotations

import html
import re
from pathlib import Path
from string import Template
from urllib.parse import urlsplit

from docutils import nodes
from sphinx.application import Sphinx

PICTURE = "the_trap.png"  # at the root of the site: see html_extra_path in _config.yml
PICTURE_TEXT = (  # as in the README
    "Four agents learn. Left: the proxy score of the two that are paid for it rises far above that "
    "of the others. Right: their true energy falls far below the random walk, while that of the "
    "two that are paid energy rises, late for the one that sees only the sensor."
)
LONGEST = 200  # characters of a description
MENDS = (  # what the theme's templates write, what stands in its place, and why
    # A script of 1.5 MB draws the icons that the style sheet's font draws already.
    (re.compile(r'\s*<script [^>]*src="[^"]*scripts/fontawesome\.js[^"]*"[^>]*></script>'), ""),
    # Who speaks to the browser says what is written there: "Search", "Show code cell source".
    (re.compile(r'(<button class="btn search-button-field [^>]*) aria-label="Search"'), r"\1"),
    (re.compile(r'<summary aria-label="Toggle hidden content">'), "<summary>"),
    # Works stand in a list; the role that Sphinx gives them belongs to list items of another kind.
    (re.compile(r'(<div class="citation" [^>]*)role="doc-biblioentry"'), r'\1role="listitem"'),
    # The arrow that opens the pages below a page has no name.
    (
        re.compile(r'<summary>(?=<span class="toctree-toggle")'),
        '<summary aria-label="Pages below this one">',
    ),
    # The logo lies in the sidebar, which is no landmark: a screen reader would pass it by.
    (
        re.compile(r'(<div id="pst-primary-sidebar") (class=)'),
        r'\1 role="complementary" aria-label="Book" \2',
    ),
)


def description(tree: nodes.document | None) -> str:
    """Return the first paragraph of a page that is prose of its own, cut between two words."""
    for paragraph in tree.findall(nodes.paragraph) if tree is not None else ():
        if isinstance(paragraph.parent, nodes.section | nodes.document):
            text = " ".join(paragraph.astext().split())
            if len(text) <= LONGEST:
                return text
            return text[:LONGEST].rsplit(" ", 1)[0].rstrip(",;:") + " …"
    return ""


def meta_tags(title: str, text: str, url: str | None, path: str) -> str:
    """Return the tags from which other sites make a card for a page.

    Args:
        title: of the page.
        text: its description; may be empty.
        url: of the site; without it a card has no picture, since that needs a full address.
        path: of the page, from the root of the site.
    """
    named = {"og:type": "article", "og:site_name": "The Goodhart Trap", "og:title": title}
    if text:
        named |= {"og:description": text}
    if url:
        named |= {"og:url": url + path, "og:image": url + PICTURE, "og:image:alt": PICTURE_TEXT}
    lines = [f'<meta property="{key}" content="{html.escape(v)}" />' for key, v in named.items()]
    if text:
        lines.append(f'<meta name="description" content="{html.escape(text)}" />')
    card = "summary_large_image" if url else "summary"
    return "\n".join([*lines, f'<meta name="twitter:card" content="{card}" />'])


def chapters(app: Sphinx) -> list[str]:
    """Return the pages in reading order."""
    found, waiting = [], [app.config.root_doc]
    while waiting:
        page = waiting.pop(0)
        found.append(page)
        waiting = [*app.env.toctree_includes.get(page, []), *waiting]
    return found


def write_outer_pages(app: Sphinx) -> None:
    """Write the front door and the page for addresses that do not exist, from book/_root.

    The second is shown in place of a page at any depth, so its links start at the site's root.
    """
    url = app.config.html_baseurl or None
    root = app.config.root_doc
    text = description(app.env.get_doctree(root))
    links = "\n".join(
        f'<li><a href="{page}.html">{html.escape(app.env.titles[page].astext())}</a></li>'
        for page in chapters(app)
    )
    filled = {
        "base": html.escape(urlsplit(url).path if url else "/"),
        "links": links,
        "meta": meta_tags(app.config.html_title, text, url, ""),
        "first": f"{root}.html",
    }
    for template in Path(app.srcdir, "book", "_root").glob("*.html"):
        page = Template(template.read_text(encoding="utf-8")).substitute(filled)
        Path(app.outdir, template.name).write_text(page, encoding="utf-8")


def mend_theme(app: Sphinx) -> None:
    """Mend in the written pages what the theme offers no setting for; twice does no harm."""
    for page in Path(app.outdir).rglob("*.html"):
        text = mended = page.read_text(encoding="utf-8")
        for written, instead in MENDS:
            mended = written.sub(instead, mended)
        if mended != text:
            page.write_text(mended, encoding="utf-8")


def finish(app: Sphinx, error: Exception | None) -> None:
    """Complete the site when Sphinx has written its pages."""
    if error is None and app.builder.format == "html":
        write_outer_pages(app)
        mend_theme(app)
