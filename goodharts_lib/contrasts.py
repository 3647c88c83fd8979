"""Contrasts of several conditions: weighted sums of means, such as main effects.

The unit is the training seed, as in `stats`, whose errors apply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike
from scipy import stats as scipy_stats  # type: ignore[import-untyped, unused-ignore]

from goodharts_lib.stats import Interval, as_floats, check_level

# Weights of a 2 x 2 design's cells: both factors on, the first alone, the second alone, neither.
FIRST, SECOND = (0.5, 0.5, -0.5, -0.5), (0.5, -0.5, 0.5, -0.5)
INTERACTION = (1.0, -1.0, -1.0, 1.0)


class Effects(NamedTuple):
    """Of a 2 x 2 design: both main effects, and their interaction."""

    first: Interval
    second: Interval
    interaction: Interval


def contrast_interval(
    cells: Sequence[ArrayLike], weights: Sequence[float], level: float = 0.95
) -> Interval:
    """Return the weighted sum of the cells' means, with a t interval that allows unequal variances.

    Args:
        cells: independent samples over seeds, each (n_seeds,) with at least 2.
        weights: one per cell; +1 and -1 for two cells is `stats.difference_interval`.
        level: nominal coverage, in (0, 1).

    Raises:
        ValueError: a sample is too small, or there is not one weight per cell.

    Source: Welch 1947, doi 10.1093/biomet/34.1-2.28; degrees of freedom by Satterthwaite 1946,
    doi 10.2307/3002019.
    """
    check_level(level)
    samples = [as_floats(cell, "each cell") for cell in cells]
    if len(samples) != len(weights):
        raise ValueError("there must be one weight for each cell.")
    estimate = sum(w * float(cell.mean()) for w, cell in zip(weights, samples, strict=True))
    parts = [
        w**2 * float(cell.var(ddof=1)) / len(cell) for w, cell in zip(weights, samples, strict=True)
    ]
    variance = sum(parts)
    n: tuple[int, int] | int = sum(len(cell) for cell in samples)
    if variance == 0:
        return Interval(estimate, estimate, estimate, level, "Welch t", n)
    freedom = variance**2 / sum(p**2 / (len(c) - 1) for p, c in zip(parts, samples, strict=True))
    half = float(scipy_stats.t.ppf((1 + level) / 2, freedom)) * math.sqrt(variance)
    return Interval(estimate, estimate - half, estimate + half, level, "Welch t", n)


def effects_2x2(
    both: ArrayLike, first: ArrayLike, second: ArrayLike, neither: ArrayLike, level: float = 0.95
) -> Effects:
    """Return main effects and interaction of a 2 x 2 design.

    A main effect is the mean change when one factor is switched on, over both states of the other.
    The interaction is how much more the first factor changes when the second is on than when it
    is off.

    Args:
        both: outcomes, one per seed, with both factors on.
        first: with the first alone.
        second: with the second alone.
        neither: with neither.
        level: nominal coverage, in (0, 1).
    """
    cells = (both, first, second, neither)
    return Effects(
        contrast_interval(cells, FIRST, level),
        contrast_interval(cells, SECOND, level),
        contrast_interval(cells, INTERACTION, level),
    )
