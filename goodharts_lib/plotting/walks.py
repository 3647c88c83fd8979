"""Figures of single agents on their way through a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from goodharts_lib import runtime
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import render_rgb, view_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy, evaluation_config
from goodharts_lib.plotting.style import WIDTH, Drawn

TRAIL = "#707070"  # no agent's colour: proxy's own is that of poison
MEALS = ((Cell.FOOD, "o", 40, "none"), (Cell.POISON, "D", 20, "black"))  # marker, size, inside
CLOSE = 15  # cells of a magnified part of a world, each way


@dataclass(frozen=True)
class Walk:
    """One agent's way through one world."""

    name: str
    grid: NDArray[np.uint8]  # (height, width), as it was at the start
    path: NDArray[np.int64]  # (T + 1, 2) x, y
    eaten: NDArray[np.uint8]  # (T,) cell types

    def meals(self, cell: Cell) -> int:
        """Count the meals of one kind."""
        return int((self.eaten == cell).sum())

    def discoveries(self) -> NDArray[np.int64]:
        """Return after how many steps each cell was come to first: (cells,), 0 for the start."""
        return np.sort(np.unique(self.path, axis=0, return_index=True)[1])


@torch.inference_mode()
def take_walk(policy: Policy, config: Config, seed: int, steps: int) -> Walk:
    """Let a policy walk through one immortal world of `[evaluation]` and note its way.

    The same seed gives every policy the same world and the same start.
    """
    world = evaluation_config(config, immortal=True)
    generators = runtime.make_generators(seed, torch.device("cpu"))
    env = VecEnv(world, 1, generator=generators["world"])
    grid, views = env.grids()[0].numpy().copy(), env.views()
    path, eaten = [env.agents()[0].numpy()], []
    for _ in range(steps):
        result = env.step(policy.act(views, generators["action"]))
        views = result.views
        path.append(env.agents()[0].numpy())
        eaten.append(int(result.events.eaten[0]))
    return Walk(policy.name, grid, np.stack(path), np.array(eaten, dtype=np.uint8))


def walks_picture(walks: Sequence[Walk]) -> Drawn:
    """Draw each walk over its world: a thin line, a ring per food, a diamond per poison.

    A square is the start. A walk that never leaves its neighbourhood is drawn a second time,
    magnified.
    """
    figure = Figure(figsize=(WIDTH, WIDTH / len(walks) + 0.6), layout="constrained")
    described = []
    for axes, walk in zip(figure.subplots(1, len(walks), squeeze=False)[0], walks, strict=True):
        _show_world(axes, walk.grid)
        _show_way(axes, walk, 1)
        corner = walk.path.min(0)
        stays = bool((walk.path.max(0) - corner < CLOSE).all())
        if stays:
            _magnify(axes, walk, corner)
        food, poison = walk.meals(Cell.FOOD), walk.meals(Cell.POISON)
        axes.set_title(f"{walk.name}: {food} food, {poison} poison", fontsize="medium")
        new = walk.discoveries()
        described.append(f"{walk.name} eats {food} food and {poison} poison and comes to "
                         f"{len(new)} cells, the last new one after {new[-1]} steps"
                         f"{', magnified in a corner' if stays else ''}")  # fmt: skip
    alt = (
        f"The same world, walked for {len(walks[0].eaten)} steps by each agent from the same "
        "start, a black square. Green discs are food and orange diamonds poison that lie about; a "
        f"black ring is a food eaten, a black diamond a poison. One by one: {'; '.join(described)}."
    )
    return figure, alt


def _show_world(axes: Axes, grid: NDArray[np.uint8]) -> None:
    nobody = np.zeros((0, 2), dtype=np.int64)
    height, width = grid.shape
    axes.imshow(render_rgb(grid, nobody), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    axes.set_xticks([])
    axes.set_yticks([])


def _show_way(axes: Axes, walk: Walk, zoom: float) -> None:
    x, y = walk.path.T
    axes.plot(*unbroken(walk.path).T, color=TRAIL, linewidth=0.9)
    axes.scatter(x[:1], y[:1], s=30 * zoom, marker="s", color="black", linewidths=0)
    for cell, marker, size, inside in MEALS:
        eats = walk.eaten == cell
        axes.scatter(x[1:][eats], y[1:][eats], s=size * zoom, marker=marker, facecolors=inside,
                     edgecolors="black", linewidths=1)  # fmt: skip


def unbroken(path: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a path with a gap wherever it leaves the field on one side and enters on the other.

    Args:
        path: (T + 1, 2) x, y; a step is at most one cell on each axis, or round the torus.

    Returns:
        (T + 1 + gaps, 2) with a row of nan in each gap.
    """
    over = np.flatnonzero(np.abs(np.diff(path, axis=0)).max(1) > 1) + 1
    return np.insert(path.astype(float), over, np.nan, axis=0)


def _magnify(axes: Axes, walk: Walk, corner: NDArray[np.int64]) -> None:
    """Draw the neighbourhood of a short walk in the quarter of its panel that lies opposite."""
    size = np.array(walk.grid.shape[::-1])  # width, height
    low = np.clip(corner - CLOSE // 2, 0, np.maximum(size - CLOSE, 0))
    across, down = corner < size / 2  # where there is room: right of it, below it
    close = axes.inset_axes((0.5 if across else 0.02, 0.02 if down else 0.5, 0.48, 0.48))
    _show_world(close, walk.grid)
    close.set_xlim(low[0] - 0.5, low[0] + CLOSE - 0.5)
    close.set_ylim(low[1] + CLOSE - 0.5, low[1] - 0.5)
    _show_way(close, walk, 6)
    axes.indicate_inset_zoom(close, edgecolor="black", alpha=0.7)


def world_picture(grid: torch.Tensor, agent: torch.Tensor, view: torch.Tensor) -> Drawn:
    """Draw a world with the window that an agent sees, and that window enlarged.

    Args:
        grid: (height, width) uint8 cell types.
        agent: (2,) its x and y.
        view: (V, V) uint8 cell types, the window round it.
    """
    figure = Figure(figsize=(WIDTH, WIDTH * 0.56), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(5, 4))
    height, width = grid.shape
    side = len(view)
    _show_world(left, grid.numpy())
    x, y = (int(place) for place in agent)
    for dx in (-width, 0, width):  # on a torus a window may show on two sides
        for dy in (-height, 0, height):
            corner = (x + dx - side / 2, y + dy - side / 2)
            left.add_patch(Rectangle(corner, side, side, fill=False, lw=2))
    left.plot(x, y, "s", color="black", markersize=5)
    left.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), title="the field")
    right.imshow(view_rgb(view, cell_pixels=24))
    right.set(title="what the agent sees of it")
    right.set_xticks([])
    right.set_yticks([])
    for axes in (left, right):
        axes.title.set_size("medium")
    return figure, (
        f"Left, a field: {_items(grid)} A square marks what an agent sees. Right, that square "
        f"enlarged: {_items(view)}"
    )


def _items(grid: torch.Tensor) -> str:
    """Say in words what lies in a grid, (height, width) cell types."""
    food, poison = (int((grid == cell).sum()) for cell in (Cell.FOOD, Cell.POISON))
    return (
        f"{grid.shape[1]} by {grid.shape[0]} cells with {food} food, green discs, and {poison} "
        "poison, orange diamonds."
    )
