"""A figure that lives: in a window when there is a display, otherwise in the browser.

Commands that draw while they work, the training dashboard and the demo, use these two functions.
The browser's page is matplotlib's WebAgg, served on the loopback address only.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
from collections.abc import Callable

from matplotlib.figure import Figure

from goodharts_lib.errors import UserError

WINDOWS = ("macosx", "TkAgg", "QtAgg")  # matplotlib's backends that open a window
BROWSER = "WebAgg"
LOOPBACK = "127.0.0.1"
FAREWELL = 1.0  # seconds in which the last picture reaches the browser


def open_figure(figsize: tuple[float, float], title: str) -> Figure:
    """Make a figure that `run` can show.

    Args:
        figsize: width and height in inches.
        title: of the window, or the heading of the page.

    Raises:
        UserError: there is neither a display nor what serving a browser takes.
    """
    from matplotlib import pyplot as plt

    _choose_backend()
    figure = plt.figure(title, figsize=figsize)
    if figure.canvas.manager is not None:
        figure.canvas.manager.set_window_title(title)
    return figure


def run(figure: Figure, tick: Callable[[], bool], seconds: float) -> None:
    """Show a figure of `open_figure`, and call `tick` on this thread until it returns False.

    What `tick` changed in the figure is drawn after it. Returns, too, when the window is closed and
    on Ctrl-C. A page in the browser may be closed and opened again: only Ctrl-C or `tick` end it.

    Args:
        figure: what to show; it is closed in the end.
        tick: called once at the start and then every so often.
        seconds: time between two calls.
    """
    from matplotlib import pyplot as plt

    try:
        with contextlib.suppress(KeyboardInterrupt):
            if plt.get_backend().lower() == BROWSER.lower():
                asyncio.run(_serve(figure, tick, seconds))
            else:
                _show(figure, tick, seconds)
    finally:
        plt.close(figure)


def _choose_backend() -> None:
    """Take the first backend that works here. MPLBACKEND=WebAgg asks for the browser."""
    from matplotlib import pyplot as plt

    asked = os.environ.get("MPLBACKEND", "").lower() == BROWSER.lower()
    for name in () if asked else WINDOWS:
        with contextlib.suppress(ImportError):  # not installed, or there is no display
            plt.switch_backend(name)
            return
    if importlib.util.find_spec("tornado") is None:
        raise UserError(
            "there is no display, and showing a figure in the browser needs tornado: "
            "pip install 'goodharts-lib[notebooks]'."
        )
    plt.switch_backend(BROWSER)


def _show(figure: Figure, tick: Callable[[], bool], seconds: float) -> None:
    from matplotlib import pyplot as plt

    plt.show(block=False)
    while plt.fignum_exists(figure.number) and tick():
        if figure.stale:
            figure.canvas.draw_idle()
        figure.canvas.start_event_loop(seconds)


async def _serve(figure: Figure, tick: Callable[[], bool], seconds: float) -> None:
    from matplotlib.backends.backend_webagg import WebAggApplication
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets

    sockets = bind_sockets(0, LOOPBACK)  # any free port
    server = HTTPServer(WebAggApplication())  # type: ignore[no-untyped-call]
    server.add_sockets(sockets)
    print(f"Open http://{LOOPBACK}:{sockets[0].getsockname()[1]}/ in a browser.", flush=True)
    try:
        while tick():
            if figure.stale:
                figure.canvas.draw_idle()
            await asyncio.sleep(seconds)
        await asyncio.sleep(FAREWELL)
    finally:
        server.stop()
