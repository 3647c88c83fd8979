"""The built site on a local server, and the browser that reads it."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from browse import AXE, BROWSERS, SITE, Visit, find_browser, serve, start_browser
from playwright.sync_api import Browser

VISITS: pytest.StashKey[list[tuple[str, Visit]]] = pytest.StashKey()
LOUD: pytest.StashKey[set[str]] = pytest.StashKey()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of the built site."""
    if not (SITE / "index.html").is_file():
        pytest.fail("There is no site in _build/html; build it with: make book", pytrace=False)
    with serve(SITE) as address:
        yield address


@pytest.fixture(scope="module")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """A browser; where there is none the test is left out, but not in continuous integration."""
    lacking = []
    if find_browser() is None:
        lacking.append(f"there is no browser (looked for {', '.join(BROWSERS)})")
    if not AXE.is_file():
        lacking.append("npm could not be reached for the site's JavaScript (make vendor)")
    if lacking:
        told = f"NOTHING WAS READ IN A BROWSER: {' and '.join(lacking)}"
        if os.environ.get("CI") == "true":
            pytest.fail(told, pytrace=False)
        request.config.stash.setdefault(LOUD, set()).add(told)
        pytest.skip(told)
    with start_browser() as started:
        yield started


@pytest.fixture
def note(request: pytest.FixtureRequest) -> list[tuple[str, Visit]]:
    """The visits that are told about at the end."""
    return request.config.stash.setdefault(VISITS, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell what each page weighs and when its first text is there; and that pages were not read."""
    for told in terminalreporter.config.stash.get(LOUD, set()):
        terminalreporter.write_line(told, red=True, bold=True)
    visits = terminalreporter.config.stash.get(VISITS, [])
    if visits:
        terminalreporter.section("pages as sent, read with an empty cache on this machine")
    for name, visit in visits:
        paint = "-" if visit.paint is None else f"{visit.paint:.0f} ms"
        terminalreporter.write_line(
            f"{name:40} {visit.weight / 1e6:5.2f} MB, first text or picture after {paint}"
        )
