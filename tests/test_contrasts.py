"""Contrasts: known answers, agreement with Welch's test, coverage by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from goodharts_lib import stats
from goodharts_lib.contrasts import FIRST, SECOND, contrast_interval, effects_2x2, ratio_interval


def test_two_cells_give_the_welch_interval() -> None:
    a, b = [1.0, 2.5, 3.0, 7.0], [0.5, 0.25, 4.0]
    found, known = contrast_interval([a, b], [1, -1]), stats.difference_interval(a, b)
    assert found[:3] == pytest.approx(known[:3], abs=1e-12)


def test_effects_of_a_design_whose_answer_is_known() -> None:
    # 100 at rest, the first factor adds 10, the second 3, both together 5 more.
    wobble = np.array([-1.0, 0.0, 1.0])
    found = effects_2x2(118 + wobble, 110 + wobble, 103 + wobble, 100 + wobble)
    assert found.first.estimate == pytest.approx(12.5)
    assert found.second.estimate == pytest.approx(5.5)
    assert found.interaction.estimate == pytest.approx(5)


def test_equal_variances_and_sizes_have_the_textbook_degrees_of_freedom() -> None:
    wobble = np.array([-1.0, 0.0, 1.0])  # variance 1, so the contrast's is 4 (1/2)^2 / 3
    found = effects_2x2(*(wobble + 5 for _ in range(4))).first
    assert found.high == pytest.approx(2.306004 / np.sqrt(3), abs=1e-5)  # t of 8 degrees


def test_cells_without_any_spread_give_a_point() -> None:
    found = effects_2x2([4, 4], [2, 2], [1, 1], [0, 0])
    assert found.first[:3] == (2.5, 2.5, 2.5)


def test_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    spreads, hits = (1.0, 5.0, 0.2, 2.0), 0
    for _ in range(2000):
        cells = [rng.normal(0, s, 5) for s in spreads]
        interval = contrast_interval(cells, (0.5, 0.5, -0.5, -0.5))
        hits += interval.low < 0 < interval.high
    assert 0.935 < hits / 2000 < 0.975  # Satterthwaite errs on the wide side at n = 5


@pytest.mark.parametrize(
    ("cells", "weights", "words"),
    [([[1, 2], [3]], [1, -1], "each cell"), ([[1, 2], [3, 4]], [1], "one weight")],
)
def test_bad_input_is_refused(cells: list[list[float]], weights: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        contrast_interval(cells, weights)


# --- ratios -----------------------------------------------------------------

SHARED = ((1, -1, 0), (0, -1, 1))  # of what the third has more than the second, the first's part


def test_a_ratio_to_a_constant_is_a_t_interval_and_its_inverse_is_turned_round() -> None:
    sample, constant = [3.0, 5.0, 4.0, 8.0], [2.0, 2.0, 2.0]
    known = stats.t_interval(sample)
    found = ratio_interval([sample, constant], (1, 0), (0, 1))
    assert found[:3] == pytest.approx((known.estimate / 2, known.low / 2, known.high / 2))
    assert found[3:] == (0.95, "Fieller", 7)
    turned = ratio_interval([constant, sample], (1, 0), (0, 1))
    assert turned[:3] == pytest.approx((2 / known.estimate, 2 / known.high, 2 / known.low))


def test_many_seeds_give_the_formula_that_fieller_published() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(2, 3, 4_000), rng.normal(1, 1, 4_000)
    top, bottom, z = a.mean(), b.mean(), 1.959964
    va, vb = a.var(ddof=1) / a.size, b.var(ddof=1) / b.size
    g = z**2 * vb / bottom**2
    root = math.sqrt(va + (top / bottom) ** 2 * vb - g * va)
    ends = [(top / bottom + side * z / bottom * root) / (1 - g) for side in (-1, 1)]
    assert ratio_interval([a, b], (1, 0), (0, 1))[1:3] == pytest.approx(ends, rel=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_it_holds_every_ratio_whose_contrast_may_be_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = [rng.normal(mean, spread, 5) for mean, spread in ((1, 1), (-4, 0.5), (4, 2))]
    found = ratio_interval(cells, *SHARED)
    held = []
    for ratio in np.linspace(found.low - 1, found.high + 1, 400):
        weights = [t - ratio * b for t, b in zip(*SHARED, strict=True)]
        low, high = contrast_interval(cells, weights)[1:3]
        held.append((ratio, low <= 0 <= high))
    assert all((found.low <= ratio <= found.high) == inside for ratio, inside in held)


def test_a_ratio_minds_neither_units_nor_two_turned_signs() -> None:
    cells = [[1.0, 2.5, 3.0], [-4.0, -5.5, -4.5], [0.5, 0.25, 4.0]]
    found = ratio_interval(cells, (1, 0, 1), (0, 1, 0))
    assert found.estimate < 0
    for factor in (-1e6, 1e-6):
        scaled = [[factor * x for x in cell] for cell in cells]
        again = ratio_interval(scaled, (1, 0, 1), (0, 1, 0))
        assert again[:3] == pytest.approx(found[:3], rel=1e-6)
    other = ratio_interval(cells, (-1, 0, -1), (0, 1, 0))
    assert other[:3] == pytest.approx((-found.estimate, -found.high, -found.low))


def test_a_bottom_that_may_be_nothing_leaves_every_ratio_open() -> None:
    found = ratio_interval([[1, 2, 3], [-1, 1, 2]], (1, 0), (0, 1))
    assert found[1:3] == (-math.inf, math.inf)
    assert str(found) == "+3 [-inf, inf] (95 % Fieller, n = 6)"
    with pytest.raises(ValueError, match="bottom of a ratio must not be 0"):
        ratio_interval([[1, 2, 3], [-1, 1]], (1, 0), (0, 1))


def test_a_ratio_of_cells_without_any_spread_is_a_point() -> None:
    assert ratio_interval([[1, 1], [3, 3]], (1, 0), (0, 1))[:3] == (1 / 3, 1 / 3, 1 / 3)


def test_a_ratio_covers_where_a_percentile_bootstrap_does_not() -> None:
    rng, hits, narrow = np.random.default_rng(1), 0, 0
    truth = 0.4  # 5 seeds of each: 40 and 100 more than the second
    for _ in range(600):
        cells = [rng.normal(*given, 5) for given in ((40, 20), (0, 20), (100, 5))]
        found = ratio_interval(cells, *SHARED)
        hits += found.low <= truth <= found.high
        one, two, three = (cell[rng.integers(5, size=(400, 5))].mean(1) for cell in cells)
        low, high = np.quantile((one - two) / (three - two), (0.025, 0.975))
        narrow += low <= truth <= high
    assert 0.93 < hits / 600 < 0.98
    assert narrow / 600 < 0.91


def test_a_ratio_of_main_effects_covers_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(2), 0
    for _ in range(600):  # effects of 10 and 4, seeds as unequal as ours
        cells = [rng.normal(*given, 10) for given in ((14, 1), (10, 5), (4, 3), (0, 1))]
        found = ratio_interval(cells, SECOND, FIRST)
        hits += found.low <= 0.4 <= found.high
    assert 0.93 < hits / 600 < 0.98
