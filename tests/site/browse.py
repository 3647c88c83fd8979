"""A local server for the built site, and one visit to a page with everything that went wrong."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml
from playwright.sync_api import Browser, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
AXE = ROOT / "book" / "_vendor" / "tests" / "axe" / "axe.min.js"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TEXT = {".html", ".css", ".js", ".svg", ".json"}  # what GitHub Pages packs before sending
HEAVIEST = 1_500_000  # bytes on the way, with an empty cache, scripts of widgets aside
WIDGET_SCRIPTS = re.compile(r"/vendor/(requirejs|html-manager|anywidget)/|widgets-require-config")
WIDGETS = 'script[type="application/vnd.jupyter.widget-view+json"]'

# Faults of the theme that can be neither avoided nor mended here: (rule, selector) and why.
TOLERATED = {
    ("aria-input-field-name", ".noUi-handle"): "ipywidgets gives the handle of a slider no name",
}


@dataclass(frozen=True)
class View:
    """How somebody looks at a page: the size of the window in pixels, and light or dark."""

    name: str
    width: int
    height: int
    scheme: str


VIEWS = (
    View("light", 1280, 900, "light"),
    View("dark", 1280, 900, "dark"),
    View("phone", 375, 800, "light"),
)


@dataclass
class Visit:
    """What happened while one page was open."""

    address: str
    problems: list[str] = field(default_factory=list)
    weight: int = 0  # bytes that came over the wire, scripts of widgets aside
    paint: float | None = None  # milliseconds until the first text or picture was there


def pages_of(toc: Path) -> list[str]:
    """The pages that a table of contents names, in its order, without their endings."""

    def named(entry: object) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (entry[key] for key in ("root", "file") if key in entry)
            entry = list(entry.values())
        if isinstance(entry, list):
            for part in entry:
                yield from named(part)

    return list(named(yaml.safe_load(toc.read_text(encoding="utf-8"))))


@lru_cache(maxsize=64)
def packed(body: bytes) -> bytes:
    """A text as it is sent; the same style sheet goes to every page."""
    return gzip.compress(body, compresslevel=6)


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder below `prefix` as GitHub Pages does.

    Texts are packed, and 404.html is the answer to what is not there.
    """

    protocol_version = "HTTP/1.1"

    def __init__(self, *args: Any, prefix: str, **more: Any) -> None:
        self.prefix = prefix
        super().__init__(*args, **more)

    def translate_path(self, path: str) -> str:
        """The file for an address; outside the prefix there is none."""
        if not path.startswith(self.prefix):
            return str(Path(self.directory, "nothing lies outside the prefix"))
        return super().translate_path("/" + path.removeprefix(self.prefix))

    def do_GET(self) -> None:
        """Answer with the file, packed if it is text, or with the page for missing addresses."""
        path = Path(self.translate_path(self.path))
        path = path / "index.html" if path.is_dir() else path
        found = path.is_file()
        path = path if found else Path(self.directory, "404.html")
        body = path.read_bytes() if path.is_file() else b"missing"
        self.send_response(200 if found else 404)
        if path.suffix in TEXT:
            body = packed(body)
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Type", self.guess_type(path))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def serve(site: Path) -> Iterator[str]:
    """Serve a folder on this machine; give the address of its root, with a slash at the end.

    It lies where the site's page for missing addresses believes it to lie.
    """
    missing = site / "404.html"
    text = missing.read_text(encoding="utf-8") if missing.is_file() else ""
    base = re.search(r'<base href="([^"]*)"', text)
    prefix = base[1] if base else "/"
    handler = partial(Handler, directory=str(site), prefix=prefix)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}{prefix}"
        finally:
            server.shutdown()
            thread.join()


def find_browser() -> str | None:
    """The Chromium of this machine."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


@contextmanager
def start_browser() -> Iterator[Browser]:
    """Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser())
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, root: str, path: str, view: View) -> Iterator[tuple[Page, Visit]]:
    """Open one page with an empty cache, and listen; other hosts cannot be reached.

    Args:
        browser: where.
        root: the address of the site.
        path: of the page, below it.
        view: how.
    """
    visit = Visit(root + path)
    context = browser.new_context(
        viewport={"width": view.width, "height": view.height}, color_scheme=view.scheme
    )
    host = root.split("/")[2]

    def refuse(route: Any) -> None:
        visit.problems.append(f"asks another host: {route.request.url}")
        route.abort()

    def failed(request: Request) -> None:
        # What was under way when the page went on to another is aborted, which is no fault.
        if host in request.url and request.failure != "net::ERR_ABORTED":
            visit.problems.append(f"request failed: {request.url} {request.failure}")

    context.route(re.compile(rf"^(?!https?://{re.escape(host)}/)"), refuse)
    page = context.new_page()
    page.on("console", lambda line: line.type == "error" and visit.problems.append(
        f"console error: {line.text} {line.location['url']}"
    ))  # fmt: skip
    page.on("pageerror", lambda error: visit.problems.append(f"script error: {error}"))
    page.on("requestfailed", failed)
    page.on("response", lambda answer: answer.status >= 400 and visit.problems.append(
        f"answer {answer.status}: {answer.url}"
    ))  # fmt: skip
    try:
        # To wait until nothing comes any more takes half a second: once for each page is enough,
        # unless it draws widgets, which come late.
        page.goto(visit.address)
        if view is VIEWS[0] or page.locator(WIDGETS).count():
            page.wait_for_load_state("networkidle")
        page.evaluate("document.fonts.ready.then(() => null)")
        page.evaluate("window.MathJax?.startup?.promise")
        yield page, visit
    finally:
        context.close()


