"""Tests of goodharts_lib.stats: known answers, properties, slow loops, coverage.

Simulations use fixed generator seeds.  "Reported" figures are printed; run
pytest with ``-s`` to see them.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped, unused-ignore]

from goodharts_lib.stats import (
    Interval,
    bootstrap_interval,
    difference_interval,
    iqm,
    kaplan_meier,
    prediction_interval,
    probability_of_improvement,
    restricted_mean,
    stratified_bootstrap_interval,
    t_interval,
)

NAN, INF = math.nan, math.inf

# Grid values keep hypothesis on statistics and off floating-point extremes.
grid = st.integers(-4000, 4000).map(lambda k: k / 8)
samples = st.lists(grid, min_size=2, max_size=12)
scales = st.sampled_from([0.25, 0.5, 2.0, 8.0])
lifetimes = st.lists(
    st.tuples(st.integers(0, 60).map(lambda k: k / 4), st.booleans()),
    min_size=1,
    max_size=25,
)
quick = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# Freireich et al. 1963, 6-MP arm: weeks of remission of 21 patients.
REMISSION = [6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32]
REMISSION += [34, 35]
RELAPSED = [1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]


# --- Interval ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (
            Interval(1410.2, 1302.4, 1518.0, 0.95, "t", 5),
            "+1,410 [1,302, 1,518] (95 % t, n = 5)",
        ),
        (
            Interval(-0.5, -0.625, -0.375, 0.9, "Welch t", (5, 4)),
            "-0.50 [-0.62, -0.38] (90 % Welch t, n = 5 + 4)",
        ),
        (
            Interval(-0.001, -7.3, 7.298, 0.995, "BCa bootstrap", 8),
            "+0.0 [-7.3, 7.3] (99.5 % BCa bootstrap, n = 8)",
        ),
        (Interval(0.125, 0.125, 0.125, 0.95, "t", 3), "+0.125 [0.125, 0.125] "),
        (Interval(0.25, -INF, INF, 0.95, "Fieller", 9), "+0.25 [-inf, inf] (95 % Fieller, n = 9)"),
        (Interval(0.0, 0.0, 0.0, 0.95, "t", 3), "+0 [0, 0] (95 % t, n = 3)"),
    ],
)
def test_interval_text(interval: Interval, text: str) -> None:
    assert str(interval).startswith(text)


def test_interval_text_ignores_rounding_noise() -> None:
    # The standard deviation of three copies of 0.1 is 2e-17, not 0.
    assert str(t_interval([0.1] * 3)) == "+0.1 [0.1, 0.1] (95 % t, n = 3)"


def test_interval_is_immutable() -> None:
    with pytest.raises(AttributeError):
        t_interval([1, 2]).low = 0.0  # type: ignore[misc]


# --- iqm --------------------------------------------------------------------


def test_iqm_by_hand() -> None:
    # Eight values: drop two at each end and average 3, 4, 5, 6.
    assert iqm([100, 3, 5, 1, 4, 6, -50, 7]) == pytest.approx(4.5)
    # Five values: floor(5 / 4) = 1 dropped at each end.
    assert iqm([0, 1, 2, 6, 1000]) == pytest.approx(3.0)
    # Three values: nothing dropped.
    assert iqm([0, 0, 9]) == pytest.approx(3.0)


def test_iqm_axis() -> None:
    matrix = generator().normal(size=(3, 8))
    rows = [np.sort(row)[2:6].mean() for row in matrix]
    np.testing.assert_allclose(iqm(matrix, axis=1), rows)
    assert iqm(matrix) == pytest.approx(np.sort(matrix.ravel())[6:18].mean())


@quick
@given(st.lists(grid, min_size=1, max_size=30))
def test_iqm_lies_between_extremes(values: list[float]) -> None:
    assert min(values) - 1e-9 <= iqm(values) <= max(values) + 1e-9


# --- t and Welch intervals --------------------------------------------------


def test_t_interval_by_hand() -> None:
    # Mean 3, variance 2.5; the table gives t(4, 0.975) = 2.776445.
    half_width = 2.776445 * math.sqrt(2.5 / 5)
    got = t_interval([5, 1, 4, 2, 3])
    assert got[:3] == pytest.approx((3, 3 - half_width, 3 + half_width), rel=1e-6)
    assert got[3:] == (0.95, "t", 5)


@quick
@given(samples.filter(lambda v: max(v) > min(v)), st.sampled_from([0.5, 0.9, 0.99]))
def test_t_interval_inverts_the_t_test(values: list[float], level: float) -> None:
    # A null mean on either bound has the p-value 1 - level.
    got = t_interval(values, level)
    for bound in (got.low, got.high):
        p_value = stats.ttest_1samp(values, bound).pvalue
        assert p_value == pytest.approx(1 - level, rel=1e-5)


def test_prediction_interval_by_hand() -> None:
    # As t_interval above, with the variance of the new seed added: 2.5 (1 + 1/5).
    half_width = 2.776445 * math.sqrt(2.5 * 1.2)
    got = prediction_interval([5, 1, 4, 2, 3])
    assert got == pytest.approx((3 - half_width, 3 + half_width), rel=1e-6)
    assert prediction_interval([1, 3], 0.5) == pytest.approx((2 - math.sqrt(3), 2 + math.sqrt(3)))


def test_difference_by_hand() -> None:
    # Variances 1 and 4 over 3 seeds each: squared error 5/3; the
    # Welch-Satterthwaite degrees of freedom are (25/9) / (17/18) = 50/17.
    got = difference_interval([1, 2, 3], [2, 4, 6])
    half_width = stats.t.ppf(0.975, 50 / 17) * math.sqrt(5 / 3)
    assert got[:3] == pytest.approx((-2, -2 - half_width, -2 + half_width))
    assert got[3:] == (0.95, "Welch t", (3, 3))
    # At level 0.5 only the quantile changes.
    narrow = difference_interval([1, 2, 3], [2, 4, 6], 0.5)
    assert narrow.high + 2 == pytest.approx(stats.t.ppf(0.75, 50 / 17) * math.sqrt(5 / 3))


def test_difference_of_constant_samples() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        both = difference_interval([1, 1], [3, 3])
        one = difference_interval([1, 1, 1, 1], [2, 3, 4])
    assert both[:3] == (-2, -2, -2)
    # A constant sample adds no variance: the t interval of the other remains.
    other = t_interval([2, 3, 4])
    assert one[:3] == pytest.approx((-2, 1 - other.high, 1 - other.low))


@quick
@given(samples, samples)
def test_difference_is_antisymmetric(a: list[float], b: list[float]) -> None:
    ab, ba = difference_interval(a, b), difference_interval(b, a)
    expected = (-ba.estimate, -ba.high, -ba.low)
    assert ab[:3] == pytest.approx(expected, rel=1e-6, abs=1e-6)


# --- equivariance -----------------------------------------------------------

Maker = Callable[[np.ndarray], Interval]


def _as_scores(values: np.ndarray) -> np.ndarray:
    """Two tasks from one sample, the second one reversed and spread."""
    return np.column_stack([values, 3 * values[::-1]])


MAKERS: dict[str, Maker] = {
    "t": t_interval,
    "percentile": lambda x: bootstrap_interval(x, generator(), method="percentile", resamples=200),
    "stratified": lambda x: stratified_bootstrap_interval(
        _as_scores(x), generator(), np.mean, resamples=200
    ),
    "welch": lambda x: difference_interval(x, [0.0, 0.0]),
}


@pytest.mark.parametrize("name", MAKERS)
@quick
@given(values=samples, shift=grid, scale=scales)
def test_interval_is_equivariant(
    name: str, values: list[float], shift: float, scale: float
) -> None:
    # In "stratified" the tasks move by shift and 3 * shift: 2 * shift on average.
    moved_by = 2 * shift if name == "stratified" else shift
    make, x = MAKERS[name], np.array(values)
    before, after = make(x), make(scale * x + shift)
    expected = tuple(scale * bound + moved_by for bound in before[:3])
    assert after[:3] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@quick
@given(samples)
def test_t_interval_flips_with_the_sign(values: list[float]) -> None:
    got, flipped = t_interval(values), t_interval([-v for v in values])
    assert flipped[:3] == pytest.approx((-got[0], -got[2], -got[1]))


# --- one-sample bootstrap ---------------------------------------------------


def test_percentile_bootstrap_against_all_resamples() -> None:
    # n = 4 has only 4^4 resamples, so the exact distribution is a list.
    values = np.array([0.0, 1.0, 3.0, 10.0])
    exact = [np.mean(r) for r in itertools.product(values, repeat=4)]
    got = bootstrap_interval(
        values, generator(3), np.mean, level=0.8, method="percentile", resamples=20_000
    )
    # Distinct means are at least 0.25 apart, so agreement means the same one.
    expected = (3.5, *np.quantile(exact, [0.1, 0.9], method="inverted_cdf"))
    assert got[:3] == pytest.approx(expected, abs=1e-9)


def test_bca_against_efron_formulas() -> None:
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9, 1.3, 1.8, 2.7, 4.1, 6.3])
    got = bootstrap_interval(values, generator(6), np.mean, level=0.8, resamples=40_000)
    draws = generator(7).choice(values, size=(40_000, 12)).mean(axis=1)
    # Efron 1987, for the mean: z0 from the share below, a from the skewness.
    z0 = stats.norm.ppf((draws < values.mean()).mean())
    centred = values - values.mean()
    a = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    z = z0 + stats.norm.ppf([0.1, 0.9])
    bounds = np.quantile(draws, stats.norm.cdf(z0 + z / (1 - a * z)))
    # Monte Carlo error is near 0.01 of the spread; the correction is near 0.2.
    tolerance = 0.06 * draws.std()
    np.testing.assert_allclose([got.low, got.high], bounds, atol=tolerance)
    assert np.all(bounds - np.quantile(draws, [0.1, 0.9]) > 2 * tolerance)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_of_equal_values_has_zero_width(method: Any) -> None:
    got = bootstrap_interval([0.1] * 5, generator(), method=method, resamples=50)
    assert got.low == got.estimate == got.high == pytest.approx(0.1)
    assert got.method.lower() == f"{method} bootstrap"


def test_undefined_bca_becomes_a_labelled_percentile_interval() -> None:
    values = [0, 0, 0, 0, 9]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = bootstrap_interval(values, generator(1), resamples=500)
    plain = bootstrap_interval(values, generator(1), method="percentile", resamples=500)
    assert got == plain
    assert got.method == "percentile bootstrap"
    assert bootstrap_interval([1, 2, 4], generator()).method == "BCa bootstrap"


def test_bootstraps_depend_only_on_the_generator() -> None:
    scores = generator(1).normal(size=(6, 2))
    for make, data in (
        (bootstrap_interval, scores[:, 0]),
        (stratified_bootstrap_interval, scores),
    ):
        first, again, other = (make(data, generator(seed), resamples=300) for seed in (1, 1, 2))
        assert first == again
        assert first.estimate == other.estimate
        assert first.low != other.low


# --- stratified bootstrap ---------------------------------------------------


def slow_stratified(scores: np.ndarray, rng: np.random.Generator, resamples: int) -> list[float]:
    """The sorted bootstrap distribution of the IQM, one score at a time."""
    n_seeds, n_tasks = scores.shape
    results = []
    for _ in range(resamples):
        pooled = []
        for task in range(n_tasks):
            pooled += [scores[rng.integers(n_seeds), task] for _ in range(n_seeds)]
        pooled.sort()
        cut = len(pooled) // 4
        middle = pooled[cut : len(pooled) - cut]
        results.append(sum(middle) / len(middle))
    return sorted(results)


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_stratified_bootstrap_against_a_slow_loop(level: float) -> None:
    scores = generator(11).gamma(2.0, size=(5, 3)) * [1.0, 4.0, 10.0]
    slow = slow_stratified(scores, generator(12), 4000)
    fast = stratified_bootstrap_interval(scores, generator(13), level=level)
    # Bracket each bound by slow quantiles four standard errors of a
    # probability away, counting the error of both distributions.
    for bound, p in ((fast.low, (1 - level) / 2), (fast.high, (1 + level) / 2)):
        error = 4 * math.sqrt(p * (1 - p) * (1 / 4000 + 1 / 10_000))
        low, high = np.quantile(slow, [max(p - error, 0), min(p + error, 1)])
        assert low <= bound <= high


def test_stratified_bootstrap_against_all_resamples() -> None:
    # Two seeds of two tasks: 2^2 resamples in each task, 16 in all.
    pairs = list(itertools.product((0, 1), repeat=2))
    scores = np.array([[0.0, 0.0], [1.0, 10.0]])
    exact = [
        np.mean([scores[i, 0], scores[j, 0], scores[k, 1], scores[m, 1]])
        for (i, j), (k, m) in itertools.product(pairs, pairs)
    ]
    bounds = np.quantile(exact, [0.15, 0.85], method="inverted_cdf")
    got = stratified_bootstrap_interval(scores, generator(2), np.mean, level=0.7)
    assert got.estimate == pytest.approx(2.75)
    assert (got.low, got.high) == pytest.approx(tuple(bounds))


def test_stratified_bootstrap_keeps_tasks_apart() -> None:
    # All variance is between tasks, so seeds carry no uncertainty at all.
    scores = np.tile([0.0, 50.0, 100.0], (5, 1))
    stratified = stratified_bootstrap_interval(scores, generator(), np.mean)
    pooled = bootstrap_interval(scores.ravel(), generator(), np.mean)
    assert stratified.low == stratified.high == stratified.estimate == 50
    assert pooled.high - pooled.low > 30


def test_stratified_bootstrap_draws_tasks_independently() -> None:
    # The second task mirrors the first.  Resampling whole rows would cancel
    # exactly; independent draws leave a spread of about sd / sqrt(10).
    first = generator(4).normal(size=5)
    scores = np.column_stack([first, -first])
    got = stratified_bootstrap_interval(scores, generator(5), np.mean)
    assert got.estimate == pytest.approx(0)
    expected = 2 * 1.96 * first.std() / math.sqrt(10)
    assert got.high - got.low == pytest.approx(expected, rel=0.08)


def test_stratified_bootstrap_of_one_task_is_the_percentile_bootstrap() -> None:
    values = generator(8).normal(size=20)
    one = stratified_bootstrap_interval(values[:, None], generator(), np.mean)
    plain = bootstrap_interval(values, generator(1), np.mean, method="percentile")
    assert one[:3] == pytest.approx(plain[:3], abs=0.05 * values.std())
    assert one.n == 20


# --- probability of improvement ---------------------------------------------


def test_probability_of_improvement_by_hand() -> None:
    # Pairs (1, 1), (1, 0), (2, 1), (2, 0) score 1/2, 1, 1, 1.
    assert probability_of_improvement([1, 2], [1, 0]) == pytest.approx(3.5 / 4)
    assert probability_of_improvement([5], [4]) == 1
    assert probability_of_improvement([4, 4], [4]) == 0.5


@quick
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=10),
    st.lists(st.integers(0, 6), min_size=1, max_size=10),
)
def test_probability_of_improvement_counts_pairs(a: list[int], b: list[int]) -> None:
    score = sum((x > y) + 0.5 * (x == y) for x in a for y in b)
    forward, backward = probability_of_improvement(a, b), probability_of_improvement(b, a)
    assert forward == pytest.approx(score / (len(a) * len(b)))
    assert forward + backward == pytest.approx(1)


# --- Kaplan-Meier and restricted mean ---------------------------------------


def slow_survival(durations: list[float], observed: list[bool], t: float) -> float:
    """The product-limit estimate at one time, straight from its definition."""
    survival = 1.0
    for time in sorted(set(durations)):
        if time <= t:
            at_risk = sum(d >= time for d in durations)
            deaths = sum(d == time and o for d, o in zip(durations, observed, strict=True))
            survival *= 1 - deaths / at_risk
    return survival


def test_kaplan_meier_of_the_remission_trial() -> None:
    times, survival = kaplan_meier(REMISSION, RELAPSED)
    # Published table, e.g. Kleinbaum & Klein, Survival Analysis, chapter 2.
    published = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538}
    published |= {23: 0.448, 35: 0.448}
    curve = dict(zip(times.tolist(), survival.tolist(), strict=True))
    for week, value in published.items():
        assert curve[week] == pytest.approx(value, abs=6e-4)


def test_kaplan_meier_breaks_ties_in_favour_of_deaths() -> None:
    times, survival = kaplan_meier([2, 2, 2], [True, False, True])
    np.testing.assert_allclose([times[0], survival[0]], [2, 1 / 3])


def test_kaplan_meier_with_everything_censored() -> None:
    times, survival = kaplan_meier([3, 4, 4], [False] * 3)
    np.testing.assert_array_equal(times, [3, 4])
    np.testing.assert_array_equal(survival, [1, 1])
    assert restricted_mean([3, 4, 4], [False] * 3, tau=4) == 4


@quick
@given(lifetimes)
def test_kaplan_meier_against_a_slow_loop(data: list[tuple[float, bool]]) -> None:
    durations, observed = [d for d, _ in data], [o for _, o in data]
    times, survival = kaplan_meier(durations, observed)
    assert times.tolist() == sorted(set(durations))
    expected = [slow_survival(durations, observed, t) for t in times]
    np.testing.assert_allclose(survival, expected, atol=1e-12)
    assert np.all(np.diff(survival) <= 1e-12)
    assert np.all((survival >= 0) & (survival <= 1))


def test_restricted_mean_by_hand() -> None:
    # Survival is 1 to t = 1, 3/4 to t = 3, 3/8 to t = 4, and then 0.
    durations, observed = [1, 2, 3, 4], [True, False, True, True]
    assert restricted_mean(durations, observed, 0.5) == pytest.approx(0.5)
    assert restricted_mean(durations, observed, 2.5) == pytest.approx(1 + 1.5 * 0.75)
    assert restricted_mean(durations, observed, 4) == pytest.approx(2.875)
    assert restricted_mean(durations, observed, 9) == pytest.approx(2.875)


@quick
@given(lifetimes, st.integers(1, 80).map(lambda k: k / 5))
def test_restricted_mean_without_early_censoring(
    data: list[tuple[float, bool]], tau: float
) -> None:
    # Cut every lifetime at tau, as an episode limit does.
    durations = [min(d, tau) for d, _ in data]
    observed = [d < tau for d, _ in data]
    got = restricted_mean(durations, observed, tau)
    assert got == pytest.approx(np.mean(durations))


@quick
@given(lifetimes.filter(lambda data: max(d for d, _ in data) > 0), st.data())
def test_restricted_mean_is_the_area_under_the_curve(
    data: list[tuple[float, bool]], draw: st.DataObject
) -> None:
    durations, observed = [d for d, _ in data], [o for _, o in data]
    tau = draw.draw(st.sampled_from(sorted(set(durations) - {0.0})))
    # Jumps and tau are multiples of 1/4, so a grid of cells of 1/4 is exact.
    area = sum(slow_survival(durations, observed, k / 4) / 4 for k in range(int(4 * tau)))
    got = restricted_mean(durations, observed, tau)
    assert got == pytest.approx(area)
    assert 0 <= got <= tau + 1e-9


# --- errors -----------------------------------------------------------------

GOOD = [1.0, 2.0, 4.0]
FLAGS = [True, False, True]
BAD_CALLS: list[tuple[Callable[[], object], str]] = [
    *((lambda f=f: f([]), "empty") for f in (iqm, t_interval)),
    (lambda: iqm([1, NAN]), "NaN"),
    (lambda: iqm(["a", "b"]), "real numbers"),
    (lambda: iqm([[1], [1, 2]]), "real numbers"),
    (lambda: iqm([1, 2j]), "real numbers"),
    *((lambda v=v: t_interval([1, v]), "NaN or inf") for v in (NAN, INF, -INF)),
    (lambda: t_interval([1]), "at least 2 seeds"),
    (lambda: t_interval([[1, 2], [3, 4]]), "1-dimensional"),
    (lambda: t_interval(3.0), "1-dimensional"),
    *((lambda v=v: t_interval(GOOD, v), "level") for v in (0, 1, -1, 95, NAN)),
    (lambda: prediction_interval([1]), "at least 2 seeds"),
    (lambda: prediction_interval(GOOD, 1.0), "level"),
    (lambda: bootstrap_interval([], generator()), "empty"),
    (lambda: bootstrap_interval([1], generator()), "at least 2 seeds"),
    (lambda: bootstrap_interval([1, NAN], generator()), "NaN"),
    (lambda: bootstrap_interval(GOOD, generator(), level=1.0), "level"),
    (lambda: bootstrap_interval(GOOD, generator(), resamples=0), "resamples"),
    (lambda: bootstrap_interval(GOOD, generator(), method="t"), "method"),  # type: ignore[arg-type]
    (lambda: bootstrap_interval(GOOD, 0), "Generator"),  # type: ignore[arg-type]
    (lambda: stratified_bootstrap_interval(GOOD, generator()), "2-dimensional"),
    (lambda: stratified_bootstrap_interval([[1, 2]], generator()), "at least 2 seeds"),
    (lambda: stratified_bootstrap_interval(np.empty((2, 0)), generator()), "empty"),
    (lambda: stratified_bootstrap_interval([[1.0], [INF]], generator()), "NaN or inf"),
    (lambda: stratified_bootstrap_interval([[1], [2]], generator(), level=0), "level"),
    (
        lambda: stratified_bootstrap_interval([[1], [2]], generator(), resamples=-1),
        "resamples",
    ),
    (lambda: stratified_bootstrap_interval([[1], [2]], None), "Generator"),  # type: ignore[arg-type]
    (lambda: difference_interval(GOOD, [1]), "b must hold at least 2"),
    (lambda: difference_interval([], GOOD), "a must not be empty"),
    (lambda: difference_interval(GOOD, [1, INF]), "b must not contain"),
    (lambda: difference_interval(GOOD, GOOD, 1.5), "level"),
    (lambda: probability_of_improvement([], GOOD), "a must not be empty"),
    (lambda: probability_of_improvement(GOOD, [NAN]), "b must not contain"),
    (lambda: probability_of_improvement([GOOD], GOOD), "1-dimensional"),
    (lambda: kaplan_meier([], []), "empty"),
    (lambda: kaplan_meier([GOOD], [FLAGS]), "1-dimensional"),
    (lambda: kaplan_meier([1, -2, 3], FLAGS), "negative"),
    (lambda: kaplan_meier([1, INF, 3], FLAGS), "NaN or inf"),
    (lambda: kaplan_meier(GOOD, FLAGS[:2]), "same length"),
    (lambda: kaplan_meier(GOOD, [0, 1, 2]), "booleans"),
    (lambda: kaplan_meier(GOOD, ["True", "False", "True"]), "observed must be"),
    *((lambda v=v: restricted_mean(GOOD, FLAGS, v), "tau") for v in (0, -1, NAN, INF)),
    (lambda: restricted_mean(GOOD, FLAGS[:1], 1.0), "same length"),
    (lambda: restricted_mean(GOOD, [True, True, False], 4.5), "tau must not exceed"),
]


@pytest.mark.parametrize(("call", "words"), BAD_CALLS)
def test_bad_input_raises_one_sentence(call: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        call()
    message = str(error.value)
    assert message.endswith(".")
    assert ". " not in message
    assert "\n" not in message


# --- coverage by simulation -------------------------------------------------

N_SEEDS = 5
LOGNORMAL_MEAN = math.exp(0.5)


def coverage(make: Maker, data: np.ndarray, truth: float) -> float:
    """The share of rows of data, one simulated study each, that cover truth."""
    return float(np.mean([low <= truth <= high for _, low, high, *_ in map(make, data)]))


def bootstrap_coverage(method: Any, data: np.ndarray, truth: float) -> float:
    rng = generator(99)
    return coverage(
        lambda x: bootstrap_interval(x, rng, np.mean, method=method, resamples=500),
        data,
        truth,
    )


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_t_interval_covers_at_its_level(level: float) -> None:
    data = generator(20).normal(size=(2500, N_SEEDS))
    got = coverage(lambda x: t_interval(x, level), data, 0.0)
    error = math.sqrt(level * (1 - level) / len(data))
    assert abs(got - level) < 3.5 * error


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_prediction_interval_covers_the_next_seed(level: float) -> None:
    data = generator(25).normal(size=(2500, N_SEEDS + 1))
    bounds = np.array([prediction_interval(row[1:], level) for row in data])
    got = np.mean((bounds[:, 0] <= data[:, 0]) & (data[:, 0] <= bounds[:, 1]))
    assert abs(got - level) < 3.5 * math.sqrt(level * (1 - level) / len(data))


def test_welch_interval_covers_with_unequal_variances() -> None:
    rng = generator(21)
    pairs = rng.normal(size=(1000, 2 * N_SEEDS)) * np.repeat([1.0, 3.0], N_SEEDS)
    got = coverage(lambda x: difference_interval(x[:N_SEEDS], x[N_SEEDS:]), pairs, truth=0.0)
    # Welch is approximate: allow one point besides Monte Carlo error.
    assert abs(got - 0.95) < 0.01 + 3.5 * math.sqrt(0.95 * 0.05 / len(pairs))


def test_bootstraps_of_five_seeds_are_too_narrow() -> None:
    # The reason why the book's intervals are t intervals.
    data = generator(22).normal(size=(1500, N_SEEDS))
    t = coverage(t_interval, data, 0.0)
    percentile = bootstrap_coverage("percentile", data, 0.0)
    bca = bootstrap_coverage("bca", data, 0.0)
    print(f"\nnormal, n = 5: t {t:.3f}, percentile {percentile:.3f}, BCa {bca:.3f}")
    # The standard error is 0.01, so 0.88 is four of them above 0.84.
    assert 0.7 < percentile < 0.88
    assert 0.7 < bca < 0.88
    assert abs(percentile - bca) < 0.03
    assert t - max(percentile, bca) > 0.06


def test_skewed_values_are_covered_less_by_every_method() -> None:
    data = generator(23).lognormal(size=(1000, N_SEEDS))
    t = coverage(t_interval, data, LOGNORMAL_MEAN)
    percentile = bootstrap_coverage("percentile", data, LOGNORMAL_MEAN)
    bca = bootstrap_coverage("bca", data, LOGNORMAL_MEAN)
    print(f"\nlognormal, n = 5: t {t:.3f}, percentile {percentile:.3f}, BCa {bca:.3f}")
    assert 0.75 < t < 0.88
    assert t > max(percentile, bca) + 0.03


def test_percentile_bootstrap_improves_with_more_seeds() -> None:
    data = generator(24).normal(size=(600, 40))
    assert bootstrap_coverage("percentile", data, 0.0) > 0.90
