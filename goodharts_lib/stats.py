"""Statistics over training seeds.

The unit is the training seed.  Reduce the deaths or evaluation episodes of one seed to one number
first (a mean, a rate, a restricted mean lifetime), and pass one number per seed to the intervals
below.  Deaths within one seed share one trained policy, so they are not independent repeats of
the experiment.

Every invalid argument raises ValueError with one sentence.  Randomness comes only from the
``numpy.random.Generator`` given by the caller.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

FloatArray = NDArray[np.float64]
# Called as ``statistic(array, axis=-1)``; must reduce that axis.
Statistic = Callable[..., Any]


class Interval(NamedTuple):
    """A point estimate and its confidence interval.

    ``level`` is the nominal coverage, in (0, 1).  ``n`` is the number of training
    seeds, or the pair (n_a, n_b) for a difference of two conditions.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    n: int | tuple[int, int]

    def __str__(self) -> str:
        """Format as ``+1,410 [1,302, 1,518] (95 % t, n = 5)``.

        The estimate carries its sign.  All three numbers have as many decimals as two significant
        digits of the half-width need.  An interval of no width, or of infinite width, shows six
        significant digits.  Two samples print as ``n = 5 + 4``.
        """
        half_width = (self.high - self.low) / 2
        decimals, spec = 15, ",.6g"
        if 1e-12 * abs(self.estimate) < half_width < math.inf:  # Less is rounding error.
            decimals = max(0, 1 - math.floor(math.log10(half_width)))
            spec = f",.{decimals}f"
        # Adding 0.0 turns a rounded -0.0 into 0.0.
        mid, low, high = (round(float(x), decimals) + 0.0 for x in self[:3])
        n = " + ".join(map(str, self.n)) if isinstance(self.n, tuple) else self.n
        return (
            f"{mid:+{spec}} [{low:{spec}}, {high:{spec}}] "
            f"({100 * self.level:g} % {self.method}, n = {n})"
        )


class SurvivalCurve(NamedTuple):
    """A right-continuous step function, as two arrays of shape (n_times,).

    Survival is 1 before ``times[0]`` and ``survival[i]`` from ``times[i]``
    (included) to ``times[i + 1]`` (excluded).
    """

    times: FloatArray
    survival: FloatArray


def as_floats(values: ArrayLike, name: str, ndim: int | None = 1, minimum: int = 2) -> FloatArray:
    """Return finite floats, shape (n, ...), n >= minimum; ndim None: any shape."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be an array of real numbers.") from None
    if array.size == 0:
        raise ValueError(f"{name} must not be empty.")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must not contain NaN or infinity.")
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must be {ndim}-dimensional, not {array.ndim}-D.")
    if ndim is not None and len(array) < minimum:
        raise ValueError(f"{name} must hold at least {minimum} seeds.")
    return array


def check_level(level: float) -> None:
    """Refuse a coverage outside (0, 1)."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie strictly between 0 and 1, not {level}.")


def check_bootstrap(rng: np.random.Generator, level: float, resamples: int) -> None:
    """Refuse what no bootstrap can work with."""
    check_level(level)
    if not isinstance(rng, np.random.Generator):
        raise ValueError("rng must be a numpy.random.Generator.")
    if resamples < 1:
        raise ValueError(f"resamples must be at least 1, not {resamples}.")


@overload
def iqm(values: ArrayLike, axis: None = None) -> float: ...
@overload
def iqm(values: ArrayLike, axis: int) -> FloatArray: ...
def iqm(values: ArrayLike, axis: int | None = None) -> float | FloatArray:
    """Return the interquartile mean: the mean of the middle half.

    Cuts ``floor(n / 4)`` values from each end of ``axis``, so it is the plain
    mean when n < 4.  Any shape; ``axis=None`` uses all values and returns a
    float.  Source: Agarwal et al. 2021, arXiv:2108.13264, section 4.3.
    """
    result = stats.trim_mean(as_floats(values, "values", ndim=None), 0.25, axis=axis)
    return float(result) if axis is None else np.asarray(result)


