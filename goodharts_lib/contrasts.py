"""Contrasts of several conditions: weighted sums of means, such as main effects, and their ratios.

The unit is the training seed, as in `stats`, whose errors apply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from numpy.typing import ArrayLike
from scipy import optimize  # type: ignore[import-untyped, unused-ignore]
from scipy import stats as scipy_stats

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


def ratio_interval(
    cells: Sequence[ArrayLike],
    top: Sequence[float],
    bottom: Sequence[float],
    level: float = 0.95,
) -> Interval:
    """Return the ratio of two weighted sums of the cells' means, with Fieller's interval.

    It holds every ratio r for which the contrast ``top - r * bottom`` may be 0, by the t interval
    of `contrast_interval`. So it allows for an uncertain bottom, as a percentile bootstrap of few
    seeds does not. If the bottom itself may be 0, no ratio can be excluded on either side, and the
    ends are infinite.

    Args:
        cells: independent samples over seeds, each (n_seeds,) with at least 2.
        top: one weight per cell.
        bottom: one weight per cell.
        level: nominal coverage, in (0, 1).

    Raises:
        ValueError: a sample is too small, there is not one weight per cell, or the bottom's
            estimate is 0.

    Source: Fieller 1954, doi 10.1111/j.2517-6161.1954.tb00159.x.
    """
    above, below = (contrast_interval(cells, weights, level) for weights in (top, bottom))
    if below.estimate == 0:
        raise ValueError("the bottom of a ratio must not be 0.")
    ratio = above.estimate / below.estimate
    low, high = -math.inf, math.inf
    if not below.low <= 0 <= below.high:
        sign = math.copysign(1, below.estimate)
        under = [sign * weight for weight in bottom]  # positive, so that the contrast falls with r
        high = _last_ratio(cells, [sign * weight for weight in top], under, ratio, level)
        low = -_last_ratio(cells, [-sign * weight for weight in top], under, -ratio, level)
    return Interval(ratio, low, high, level, "Fieller", below.n)


def _last_ratio(
    cells: Sequence[ArrayLike],
    top: Sequence[float],
    bottom: Sequence[float],
    ratio: float,
    level: float,
) -> float:
    """Return the largest r for which ``top - r * bottom`` may be 0; bottom is above 0 for sure."""

    def reach(r: float) -> float:
        weights = [t - r * b for t, b in zip(top, bottom, strict=True)]
        return contrast_interval(cells, weights, level).high

    step = reach(ratio) / contrast_interval(cells, bottom).estimate  # of the interval's own size
    if step <= 1e-12 * abs(ratio):  # no seed differs from another
        return ratio
    while reach(ratio + step) > 0:
        step *= 2
    return float(optimize.brentq(reach, ratio, ratio + step, xtol=1e-9 * step))


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
