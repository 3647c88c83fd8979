"""What all figures share: their width, how they are saved, shown and labelled."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from goodharts_lib import stats
from goodharts_lib.colors import ink

WIDTH = 7.0  # inches: a page's text width

Drawn = tuple[Figure, str]  # a figure and its alt text


def as_png(figure: Figure, dpi: int, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def show(drawn: Drawn, caption: str = "") -> None:
    """Show a figure of the book in a notebook, with its alt text and a caption.

    Args:
        drawn: as every figure is returned.
        caption: plain text, with `names` in backticks.
    """
    from IPython.display import HTML, display  # only notebooks have it

    figure, alt = drawn
    alt = with_true_minus(alt)
    darken_text(figure)
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    picture = base64.b64encode(as_png(figure, dpi=120)).decode()
    words = re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(caption))
    below = f"<figcaption>{words}</figcaption>" if caption else ""
    display(HTML(  # type: ignore[no-untyped-call]
        f'<figure class="result"><div class="wide"><img src="data:image/png;base64,{picture}" '
        f'alt="{html.escape(alt)}" width="{width}" height="{height}" '
        f'style="max-width: 100%; height: auto"></div>{below}</figure>'
    ))  # fmt: skip


def with_true_minus(text: str) -> str:
    """Write a minus sign before negative numbers: a hyphen is not read out as one."""
    return re.sub(r"(?<!\w)-(?=\d)", "−", text)


def darken_text(figure: Figure) -> None:
    """Write in colours that can be read on white; lines and areas keep theirs.

    What is written in (nearly) white stands on something dark, and stays.
    """
    for text in figure.findobj(Text):
        color = to_rgb(text.get_color())
        if min(color) < 0.9:
            text.set_color(ink(color))


def panels(count: int, height: float, *, sharex: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure of a page's width with panels side by side, without needless frames."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    all_axes = list(figure.subplots(1, count, squeeze=False, sharex=sharex)[0])
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, all_axes


def steps_axis(axes: Axes) -> None:
    """Label the horizontal axis as training steps."""
    axes.set_xlabel("training steps")
    axes.xaxis.set_major_formatter(lambda x, _: in_steps(x))


def in_steps(count: float) -> str:
    """Write a number of steps for an axis: 0, 500k, 1.5 M."""
    if abs(count) >= 1_000_000:
        return f"{count / 1_000_000:g} M"
    return f"{count / 1000:g}k" if count else "0"


def spread(places: Sequence[float], gap: float) -> list[float]:
    """Return places at least `gap` apart, in the same order and as near to the old as they can be.

    Neighbours that are too close form a block, and a block is centred on the mean of its members.
    """
    order = np.argsort(places, kind="stable")
    blocks: list[tuple[float, int]] = []  # centre, members
    for index in order:
        centre, size = float(places[index]), 1
        while blocks and centre - blocks[-1][0] < gap * (size + blocks[-1][1]) / 2:
            other, members = blocks.pop()
            centre = (centre * size + other * members) / (size + members)
            size += members
        blocks.append((centre, size))
    moved = [c + gap * (i - (n - 1) / 2) for c, n in blocks for i in range(n)]
    result = [0.0] * len(places)
    for index, place in zip(order, moved, strict=True):
        result[index] = place
    return result


def label_ends(axes: Axes, ends: Mapping[str, tuple[float, str]], *, size: str = "medium") -> None:
    """Write names at the right edge, at their heights (value, colour), none over another.

    Call it last: it takes the vertical range as it is.
    """
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height * 72 / axes.figure.dpi
    gap = (high - low) * 13 / points
    heights = spread([value for value, _ in ends.values()], gap)
    for (name, (_, color)), height in zip(ends.items(), heights, strict=True):
        axes.annotate(
            name, (1, height), xycoords=("axes fraction", "data"), xytext=(5, 0), fontsize=size,
            textcoords="offset points", color=color, va="center", annotation_clip=False,
        )  # fmt: skip


def seeds_and_mean(
    axes: Axes, place: float, values: Sequence[float], color: str, *, horizontal: bool = False
) -> stats.Interval | None:
    """Draw a dot per training seed, and their mean with its 95 % t interval beside them.

    Returns:
        The interval, or None if there is only one seed.
    """
    beside = place + 0.18
    along = [place - 0.1 + 0.2 * i / max(len(values) - 1, 1) for i in range(len(values))]

    def draw(values: Sequence[float], places: Sequence[float], **look: Any) -> None:
        x, y = (values, places) if horizontal else (places, values)
        axes.plot(x, y, color=color, **look)

    draw(values, along, linestyle="", marker=".", markersize=7, markeredgewidth=0, alpha=0.55)
    if len(values) < 2:
        return None
    interval = stats.t_interval(values)
    draw([interval.low, interval.high], [beside, beside], linewidth=2)
    draw([interval.estimate], [beside], marker="o", markersize=5)
    return interval


def short(interval: stats.Interval, digits: int = 0) -> str:
    """Write an interval for an alt text: estimate, then its limits."""
    spec = f",.{digits}f"
    return f"{interval.estimate:{spec}} [{interval.low:{spec}}, {interval.high:{spec}}]"
