"""Plausible wrong answers to the exercises of page 8."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

NUMBERS = {"8.1"}  # exercises whose answer is no function


def _life(meals: float, share: float, start: int, steps: int, *, move: int = 1, meal_move: int = 1,
          least: int = 1, cap: int = 10**9, harm: int = 300) -> tuple[float, float]:  # fmt: skip
    """Return the mean life, and the chance of being alive at the end, with faults to choose."""
    chance, total = {start: 1.0}, 0.0
    lots = ((0, 1 - meals), (100, meals * (1 - share)), (-harm, meals * share))
    for _ in range(steps):
        total += sum(chance.values())
        after: dict[int, float] = defaultdict(float)
        for energy, here in chance.items():
            for change, likely in lots:
                left = energy + change - (meal_move if change else move)
                if left >= least:
                    after[min(left, cap)] += here * likely
        chance = after
    return total, sum(chance.values())


def _drawn(meals: float, share: float, start: int, steps: int) -> float:
    lots = np.random.default_rng().random((50, steps))
    change = np.where(lots < meals * share, -300, np.where(lots < meals, 100, 0)) - 1
    dead = start + change.cumsum(1) <= 0
    return float(np.where(dead.any(1), dead.argmax(1) + 1, steps).mean())


WRONG: dict[str, dict[str, Any]] = {
    "8.1": {
        "moves forgotten": {"zero": 0.25, "worse": 0.25},
        "one move a meal": {"zero": 0.2475, "worse": 0.25},
        "moves on both sides": {"zero": 0.2375, "worse": 0.2375},
        "the ratio of the prices": {"zero": 1 / 3, "worse": 1 / 3},
        "the share of food": {"zero": 0.2375, "worse": 0.75},
        "per cent": {"zero": 23.75, "worse": 25},
        "half done": {"zero": 0.2375},
    },
    "8.2": {
        "not picky": lambda q, g, h: g / (g + h),  # noqa: ARG005
        "the border divided by q": lambda q, g, h: min(1, g / (g + h) / q) if q else 1,
        "q on the wrong side": lambda q, g, h: q * g / (q * g + h),
        "harmed without poison": lambda q, g, h: g / (g + (q or 1) * h),
        "a division by zero": lambda q, g, h: g / (g + h) / q,
    },
    "8.3": {
        "0 is still alive": lambda *a: _life(*a, least=0)[0],
        "moves cost nothing": lambda *a: _life(*a, move=0, meal_move=0)[0],
        "no move on a step with a meal": lambda *a: _life(*a, meal_move=0)[0],
        "poison does no harm": lambda *a: _life(*a, harm=0)[0],
        "nobody gets richer than at the start": lambda *a: _life(*a, cap=a[2])[0],
        "the chance of being alive": lambda *a: _life(*a)[1],
        "lots are drawn": _drawn,
        "always the default start": lambda m, p, start, steps: _life(m, p, 500, steps)[0],  # noqa: ARG005
    },
}
