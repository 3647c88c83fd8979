"""Ruin: how long a life lasts when each meal is a draw of lots.

At every step an agent pays for its move and, with a fixed chance, has a meal; with a fixed chance
that meal is poison. It is dead as soon as its energy is 0 or less. Nothing here is simulated: the
chances of all energies are carried from step to step. It is the gambler's ruin with two stakes.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from goodharts_lib.config import Config
from goodharts_lib.values import tenths


def alive(meals: float, share: float, config: Config, steps: int) -> NDArray[np.float64]:
    """Return the chance of being alive after 0, 1, ... steps: (steps + 1,), from 1 downward.

    Args:
        meals: chance of a meal at a step, in [0, 1].
        share: of poison among meals, in [0, 1].
        config: start, cost of a move and prices of both items. Food must not harm and poison must
            not help.
        steps: at least 0.

    Raises:
        ValueError: an argument lies outside its range.
    """
    food, harm = tenths(config.items.food_energy), -tenths(config.items.poison_energy)
    if not (0 <= meals <= 1 and 0 <= share <= 1):
        raise ValueError(f"meals and share are chances, not {meals} and {share}.")
    if min(food, harm, steps) < 0:
        raise ValueError("steps must not be negative, nor food harm or poison help.")
    start, move = tenths(config.agent.energy_start), tenths(config.agent.energy_move_cost)
    unit = math.gcd(food, harm) or 1
    up, down = food // unit, harm // unit
    # After t steps energy is start - t * move + unit * j with a whole number j: one array does.
    lowest = -(start // unit) - down - 1  # nobody alive is lower
    j = np.arange(lowest, up * steps + down + 1)
    chance = np.zeros(len(j))
    chance[-lowest] = 1.0
    survival = np.ones(steps + 1)
    for step in range(1, steps + 1):
        after = (1 - meals) * chance
        after[up:] += meals * (1 - share) * chance[: len(j) - up]
        after[: len(j) - down] += meals * share * chance[down:]
        after[start - move * step + unit * j <= 0] = 0
        chance = after
        survival[step] = chance.sum()
    return survival


def lifetime(meals: float, share: float, config: Config, steps: int) -> float:
    """Return the mean length of a life in steps, where whoever lives longer counts as `steps`.

    That is the area under `alive`, and what an evaluation's ``rmst`` estimates. Arguments and
    errors are those of `alive`.
    """
    return float(alive(meals, share, config, steps)[:-1].sum())
