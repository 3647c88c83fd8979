"""Page 8's figures: borders lie where the made-up results have them, and every seed is drawn."""

from __future__ import annotations

from typing import Any

import made
import numpy as np
import pytest
from legible import assert_legible

from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.config import load_config
from goodharts_lib.plotting import phase, survival
from goodharts_lib.ruin import alive, lifetime

CONFIG = load_config()
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4)
TASTE = 0.8  # of the poison that the agents meet, they eat so much


def stored(taste: float = TASTE) -> dict[str, Any]:
    """Agents that eat 200 food and poison by their taste; survival falls to the walk's at 0.15."""
    units, conditions = [], {}
    for share in SHARES:
        poison = round(1000 * share)
        overrides = {"evaluation.food": 1000 - poison, "evaluation.poison": poison}
        conditions[f"share {share:g}"] = {"settings": {"overrides": overrides}}
        for index, shake in enumerate(made.SHAKE):
            for name, meals, liking in (("share", 200, taste), ("random at", 10, 1.0)):
                immortal = made.scores(meals * (1 - share), meals * share * liking, shake)
                life = 400.0 - (1000 * (share - 0.15) if name == "share" else 0) + shake
                at = {"300000": {"immortal": immortal, "mortal": {"rmst": life}}}
                units.append(made.unit(f"{name} {share:g}", index, {"at": at}))
    return {"units": units, "definition": {"conditions": conditions}}


def test_a_share_of_items_is_counted_not_read_off_a_name() -> None:
    data = stored()
    told = data["definition"]["conditions"]["share 0.2"]["settings"]["overrides"]
    told |= {"evaluation.food": 148, "evaluation.poison": 38}
    assert phase.field_shares(data)[0.2] == 38 / 186
    assert list(phase.columns(data, "share", "mortal.rmst")) == sorted(
        phase.field_shares(data).values()
    )


def test_a_taste_is_found_again_whatever_the_field() -> None:
    for found in phase.appetite(stored()).values():
        assert found == pytest.approx([TASTE] * 5)


def test_a_taste_moves_the_border_as_if_poison_were_weaker() -> None:
    even = phase.border(stored(taste=1.0), "immortal.true_energy")
    assert even.estimate == pytest.approx(0.25, abs=0.002)
    moved = phase.border(stored(), "immortal.true_energy")
    # 200 (10 (1 − x) − 24 x) = 10 (10 (1 − x) − 30 x)
    assert moved.estimate == pytest.approx(1900 / (1900 + 4500), abs=0.002)


def test_the_border_of_survival_is_its_own() -> None:
    crossing = phase.border(stored(), "mortal.rmst")
    assert crossing.estimate == pytest.approx(0.15, abs=0.002)
    assert crossing.low is not None
    assert crossing.low < 0.15 < (crossing.high or 0)


def test_the_border_allows_for_the_luck_of_the_fields_as_well() -> None:
    sure, unsure = stored(), stored()
    for data, scatter in ((sure, 0.0), (unsure, 40.0)):
        for unit in data["units"]:
            if unit["condition"].startswith("random at"):
                life = unit["metrics"]["at"]["300000"]["mortal"]
                life["rmst"] = 400.0 + scatter * (unit["seed"] - 3)
    narrow, wide = (phase.border(data, "mortal.rmst") for data in (sure, unsure))
    assert narrow.estimate == pytest.approx(wide.estimate)
    assert (wide.high or 1) - (wide.low or 0) > 5 * ((narrow.high or 1) - (narrow.low or 0))


def test_a_diet_is_two_numbers() -> None:
    meals, share = phase.diet(stored(), "share")[0.2]
    assert meals == pytest.approx((160 + 32) / 1000)
    assert share == pytest.approx(32 / 192)


def test_every_seed_is_a_dot() -> None:
    figure, alt = phase.diet_picture(stored())
    for axes in figure.axes:
        seeds = [line for line in axes.lines if line.get_marker() == "."]
        assert sum(len(line.get_xdata()) for line in seeds) == 5 * len(SHARES)
    assert "at 20 %" in alt
    figure, _ = phase.borders_picture(stored())
    for axes in figure.axes:
        seeds = [line for line in axes.lines if line.get_marker() == "."]
        assert sum(len(line.get_xdata()) for line in seeds) == 2 * 5 * len(SHARES)