def t_interval(values: ArrayLike, level: float = 0.95) -> Interval:
    """Return the mean over training seeds with its Student t interval.

    ``values`` has shape (n_seeds,), n_seeds >= 2.  Its coverage is exact for normal values and
    falls below ``level`` for skewed ones.  Source: Student 1908, "The probable error of a mean",
    doi 10.1093/biomet/6.1.1.
    """
    sample = as_floats(values, "values")
    check_level(level)
    mean = float(sample.mean())
    quantile = stats.t.ppf((1 + level) / 2, sample.size - 1)
    half_width = float(quantile * stats.sem(sample))
    return Interval(mean, mean - half_width, mean + half_width, level, "t", sample.size)


def prediction_interval(values: ArrayLike, level: float = 0.95) -> tuple[float, float]:
    """Return (low, high), between which one more training seed of the same kind would fall.

    ``values`` has shape (n_seeds,), n_seeds >= 2.  It is sqrt(n_seeds + 1) times as wide as
    ``t_interval``, and needs normal values at any n_seeds.  Source: Hahn & Meeker 1991,
    "Statistical Intervals", chapter 4, doi 10.1002/9780470316771.
    """
    mean, _, high, *_ = t_interval(values, level)
    half_width = (high - mean) * math.sqrt(np.size(values) + 1)
    return mean - half_width, mean + half_width


