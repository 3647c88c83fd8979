"""A figure in a window or in the browser: served on this machine only, and ended by its tick."""

from __future__ import annotations

import re
import threading
import time
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from matplotlib import pyplot as plt
from tornado import netutil

from goodharts_lib import window
from goodharts_lib.errors import UserError


@pytest.fixture(autouse=True)
def browser(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No window, whatever display there is, and no long farewell."""
    monkeypatch.setenv("MPLBACKEND", "WebAgg")
    monkeypatch.setattr(window, "FAREWELL", 0.0)
    yield
    plt.close("all")
    plt.switch_backend("agg")


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=20) as answer:  # noqa: S310 - our own server
        return str(answer.read().decode(errors="replace"))


def test_without_display_and_tornado_it_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"needs tornado: pip install 'goodharts-lib\[notebooks\]'"):
        window.open_figure((2, 1), "t")


def test_a_window_that_cannot_open_gives_way_to_the_browser(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MPLBACKEND")
    tried: list[str] = []

    def switch(name: str) -> None:
        tried.append(name)
        if name in window.WINDOWS:
            raise ImportError(name)

    monkeypatch.setattr(plt, "switch_backend", switch)
    window.open_figure((2, 1), "t")
    assert tried == [*window.WINDOWS, window.BROWSER]


def test_the_first_window_that_opens_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MPLBACKEND")
    tried: list[str] = []
    monkeypatch.setattr(plt, "switch_backend", tried.append)
    window.open_figure((2, 1), "t")
    assert tried == [window.WINDOWS[0]]


def test_the_page_is_served_here_and_asks_nobody_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = window.open_figure((2, 1), "A title")
    asked, pages, printed = [], {}, ""
    bind = netutil.bind_sockets

    def watched(port: int, address: str) -> Any:
        asked.append(address)
        return bind(port, address)

    def read(url: str) -> None:
        pages[""] = fetch(url)
        for path in set(re.findall(r'(?:src|href)="([^"]+)"', pages[""])):
            pages[path] = fetch(url + path.lstrip("/"))

    monkeypatch.setattr(netutil, "bind_sockets", watched)
    readers: list[threading.Thread] = []

    def tick() -> bool:
        nonlocal printed
        printed += capsys.readouterr().out
        if not readers:
            said = re.fullmatch(r"Open (http://127\.0\.0\.1:\d+/) in a browser\.\n", printed)
            assert said is not None
            readers.append(threading.Thread(target=read, args=(said[1],)))
            readers[0].start()
        return readers[0].is_alive()

    window.run(figure, tick, 0.01)
    readers[0].join()
    assert asked == ["127.0.0.1"]
    assert len(pages) > 4
    assert all(path.startswith("/") for path in pages if path)
    for text in pages.values():
        assert not re.search(r'(?:src|href|url)\s*[=(]\s*["\']?(?:https?:)?//', text)


def test_what_tick_changed_is_drawn_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = window.open_figure((2, 1), "t")
    drawn: list[int] = []
    calls = 0
    figure.canvas.draw()

    def tick() -> bool:
        nonlocal calls
        calls += 1
        if calls == 2:
            figure.suptitle("changed")
        return calls < 5

    def draw_idle() -> None:
        drawn.append(calls)
        figure.canvas.draw()

    monkeypatch.setattr(figure.canvas, "draw_idle", draw_idle)
    window.run(figure, tick, 0.0)
    assert calls == 5
    assert drawn == [2]
    assert plt.get_fignums() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_ctrl_c_returns_and_an_error_does_not_pass_silently(error: type[BaseException]) -> None:
    figure = window.open_figure((2, 1), "t")

    def tick() -> bool:
        raise error

    if error is KeyboardInterrupt:
        window.run(figure, tick, 0.01)
    else:
        with pytest.raises(error):
            window.run(figure, tick, 0.01)
    assert plt.get_fignums() == []


def test_closing_a_window_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = window.open_figure((2, 1), "t")
    monkeypatch.setattr(plt, "get_backend", lambda: "tkagg")
    monkeypatch.setattr(plt, "show", lambda **_: None)
    monkeypatch.setattr(figure.canvas, "start_event_loop", time.sleep)
    calls: list[int] = []

    def tick() -> bool:
        calls.append(1)
        if len(calls) == 3:
            plt.close(figure)  # as its cross does
        return len(calls) < 100

    window.run(figure, tick, 0.01)
    assert len(calls) == 3
