"""Figures of what an agent sees."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.modes import MODES
from goodharts_lib.plotting.style import WIDTH, Drawn

GLOW = 2  # the first of the channels that hold interestingness


def eyes_picture(view: Tensor, config: Config) -> Drawn:
    """Draw one view, and what each kind of eyes reads of it.

    Args:
        view: (V, V) uint8 cell types.
        config: interestingness.
    """
    types, glow = (
        Encoder(MODES[mode], config)(view[None])[0].numpy() for mode in ("ground_truth", "proxy")
    )  # (C, V, V)
    figure = Figure(figsize=(WIDTH, 3.9), layout="constrained")
    grid = figure.add_gridspec(2, 4, width_ratios=(2.1, 1, 1, 1))
    drawn = figure.add_subplot(grid[:, 0])
    drawn.imshow(view_rgb(view, cell_pixels=16))
    drawn.set_title("what lies there", fontsize="medium")
    low, high = sorted((config.items.poison_interestingness, config.items.food_interestingness))
    stretched = np.clip((glow[GLOW] - (low - 0.05)) / (high - low + 0.05), 0, 1)
    rows = (
        ("types", (("empty", types[Cell.EMPTY]), ("food", types[Cell.FOOD]),
                   ("poison", types[Cell.POISON]))),
        ("glow", (("is_empty", glow[0]), ("interestingness", glow[GLOW]),
                  ("the same, stretched", stretched))),
    )  # fmt: skip
    for row, (eyes, channels) in enumerate(rows):
        for column, (name, channel) in enumerate(channels, 1):
            axes = figure.add_subplot(grid[row, column])
            axes.imshow(channel, cmap="Greys", vmin=0, vmax=1)
            axes.set_title(name, fontsize="small")
            if column == 1:
                axes.set_ylabel(f"eyes: {eyes}")
    for axes in figure.axes:
        _bare(axes)
    food, poison = (int((view == cell).sum()) for cell in (Cell.FOOD, Cell.POISON))
    return figure, (
        f"A window of {len(view)} by {len(view)} cells round an agent, with {food} food and "
        f"{poison} poison. Eyes for types read one channel for food and another for poison. Eyes "
        "for glow read one channel in which both are nearly equally dark; with the contrast "
        "stretched they differ."
    )


def a_view(config: Config, seed: int, food: int, poison: int) -> Tensor:
    """Return a view, (V, V) uint8, with so many items at random and an empty centre."""
    size = 2 * config.agent.view_range + 1
    view = torch.zeros(size * size, dtype=torch.uint8)
    places = torch.randperm(size * size, generator=torch.Generator().manual_seed(seed))
    places = places[places != size * size // 2]
    view[places[:food]] = Cell.FOOD
    view[places[food : food + poison]] = Cell.POISON
    return view.reshape(size, size)


def _bare(axes: Axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
