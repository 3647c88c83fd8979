"""Figures of how payment becomes behaviour: what is heard, what is learned, and by which rule."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.colors import AGENT_COLORS, FOOD_COLOR, MODE_COLORS, POISON_COLOR
from goodharts_lib.config import Config, Training
from goodharts_lib.environments.cells import Cell
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import values
from goodharts_lib.modes import MODES, pay_table
from goodharts_lib.plotting.style import Drawn, label_ends, panels, steps_axis
from goodharts_lib.plotting.walks import Walk
from goodharts_lib.training.ppo.algorithms import Batch, ppo_loss

INK, SOFT = "#333333", "#BBBBBB"
GOOD, BAD = INK, "#AA3377"  # what a rule does as it should, and otherwise: no agent's colours
SHOWN = 300  # episodes of `gae_picture`: more would hide each other
MEALS = (  # what an agent eats, and the scripted agents to compare with
    ("food", "Food eaten", ("random", "omniscient_seeker", "food_only")),
    ("poison", "Poison eaten", ("random", "food_only")),
)


def pay_picture(walk: Walk, config: Config) -> Drawn:
    """Draw what an agent that is paid energy hears after each step of a walk."""
    pay = np.array(pay_table(MODES["ground_truth"], config))[walk.eaten]  # (T,)
    figure, (axes,) = panels(1, 2.1)
    steps = np.arange(1, len(pay) + 1)
    axes.plot(steps, pay, color=SOFT, linewidth=1, zorder=1)
    for cell, marker, color in ((Cell.FOOD, "o", FOOD_COLOR), (Cell.POISON, "D", POISON_COLOR)):
        at = walk.eaten == cell
        axes.plot(steps[at], pay[at], linestyle="", marker=marker, color=color, markersize=7)
    axes.set_ylim(min(-3.4, pay.min() - 0.4), max(1.5, pay.max() + 0.5))
    axes.set_xlabel("step")
    axes.set_ylabel("pay")
    food, poison = walk.meals(Cell.FOOD), walk.meals(Cell.POISON)
    return figure, (
        f"The pay of each of {len(pay)} steps of {walk.name}: {food} times food, green discs, and "
        f"{poison} times poison, orange diamonds; otherwise a flat line just below zero."
    )


def learning_picture(stored: Mapping[str, Any], until: int) -> Drawn:
    """Draw what ground_truth eats over training, every seed, beside scripted agents.

    Args:
        stored: results of two_by_two.
        until: the last training step that is drawn.
    """
    figure, both = panels(2, 3.2, sharex=True)
    runs = analysis.runs(stored, ["ground_truth"])["ground_truth"]
    color, described = MODE_COLORS["ground_truth"], []
    last = max(analysis.judged(stored, "random"))
    for axes, (key, title, beside) in zip(both, MEALS, strict=True):
        steps = np.array(runs[0]["total_steps"])
        columns = np.array([run[key] for run in runs])[:, steps <= until]  # (n_seeds, n_updates)
        steps, mean = steps[steps <= until], columns.mean(0)
        axes.plot(steps, columns.T, color=color, linewidth=0.7, alpha=0.5)
        axes.plot(steps, mean, color=color, linewidth=2)
        ends = {"ground_truth": (float(mean[-1]), color)}
        for name in beside:
            height = float(np.mean(values(stored, name, f"at.{last}.immortal.{key}")))
            axes.axhline(height, color=AGENT_COLORS[name], linestyle="--", linewidth=1.5)
            ends[name] = (height, AGENT_COLORS[name])
            described.append(f"{name} {height:.0f} {key}")
        axes.set_ylim(0, None)
        axes.set_title(f"{title} per 1,000 steps", fontsize="medium", loc="left")
        steps_axis(axes)
        label_ends(axes, ends, size="small")
        described.append(f"ground_truth {mean[0]:.1f} {key} at first, {mean[-1]:.1f} at last")
    return figure, (
        f"Two line charts over training steps, a thin line for each of {len(runs)} training seeds. "
        f"{'; '.join(described)}."
    )


def chance_picture(chances: Mapping[str, Tensor]) -> Drawn:
    """Draw how likely learners come to make the better of two choices.

    Args:
        chances: what they learn from, to (T, n) probabilities of n learners.
    """
    figure, both = panels(len(chances), 2.6)
    described = []
    for axes, (name, found), color in zip(both, chances.items(), (BAD, GOOD), strict=False):
        axes.plot(found.numpy(), color=color, linewidth=0.6, alpha=0.6)
        axes.set_ylim(-0.03, 1.03)
        axes.set_title(f"learning from {name}", fontsize="medium", loc="left")
        axes.set_xlabel("choices made")
        if axes is not both[0]:
            axes.set_yticklabels([])
        wrong = int((found[-1] < 0.5).sum())
        described.append(f"from {name}, {wrong} of {found.shape[1]} end at the worse choice")
    both[0].set_ylabel("chance of food")
    return figure, f"A line for each learner. Learning {'; '.join(described)}."


def gae_picture(estimates: Mapping[float, Tensor], truth: float) -> Drawn:
    """Draw estimates of one advantage for several lambdas, the means of all, and the truth.

    A dot is an episode, of the first few hundred.

    Args:
        estimates: lambda to (n,) estimates.
        truth: the advantage that they estimate.
    """
    figure, (axes,) = panels(1, 0.8 + 0.6 * len(estimates))
    described, size = [], len(next(iter(estimates.values())))
    shake = np.random.default_rng(0)
    for place, (weight, found) in enumerate(reversed(list(estimates.items()))):
        mean, spread = float(found.mean()), float(found.std())
        some = found[:SHOWN]
        axes.plot(some, place + shake.uniform(-0.2, 0.2, len(some)), ".", color=SOFT, markersize=4,
                  zorder=1)  # fmt: skip
        axes.plot(mean, place, "o", color=GOOD, markersize=8)
        described.append(f"lambda {weight:g}: mean {mean:.2f}, spread {spread:.2f}")
    axes.axvline(truth, color=INK, linewidth=1.2, zorder=2)
    axes.annotate(
        "the true advantage", (truth, 1), xycoords=("data", "axes fraction"), xytext=(4, -2),
        textcoords="offset points", color=INK, fontsize="small",
    )  # fmt: skip
    names = [f"λ = {weight:g}" for weight in estimates]
    axes.set_yticks(range(len(names)), names[::-1])
    axes.set_ylim(-0.5, len(names) - 0.2)
    axes.set_xlabel("advantage of the first step, as estimated")
    return figure, (
        f"A dot for each of {min(size, SHOWN)} of {size:,} episodes, a disc at the mean of all. "
        f"{'; '.join(reversed(described))}. The true advantage is {truth:.2f}."
    )


def surrogate(ratio: float, advantage: float, train: Training) -> float:
    """Return what `ppo_loss` maximises for one action.

    Args:
        ratio: how much likelier the new policy makes it than the old one, in (0, 8).
        advantage: of the action; a batch of one is not normalised.
        train: the clipping range.
    """
    old = 1 / N_ACTIONS
    rest = (1 - ratio * old) / (N_ACTIONS - 1)
    logits = torch.tensor([[ratio * old] + [rest] * (N_ACTIONS - 1)]).log()  # (1, 8)
    zero = torch.zeros(1)
    batch = Batch(
        torch.zeros(1, dtype=torch.int64), torch.tensor([math.log(old)]), zero,
        torch.tensor([float(advantage)]), zero,
    )  # fmt: skip
    return -float(ppo_loss(logits, zero, batch, train).policy_loss)


def clip_picture(train: Training) -> Drawn:
    """Draw the clipped surrogate over the ratio, for a good and for a bad action."""
    figure, both = panels(2, 2.8)
    ratios = np.linspace(0.4, 1.6, 121)
    low, high = 1 - train.eps_clip, 1 + train.eps_clip
    for axes, advantage, name in zip(both, (1.0, -1.0), ("good", "bad"), strict=True):
        axes.plot(ratios, ratios * advantage, color=SOFT, linewidth=1.5, linestyle="--")
        heights = [surrogate(ratio, advantage, train) for ratio in ratios]
        axes.plot(ratios, heights, color=GOOD, linewidth=2)
        axes.plot(1, advantage, "o", color=INK, markerfacecolor="white", markersize=7)
        for edge in (low, high):
            axes.axvline(edge, color=SOFT, linewidth=1, zorder=0)
        axes.set_xticks([0.5, low, 1, high, 1.5])
        axes.set_title(f"a {name} action: advantage {advantage:+.0f}".replace("-", "−"),
                       fontsize="medium", loc="left")  # fmt: skip
        axes.set_xlabel("ratio: new chance / old chance")
    both[0].set_ylabel("surrogate")
    return figure, (
        "Two charts of the surrogate over the ratio of new to old probability. With advantage +1 "
        f"it rises to {high:g} at ratio {high:g} and is flat beyond; with advantage −1 it is flat "
        f"at −{low:g} below ratio {low:g} and falls beyond."
    )


def cut_picture(advantages: Mapping[str, Tensor]) -> Drawn:
    """Draw the advantages of an episode's last steps, under several readings of its end.

    Args:
        advantages: reading to (T,), of the last T steps.
    """
    figure, (axes,) = panels(1, 2.6)
    ends, described = {}, []
    for (name, found), color in zip(advantages.items(), (GOOD, BAD), strict=False):
        column: NDArray[np.float32] = found.numpy()
        axes.plot(range(-len(column), 0), column, color=color, linewidth=2, marker=".")
        ends[name] = (float(column[-1]), color)
        described.append(f"{name}: {_said(column[0])} at first, {_said(column[-1])} at last")
    axes.set_xlabel("steps before the end")
    axes.set_ylabel("advantage")
    label_ends(axes, ends)
    return figure, f"The advantages of an episode's last steps. {'; '.join(described)}."


def pacing_picture(sums: Mapping[str, Sequence[float]]) -> Drawn:
    """Draw what shaping has paid for pacing to and fro, step by step.

    Args:
        sums: shaping to its discounted bonuses so far, after 0, 1, ... steps.
    """
    figure, (axes,) = panels(1, 2.6)
    ends, described = {}, []
    for (name, column), color in zip(sums.items(), (GOOD, BAD), strict=False):
        axes.plot(column, color=color, linewidth=2, marker=".", markersize=4)
        ends[name] = (column[-1], color)
        described.append(f"{name}: {_said(column[-1])} after {len(column) - 1} steps")
    axes.axhline(0, color=SOFT, linewidth=1, zorder=0)
    axes.set_xlabel("steps of pacing")
    axes.set_ylabel("paid so far")
    label_ends(axes, ends)
    return figure, f"Two lines over steps of pacing to and fro. {'; '.join(described)}."


def _said(number: float) -> str:
    """Write a number for an alt text, without a negative zero."""
    return f"{round(float(number), 1) + 0.0:.1f}".replace("-", "−")
