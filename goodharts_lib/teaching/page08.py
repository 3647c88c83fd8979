"""Exercises of page 8, *When does a proxy turn harmful?*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from goodharts_lib.config import load_config
from goodharts_lib.ruin import alive, lifetime
from goodharts_lib.teaching.check import Check

ZERO, WORSE = 0.2375, 0.25  # (10 − 0.5) / 40 and 10 / 40
PRICES = ((10.0, 30.0), (15.0, 10.0), (1.0, 4.0))  # food, harm of poison
NEAR = 1e-3  # of a share
EXACT = 0.01  # steps


def two_borders(answer: Mapping[str, Any]) -> str | None:
    """8.1: shares of poison among meals at +10 and −30, 200 meals per 1,000 steps at 0.1 each."""
    if any(value is ... for value in answer.values()):
        return "nothing to check yet. Put your answer in place of the dots."
    zero, worse = float(answer["zero"]), float(answer["worse"])
    for share in (zero, worse):
        if not 0 <= share <= 1:
            return f"a share lies between 0 and 1, and {share:g} does not."
    return _zero(zero) or _worse(worse)


def _zero(share: float) -> str | None:
    if abs(share - ZERO) < NEAR:
        return None
    if abs(share - WORSE) < NEAR:
        return "at 'zero' the meals break even, but the moves are not paid for yet."
    if abs(share - (10 - 0.1) / 40) < NEAR:
        return "'zero' pays for one move a meal. How many steps lie between two meals?"
    left = 200 * (10 * (1 - share) - 30 * share) - 100
    return f"at a share of {share:g} it has {left:+,.0f} of energy per 1,000 steps, not 0."


def _worse(share: float) -> str | None:
    if abs(share - WORSE) < NEAR:
        return None
    if abs(share - ZERO) < NEAR:
        return "'worse' compares with an agent that never eats, and that one moves as well."
    more = 200 * (10 * (1 - share) - 30 * share)
    return f"at a share of {share:g} it has {more:+,.0f} more than one that never eats, not 0."


def picky(answer: Callable[[float, float, float], Any]) -> str | None:
    """8.2: the share of items from which a picky eater loses by eating: g / (g + q h)."""
    for food, harm in PRICES:
        for q in (1.0, 0.5, 0.1, 0.0):
            given, right = float(answer(q, food, harm)), food / (food + q * harm)
            if abs(given - right) < NEAR:
                continue
            asked = f"for q = {q:g}, +{food:g} and −{harm:g}"
            line = food / (food + harm)
            if q == 0:
                return f"{asked} it says {given:g}. Who never eats poison is never harmed."
            if abs(given - line) < NEAR:
                return f"{asked} it says {given:g}, as if it were not picky at all."
            if abs(given - min(1, line / q)) < NEAR:
                return (
                    f"{asked} it says {given:g}: the border divided by q. That would hold if meals "
                    "stayed as many; but of s poisons and 1 − s foods it eats q s + 1 − s."
                )
            meals = q * given + 1 - given
            gain = (food * (1 - given) - harm * q * given) / meals if meals else float("nan")
            return f"{asked} it says {given:g}, where a meal brings {gain:+.2f}, not 0."
    return None


def mean_life(answer: Callable[[float, float, int, int], Any]) -> str | None:
    """8.3: the mean length of a life from chances, exactly; energies in tenths."""
    if answer(0.2, 0.2, 500, 60) != answer(0.2, 0.2, 500, 60):
        return "two calls gave two numbers. Do not draw lots: carry the chances along."
    for (meals, share, start, steps), fault in FOLLOWED.items():
        given, right = float(answer(meals, share, start, steps)), _right(meals, share, start, steps)
        if abs(given - right) >= EXACT:
            return f"it gives {given:g} steps and not {right:g} for {fault}"
    for meals, share, start, steps in ((0.2, 0.2, 500, 300), (0.05, 0.4, 800, 300),
                                       (0.9, 0.1, 40, 200)):  # fmt: skip
        given, right = float(answer(meals, share, start, steps)), _right(meals, share, start, steps)
        asked = f"({meals:g}, {share:g}, {start}, {steps})"
        if abs(given - _alive(meals, share, start, steps)) < EXACT < abs(given - right):
            return f"{asked} gives the chance of being alive at the end. Add it up over the steps."
        if abs(given - right) >= EXACT:
            hint = (
                "May energy grow without limit?" if given < right else "Does poison kill in time?"
            )
            return f"{asked} gives {given:.2f} steps and not {right:.2f}. {hint}"
    return None


FOLLOWED = {  # lives that can be followed by hand, and what they test
    (0.0, 0.5, 5, 10): "a life that starts with 0.5 and finds nothing. A step costs 0.1, and at "
                       "exactly 0 it is dead.",
    (1.0, 0.0, 5, 50): "a life of food alone. It outlives the 50 steps, and they are all that "
                       "counts.",
    (1.0, 1.0, 601, 10): "a life of poison alone from a start of 60.1. The step on which it eats "
                         "costs a move, too.",
}  # fmt: skip


def _right(meals: float, share: float, start: int, steps: int) -> float:
    config = load_config(overrides={"agent.energy_start": start / 10})
    return lifetime(meals, share, config, steps)


def _alive(meals: float, share: float, start: int, steps: int) -> float:
    config = load_config(overrides={"agent.energy_start": start / 10})
    return float(alive(meals, share, config, steps)[-1])


CHECKS: Mapping[str, Check] = {"8.1": two_borders, "8.2": picky, "8.3": mean_life}
