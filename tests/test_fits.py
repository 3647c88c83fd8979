"""Tests of goodharts_lib.fits: published answers, slow references, coverage by simulation.

Simulations use fixed generator seeds.  "Reported" figures are printed; run pytest with ``-s``.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from scipy import optimize, stats  # type: ignore[import-untyped, unused-ignore]

from goodharts_lib.fits import (
    Crossing,
    censored_loglog_slope,
    paired_difference,
    slope,
    zero_crossing,
)
from goodharts_lib.stats import Interval, difference_interval, t_interval

NAN = math.nan


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def share(hits: Sequence[Any]) -> float:
    return sum(hits) / len(hits)


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def width(interval: Interval) -> float:
    return interval.high - interval.low


# --- paired differences -----------------------------------------------------


def test_a_paired_difference_by_hand() -> None:
    a, b = [3.0, 5.0, 4.0, 8.0, 6.0], [1.0, 2.0, 3.0, 4.0, 5.0]
    got = paired_difference(a, b)
    # Differences 2, 3, 1, 4, 1: mean 2.2, variance 1.7; the table gives t(4, 0.975) = 2.776445.
    half = 2.776445 * math.sqrt(1.7 / 5)
    assert got.difference[:3] == pytest.approx((2.2, 2.2 - half, 2.2 + half), rel=1e-6)
    assert got.difference[3:] == (0.95, "paired t", 5)
    # Sums of squares and products 14.8, 10 and 9.
    r = 9 / math.sqrt(148)
    bounds = [math.tanh(math.atanh(r) + side * 1.959964 / math.sqrt(2)) for side in (-1, 1)]
    assert got.correlation[:3] == pytest.approx((r, *bounds), rel=1e-6)
    assert got.correlation[3:] == (0.95, "Fisher z", 5)


def test_pairing_pays_only_with_a_correlation() -> None:
    rng = generator(1)
    shared, own = rng.normal(size=(100, 5)), rng.normal(size=(2, 100, 5))
    for weight, gains in ((0.0, False), (3.0, True)):
        ratios = [
            width(paired_difference(a, b).difference) / width(difference_interval(a, b))
            for a, b in zip(*(weight * shared + own), strict=True)
        ]
        assert (np.mean(ratios) < 0.6) if gains else (np.mean(ratios) > 1.1)


def test_the_correlation_covers_at_its_level() -> None:
    draws = generator(2).multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=(500, 8))
    found = [paired_difference(*rows.T).correlation for rows in draws]
    assert share([covers(f, 0.6) for f in found]) == pytest.approx(0.95, abs=0.03)


# --- slopes -----------------------------------------------------------------


def test_a_slope_by_hand() -> None:
    # Sxx = 5, Sxy = 4, residuals -0.2, 0.6, -0.6, 0.2, their squares 0.8 over 2 degrees.
    got = slope([1, 2, 3, 4], [1, 2.6, 2.2, 3.8])
    t, variance = 4.302653, 0.4
    half = t * math.sqrt(variance / 5)
    assert got.slope[:3] == pytest.approx((0.8, 0.8 - half, 0.8 + half), rel=1e-6)
    half = t * math.sqrt(variance * (1 / 4 + 2.5**2 / 5))
    assert got.intercept[:3] == pytest.approx((0.4, 0.4 - half, 0.4 + half), rel=1e-6)
    assert got.slope[3:] == got.intercept[3:] == (0.95, "OLS t", 4)


X = np.array([0.0, 0.1, 0.3, 0.5, 0.9])


def line_coverage(y: np.ndarray, truth: float) -> tuple[float, float]:
    """Coverage over studies y, (n_studies, n_seeds, n_x): one line, and a t interval of slopes."""
    flat = [covers(slope(np.tile(X, len(rows)), rows.ravel()).slope, truth) for rows in y]
    each = [covers(t_interval(np.polyfit(X, rows.T, 1)[0]), truth) for rows in y]
    return share(flat), share(each)


def test_slopes_cover_where_runs_are_independent() -> None:
    y = 2 * X + generator(3).normal(size=(500, 5, len(X)))
    assert line_coverage(y, 2.0) == pytest.approx((0.95, 0.95), abs=0.03)


def test_one_line_is_too_sure_of_what_seeds_share() -> None:
    rng = generator(4)
    own_slope = rng.normal(2, 2, size=(400, 5, 1))
    flat, each = line_coverage(own_slope * X + 0.1 * rng.normal(size=(400, 5, len(X))), 2.0)
    print(f"\nshared slopes, 5 seeds: OLS {flat:.3f}, slope per seed {each:.3f}")
    assert flat < 0.82
    assert each == pytest.approx(0.95, abs=0.03)


# --- censored times ---------------------------------------------------------

# Kilovolts and minutes to the breakdown of an insulating fluid: Nelson 1972, all observed.
INSULATION = """
26 5.79 1579.52 2323.7
28 68.85 108.29 110.29 426.07 1067.6
30 7.74 17.05 20.46 21.02 22.66 43.4 47.3 139.07 144.12 175.88 194.9
32 0.27 0.4 0.69 0.79 2.75 3.91 9.88 13.95 15.93 27.8 53.24 82.85 89.29 100.58 215.1
34 0.19 0.78 0.96 1.31 2.78 3.16 4.15 4.67 4.85 6.5 7.35 8.01 8.27 12.06 31.75 32.52 33.91
34 36.71 72.89
36 0.35 0.59 0.96 0.99 1.69 1.97 2.07 2.58 2.71 2.9 3.67 3.99 5.35 13.77 25.5
38 0.09 0.39 0.47 0.73 0.74 1.13 1.4 2.38
"""

# Hours to failure of 10 motorettes at each temperature (Celsius), and the end of the trial:
# Schmee & Hahn 1979, doi 10.1080/00401706.1979.10489811.
MOTORETTES = {
    150: ([], 8064),
    170: ([1764, 2772, 3444, 3542, 3780, 4860, 5196], 5448),
    190: ([408, 408, 1344, 1344, 1440], 1680),
    220: ([408, 408, 504, 504, 504], 528),
}


def motorettes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x with log x = 1000 / kelvin, hours, and whether the motorette failed."""
    rows = [
        (math.exp(1000 / (celsius + 273.2)), *((t, True) if t else (end, False)))
        for celsius, (times, end) in MOTORETTES.items()
        for t in times + [None] * (10 - len(times))
    ]
    x, times, failed = map(np.array, zip(*rows, strict=True))
    return x, times, failed


