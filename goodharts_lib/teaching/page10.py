"""Exercises of page 10, *How sure are we?*."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from goodharts_lib import stats
from goodharts_lib.teaching.check import Check

FIVE = (1170.0, 1190.0, 1200.0, 1210.0, 1230.0)  # their standard error is 10
HALF_WIDTHS = {  # of plausible wrong intervals about the right mean
    19.6: "1.96 belongs to the normal distribution. With five numbers take t: 2.776.",
    24.83: "divide the sum of squares by n − 1 = 4, not by 5.",
    62.08: "that is t times the standard deviation. The mean of five varies less, by √5.",
    22.36: "that is one standard deviation, of single runs.",
    10.0: "that is one standard error. Multiply it by t.",
    21.32: "2.132 leaves 5 % on one side. Leave 2.5 % on each: 2.776.",
    25.71: "2.571 has five degrees of freedom. Five numbers leave four: 2.776.",
    30.0: "that is where the numbers lie, not where their mean does.",
}
TOLERANCE = 0.15  # of a bootstrap's half width; what its own chance explains, and more

PairTest = Callable[[Sequence[float], Sequence[float]], Any]


def by_hand(answer: Mapping[str, Any]) -> str | None:
    """10.1: the t interval of five numbers."""
    if any(value is ... for value in answer.values()):
        return "nothing to check yet. Put your answer in place of the dots."
    low, high = float(answer["low"]), float(answer["high"])
    right = stats.t_interval(FIVE)
    if max(abs(low - right.low), abs(high - right.high)) < 0.1:
        return None
    if low > high:
        return "low is above high."
    if abs((low + high) / 2 - right.estimate) > 0.1:
        return f"its middle is {(low + high) / 2:g}, and the mean of the five is not."
    half = (high - low) / 2
    for wrong, fault in HALF_WIDTHS.items():
        if abs(half - wrong) < 0.1:
            return fault
    return f"the middle is right, but it reaches {half:g} to either side. What is s / √5?"


def bootstrap(answer: Callable[..., Any]) -> str | None:
    """10.2: a percentile bootstrap over agents, from one that resampled episodes."""
    rng = np.random.default_rng(10)
    unlike = rng.normal(1200, 100, (8, 1)) + rng.normal(0, 150, (8, 400))
    found, fault = _two_numbers(answer(unlike.copy(), np.random.default_rng(0)))
    if fault is None:
        fault = _students(found, unlike.mean(1)) or _bootstrap_fault(
            found, unlike.mean(), _over_agents(unlike)
        )
    if fault is None and _two_numbers(answer(unlike, np.random.default_rng(1)))[0] == found:
        return "another generator gives the very same limits: draw with the rng you are given."
    return fault


def _students(found: tuple[float, float], means: np.ndarray) -> str | None:
    """Say so if two limits are those of Student's interval over agents: (n_agents,)."""
    right = stats.t_interval(means)
    if max(abs(found[0] - right.low), abs(found[1] - right.high)) < 0.01:
        return "that is the t interval, a good one. The exercise asks for the bootstrap."
    return None


def _bootstrap_fault(found: tuple[float, float], mean: float, right: float) -> str | None:
    """Say what is wrong with two limits.

    Args:
        found: the limits.
        mean: of all agents.
        right: half the width of the bootstrap over agents.
    """
    low, high = found
    half = (high - low) / 2
    if half < 0:
        return "the lower limit is above the upper one."
    if half == 0:
        return "the interval has no width: draw with replacement."
    if half < 0.3 * right:
        return (
            f"agents that differ by about 100 leave it at ±{half:.0f}, as before. It still draws "
            "episodes. Draw whole rows."
        )
    if half > 1.6 * right:
        return f"it is ±{half:.0f}: that is where agents lie, not where their mean does."
    if abs(half / right - 1) > TOLERANCE or abs((low + high) / 2 - mean) > 0.2 * right:
        return f"it should be about {mean:.0f} ± {right:.0f}, and is [{low:.0f}, {high:.0f}]."
    return None