# What can be asked of a page where it stands.
EXAMINE = """() => {
  const width = document.documentElement.clientWidth;
  const hidden = (part) => !part.checkVisibility() || part.closest('[aria-hidden="true"]');
  const scrolls = (part) => {
    for (let box = part.parentElement; box && box !== document.body; box = box.parentElement)
      if (getComputedStyle(box).overflowX !== 'visible') return true;
    return false;
  };
  const wide = [...document.body.querySelectorAll('*')]
    .filter((part) => part.getBoundingClientRect().right > width + 1 && !scrolls(part))
    .map((part) => part.outerHTML.slice(0, 100)).slice(0, 5);
  const whole = document.documentElement.scrollWidth;
  return {
    wide: whole > width ? [`${whole} pixels`, ...wide] : [],
    silent: [...document.images].filter((image) => !hidden(image) && !image.alt.trim())
      .map((image) => image.getAttribute('src')),
    loaded: performance.getEntries().filter((entry) => 'encodedBodySize' in entry)
      .map((entry) => [entry.name, entry.encodedBodySize]),
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null,
  };
}"""


def examine(page: Page, visit: Visit) -> None:
    """Look for sideways scrolling, images without words, and too heavy a page."""
    found = page.evaluate(EXAMINE)
    visit.paint = found["paint"]
    visit.weight = sum(size for url, size in found["loaded"] if not WIDGET_SCRIPTS.search(url))
    if found["wide"]:
        visit.problems.append(f"scrolls sideways: {found['wide']}")
    visit.problems += [f"image without alt text: {source}" for source in found["silent"]]
    if visit.weight > HEAVIEST:
        visit.problems.append(f"weighs {visit.weight:,} bytes, more than {HEAVIEST:,}")


def check_accessibility(page: Page, visit: Visit) -> None:
    """Let axe-core look at the page as it is now."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    result = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    for violation in result["violations"]:
        for node in violation["nodes"]:
            selector = " ".join(json.dumps(part) for part in node["target"]).replace('"', "")
            if (violation["id"], selector) not in TOLERATED:
                told = " ".join(node["failureSummary"].split())
                visit.problems.append(f"axe {violation['id']}: {selector}: {told}")


# Gives each thing in the main text that can be operated a number, and says how many there are.
NUMBER = """() => {
  const parts = document.querySelectorAll(
    'main :is(a[href], button, summary, input, select, textarea, [tabindex="0"])');
  let count = 0;
  for (const part of parts) {
    const shown = part.checkVisibility({visibilityProperty: true}) && part.getClientRects().length;
    const out = part.closest('[aria-hidden="true"], [inert]') || part.disabled || part.tabIndex < 0;
    if (shown && !out) part.dataset.number = count++;
  }
  return count;
}"""
REACHED = "() => [document.activeElement === document.body, document.activeElement.dataset.number]"
NAMED = "number => document.querySelector(`[data-number='${number}']`).outerHTML.slice(0, 120)"
BOXES = "main details:visible, main .admonition.toggle:visible"
OPEN = "box => box.matches('details') ? box.open : !box.classList.contains('toggle-hidden')"
MOST_TABS = 1000  # a page that needs more has no end


def check_keyboard(page: Page, visit: Visit) -> None:
    """Go through the page with the Tab key, then open each box with the Enter key."""
    missed, pressed, at_the_end = set(range(page.evaluate(NUMBER))), 0, False
    while missed and not at_the_end and pressed < MOST_TABS:
        page.keyboard.press("Tab")
        at_the_end, number = page.evaluate(REACHED)
        missed -= {int(number)} if number else set()
        pressed += 1
    for number in sorted(missed):
        visit.problems.append(f"Tab does not reach: {page.evaluate(NAMED, number)}")
    for box in page.locator(BOXES).all():
        before = box.evaluate(OPEN)
        box.locator("summary, button.toggle-button").first.press("Enter")
        if box.evaluate(OPEN) is before:
            visit.problems.append(f"Enter does not open: {box.inner_text()[:80]}")


def examine_all(page: Page, visit: Visit, view: View) -> None:
    """Make every check that fits the view."""
    examine(page, visit)
    if view.name != "phone":
        check_accessibility(page, visit)
    if view.name == "light":
        check_keyboard(page, visit)
