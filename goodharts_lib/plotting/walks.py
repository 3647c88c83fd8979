"""Figures of single agents on their way through a world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from goodharts_lib import runtime
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import render_rgb, view_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy, evaluation_config
from goodharts_lib.plotting.style import WIDTH, Drawn


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
    """Draw each walk over its world: a dot per step, a ring round each meal of food or poison."""
    figure = Figure(figsize=(WIDTH, WIDTH / len(walks) + 0.6), layout="constrained")
    described = []
    for axes, walk in zip(figure.subplots(1, len(walks), squeeze=False)[0], walks, strict=True):
        nobody = np.zeros((0, 2), dtype=np.int64)
        height, width = walk.grid.shape
        axes.imshow(render_rgb(walk.grid, nobody), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
        color = MODE_COLORS.get(walk.name, MODE_COLORS["random"])
        axes.scatter(*walk.path.T, s=3, color=color, linewidths=0)
        meals = walk.path[1:][walk.eaten != Cell.EMPTY]
        axes.scatter(*meals.T, s=40, facecolors="none", edgecolors="black", linewidths=1)
        food, poison = walk.meals(Cell.FOOD), walk.meals(Cell.POISON)
        axes.set_title(f"{walk.name}: {food} food, {poison} poison", fontsize="medium")
        axes.set_xticks([])
        axes.set_yticks([])
        described.append(f"{walk.name} eats {food} food and {poison} poison")
    alt = (
        f"The same world, walked for {len(walks[0].eaten)} steps by each agent; green discs are "
        "food, orange diamonds poison, black rings meals. " + "; ".join(described) + "."
    )
    return figure, alt


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
    nobody = np.zeros((0, 2), dtype=np.int64)
    left.imshow(render_rgb(grid, nobody), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    x, y = (int(place) for place in agent)
    for dx in (-width, 0, width):  # on a torus a window may show on two sides
        for dy in (-height, 0, height):
            corner = (x + dx - side / 2, y + dy - side / 2)
            left.add_patch(Rectangle(corner, side, side, fill=False, lw=2))
    left.plot(x, y, "s", color="black", markersize=5)
    left.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), title="the field")
    right.imshow(view_rgb(view, cell_pixels=24))
    right.set(title="what the agent sees of it")
    for axes in (left, right):
        axes.title.set_size("medium")
        axes.set_xticks([])
        axes.set_yticks([])
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
