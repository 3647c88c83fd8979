"""A recorded run as one piece of HTML: complete without a kernel, without a network."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.figure import Figure
from PIL import Image

from goodharts_lib.plotting import as_png
from goodharts_lib.training.train_dashboard import DPI, Dashboard

FRAMES = 16  # pictures in a recording
COLORS = 128  # of a picture's palette: a third of the bytes of full colour
STEP = (
    "const [p,a]=JSON.parse(this.dataset.frames)[this.value],f=this.closest('.goodharts-run'),"
    "i=f.querySelector('img');i.src='data:image/png;base64,'+p;i.alt=a;"
    "f.querySelector('p').textContent=a"
)
REVEAL = "for(const l of this.closest('.goodharts-run').querySelectorAll('label'))l.hidden=false"


class Frame(NamedTuple):
    """One picture of a recording."""

    picture: str  # PNG in base64
    told: str  # the same in words


def picked(updates: int, frames: int = FRAMES) -> list[int]:
    """Return which updates a recording of so many shows: evenly spread, the last one always."""
    count = min(updates, frames)
    return [round((index + 1) * updates / count) for index in range(count)]


def record(figure: Figure, dashboard: Dashboard, updates: int) -> list[Frame]:
    """Draw a run of so many updates again, step by step, and leave the figure as it ends."""
    frames = []
    for number in picked(updates):
        dashboard.draw(number)
        frames.append(Frame(small(as_png(figure, DPI)), dashboard.describe(number)))
    return frames


def as_html(frames: Sequence[Frame]) -> str:
    """Return the last picture, its text, and with several pictures a slider through them.

    Without JavaScript the last picture remains. It is white on every page, and the class keeps the
    book's theme from dimming it.
    """
    final, last = frames[-1], len(frames) - 1
    slider = ""
    if last > 0:
        slider = (
            '<label hidden>Step through the run <input type="range" style="width:50%" min="0" '
            f'max="{last}" value="{last}" data-frames="{html.escape(json.dumps(frames))}" '
            f'oninput="{html.escape(STEP)}"></label>'
        )
    return (
        '<div class="goodharts-run" style="background:#fff;color:#222;max-width:920px">'
        f'<img class="dark-light" style="width:100%" alt="{html.escape(final.told)}" '
        f'src="data:image/png;base64,{final.picture}" onload="{html.escape(REVEAL)}">'
        f'{slider}<p aria-live="polite" style="color:#222">{html.escape(final.told)}</p></div>'
    )


def small(png: bytes) -> str:
    """Return a picture with fewer colours, and so fewer bytes, in base64."""
    buffer = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        few = picture.convert("RGB").quantize(COLORS, Image.Quantize.FASTOCTREE)
        few.save(buffer, format="PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()
