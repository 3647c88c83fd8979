"""Ruin: known answers, and lives that are drawn one by one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from goodharts_lib.config import Config, load_config
from goodharts_lib.ruin import alive, lifetime


def world(**changed: Any) -> Config:
    return load_config(overrides={key.replace("__", "."): v for key, v in changed.items()})


def lives(fate: Sequence[int], config: Config) -> bool:
    """Whether a life survives a fate of nothing (0), food (1) and poison (2), in whole tenths."""
    energy = round(10 * config.agent.energy_start)
    prices = (0, round(10 * config.items.food_energy), round(10 * config.items.poison_energy))
    for meal in fate:
        energy += prices[meal] - round(10 * config.agent.energy_move_cost)
        if energy <= 0:
            return False
    return True


@pytest.mark.parametrize(
    ("meals", "share", "start", "survivors"),
    [
        (0.0, 0.5, 0.5, [1, 1, 1, 1, 1, 0, 0]),  # 0.5 pays for five moves, and 0 is death
        (0.0, 0.5, 0.6, [1, 1, 1, 1, 1, 1, 0]),
        (1.0, 0.0, 0.1, [1, 1, 1, 1, 1, 1, 1]),
        (1.0, 1.0, 50.0, [1, 1, 0, 0, 0, 0, 0]),  # 50 − 30.1 − 30.1
        (1.0, 0.5, 30.1, [1, 0.5, 0.5, 0.375, 0.3125, 0.3125, 0.28125]),
    ],
)
def test_lives_that_can_be_followed_by_hand(
    meals: float, share: float, start: float, survivors: list[float]
) -> None:
    config = world(agent__energy_start=start)
    if start == 30.1:  # by going through all fates
        survivors = [
            np.mean([lives(f, config) for f in itertools.product((1, 2), repeat=t)])
            for t in range(7)
        ]
    assert alive(meals, share, config, 6).tolist() == survivors


@pytest.mark.parametrize(("food", "poison"), [(10.0, -30.0), (15.0, -10.0), (0.7, -1.3)])
def test_it_is_the_sum_over_all_fates(food: float, poison: float) -> None:
    config = world(agent__energy_start=2.0 if food < 1 else 31.0, items__food_energy=food,
                   items__poison_energy=poison)  # fmt: skip
    meals, share, steps = 0.6, 0.3, 7
    chances = (1 - meals, meals * (1 - share), meals * share)
    survivors = [
        sum(
            float(np.prod([chances[meal] for meal in fate]))
            for fate in itertools.product(range(3), repeat=t)
            if lives(fate, config)
        )
        for t in range(steps + 1)
    ]
    assert alive(meals, share, config, steps) == pytest.approx(survivors)
    assert lifetime(meals, share, config, steps) == pytest.approx(sum(survivors[:-1]))
    assert survivors[-1] < 1


def test_without_a_meal_the_start_lasts_500_steps() -> None:
    assert lifetime(0.0, 0.0, world(), 500) == 500
    assert lifetime(0.0, 0.0, world(), 800) == 500


def test_more_poison_never_lengthens_a_life() -> None:
    over = [lifetime(0.2, share, world(), 300) for share in np.linspace(0, 1, 11)]
    assert over == sorted(over, reverse=True)


@pytest.mark.parametrize(
    ("meals", "share", "steps", "changed"),
    [(1.1, 0.5, 5, {}), (0.5, -0.1, 5, {}), (0.5, 0.5, -1, {}),
     (0.5, 0.5, 5, {"items__poison_energy": 5.0})],
)  # fmt: skip
def test_what_is_no_chance_is_refused(
    meals: float, share: float, steps: int, changed: dict[str, float]
) -> None:
    with pytest.raises(ValueError, match=r"chances|negative"):
        alive(meals, share, world(**changed), steps)
