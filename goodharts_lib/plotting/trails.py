"""What an agent eats on its way through a world: page 5's picture of two diets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import render_rgb
from goodharts_lib.plotting.style import WIDTH, Drawn
from goodharts_lib.plotting.walks import Walk

TRAIL = "#707070"
MEALS = (  # what was eaten: marker, its size, and the colour inside
    (Cell.FOOD, "o", 6.5, "none"),
    (Cell.POISON, "D", 4.5, "black"),
)


def trails_picture(walks: Sequence[Walk]) -> Drawn:
    """Draw each walk over its world: a thin line, a ring per food, a diamond per poison."""
    figure = Figure(figsize=(WIDTH, WIDTH / len(walks) + 0.35), layout="constrained")
    described = []
    for axes, walk in zip(figure.subplots(1, len(walks), squeeze=False)[0], walks, strict=True):
        _trail(axes, walk)
        food, poison = walk.meals(Cell.FOOD), walk.meals(Cell.POISON)
        axes.set_title(f"{walk.name}: {food} food, {poison} poison", fontsize="medium")
        described.append(f"{walk.name} eats {food} food and {poison} poison")
    return figure, (
        f"The same world, walked for {len(walks[0].eaten)} steps by each agent from the same "
        "start, a black square. Green discs are food and orange diamonds poison that lie about; a "
        "black ring is a food eaten, a black diamond a poison. " + "; ".join(described) + "."
    )


def _trail(axes: Axes, walk: Walk) -> None:
    """Draw one walk over its world as it was at the start."""
    height, width = walk.grid.shape
    world = render_rgb(walk.grid, np.zeros((0, 2), dtype=np.int64))
    axes.imshow(world, extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    axes.plot(*unbroken(walk.path).T, color=TRAIL, linewidth=0.9)
    for cell, marker, size, inside in MEALS:
        x, y = walk.path[1:][walk.eaten == cell].T
        axes.plot(x, y, linestyle="", marker=marker, markersize=size, color="black",
                  markerfacecolor=inside)  # fmt: skip
    axes.plot(*walk.path[:1].T, marker="s", markersize=6, color="black")
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])


def unbroken(path: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a path with a gap wherever it leaves the field on one side and enters on the other.

    Args:
        path: (T + 1, 2) x, y; a step is at most one cell on each axis, or round the torus.

    Returns:
        (T + 1 + gaps, 2) with a row of nan in each gap.
    """
    over = np.flatnonzero(np.abs(np.diff(path, axis=0)).max(1) > 1) + 1
    return np.insert(path.astype(float), over, np.nan, axis=0)
