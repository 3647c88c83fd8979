"""The demo's view into a network: what enters, what each layer makes of it, what comes out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.demo_panels import Update, bare, color
from goodharts_lib.environments.render import PALETTE
from goodharts_lib.simulation import Moment

MAPS = 16  # shown of each convolution
GAP = "#9DB7CE"  # between maps, which are grey


def mosaic(maps: NDArray[np.float32], columns: int) -> NDArray[np.float32]:
    """Lay maps, (n, V, V), side by side in rows, with a gap of NaN between them."""
    n, side, _ = maps.shape
    rows = -(-n // columns)
    tiles = np.full((rows * columns, side + 1, side + 1), np.nan, np.float32)
    tiles[:n, :side, :side] = maps
    tiles = tiles.reshape(rows, columns, side + 1, side + 1).transpose(0, 2, 1, 3)
    return tiles.reshape(rows * (side + 1), columns * (side + 1))[:-1, :-1]


def draw_channels(axes: Axes, names: Sequence[str]) -> Update:
    """Draw all channels of what enters the network, on one scale, in reading order."""
    picture = axes.imshow([[0.0]], cmap="Greys", vmin=0, vmax=1.25)
    axes.set_facecolor(GAP)
    bare(axes, "its input: " + ", ".join(names[:3]))
    axes.set_xlabel(", ".join(names[3:]), fontsize=9)

    def update(moment: Moment) -> None:
        given = moment.require_thought().observation  # (C, V, V)
        _fill(picture, mosaic(given, 3))

    return update


def draw_layer(axes: Axes, index: int) -> Update:
    """Draw what leaves one ReLU, on one scale: the first maps of a convolution, or all features."""
    picture = axes.imshow([[0.0]], cmap="Greys", vmin=0, aspect="auto")
    axes.set_facecolor(GAP)

    def update(moment: Moment) -> None:
        values = moment.require_thought().layers[index]  # (W, V, V) or (hidden,)
        if values.ndim == 3:
            shown, title = values[:MAPS], f"convolution {index + 1}: {{}} of its {len(values)} maps"
            _fill(picture, mosaic(shown, MAPS))
        else:
            shown, title = values, f"all {len(values)} features"
            _fill(picture, values[None])
        most = shown.max()
        picture.set_clim(0, max(most, 1e-6))
        bare(axes, f"{title.format(len(shown))}, white 0 to black {most:.2g}")

    return update


def draw_logits(axes: Axes, kind: str) -> Update:
    """Draw the logit of each action, in the order of the table, and tell the value."""
    places = range(len(ACTIONS))
    bars = axes.bar(places, 0, color=color(kind), width=0.6)
    axes.set_xticks(places, [move.arrow for move in ACTIONS], fontsize=11)
    axes.tick_params(axis="y", labelsize=8)
    axes.axhline(0, color=PALETTE.wall, linewidth=1)
    axes.spines[["top", "right"]].set_visible(False)

    def update(moment: Moment) -> None:
        thought = moment.require_thought()
        for bar, logit in zip(bars, thought.logits, strict=True):
            bar.set_height(logit)
        axes.set_ylim(1.1 * min(0, thought.logits.min()), 1.1 * max(0, thought.logits.max()))
        axes.set_title(f"logit of each move; value (the discounted pay it expects): "
                       f"{thought.value:.1f}", fontsize=9)  # fmt: skip

    return update


def _fill(picture: AxesImage, values: NDArray[np.float32]) -> None:
    """Show other values, (height, width), one unit a cell."""
    height, width = values.shape
    picture.set(data=values, extent=(0, width, height, 0))