def test_the_band_lies_between_the_borders_and_thin_lines_are_the_game() -> None:
    data = stored()
    figure, _ = phase.borders_picture(data)
    left, right = figure.axes
    for axes in (left, right):
        (band,) = axes.patches
        low, high = band.get_extents().get_points()[:, 0]
        assert axes.transData.inverted().transform([(low, 0), (high, 0)])[:, 0] == pytest.approx(
            [15, 100 * 1900 / 6400], abs=0.2
        )
    thin = [line for line in right.lines if line.get_color() == "black"]
    for line, name in zip(thin, ("share", "random at"), strict=True):
        game = [lifetime(*two, CONFIG, 500) for two in phase.diet(data, name).values()]
        assert list(line.get_ydata()) == pytest.approx(game)


def test_a_life_is_drawn_to_its_end() -> None:
    energy = np.array([[50.0, 20, -10, 90], [50.0, 60, 70, 80], [50.0, 0, 40, 40]])
    figure, alt = survival.lives_picture(energy, shown=3)
    lives = [line for line in figure.axes[0].lines if line.get_linewidth() == 0.7]
    assert [len(line.get_xdata()) for line in lives] == [3, 4, 2]
    crosses = [line for line in figure.axes[0].lines if line.get_marker() == "x"]
    assert [line.get_xdata()[0] for line in crosses] == [2, 1]
    assert "67 % of all end at zero within 3 steps" in alt
    assert "from 50 to 70" in alt


def test_the_chance_of_being_alive_is_that_of_the_game() -> None:
    figure, alt = survival.survival_picture({"proxy": (0.2, 0.2)}, CONFIG, 600)
    assert list(figure.axes[0].lines[0].get_ydata()) == list(alive(0.2, 0.2, CONFIG, 600))
    assert f"{alive(0.2, 0.2, CONFIG, 600)[500]:.2f} after 500" in alt


def test_fields_differ_in_what_lies_there_and_not_where() -> None:
    figure, alt = survival.fields_picture(CONFIG, (0.05, 0.5), 3)
    first, second = (axes.images[0].get_array() for axes in figure.axes)
    taken = []
    for picture in (first, second):
        side = len(picture) // survival.CORNER
        tiles = picture.reshape(survival.CORNER, side, survival.CORNER, side, 3)
        taken.append((tiles != picture[0, 0]).any((1, 3, 4)))
    assert np.array_equal(*taken)
    assert 10 < taken[0].sum() < 60
    assert not np.array_equal(first, second)
    assert "5 %, 50 % of them" in alt


def test_nothing_is_cut_off() -> None:
    energy = np.cumsum(np.random.default_rng(0).normal(1, 20, (30, 100)), axis=1) + 50
    for drawn in (
        phase.diet_picture(stored()),
        survival.lives_picture(energy, shown=10),
        survival.survival_picture({"proxy": (0.2, 0.2), "random": (0.01, 0.2)}, CONFIG, 2_000),
        survival.fields_picture(CONFIG, (0.05, 0.2, 0.5), 0),
    ):
        assert_legible(drawn)


def test_what_death_taught_is_drawn_for_every_share_and_kind() -> None:
    data = stored()
    for share in (0.1, 0.3):
        for index, shake in enumerate(made.SHAKE):
            at = {"1000000": {"immortal": made.scores(150, 10, shake), "mortal": {"rmst": 450.0}}}
            data["units"].append(made.unit(f"mortal at {share:g}", index, {"at": at}))
    drawn = phase.taught_picture(data)
    assert_legible(drawn)
    figure, alt = drawn
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "10 % poison · walk",
        "never died",
        "could die",
        "30 % poison · walk",
        "never died",
        "could die",
    ]
    dots = [line for line in figure.axes[1].lines if len(line.get_xdata()) == len(made.SHAKE)]
    assert len(dots) == 6, "every seed of every kind"
    colors = [line.get_color() for line in dots[:3]]
    assert colors[:2] == [phase.RANDOM, phase.PROXY], "as on the rest of the page"
    assert colors[2] not in AGENT_COLORS.values()
    assert "Survival in steps, of 500, could die, 0.3: 450 [450, 450]" in alt
