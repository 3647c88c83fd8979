"""Choosing the best of many lives: pressure without training, and who is left to be counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.special import gammaln
from torch import Tensor

from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.colors import QUANTITY_COLORS
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import PER_STEPS, Policy, evaluation_config
from goodharts_lib.modes import proxy_table
from goodharts_lib.plotting.style import WIDTH, Drawn
from goodharts_lib.training.ppo.records import meal_scores

Floats = NDArray[np.float64]

PROXY, TRUTH = QUANTITY_COLORS["proxy"], QUANTITY_COLORS["truth"]
CENSUS = 25  # steps between two counts of what lies about


@torch.inference_mode()
def random_meals(config: Config, n_envs: int, steps: int, seed: int) -> Tensor:
    """Return what random walks eat in the fixed worlds of `[evaluation]`, nobody dying.

    Returns:
        (steps, n_envs) uint8 cell types.
    """
    fixed = evaluation_config(config, immortal=True)
    world = fixed.with_overrides({"training.steps_per_episode": steps})
    generator = torch.Generator().manual_seed(seed)
    env = VecEnv(world, n_envs, generator=generator)
    eaten = []
    for _ in range(steps):
        actions = torch.randint(N_ACTIONS, (n_envs,), generator=generator)
        eaten.append(env.step(actions).events.eaten)
    return torch.stack(eaten)


def lives(eaten: Tensor, length: int, config: Config) -> dict[str, Floats]:
    """Cut walks into lives of equal length and score each.

    Args:
        eaten: (steps, n_envs) cell types.
        length: of a life in steps; what is left over at the end is dropped.
        config: prices.

    Returns:
        ``food``, ``poison``, ``proxy_score`` and ``true_energy`` of each life, (n_lives,).
    """
    whole = eaten[: len(eaten) // length * length].T.reshape(-1, length)  # (n_lives, length)
    food = (whole == Cell.FOOD).sum(1).double().numpy()
    poison = (whole == Cell.POISON).sum(1).double().numpy()
    glow, items = proxy_table(config), config.items
    energy = items.food_energy * food + items.poison_energy * poison
    return {
        "food": food,
        "poison": poison,
        "proxy_score": glow[Cell.FOOD] * food + glow[Cell.POISON] * poison,
        "true_energy": energy - config.agent.energy_move_cost * length,
    }


def best_of(n: int, score: ArrayLike, value: ArrayLike) -> float:
    """Return the expected value of the one with the highest score among n.

    The mean over *all* groups of n that can be drawn from the samples, so it has no noise of its
    own: with the samples in ascending order of score, the i-th is the best of C(i − 1, n − 1) out
    of C(N, n) groups. Ties are drawn by lot. An unbiased estimate for the world they came from.

    Args:
        n: size of the group, from 1 to N.
        score: by which the choice is made, (N,).
        value: what is wanted of the chosen, (N,).

    Raises:
        ValueError: n is out of range, or the two differ in length.
    """
    scores = np.round(np.asarray(score, dtype=float), 9)  # 9 × 0.1 and 0.9 are one score
    worth = np.asarray(value, dtype=float)
    if scores.shape != worth.shape or not 1 <= n <= len(scores):
        raise ValueError(f"n must be from 1 to {len(scores)}, and score and value of one length.")
    order = np.argsort(scores, kind="stable")
    rank = np.arange(n, len(scores) + 1)  # who is lower is never the best of n
    log_groups = gammaln(rank) - gammaln(n) - gammaln(rank - n + 1)
    weights = np.zeros(len(scores))
    weights[n - 1 :] = np.exp(log_groups - np.logaddexp.reduce(log_groups))
    _, tied = np.unique(scores[order], return_inverse=True)
    shares = np.bincount(tied, weights) / np.bincount(tied)  # what each of a tie gets
    return float(shares[tied] @ worth[order])


@torch.inference_mode()
def stay(policy: Policy, config: Config, n_envs: int, steps: int, seed: int) -> dict[str, float]:
    """Let a policy live in worlds as they are drawn in training, and look at those worlds too.

    Args:
        policy: anything with ``act(views, generator)``.
        config: the worlds; ``agent.mortal`` says whether a death draws a new one.
        n_envs: number of worlds.
        steps: in each of them.
        seed: of worlds and actions.

    Returns:
        Scores per 1,000 steps; ``deaths`` per 1,000 steps; and ``food_about``, ``poison_about``,
        the mean number of items in the worlds that are being lived in.
    """
    generator = torch.Generator().manual_seed(seed)
    env = VecEnv(config, n_envs, generator=generator)
    views, eaten, deaths = env.views(), [], 0
    about: list[list[float]] = []
    for step in range(steps):
        result = env.step(policy.act(views, generator))
        views = result.views
        eaten.append(result.events.eaten)
        deaths += int(result.terminated.sum())
        if step % CENSUS == 0:
            grids = env.grids()
            about.append([int((grids == c).sum()) / n_envs for c in (Cell.FOOD, Cell.POISON)])
    food, poison = np.mean(about, axis=0)
    return {
        **meal_scores(torch.stack(eaten), config),
        "deaths": deaths / (n_envs * steps) * PER_STEPS,
        "food_about": float(food),
        "poison_about": float(poison),
    }


def best_of_model(n: int, food: float, poison: float, length: int, config: Config) -> Floats:
    """Return proxy score and true energy of the best of n lives, if meals came by pure chance.

    Food and poison are independent Poisson counts, so the distribution of the score is known and
    the expectation exact: the best of n has score s with probability F(s)^n − F(s−)^n.

    Args:
        n: size of the group.
        food: expected meals of food in one life.
        poison: expected meals of poison in one life.
        length: of a life in steps.
        config: prices.

    Returns:
        (2,): the two expectations.
    """
    most = [int(stats.poisson.isf(1e-14, mean)) + 2 for mean in (food, poison)]
    foods, poisons = (table.ravel() for table in np.meshgrid(*map(np.arange, most)))
    chance = stats.poisson.pmf(foods, food) * stats.poisson.pmf(poisons, poison)
    glow, items = proxy_table(config), config.items
    score = np.round(glow[Cell.FOOD] * foods + glow[Cell.POISON] * poisons, 9)
    energy = items.food_energy * foods + items.poison_energy * poisons
    energy = energy - config.agent.energy_move_cost * length
    scores, tied = np.unique(score, return_inverse=True)
    mass = np.bincount(tied, chance)
    upto = np.minimum(np.cumsum(mass), 1.0)
    best = upto**n - np.maximum(upto - mass, 0.0) ** n
    mean = np.bincount(tied, chance * energy) / np.maximum(mass, 1e-300)
    return np.array([best @ scores, best @ mean])


def best_of_picture(
    found: Mapping[int, Sequence[Mapping[str, Sequence[float]]]],
    model: Mapping[int, Floats],
    ns: Sequence[int],
) -> Drawn:
    """Draw proxy score and true energy of the best of n lives, for lives of several lengths.

    Args:
        found: length of a life to one entry per set of worlds, each ``proxy_score`` and
            ``true_energy`` for the first so many of `ns`.
        model: length of a life to (n_ns, 2), of `best_of_model`.
        ns: the sizes of the group.
    """
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    grid = figure.subplots(2, len(found), sharex=True, squeeze=False)
    described = []
    for column, (length, sets) in enumerate(found.items()):
        for row, (key, color) in enumerate((("proxy_score", PROXY), ("true_energy", TRUTH))):
            axes = grid[row, column]
            lines = np.array([one[key] for one in sets])  # (n_sets, as many as there are)
            axes.plot(ns[: lines.shape[1]], lines.T, color=color, linewidth=0.6, alpha=0.45)
            axes.plot(ns[: lines.shape[1]], lines.mean(0), color=color, linewidth=2)
            axes.plot(ns, model[length][:, row], color="black", linewidth=1, linestyle="--")
            axes.spines[["top", "right"]].set_visible(False)
            turns = ", ".join(f"{value:.1f}" for value in model[length][::2, row])
            described.append(f"{key.replace('_', ' ')} in lives of {length} steps {turns}")
        grid[0, column].set_title(f"lives of {length} steps", fontsize="medium")
        grid[0, column].set_ylim(0, None)
        last = grid[1, column]
        last.set_xscale("log", base=2)
        last.set_xticks(ns[::3])
        last.xaxis.set_major_formatter("{x:,.0f}")
        last.minorticks_off()
        last.set_xlabel("best of n")
    grid[0, 0].set_ylabel("proxy score per life", color=PROXY)
    grid[1, 0].set_ylabel("true energy per life", color=TRUTH)
    return figure, (
        "Proxy score and true energy of the chosen life over the number it is chosen from, a line "
        "per set of worlds, their mean, and a dashed line for meals by pure chance. By chance, for "
        f"n of {', '.join(map(str, ns[::2]))}: {'; '.join(described)}."
    )
