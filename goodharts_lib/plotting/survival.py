"""Figures of lives that end: fields, single lives, and the chance of being alive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import Config
from goodharts_lib.environments.render import render_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.plotting.style import Drawn, label_ends, panels
from goodharts_lib.ruin import alive

DIED, LIVED = MODE_COLORS["proxy"], "#0072B2"
CORNER = 40  # cells


def fields_picture(config: Config, shares: Sequence[float], seed: int) -> Drawn:
    """Draw a corner of fields that differ in nothing but the share of poison among their items."""
    figure, every = panels(len(shares), 2.7)
    items = config.evaluation.food + config.evaluation.poison
    for axes, share in zip(every, shares, strict=True):
        poison = round(share * items)
        counts = {"food": items - poison, "poison": poison}
        told = {f"training.{end}_{key}": n for key, n in counts.items() for end in ("min", "max")}
        generator = torch.Generator().manual_seed(seed)
        grid = VecEnv(config.with_overrides(told), 1, generator=generator).grids()[0].numpy()
        corner = np.ascontiguousarray(grid[:CORNER, :CORNER])
        axes.imshow(render_rgb(corner, np.zeros((0, 2), dtype=np.int64)))
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(f"{100 * share:.0f} % poison", fontsize="medium")
    return figure, (
        f"Corners of {CORNER} by {CORNER} cells of fields with {items} items each; food is a green "
        "disc, poison an orange diamond. The items lie alike; poison is "
        f"{', '.join(f'{100 * share:.0f} %' for share in shares)} of them."
    )


def lives_picture(energy: NDArray[np.float64], shown: int) -> Drawn:
    """Draw some lives as energy over steps, each to its end, and the mean of those that cannot die.

    Args:
        energy: before any step and after each: (n_lives, n_steps + 1), going on below 0.
        shown: how many are drawn.
    """
    figure, (axes,) = panels(1, 3.6)
    steps = np.arange(energy.shape[1])
    low = energy <= 0
    dead: NDArray[np.bool_] = np.any(low, axis=1)
    ends = np.where(dead, np.argmax(low, axis=1), energy.shape[1] - 1)
    for life, end, died in zip(energy[:shown], ends[:shown], dead[:shown], strict=True):
        axes.plot(steps[: end + 1], life[: end + 1], color=DIED if died else LIVED,
                  linewidth=0.7, alpha=0.6)  # fmt: skip
        if died:
            axes.plot(end, 0, "x", color=DIED, markersize=5, clip_on=False)
    axes.plot(steps, energy.mean(0), color="black", linewidth=2.5)
    axes.set_xlim(0, steps[-1])
    axes.set_ylim(0, None)
    axes.set_xlabel("steps")
    axes.set_ylabel("energy")
    label_ends(axes, {"mean": (float(energy[:, -1].mean()), "black")})
    return figure, (
        f"{shown} of {len(energy):,} lives as lines of energy over steps. "
        f"{100 * dead.mean():.0f} % of all end at zero within {steps[-1]} steps; the mean of all, "
        f"if nobody could die, rises from {energy[0, 0]:.0f} to {energy[:, -1].mean():.0f}."
    )


def survival_picture(
    eaters: Mapping[str, tuple[float, float]], config: Config, steps: int
) -> Drawn:
    """Draw the chance of being alive over steps.

    Args:
        eaters: name to meals per step and poison's share of them.
        config: start, cost of a move, prices.
        steps: how long to look.
    """
    figure, (axes,) = panels(1, 3.2)
    ends, said = {}, []
    for name, (meals, share) in eaters.items():
        color = MODE_COLORS.get(name, "#332288")
        left = alive(meals, share, config, steps)
        axes.plot(left, color=color, linewidth=2)
        ends[name] = (float(left[-1]), color)
        told = ", ".join(f"{left[k]:.2f} after {k:,}" for k in (100, 500, steps))
        said.append(f"{name}: {told} steps")
    axes.axvline(500, color="#BBBBBB", linewidth=1, zorder=0)
    axes.set_xlim(0, steps)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("steps")
    axes.set_ylabel("chance of being alive")
    label_ends(axes, ends)
    return figure, f"The chance of being alive over steps. {'; '.join(said)}."
