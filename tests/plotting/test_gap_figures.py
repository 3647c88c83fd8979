"""The pictures of page 7: medians that know of censored runs, every seed drawn, an honest toy."""

from __future__ import annotations

import math
from typing import Any

import made
import numpy as np
import pytest
from legible import assert_legible

from goodharts_lib.plotting import optics, sweeps

GAPS = (0.2, 0.1, 0.05, 0.02, 0.0)
EATS = np.array([[0.5, 0.5], [0.1, 0.12], [0.01, 0.02]])  # food, poison


def with_meals() -> dict[str, Any]:
    """Learners eat more and more, a line per seed; at gap 0 less and less; walks beside them."""
    units = []
    for gap in GAPS:
        for index, shake in enumerate(made.SHAKE):
            grown = np.geomspace(9, 100 * gap**0.1 if gap else 4, 30) * (1 + shake / 100)
            curves = {
                "total_steps": [int(s) for s in np.linspace(2e4, 3e5 / max(gap, 0.2), 30)],
                "food": list(grown * 0.7), "poison": list(grown * 0.3),
            }  # fmt: skip
            units.append(made.unit(f"gap {gap:g}", index, {}, curves=curves))
    for name, meals in (("random", (6, 3)), ("eat_everything", (160, 75))):
        for index in range(5):
            metrics = {"at": {"end": {"immortal": made.scores(*meals)}}}
            units.append(made.unit(name, index, metrics))
    return made.stored(units)


def test_words_do_not_touch() -> None:
    assert_legible(sweeps.meals_picture(with_meals(), GAPS))
    assert_legible(sweeps.noise_picture(made.gap()))
    assert_legible(optics.eye_test((0.5, 0.1, 0.01), np.random.default_rng(0))[0])
    times = {"plain": np.array([[1.0, 10.0, 100.0]]), "other": np.array([[5.0, 20.0, 50.0]] * 3)}
    assert_legible(optics.toy_picture((1.0, 0.3, 0.1), times))
    assert_legible(optics.fear_picture({0.5: np.array([[0.5, 0.5], [0.9, 0.1]]), 0.2: EATS}))


def test_a_median_in_runs_that_never_learned_is_not_known() -> None:
    units = []
    for gap, times in ((0.5, (3, 1, 2, 9, None)), (0.1, (None, 5, None, 4, None))):
        for index, time in enumerate(times):
            metrics = {"learned_at": time, "total_steps": time or 10}
            units.append(made.unit(f"gap {gap:g}", index, metrics))
    typical = sweeps.typical_times(made.stored(units))
    assert list(typical) == [0.5, 0.1]
    assert typical[0.5] == 3
    assert math.isinf(typical[0.1])


def test_the_line_through_the_medians_ends_where_they_are_not_known() -> None:
    figure, alt = sweeps.gap_picture(made.gap())
    medians = figure.axes[0].lines[0]
    assert list(medians.get_xdata()) == [1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01]
    assert list(medians.get_ydata()) == pytest.approx([1e4 / gap for gap in medians.get_xdata()])
    assert "0.1 100,000, 0.05 200,000" in alt
    late = made.gap()
    for unit in late["units"]:
        if unit["condition"] == "gap 0.01":
            unit["metrics"]["learned_at"] = None
    figure, alt = sweeps.gap_picture(late)
    assert list(figure.axes[0].lines[0].get_xdata())[-1] == 0.02
    assert "0.01 not within the time given" in alt


def test_meals_are_drawn_for_every_seed_and_beside_walks() -> None:
    figure, alt = sweeps.meals_picture(with_meals(), GAPS)
    assert len(figure.axes[0].lines) == len(GAPS) * 5 + 2
    assert "random walk 9.0; eats everything 235.0" in alt
    assert len({line.get_color() for line in figure.axes[0].lines}) == len(GAPS) + 2


def test_how_low_meals_fall_on_the_way_is_in_the_alt_text() -> None:
    results = with_meals()
    for unit in results["units"]:
        if unit["condition"] == "gap 0.05" and unit["seed"] == made.SEEDS[0]:
            unit["curves"]["food"][8:20] = [1.5] * 12
            unit["curves"]["poison"][8:20] = [0.5] * 12
    alt = sweeps.meals_picture(results, GAPS)[1]
    assert "gap 0.05 at the lowest 2.0 to" in alt


@pytest.mark.parametrize("n", [1, 4, 9, 30])
def test_smoothing_keeps_what_does_not_change(n: int) -> None:
    assert sweeps.smoothed(np.full(n, 3.0), 3) == pytest.approx(np.full(n, 3.0))


def test_smoothing_averages_neighbours() -> None:
    assert sweeps.smoothed([0, 3, 6, 30], 3) == pytest.approx([1.5, 3, 13, 18])


def test_the_eye_test_dims_the_discs_it_names() -> None:
    gaps = (0.5, 0.1)
    (figure, _), dim = optics.eye_test(gaps, np.random.default_rng(3))
    discs = figure.axes[0].patches
    assert len(discs) == len(gaps) * optics.DISCS
    for row, gap in enumerate(gaps):
        mine = discs[row * optics.DISCS : (row + 1) * optics.DISCS]
        found = [i for i, disc in enumerate(mine, 1) if disc.get_facecolor()[0] < 1]
        assert found == dim[row]
        assert mine[found[0] - 1].get_facecolor()[0] == pytest.approx(1 - gap)
    assert len(dim[0]) == 3


def test_steepness_is_the_power() -> None:
    gaps = (1.0, 0.5, 0.1)
    assert optics.steepness(gaps, [1.0, 4.0, 100.0]) == pytest.approx([2, 2])
    alt = optics.toy_picture(gaps, {"a": np.array([[1.0, 4.0, 100.0]])})[1]
    assert alt.endswith("a 2.0, 2.0.")


def test_fear_is_drawn_for_food_and_for_poison() -> None:
    figure, alt = optics.fear_picture({0.2: EATS})
    drawn = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert drawn == [list(EATS[:, 0]), list(EATS[:, 1])]
    assert list(figure.axes[0].lines[0].get_xdata()) == [1, 2, 3]
    assert figure.axes[0].get_title(loc="left") == "gap 0.2: 2 steps"
    assert "0.50 at first, 0.01 at the lowest and 0.01 after 2 steps" in alt
    assert "poison with 0.02" in alt


def test_lines_that_coincide_are_both_seen() -> None:
    food, poison = optics.fear_picture({0.2: EATS})[0].axes[0].lines
    assert (food.get_linestyle(), poison.get_linestyle()) == ("-", "--")
    assert food.get_linewidth() > poison.get_linewidth()
    assert poison.get_zorder() >= food.get_zorder()


def test_numbers_of_lines_that_cross_stand_on_different_sides() -> None:
    times = {"a": np.array([[1.0, 10.0, 100.0]]), "b": np.array([[5.0, 12.0, 29.0]])}
    figure, _ = optics.toy_picture((1.0, 0.1, 0.01), times)
    numbers = [text for text in figure.axes[0].texts if text.get_text()[0].isdecimal()]
    sides = [text.get_position()[1] > 0 for text in numbers]
    assert sides == [False, True, True, False]
