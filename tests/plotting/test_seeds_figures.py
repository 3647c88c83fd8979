"""Figures of page 10: every set of seeds is judged, and what is drawn is what was given."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import made
import numpy as np
import pytest
from legible import assert_legible

from goodharts_lib import stats
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.experiments import predictions
from goodharts_lib.plotting import seeds
from goodharts_lib.plotting.style import Drawn


def two_agents(one: list[float], other: list[float]) -> dict[str, Any]:
    """Stored true energies of two agents after a million steps, a number per seed."""
    units = [
        {"condition": name, "seed": seed,
         "metrics": {"at": {"1000000": {"immortal": {"true_energy": value}}}}}
        for name, found in (("one", one), ("other", other))
        for seed, value in enumerate(found)
    ]  # fmt: skip
    return made.stored(units)


def claim(low: float, high: float) -> seeds.Claim:
    return seeds.Claim("one against other", "one", "other", 1_000_000, low, high)


def around(middle: float, half: float, n: int = 5) -> stats.Interval:
    return stats.Interval(middle, middle - half, middle + half, 0.95, "t", n)


EXAMPLES = [around(0, 1), around(3, 1), around(-0.5, 2), around(-4, 1)]  # two hold 0

DRAWN: dict[str, Callable[[], Drawn]] = {
    "halves": lambda: seeds.halves_picture(made.two_by_two(), 1_000_000),
    "lottery": lambda: seeds.lottery_picture(made.two_by_two((300_000, 1_000_000))),
    "alarms": lambda: seeds.alarms_picture({
        "proxy": {1: (0.05, 0.05), 10: (0.05, 0.06), 100: (0.06, 0.04)},
        "proxy_jammed": {1: (0.05, 0.05), 10: (0.4, 0.06), 100: (0.9, 0.05)},
    }),
    "coverage": lambda: seeds.coverage_picture(
        EXAMPLES, {"t": {3: 0.95, 5: 0.95}, "BCa": {3: 0.70, 5: 0.94}}, 0
    ),
    "slopes": lambda: seeds.slopes_picture({"dropped": EXAMPLES, "kept": [around(0, 1)] * 3}, 0),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    assert_legible(DRAWN[name]())


def test_every_set_of_seeds_is_judged() -> None:
    # Seeds 0 and 1 agree on about +10; every set with seed 2, at −30, spreads too far to tell.
    stored = two_agents([10, 10.1, -30], [0, 0.1, 0.2])
    shares = seeds.verdicts(stored, claim(0, math.inf))
    assert list(shares) == [1, 2, 3]
    assert shares[1] == pytest.approx({"confirmed": 2 / 3, "undecided": 0, "refuted": 1 / 3})
    assert shares[2] == pytest.approx({"confirmed": 1 / 3, "undecided": 2 / 3, "refuted": 0})
    assert shares[3]["undecided"] == 1


def test_each_set_is_judged_by_the_librarys_interval() -> None:
    rng = np.random.default_rng(1)
    one, other = (list(rng.normal(mean, 1, 4)) for mean in (1, 0))
    stored = two_agents(one, other)
    interval = stats.difference_interval(one, other)
    for low, high, verdict in (
        (interval.low - 0.01, math.inf, "confirmed"),
        (interval.low + 0.01, math.inf, "undecided"),
        (interval.high + 0.01, math.inf, "refuted"),
        (-math.inf, interval.low - 0.01, "refuted"),
    ):
        assert seeds.verdicts(stored, claim(low, high))[4][verdict] == 1


def test_a_single_seed_is_never_undecided() -> None:
    shares = seeds.verdicts(two_agents([5, -5, 7, -7], [0, 0, 0, 0]), claim(-6, 6))
    assert shares[1] == {"confirmed": 0.5, "undecided": 0, "refuted": 0.5}


def test_only_as_many_seeds_as_both_agents_have() -> None:
    assert list(seeds.verdicts(two_agents([1, 2, 3], [0, 1]), claim(0, 9))) == [1, 2]


def test_the_bars_of_the_lottery_fill_every_column() -> None:
    figure, alt = seeds.lottery_picture(made.two_by_two((300_000, 1_000_000)))
    for axes in figure.axes:
        heights = np.array([bar.get_height() for bar in axes.patches]).reshape(3, 5)
        assert np.allclose(heights.sum(0), 100)
    assert "proxy below the random walk: 1 seed 100 % confirmed; 3 seeds 100 % confirmed" in alt


def test_each_half_has_its_own_seeds() -> None:
    results = made.two_by_two()
    results["units"] = [unit for unit in results["units"] if unit["seed"] != 5]
    for unit in results["units"]:
        if unit["condition"] == "proxy":
            unit["metrics"]["at"]["1000000"]["immortal"]["true_energy"] = unit["seed"]
    _, alt = seeds.halves_picture(results, 1_000_000)
    first, second = (stats.t_interval(half) for half in ([1, 2], [3, 4]))
    assert f"proxy: first 2 {first.estimate:,.0f} [{first.low:,.0f}, {first.high:,.0f}]" in alt
    assert f"next 2 {second.estimate:,.0f} [{second.low:,.0f}, {second.high:,.0f}]" in alt


def test_alarms_over_episodes_are_lines_and_those_over_agents_hollow() -> None:
    figure, alt = DRAWN["alarms"]()
    drawn = {tuple(line.get_ydata()): line.get_marker() for line in figure.axes[0].lines}
    assert drawn[5.0, 40.0, 90.0] == "."
    assert drawn[5.0, 6.0, 5.0] == "o"
    assert "From 1 to 100 episodes: proxy 5 % to 6 %, by agents at most 6 %" in alt
    places = [x for line in figure.axes[0].lines if line.get_marker() == "o"
              for x in line.get_xdata()]  # fmt: skip
    assert len(set(places)) == len(places), "no dot hides another"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["1", "10", "100"]


def test_an_interval_that_misses_the_truth_is_orange() -> None:
    figure, alt = DRAWN["coverage"]()
    lines = [line for line in figure.axes[0].lines if len(set(line.get_ydata())) == 1]
    assert [line.get_color() == seeds.WRONG for line in lines] == [False, True, False, True]
    assert "of which 2 miss the truth" in alt
    assert seeds.WRONG not in MODE_COLORS.values(), "no agent's colour"
    assert figure.axes[1].lines[0].get_color() == seeds.RIGHT, "the first is the book's own"
    assert "t 95 % of 3, 95 % of 5; BCa 70 % of 3, 94 % of 5" in alt


def test_every_made_up_experiment_is_a_dot() -> None:
    figure, alt = DRAWN["slopes"]()
    dots = {len(line.get_xdata()) for line in figure.axes[0].lines if line.get_marker() == "."}
    assert dots == {4, 3}
    assert "dropped mean -0.38, 50 % of intervals; kept mean 0.00, 100 % of intervals" in alt


def test_the_table_of_outcomes_has_every_prediction_in_order() -> None:
    told = {p.key: f"outcome of {p.key} <" for p in predictions.PREDICTIONS}
    table = seeds.outcomes_table(told)
    places = [table.index(f"<td>{key}</td>") for key in told]
    assert places == sorted(places)
    assert "<strong>outcome of P1a &lt;</strong>" in table
    assert "After 1 M steps <code>proxy</code> earns more" in table
    assert "`" not in table