def study(
    rng: np.random.Generator, b: float, end: float, law: str = "lognormal"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Five runs at each of six x, log T = b log x + error, stopped at a common end."""
    x = np.repeat(2.0 ** np.arange(6), 5)
    error = rng.normal(size=30) if law == "lognormal" else np.log(rng.exponential(size=30))
    times = x**b * np.exp(error)
    return x, np.minimum(times, end), times < end


def slow_likelihood(
    x: np.ndarray, times: np.ndarray, died: np.ndarray, law: str, b: float | None = None
) -> tuple[float, np.ndarray]:
    """The maximum over (a, log sigma, b), b held if given, by scipy's laws of T and no gradient."""

    def loss(theta: np.ndarray) -> float:
        a, log_sigma, tilt = *theta[:2], theta[2] if b is None else b
        sigma, scale = math.exp(log_sigma), np.exp(a + tilt * np.log(x))
        if law == "lognormal":
            frozen = stats.lognorm(sigma, scale=scale)
        else:
            frozen = stats.weibull_min(1 / sigma, scale=scale)
        return -float(np.where(died, frozen.logpdf(times), frozen.logsf(times)).sum())

    start = [float(np.log(times).mean()), 0.0] + [0.0] * (b is None)
    options = {"xatol": 1e-7, "fatol": 1e-9, "maxiter": 5000}
    rough = optimize.minimize(loss, start, method="Nelder-Mead", options=options)
    # Nelder-Mead may stall once.
    fit = optimize.minimize(loss, rough.x, method="Nelder-Mead", options=options)
    return -fit.fun, fit.x


def test_the_breakdown_of_insulating_fluid() -> None:
    # Weibull: Lawless 2003, example 6.3.2, gives 64.85, -17.73 and 1.288.
    rows = [[float(word) for word in line.split()] for line in INSULATION.strip().splitlines()]
    volts, minutes = zip(*((row[0], time) for row in rows for time in row[1:]), strict=True)
    got = censored_loglog_slope(volts, minutes, [True] * 76, distribution="weibull")
    assert got.slope.estimate == pytest.approx(-17.73, abs=0.005)
    assert got.intercept == pytest.approx(64.847, abs=0.005)
    assert got.sigma == pytest.approx(1.288, abs=0.0005)
    assert (got.events, got.censored) == (76, 0)


def test_the_failure_of_motorettes() -> None:
    # In logarithms to base 10 Schmee & Hahn give -6.019, 4.311 and 0.2592.
    got = censored_loglog_slope(*motorettes())
    published = np.array([-6.019, 4.311, 0.2592]) * math.log(10)
    found = [got.intercept, got.slope.estimate, got.sigma]
    np.testing.assert_allclose(found, published, rtol=3e-4)
    assert (got.events, got.censored, got.slope.n) == (17, 23, 40)


def test_without_censoring_it_is_least_squares_on_the_logarithms() -> None:
    x, times, _ = study(generator(5), 1.3, math.inf)
    for level in (0.5, 0.95):
        got = censored_loglog_slope(x, times, [True] * 30, level)
        line = slope(np.log(x), np.log(times), level)
        assert got.slope[:3] == pytest.approx(line.slope[:3], rel=1e-4)
        assert got.intercept == pytest.approx(line.intercept.estimate, abs=1e-4)
        assert got.slope.method == "profile likelihood, lognormal"


@pytest.mark.parametrize("law", ["lognormal", "weibull"])
def test_the_censored_fit_against_a_slow_likelihood(law: Any) -> None:
    x, times, died = study(generator(6), -1.5, 0.3, law)
    got = censored_loglog_slope(x, times, died, 0.9, law)
    best, (a, log_sigma, b) = slow_likelihood(x, times, died, law)
    assert 5 < got.events < 25
    found = [got.intercept, got.slope.estimate, got.sigma]
    np.testing.assert_allclose(found, [a, b, math.exp(log_sigma)], rtol=1e-3)
    # At either bound the profile has fallen by the cut.
    freedom = got.events - 2
    cut = got.events / 2 * math.log(1 + stats.t.ppf(0.95, freedom) ** 2 / freedom)
    for bound in (got.slope.low, got.slope.high):
        assert best - slow_likelihood(x, times, died, law, bound)[0] == pytest.approx(cut, rel=1e-3)


@pytest.mark.parametrize("law", ["lognormal", "weibull"])
def test_the_slope_does_not_depend_on_units(law: Any) -> None:
    x, times, died = study(generator(7), 1.0, 4.0, law)
    plain = censored_loglog_slope(x, times, died, 0.95, law)
    moved = censored_loglog_slope(1e-3 * x, 3600 * times, died, 0.95, law)
    assert moved.slope[:3] == pytest.approx(plain.slope[:3], rel=1e-3)
    shift = math.log(3600) - plain.slope.estimate * math.log(1e-3)
    assert moved.intercept == pytest.approx(plain.intercept + shift, abs=1e-2)
    turned = censored_loglog_slope(1 / x, times, died, 0.95, law).slope
    estimate, low, high, *_ = plain.slope
    assert turned[:3] == pytest.approx((-estimate, -high, -low), rel=1e-3)


def test_dropping_censored_runs_flattens_the_slope() -> None:
    rng, fitted, dropped = generator(8), [], []
    for _ in range(40):
        x, times, died = study(rng, 1.0, 6.0)
        fitted.append(censored_loglog_slope(x, times, died).slope.estimate)
        dropped.append(slope(np.log(x[died]), np.log(times[died])).slope.estimate)
    print(f"\nb = 1, half censored: fitted {np.mean(fitted):.2f}, dropped {np.mean(dropped):.2f}")
    assert np.mean(fitted) == pytest.approx(1.0, abs=0.1)
    assert np.mean(dropped) < 0.6


def test_the_censored_slope_covers_at_its_level() -> None:
    rng = generator(9)
    found = [censored_loglog_slope(*study(rng, 1.0, 6.0)) for _ in range(300)]
    covered = share([covers(fit.slope, 1.0) for fit in found])
    print(f"\n300 studies, {np.mean([f.events for f in found]):.0f} of 30 runs: {covered:.3f}")
    assert np.median([fit.slope.estimate for fit in found]) == pytest.approx(1.0, abs=0.05)
    # The standard error is 0.013.
    assert 0.91 < covered < 0.99


# --- zero crossings ---------------------------------------------------------


def conditions(means: Sequence[float], spread: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two runs at x = 0, 1, 2, ..., at mean - spread and mean + spread."""
    y = np.array([[mean - spread, mean + spread] for mean in means])
    return np.repeat(np.arange(len(means), dtype=float), 2), y.ravel()


@pytest.mark.parametrize(
    ("means", "crossing"),
    [
        ([-1, 3, 4], 0.25),
        ([-4, -3, 1], 1.75),
        ([2, 1, -1], 1.5),
        ([-1, 0, 5], 1.0),
        # Below zero for 1, 1/2, 0 and 1/2 of the four steps that a noisy middle makes.
        ([-9, -1, 1, 1, -1, 5], 1 + 0.5 + 0 + 0.5 + 1 / 6),
        ([1, 2, 4], None),
        ([-3, -2, -1], None),
        ([0.3, 0.2, 0.1], None),
    ],
)
def test_a_crossing_by_hand(means: list[float], crossing: float | None) -> None:
    got = zero_crossing(*conditions(means), generator(), resamples=10)
    assert got.estimate == (crossing if crossing is None else pytest.approx(crossing))


@pytest.mark.parametrize(
    ("means", "low", "high"),
    [([1, 2, 4], None, 0), ([-3, -2, -1], 2, None), ([3, 2, 1], 2, None), ([-1, -2, -3], None, 0)],
)
def test_a_crossing_out_of_range_is_bounded_on_one_side(
    means: list[float], low: float | None, high: float | None
) -> None:
    got = zero_crossing(*conditions(means, 0.1), generator(), resamples=100)
    assert got == Crossing(None, low, high, 0.95, 6)


def test_a_crossing_that_some_resamples_miss_is_open_on_that_side() -> None:
    # At x = 2 a resample of (-1, 3) has a negative mean one time in four; the tail is 0.15.
    got = zero_crossing(*conditions([-9, -8, 1], 2), generator(), level=0.7, resamples=500)
    assert got.estimate == pytest.approx(1 + 8 / 9)
    assert got.low is not None
    assert 1 < got.low < 1 + 8 / 9
    assert got.high is None


def test_the_bootstrap_of_a_crossing_against_all_resamples() -> None:
    # Two means of two runs have 4 resamples each; the scatter of a mean is stretched to t(1).
    level, stretch = 0.6, math.sqrt(2) * stats.t.ppf(0.8, 1) / stats.norm.ppf(0.8)
    left, right = (
        [mean + stretch * (np.mean(drawn) - mean) for drawn in itertools.product(y, repeat=2)]
        for mean, y in ((-9, (-10.0, -8.0)), (9.5, (6.0, 13.0)))
    )
    exact = [2 * -a / (b - a) for a, b in itertools.product(left, right)]
    bounds = np.quantile(exact, [0.2, 0.8], method="inverted_cdf")
    got = zero_crossing([0, 0, 2, 2], [-10, -8, 6, 13], generator(1), level=level)
    assert (got.low, got.high) == pytest.approx(tuple(bounds))
    assert got.estimate == pytest.approx(2 * 9 / 18.5)


def test_a_crossing_mirrors_and_moves_with_its_data() -> None:
    rng = generator(10)
    x = np.repeat(np.linspace(0, 1, 5), 4)
    y = x - 0.45 + 0.3 * rng.normal(size=20)
    plain = zero_crossing(x, y, generator(), resamples=500)
    assert plain.estimate is not None
    assert plain == zero_crossing(x, -8 * y, generator(), resamples=500)
    order = rng.permutation(20)
    assert zero_crossing(x[order], y[order], generator()).estimate == plain.estimate
    moved = zero_crossing(3 * x + 2, y, generator(), resamples=500)
    assert moved[:3] == pytest.approx([3 * value + 2 for value in plain[:3] if value is not None])
    assert plain[1:3] != zero_crossing(x, y, generator(1), resamples=500)[1:3]


def crossing_coverage(n: int, noise: float, truth: float, studies: int = 200) -> float:
    """Coverage for y = x - truth at 7 x in [-1, 1] with n runs each; an open side covers."""
    rng, hits = generator(11), []
    x = np.repeat(np.linspace(-1, 1, 7), n)
    for _ in range(studies):
        got = zero_crossing(x, x - truth + noise * rng.normal(size=x.size), rng, resamples=1000)
        low = -math.inf if got.low is None else got.low
        high = math.inf if got.high is None else got.high
        hits.append(bool(low <= truth <= high))
    return share(hits)


@pytest.mark.parametrize(
    ("n", "noise", "truth"),
    [(5, 0.1, 0.37), (5, 0.5, 0.95), (5, 0.3, 1.1), (3, 0.1, 0.37)],
)
def test_a_crossing_of_few_seeds_is_covered(n: int, noise: float, truth: float) -> None:
    covered = crossing_coverage(n, noise, truth)
    print(f"\n{n} seeds, noise {noise}, truth {truth}: {covered:.3f}")
    # The standard error is 0.015; a plain percentile bootstrap of the first case covers 0.84.
    assert covered > 0.9


def test_what_is_compared_with_is_subtracted() -> None:
    x, y = np.repeat([0.0, 1.0, 2.0], 3), np.arange(9.0)
    sets = [[1.0, 3.0], [2.0, 4.0], [5.0, 9.0]]  # means 2, 3 and 7
    got = zero_crossing(x, y, generator(), less=sets, resamples=10)
    # Means 1, 4 and 7 less those: -1, 1 and 0.
    assert got.estimate == zero_crossing(x, y - np.repeat([2.0, 3.0, 7.0], 3), generator(),
                                         resamples=10).estimate  # fmt: skip


def test_a_crossing_with_sets_that_do_not_scatter_is_that_of_the_differences() -> None:
    x = np.repeat(np.linspace(0, 1, 5), 4)
    y = x + 0.3 * generator(3).normal(size=20)
    level = [[0.45 + step] * 3 for step in range(5)]
    got = zero_crossing(x, y + np.repeat(range(5), 4), generator(), less=level, resamples=500)
    assert got[:3] == pytest.approx(zero_crossing(x, y - 0.45, generator(), resamples=500)[:3])


def test_a_crossing_of_what_scatters_against_what_scatters_is_covered() -> None:
    """The luck of a set is the same at every place, and much larger than a run's."""
    rng, plain, whole = generator(12), [], []
    places = np.linspace(-1, 1, 7)
    x = np.repeat(places, 5)
    for _ in range(200):
        y = x - 0.37 + 0.05 * rng.normal(size=x.size)
        sets = 0.2 * rng.normal(size=5) + 0.02 * rng.normal(size=(7, 5))  # (7, 5)
        for hits, got in (
            (plain, zero_crossing(x, y - np.repeat(sets.mean(1), 5), rng, resamples=500)),
            (whole, zero_crossing(x, y, rng, less=sets, resamples=500)),
        ):
            low = -math.inf if got.low is None else got.low
            high = math.inf if got.high is None else got.high
            hits.append(bool(low <= 0.37 <= high))
    print(f"\nsets as a constant {share(plain):.3f}, sets resampled {share(whole):.3f}")
    assert share(plain) < 0.7
    assert share(whole) > 0.9


# --- errors -----------------------------------------------------------------

GOOD = [1.0, 2.0, 4.0, 3.0]
YES = [True] * 4
BAD_CALLS: list[tuple[Callable[[], object], str]] = [
    (lambda: paired_difference(GOOD, GOOD[:3]), "b must hold at least 4"),
    (lambda: paired_difference(GOOD, [*GOOD, 1]), "same length"),
    (lambda: paired_difference(GOOD, [2] * 4), "both vary"),
    (lambda: paired_difference(GOOD, [1, 2, 3, NAN]), "b must not contain"),
    (lambda: paired_difference(GOOD, GOOD[::-1], 1.0), "level"),
    (lambda: slope(GOOD, GOOD[:3]), "same length"),
    (lambda: slope([1, 2], [1, 2]), "at least 3 runs"),
    (lambda: slope([1, 1, 1], [1, 2, 3]), "2 distinct"),
    (lambda: slope(GOOD, GOOD, 95), "level"),
    (lambda: censored_loglog_slope(GOOD, GOOD[:3], YES), "same length"),
    (lambda: censored_loglog_slope(GOOD, GOOD, YES[:3]), "observed must hold one"),
    (lambda: censored_loglog_slope(GOOD, GOOD, [0, 1, 2, 1]), "observed must hold one"),
    (lambda: censored_loglog_slope(GOOD, GOOD, ["False"] * 4), "observed must be"),
    (lambda: censored_loglog_slope([0, 1, 2, 3], GOOD, YES), "positive"),
    (lambda: censored_loglog_slope(GOOD, [-1, 1, 2, 3], YES), "positive"),
    (lambda: censored_loglog_slope(GOOD, GOOD, [1, 1, 0, 0]), "at least 3 events"),
    (lambda: censored_loglog_slope([1, 1, 1, 2], GOOD, [1, 1, 1, 0]), "2 distinct x"),
    (lambda: censored_loglog_slope(GOOD, GOOD, YES), "exactly"),
    (lambda: censored_loglog_slope(GOOD, [5] * 4, YES, 0.9, "weibull"), "exactly"),
    (lambda: censored_loglog_slope([1, 2, 4, 4], [1, 2, 4, 3], [1, 1, 1, 0]), "exactly"),
    (lambda: censored_loglog_slope(GOOD, [1, 3, 3, 2], YES, 0.9, "gamma"), "distribution"),  # type: ignore[arg-type]
    (lambda: censored_loglog_slope(GOOD, [1, 3, 3, 2], YES, 0.0), "level"),
    (lambda: zero_crossing(GOOD, GOOD, generator()), "2 runs at each x"),
    (lambda: zero_crossing([1, 1, 2, 2], [1, 2, 2, 1], generator()), "rise or fall"),
    (lambda: zero_crossing([1, 1, 2], [1, 2, 2], generator()), "at least 4 runs"),
    (lambda: zero_crossing([1, 1, 2, 2], GOOD, generator(), less=[[1, 2]] * 3), "row for each x"),
    (lambda: zero_crossing([1, 1, 2, 2], GOOD, generator(), less=[[1], [2]]), "2 sets"),
    (lambda: zero_crossing([1, 1, 2, 2], GOOD, 3), "Generator"),  # type: ignore[arg-type]
    (lambda: zero_crossing([1, 1, 2, 2], GOOD, generator(), resamples=0), "resamples"),
    (lambda: zero_crossing([1, 1, 2, 2], GOOD, generator(), level=2), "level"),
]


@pytest.mark.parametrize(("call", "words"), BAD_CALLS)
def test_bad_input_raises_one_sentence(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        call()
    message = str(error.value)
    assert message.endswith(".")
    assert ". " not in message
