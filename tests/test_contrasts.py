"""Contrasts: known answers, agreement with Welch's test, coverage by simulation."""

from __future__ import annotations

import numpy as np
import pytest

from goodharts_lib import stats
from goodharts_lib.contrasts import contrast_interval, effects_2x2


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
