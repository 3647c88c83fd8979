"""What the HTML of a site links to and loads, read without a browser."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

LOADED = {  # the attributes by which a page loads something at once
    "script": "src", "img": "src", "iframe": "src", "video": "src", "audio": "src",
    "source": "src", "embed": "src", "object": "data",
}  # fmt: skip
ONLY_NAMED = {"canonical", "license", "author"}  # kinds of <link> that load nothing


@dataclass
class Facts:
    """What one page says."""

    ids: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    meta: dict[str, str] = field(default_factory=dict)
    lang: str = ""
    base: str = ""


class Reader(HTMLParser):
    """Collects the facts of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.facts = Facts()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag says."""
        named = {key: value or "" for key, value in attrs}
        facts = self.facts
        facts.ids |= {named[key] for key in ("id", "name") if key in named and tag != "meta"}
        if tag == "a" and "href" in named:
            facts.links.append(named["href"])
        elif tag == "base":
            facts.base = named.get("href", "")
        elif tag == "html":
            facts.lang = named.get("lang", "")
        elif tag == "meta" and "content" in named:
            facts.meta[named.get("property") or named.get("name", "")] = named["content"]
        elif tag == "link" and not set(named.get("rel", "").split()) & ONLY_NAMED:
            facts.loaded.append(named.get("href", ""))
        if LOADED.get(tag, "") in named:
            facts.loaded.append(named[LOADED[tag]])


def read(page: Path) -> Facts:
    """The facts of one page."""
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    return reader.facts


def external_problem(link: str) -> str | None:
    """What is wrong with an address of another host, as far as it can be told without asking."""
    parts = urlsplit(link)
    if parts.scheme == "mailto":
        return None
    if parts.scheme != "https":
        return f"not https: {link}"
    host = parts.hostname or ""
    well = "." in host and all(host.split(".")) and not set(link) & set(' <>"{}|\\^`')
    return None if well else f"malformed: {link}"


def inner_problem(
    site: Path, page: str, base: str, link: str, known: dict[str, Facts]
) -> str | None:
    """What is wrong with a link inside the site: no such file, or no such place in it."""
    parts = urlsplit(link)
    path = unquote(parts.path)
    folder = PurePosixPath(page).parent if not base else PurePosixPath()
    target = site / page if not path else site / folder / path
    if path.startswith("/"):
        return f"starts at the root of the host: {link}"
    target = target / "index.html" if target.is_dir() else target
    if not target.resolve().is_relative_to(site.resolve()) or not target.is_file():
        return f"leads nowhere: {link}"
    if parts.fragment and target.suffix == ".html":
        name = target.resolve().relative_to(site.resolve()).as_posix()
        facts = known.setdefault(name, read(target))
        if unquote(parts.fragment) not in facts.ids:
            return f"no such place on the page: {link}"
    return None


def problems(site: Path, page: str, known: dict[str, Facts]) -> list[str]:
    """What is wrong with the links of a page, and with what it loads.

    Args:
        site: the folder of the built site.
        page: its path there.
        known: the facts of the pages read so far; it grows.
    """
    facts = known.setdefault(page, read(site / page))
    found: list[str | None] = []
    for link in facts.links:
        if urlsplit(link).scheme or link.startswith("//"):
            found.append(external_problem(link))
        elif link != "#":
            found.append(inner_problem(site, page, facts.base, link, known))
    for link in facts.loaded:
        if urlsplit(link).scheme not in ("", "data") or link.startswith("//"):
            found.append(f"loads from another host: {link}")
        elif not link.startswith("data:"):
            found.append(inner_problem(site, page, facts.base, link, known))
    return [problem for problem in found if problem]
