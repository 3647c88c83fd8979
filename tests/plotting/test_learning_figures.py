"""Figures of page 4: they show what the library computes, and every seed."""

from __future__ import annotations

from collections.abc import Callable

import made
import numpy as np
import pytest
import torch
from legible import assert_legible

from goodharts_lib.colors import AGENT_COLORS, FOOD_COLOR, POISON_COLOR
from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.experiments.analysis import runs
from goodharts_lib.plotting import learning
from goodharts_lib.plotting.style import Drawn
from goodharts_lib.plotting.walks import Walk

CONFIG = load_config()
TRAIN = CONFIG.training


def walk() -> Walk:
    eaten = np.zeros(60, dtype=np.uint8)
    eaten[[4, 30]], eaten[50] = Cell.FOOD, Cell.POISON
    return Walk("random", np.zeros((9, 9), np.uint8), np.zeros((61, 2), np.int64), eaten)


def stored() -> dict[str, object]:
    """Two by two, with meals over training: food rises to 100 plus the seed, poison falls to 0."""
    results = made.two_by_two()
    for unit in results["units"]:
        if "curves" in unit:
            part = np.linspace(0, 1, len(unit["curves"]["total_steps"]))
            unit["curves"]["food"] = list((100 + unit["seed"]) * part)
            unit["curves"]["poison"] = list(3 * (1 - part))
    results["units"] += [
        made.unit("omniscient_seeker", index, {"at": {
            "300000": {"immortal": made.scores(40, 0)}, "1000000": {"immortal": made.scores(40, 0)}
        }}) for index in range(5)
    ]  # fmt: skip
    return results


def chances() -> dict[str, torch.Tensor]:
    right = torch.linspace(0.5, 0.9, 10)[:, None]
    return {"pay": torch.cat([right, 1 - right, 1 - right], 1), "advantage": right.expand(10, 3)}


DRAWN: dict[str, Callable[[], Drawn]] = {
    "pay": lambda: learning.pay_picture(walk(), CONFIG),
    "learning": lambda: learning.learning_picture(stored(), 1_000_000),
    "chance": lambda: learning.chance_picture(chances()),
    "gae": lambda: learning.gae_picture(
        {0.0: torch.zeros(9), 0.95: torch.linspace(0, 1, 9), 1.0: torch.linspace(-3, 4, 9)}, 0.9
    ),
    "clip": lambda: learning.clip_picture(TRAIN),
    "cut": lambda: learning.cut_picture({"a": torch.zeros(9), "b": -torch.arange(9.0)}),
    "pacing": lambda: learning.pacing_picture({"a": [0, 1, 0], "b": [0, 1, 2]}),
}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    assert_legible(DRAWN[name]())


def test_alt_texts_have_true_minus_signs_and_no_negative_zero() -> None:
    _, alt = learning.cut_picture({"a": -torch.full((3,), 0.01), "b": torch.tensor([-1.0, -2.5])})
    assert "a: 0.0 at first, 0.0 at last; b: −1.0 at first, −2.5 at last." in alt


@pytest.mark.parametrize("ratio", [0.3, 0.79, 0.9, 1.0, 1.1, 1.21, 1.9])
@pytest.mark.parametrize("advantage", [-2.0, -1.0, 0.5, 1.0])
def test_the_surrogate_is_the_smaller_of_two_products(ratio: float, advantage: float) -> None:
    clipped = min(max(ratio, 1 - TRAIN.eps_clip), 1 + TRAIN.eps_clip)
    expected = min(ratio * advantage, clipped * advantage)
    assert learning.surrogate(ratio, advantage, TRAIN) == pytest.approx(expected, rel=1e-5)


def test_the_clipped_line_is_flat_only_where_there_is_too_much_gained() -> None:
    for axes, good in zip(learning.clip_picture(TRAIN)[0].axes, (True, False), strict=True):
        ratios, heights = axes.lines[1].get_data()
        flat = np.abs(np.diff(heights)) < 1e-5
        beyond = ratios[:-1] > 1.2 - 1e-6 if good else ratios[1:] < 0.8 + 1e-6
        assert np.array_equal(flat, beyond)


def test_pay_is_energy_pay_with_a_disc_or_a_diamond_at_each_meal() -> None:
    figure, alt = learning.pay_picture(walk(), CONFIG)
    every, food, poison = figure.axes[0].lines
    assert every.get_ydata()[[0, 4, 50]] == pytest.approx([-0.01, 0.99, -3.01])
    assert (food.get_marker(), list(food.get_xdata())) == ("o", [5, 31])
    assert (poison.get_marker(), list(poison.get_xdata())) == ("D", [51])
    assert "2 times food, green discs, and 1 times poison" in alt


def test_every_seed_learns_in_a_line_of_its_own() -> None:
    results = stored()
    figure, alt = learning.learning_picture(results, 500_000)
    steps = [s for s in runs(results, ["ground_truth"])["ground_truth"][0]["total_steps"]
             if s <= 500_000]  # fmt: skip
    food, poison = figure.axes
    assert len(food.lines) == 5 + 1 + 3
    assert len(poison.lines) == 5 + 1 + 2
    for seed, line in zip(made.SEEDS, food.lines[:5], strict=True):
        assert list(line.get_xdata()) == steps
        assert line.get_ydata()[-1] == pytest.approx((100 + seed) / 2)
    assert food.lines[5].get_ydata()[-1] == pytest.approx(103 / 2)
    assert "ground_truth 3.0 poison at first, 1.5 at last" in alt
    assert "omniscient_seeker 40 food" in alt


def test_the_worse_choice_is_counted() -> None:
    _, alt = learning.chance_picture(chances())
    assert "from pay, 2 of 3 end at the worse choice; from advantage, 0 of 3" in alt


def test_estimates_are_in_their_own_rows() -> None:
    figure, alt = DRAWN["gae"]()
    rows = {line.get_ydata()[0]: line.get_xdata()[0] for line in figure.axes[0].lines
            if line.get_marker() == "o"}  # fmt: skip
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    means = [rows[names.index(f"λ = {weight}")] for weight in ("0", "0.95", "1")]
    assert means == pytest.approx([0, 0.5, 0.5])
    assert alt.index("lambda 0:") < alt.index("lambda 0.95:") < alt.index("lambda 1:")
    assert "The true advantage is 0.90." in alt


def test_only_some_episodes_are_drawn_but_the_mean_is_of_all() -> None:
    found = torch.cat([torch.zeros(learning.SHOWN), torch.ones(learning.SHOWN)])
    figure, alt = learning.gae_picture({0.5: found}, 0.9)
    dots, mean = figure.axes[0].lines[:2]
    assert list(dots.get_xdata()) == [0] * learning.SHOWN
    assert mean.get_xdata()[0] == pytest.approx(0.5)
    assert f"each of {learning.SHOWN} of {2 * learning.SHOWN} episodes" in alt


def test_good_and_bad_are_no_agent_s_colours() -> None:
    taken = {*AGENT_COLORS.values(), FOOD_COLOR, POISON_COLOR}
    assert not {learning.GOOD, learning.BAD} & taken