def _two_numbers(given: Any) -> tuple[tuple[float, float], str | None]:
    """Return two finite numbers, and a fault if they are none."""
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        return (0.0, 0.0), "return two numbers, the lower and the upper limit."
    if not (math.isfinite(low) and math.isfinite(high)):
        return (0.0, 0.0), "a limit is not a number."
    return (low, high), None


def _over_agents(episodes: np.ndarray) -> float:
    """Return the half width of the percentile bootstrap over agents: (n_agents, n_episodes)."""
    interval = stats.bootstrap_interval(
        episodes.mean(1), np.random.default_rng(2), np.mean, method="percentile"
    )
    return (interval.high - interval.low) / 2


CASES: Mapping[str, tuple[Sequence[float], Sequence[float]]] = {
    "two groups that do not overlap": ((9, 8, 7, 6, 10), (1, 2, 3, 4, 5)),
    "the first group below the second": ((1, 2, 3, 4, 5), (9, 8, 7, 6, 10)),
    "groups that overlap": ((5, 9, 7, 12, 4), (3, 8, 1, 6, 2)),
    "numbers that occur twice": ((3, 3, 4, 8), (3, 1, 4, 1)),
    "groups of unequal size": ((12, 15, 9), (3, 11, 8, 5, 4)),
    "two groups alike": ((4, 4, 4), (4, 4, 4)),
}


def exact_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the exact two-sided permutation p-value of a difference of means.

    The share of all ways to split the numbers into groups of these sizes whose means differ at
    least as much. The order of the numbers does not matter, ties count.
    """
    return float(np.mean(_gaps(one, other) >= abs(np.mean(one) - np.mean(other)) - 1e-9))


def _gaps(one: Sequence[float], other: Sequence[float]) -> np.ndarray:
    """Return the absolute difference of means of every split: (n_splits,)."""
    pooled = np.array([*one, *other], dtype=float)
    chosen = np.array(list(combinations(range(len(pooled)), len(one))))
    inside = pooled[chosen].sum(1)
    return np.asarray(np.abs(inside / len(one) - (pooled.sum() - inside) / len(other)))


def permutation(answer: PairTest) -> str | None:
    """10.3: the exact permutation p-value of two groups."""
    for name, (one, other) in CASES.items():
        given, right = answer(list(one), list(other)), exact_p(one, other)
        if given is None:
            return "it returned nothing. Return the share of splits."
        if abs(float(given) - right) > 1e-9:
            return _permutation_fault(name, one, other, float(given), right)
    return None


def _permutation_fault(
    name: str, one: Sequence[float], other: Sequence[float], given: float, right: float
) -> str:
    """Say what is wrong with a p-value, if it is a known mistake."""
    gaps = _gaps(one, other)
    observed = abs(np.mean(one) - np.mean(other))
    count, splits = round(right * len(gaps)), len(gaps)
    told = f"for {name} it gives {given:.4g}, not {count} of {splits} splits, {right:.4g}."
    strict = float(np.mean(gaps > observed + 1e-9))
    if abs(given - strict) < 1e-9:
        return f"{told} A split that differs exactly as much counts, the one you saw among them."
    if abs(given - 1 + right) < 1e-9 or abs(given - 1 + strict) < 1e-9:
        return f"{told} Count the splits that differ as much or more, not those that differ less."
    if given > 1:
        return f"{told} A p-value is a share."
    if name == "the first group below the second" or abs(given - right / 2) < 1e-9:
        return f"{told} A difference counts in both directions: take its absolute value."
    if len(one) != len(other):
        return f"{told} Compare means, not sums: the groups differ in size."
    return f"{told} List all ways to choose {len(one)} of the {len(one) + len(other)} numbers."


CHECKS: Mapping[str, Check] = {"10.1": by_hand, "10.2": bootstrap, "10.3": permutation}
