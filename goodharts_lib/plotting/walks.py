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
from goodharts_lib.environments.render import render_rgb
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


def world_picture(grid: torch.Tensor, agent: torch.Tensor, config: Config) -> Drawn:
    """Draw a world, (height, width) uint8, an agent at (x, y), and the window that it sees."""
    figure = Figure(figsize=(WIDTH * 0.62, WIDTH * 0.62), layout="constrained")
    axes = figure.subplots()
    height, width = grid.shape
    nobody = np.zeros((0, 2), dtype=np.int64)
    axes.imshow(render_rgb(grid, nobody), extent=(-0.5, width - 0.5, height - 0.5, -0.5))
    x, y = (int(place) for place in agent)
    reach = config.agent.view_range
    for dx in (-width, 0, width):  # on a torus a window may show on two sides
        for dy in (-height, 0, height):
            corner = (x + dx - reach - 0.5, y + dy - reach - 0.5)
            axes.add_patch(Rectangle(corner, 2 * reach + 1, 2 * reach + 1, fill=False, lw=2))
    axes.plot(x, y, "s", color="black", markersize=5)
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_xticks([])
    axes.set_yticks([])
    food, poison = (int((grid == cell).sum()) for cell in (Cell.FOOD, Cell.POISON))
    return figure, (
        f"A field of {width} by {height} cells with {food} food, green discs, and {poison} poison, "
        f"orange diamonds. A square of {2 * reach + 1} by {2 * reach + 1} cells marks what the "
        "agent in its middle sees."
    )
