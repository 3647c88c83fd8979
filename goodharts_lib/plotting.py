"""Every figure of the book: a function from results to a matplotlib figure and its alt text."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from goodharts_lib import runtime
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import render_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy, evaluation_config
from goodharts_lib.training.ppo.records import UpdateRecord

WIDTH = 8.0  # inches: a page's text width

Curves = Mapping[str, Sequence[float]]  # total_steps, proxy_score, true_energy of one run

PANELS = (
    ("proxy_score", "Proxy score", "what the proxy agent is paid for"),
    ("true_energy", "True energy", "what we want"),
)


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


def as_png(figure: Figure, dpi: int, metadata: Mapping[str, str] | None = None) -> bytes:
    """Return a figure as a PNG picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata=metadata)
    return buffer.getvalue()


def show(drawn: tuple[Figure, str]) -> None:
    """Show a figure and its alt text in a notebook, as `training_curves` and others return them."""
    from IPython.display import Image, display  # only notebooks have it

    figure, alt = drawn
    width = round(figure.get_figwidth() * 96)
    image = Image(as_png(figure, dpi=120), format="png", alt=alt, width=width)  # type: ignore[no-untyped-call]
    display(image)  # type: ignore[no-untyped-call]


def curves(history: Sequence[UpdateRecord]) -> Curves:
    """Return what `training_curves` draws of one run."""
    keys = ("total_steps", *(key for key, _, _ in PANELS))
    return {key: [getattr(record, key) for record in history] for key in keys}


def training_curves(
    runs: Mapping[str, Sequence[Curves]], random: Mapping[str, float]
) -> tuple[Figure, str]:
    """Draw proxy score and true energy per 1,000 steps over training.

    Args:
        runs: mode to its runs, one per training seed. Each is a thin line; with several of them
            their mean is a thick one.
        random: the random walk's proxy_score and true_energy, drawn as a line.
    """
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True)
    described = []
    for axes, (key, title, meaning) in zip(panels, PANELS, strict=True):
        axes.axhline(random[key], color=MODE_COLORS["random"], linestyle="--", linewidth=1.5)
        axes.annotate(
            "random walk", (1, random[key]), xycoords=("axes fraction", "data"), xytext=(1, 0),
            textcoords="offset points", color=MODE_COLORS["random"], va="center",
        )  # fmt: skip
        for mode, seeds in runs.items():
            color, steps = MODE_COLORS[mode], seeds[0]["total_steps"]
            if len(seeds) > 1:
                for seed in seeds:
                    axes.plot(steps, seed[key], color=color, linewidth=0.7, alpha=0.5)
            mean = np.mean([seed[key] for seed in seeds], axis=0)
            axes.plot(steps, mean, color=color, linewidth=2)
            axes.annotate(
                mode, (steps[-1], mean[-1]), xytext=(5, 0), textcoords="offset points",
                color=color, va="center", weight="bold",
            )  # fmt: skip
            described.append(f"{title} of {mode} goes from {mean[0]:,.0f} to {mean[-1]:,.0f}")
        axes.set_title(f"{title}: {meaning}", fontsize="medium")
        axes.set_xlabel("training steps")
        axes.xaxis.set_major_formatter(lambda x, _: f"{x / 1000:,.0f}k")
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("per 1,000 steps")
    alt = (
        "Two line charts over training steps. "
        + "; ".join(described)
        + f". The random walk stays at {random['proxy_score']:,.0f} and "
        + f"{random['true_energy']:,.0f}."
    )
    return figure, alt


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


def walks_picture(walks: Sequence[Walk]) -> tuple[Figure, str]:
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