def bootstrap_interval(
    values: ArrayLike,
    rng: np.random.Generator,
    statistic: Statistic = iqm,
    *,
    level: float = 0.95,
    method: Literal["bca", "percentile"] = "bca",
    resamples: int = 10_000,
) -> Interval:
    """Return a bootstrap interval for a statistic of one sample of seeds.

    ``values`` has shape (n_seeds,), n_seeds >= 2.  Equal values give a zero-width interval.  BCa is
    undefined when leaving out one seed never changes the statistic, as for the interquartile mean
    of [0, 0, 0, 0, 9]; the result is then the percentile interval, and its ``method`` field says
    so.  Source: Efron 1987, doi 10.1080/01621459.1987.10478410, through ``scipy.stats.bootstrap``.

    At small n both are too narrow, which is why the book's intervals are ``t_interval``: neither
    has the n - 1 correction or the t quantile.  At n = 5 the 95 % percentile interval for a normal
    mean covers about 84 %, and BCa does no better (Hesterberg 2015, doi
    10.1080/00031305.2015.1089789).
    """
    sample = as_floats(values, "values")
    check_bootstrap(rng, level, resamples)
    if method not in ("bca", "percentile"):
        raise ValueError(f"method must be 'bca' or 'percentile', not {method!r}.")
    label = "BCa bootstrap" if method == "bca" else "percentile bootstrap"
    estimate = float(statistic(sample, axis=-1))
    if sample.min() == sample.max():
        return Interval(estimate, estimate, estimate, level, label, sample.size)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        # An undefined BCa shows as non-finite bounds, which are handled below.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        result = stats.bootstrap(
            (sample,),
            statistic,
            vectorized=True,
            axis=-1,
            n_resamples=resamples,
            confidence_level=level,
            method="BCa" if method == "bca" else "percentile",
            random_state=rng,  # Named rng from scipy 1.15 on, where both names work.
        )
    low, high = map(float, result.confidence_interval)
    if not (math.isfinite(low) and math.isfinite(high)):
        label, tails = "percentile bootstrap", [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(result.bootstrap_distribution, tails).tolist()
    return Interval(estimate, low, high, level, label, sample.size)


def stratified_bootstrap_interval(
    scores: ArrayLike,
    rng: np.random.Generator,
    statistic: Statistic = iqm,
    *,
    level: float = 0.95,
    resamples: int = 10_000,
) -> Interval:
    """Return a percentile interval for a statistic over several tasks.

    The book has one task and does not need it; it is here for whoever compares agents over many.
    ``scores`` has shape (n_seeds, n_tasks), n_seeds >= 2.  Each resample draws n_seeds seeds with
    replacement, independently within each task, and applies ``statistic`` (called with ``axis=-1``)
    to all n_seeds * n_tasks scores.  Tasks are fixed and are never resampled.  With few seeds the
    interval is too narrow, as in ``bootstrap_interval``.  It holds about 16 * resamples * n_seeds *
    n_tasks bytes.  Source: Agarwal et al. 2021, arXiv:2108.13264, section 4.1.
    """
    matrix = as_floats(scores, "scores", ndim=2)
    check_bootstrap(rng, level, resamples)
    n_seeds, n_tasks = matrix.shape
    seeds = rng.integers(n_seeds, size=(resamples, n_seeds, n_tasks))
    drawn = matrix[seeds, np.arange(n_tasks)].reshape(resamples, matrix.size)
    low, high = np.quantile(statistic(drawn, axis=-1), [(1 - level) / 2, (1 + level) / 2]).tolist()
    estimate = float(statistic(matrix.reshape(-1), axis=-1))
    return Interval(estimate, low, high, level, "stratified bootstrap", n_seeds)


def difference_interval(a: ArrayLike, b: ArrayLike, level: float = 0.95) -> Interval:
    """Return mean(a) - mean(b) with its Welch t interval.

    ``a`` and ``b`` are independent samples over seeds, shapes (n_a,) and (n_b,), each with at least
    2 seeds; the variances may differ.  Source: Welch 1947, doi 10.1093/biomet/34.1-2.28, through
    ``scipy.stats.ttest_ind``.
    """
    x, y = as_floats(a, "a"), as_floats(b, "b")
    check_level(level)
    with warnings.catch_warnings():
        # scipy warns about constant samples, whose variance is exactly zero.
        warnings.filterwarnings("ignore", "Precision loss", RuntimeWarning)
        result = stats.ttest_ind(x, y, equal_var=False)
        low, high = map(float, result.confidence_interval(level))
    estimate = float(x.mean() - y.mean())
    return Interval(estimate, low, high, level, "Welch t", (x.size, y.size))


def probability_of_improvement(a: ArrayLike, b: ArrayLike) -> float:
    """Return P(a > b) + P(a = b) / 2 over all pairs of seeds, in [0, 1].

    No page needs it, as all scores of the book have one unit; it is here for scores that have none.
    ``a`` and ``b`` have shapes (n_a,) and (n_b,), each with at least 1 seed.
    This is the Mann-Whitney statistic U / (n_a n_b) on one task.  Source:
    Agarwal et al. 2021, arXiv:2108.13264, section 4.3.
    """
    x, y = as_floats(a, "a", minimum=1), as_floats(b, "b", minimum=1)
    # The p-value is not used; the asymptotic one is the cheapest.
    u = stats.mannwhitneyu(x, y, method="asymptotic").statistic
    return float(u) / (x.size * y.size)


def kaplan_meier(durations: ArrayLike, observed: ArrayLike) -> SurvivalCurve:
    """Return the Kaplan-Meier estimate of the survival function.

    ``durations`` has shape (n,), finite and >= 0.  ``observed`` has shape (n,), boolean: False
    means right-censored, still alive at that duration.  A censored agent still counts as at risk
    for deaths at the same duration.  ``times`` are the distinct durations, censored ones included.
    Survival after the last one is unknown unless it is 0.  There is no interval: compute one curve
    per training seed.  Source: Kaplan & Meier 1958, doi 10.1080/01621459.1958.10501452, through
    ``scipy.stats.ecdf``.
    """
    times = as_floats(durations, "durations", minimum=1)
    if times.min() < 0:
        raise ValueError("durations must not be negative.")
    flags = as_floats(observed, "observed", minimum=1)
    if flags.shape != times.shape:
        raise ValueError("durations and observed must have the same length.")
    if not np.isin(flags, (0, 1)).all():
        raise ValueError("observed must contain only booleans.")
    died = flags == 1
    data = stats.CensoredData(uncensored=times[died], right=times[~died])
    curve = stats.ecdf(data).sf
    return SurvivalCurve(curve.quantiles, curve.probabilities)


def restricted_mean(durations: ArrayLike, observed: ArrayLike, tau: float) -> float:
    """Return the restricted mean lifetime: the area under S from 0 to tau.

    Arguments as in ``kaplan_meier``; tau is finite and > 0.  The result lies in [0, tau], and is
    mean(min(T, tau)) when nothing is censored before tau.  ValueError if tau exceeds the longest
    duration and survival there is above 0: the area beyond is not identified.  Compute one per seed
    for ``t_interval``.  Source: Royston & Parmar 2013, doi 10.1186/1471-2288-13-152.
    """
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"tau must be finite and positive, not {tau}.")
    times, survival = kaplan_meier(durations, observed)
    if tau > times[-1] and survival[-1] > 0:
        raise ValueError("tau must not exceed the longest duration, a censored one.")
    edges = np.minimum(np.concatenate(([0.0], times, [tau])), tau)
    return float(np.diff(edges) @ np.append(1.0, survival))
