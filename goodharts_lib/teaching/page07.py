"""Exercises of page 7, *Almost indistinguishable*."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import NormalDist
from typing import Any

from goodharts_lib.teaching.check import Check

GAP, NOISE = 0.1, 0.05
RIGHT = NormalDist().cdf(GAP / (NOISE * math.sqrt(2)))

SLIPS = (
    (1 - RIGHT, "that is how often it is wrong."),
    (NormalDist().cdf(GAP / NOISE),
     "two readings are compared and both are noisy. Their difference scatters by more."),
    (NormalDist().cdf(GAP / (2 * NOISE)),
     "variances add, not standard deviations: two of 0.05 do not make 0.1."),
    (GAP / (NOISE * math.sqrt(2)),
     "that is the gap in units of its scatter. How often is a normal error smaller?"),
)  # fmt: skip

Times = Sequence[int | None]  # steps until learned; None: not within the time given


def one_look(answer: Any) -> str | None:
    """7.1: how often the food looks brighter, at one look, with a noisy sensor."""
    try:
        given = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number between 0 and 1."
    if abs(given - RIGHT) < 0.002:
        return None
    for slip, said in SLIPS:
        if abs(given - slip) < 0.003:
            return said
    return f"{given:g} is not it. By how much does the difference of two readings scatter?"


TOLD: tuple[tuple[list[int | None], float, str], ...] = (
    ([300, 100, 200], 200, "all five seeds have learned, and the middle one is wanted"),
    ([100, 200, 300, None, None], 300, "two of five never learned and count as the slowest"),
    ([100, None, None, 300, None], math.inf, "three of five never learned, so nobody knows"),
    ([None, None], math.inf, "nobody ever learned"),
    ([1_466_368, 1_449_984, None, 1_300_000], 1_458_176, "the two in the middle are averaged"),
    ([None, 500, None, 400], math.inf, "one of the two in the middle never came"),
)


def typical(answer: Callable[[Times], Any]) -> str | None:
    """7.2: the median of learning times, where None is slower than all that were seen."""
    for times, right, words in TOLD:
        given = answer(list(times))
        if given is None:
            return "it returned nothing."
        if math.isclose(float(given), right):
            continue
        seen = sorted(t for t in times if t is not None)
        shown = f"of {times} it says {float(given):,.0f}"
        one = _one_of_two(float(given), times)
        if one is not None:
            return f"{shown}, the {one} of the two in the middle. Average them."
        if None in times and seen and math.isclose(float(given), _middle(seen)):
            return f"{shown}: it still asks only those who have learned."
        if math.isinf(right):
            return f"{shown}, but the middle one never learned: the answer is math.inf."
        return f"{shown}, not {right:,.0f}. Here {words}."
    return None


def _one_of_two(given: float, times: Times) -> str | None:
    """Return which of the two in the middle is taken for the median, if their number is even."""
    ordered = sorted(math.inf if t is None else float(t) for t in times)
    low, high = ordered[(len(ordered) - 1) // 2], ordered[len(ordered) // 2]
    if low == high or given not in (low, high):
        return None
    return "lower" if given == low else "upper"


def _middle(ordered: Sequence[float]) -> float:
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2


FIELDS = (  # poison's share, energy of food, harm of poison
    (60 / 185, 10.0, 30.0), (0.6, 10.0, 2.0), (60 / 185, 15.0, 10.0), (0.25, 10.0, 30.0),
    (0.0, 10.0, 30.0), (1.0, 10.0, 30.0), (0.1, 10.0, 30.0),
)  # fmt: skip


def best_untold(answer: Callable[[float, float, float], Any]) -> str | None:
    """7.3: energy per thing met, of the best policy that cannot tell things apart."""
    for share, gain, harm in FIELDS:
        given, all_eaten = float(answer(share, gain, harm)), (1 - share) * gain - share * harm
        right = max(all_eaten, 0.0)
        if math.isclose(given, right, abs_tol=1e-9):
            continue
        shown = f"at a share of {share:.2f} and prices of {gain:g} and {harm:g}"
        if given == 0:
            return f"{shown} it never eats, though here eating pays."
        if math.isclose(given, all_eaten, abs_tol=1e-9):
            return f"{shown} it eats and loses {-given:.2f} a thing. It need not eat."
        if math.isclose(given, (1 - share) * gain, abs_tol=1e-9):
            return f"{shown} it eats the food and leaves the poison. But it cannot tell them apart."
        swapped = share * gain - (1 - share) * harm
        if math.isclose(given, max(swapped, 0.0), abs_tol=1e-9):
            return f"{shown} it takes the share of poison for that of food."
        return f"{shown} it says {given:.2f}; the better of eating and leaving is {right:.2f}."
    return None


CHECKS: Mapping[str, Check] = {"7.1": one_look, "7.2": typical, "7.3": best_untold}
