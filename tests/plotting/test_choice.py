"""The best of n: against all groups counted one by one, and against closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from legible import assert_legible
from torch import Tensor

from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.plotting import choice

CONFIG = load_config()


def slowly(n: int, score: np.ndarray, value: np.ndarray) -> float:
    """The mean over all groups of n; of a tie, the mean of the tied."""
    found = []
    for group in itertools.combinations(range(len(score)), n):
        members = np.array(group)
        best = members[np.isclose(score[members], score[members].max())]
        found.append(value[best].mean())
    return float(np.mean(found))


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8])
def test_it_is_the_mean_over_all_groups(n: int) -> None:
    rng = np.random.default_rng(n)
    for scores in (rng.normal(size=8), rng.integers(3, size=8) * 0.9, np.ones(8)):
        value = rng.normal(size=8)
        assert choice.best_of(n, scores, value) == pytest.approx(slowly(n, scores, value))


def test_the_best_of_even_numbers_is_known() -> None:
    scores = np.arange(1, 101)  # the largest of n out of 1 to N is n (N + 1) / (n + 1) on average
    for n in (1, 2, 9, 100):
        assert choice.best_of(n, scores, scores) == pytest.approx(n * 101 / (n + 1))


def test_scores_that_are_added_up_in_another_order_are_tied() -> None:
    scores = [0.1 + 0.2, 0.3]
    assert scores[0] != scores[1]
    assert choice.best_of(2, scores, [0.0, 10.0]) == 5.0


def test_a_group_is_not_larger_than_what_it_is_drawn_from() -> None:
    for n, values in ((0, [1.0, 2.0]), (3, [1.0, 2.0]), (1, [1.0])):
        with pytest.raises(ValueError, match="n must be from 1 to 2"):
            choice.best_of(n, [1.0, 2.0], values)


def test_lives_are_pieces_of_walks_with_their_prices() -> None:
    o, f, x = Cell.EMPTY, Cell.FOOD, Cell.POISON
    eaten = torch.tensor([[f, o], [o, x], [x, o], [f, f], [o, o]], dtype=torch.uint8)
    cut = choice.lives(eaten, 2, CONFIG)  # two walks of five steps; the last step is left over
    assert cut["food"].tolist() == [1, 1, 0, 1]
    assert cut["poison"].tolist() == [0, 1, 1, 0]
    assert cut["proxy_score"].tolist() == pytest.approx([1.0, 1.9, 0.9, 1.0])
    assert cut["true_energy"].tolist() == pytest.approx([9.8, -20.2, -30.2, 9.8])


def test_the_model_of_one_life_is_its_mean() -> None:
    score, energy = choice.best_of_model(1, 3.0, 1.5, 500, CONFIG)
    assert score == pytest.approx(3 + 0.9 * 1.5)
    assert energy == pytest.approx(30 - 45 - 50)


def test_the_model_is_what_many_draws_give() -> None:
    rng = np.random.default_rng(0)
    food, poison = rng.poisson(0.6, 500_000), rng.poisson(0.3, 500_000)
    score, energy = food + 0.9 * poison, 10.0 * food - 30.0 * poison - 10
    for n in (2, 4, 8):
        model = choice.best_of_model(n, 0.6, 0.3, 100, CONFIG)
        assert choice.best_of(n, score, score) == pytest.approx(model[0], abs=0.02)
        assert choice.best_of(n, score, energy) == pytest.approx(model[1], abs=0.6)


def test_between_one_food_and_one_poison_the_sensor_knows_and_two_poisons_beat_food() -> None:
    """Why a short life has a hump: quality decides first, then quantity."""
    few, many = (choice.best_of_model(n, 0.06, 0.03, 10, CONFIG)[1] for n in (64, 256))
    assert few > 4
    assert many < few - 1


def test_random_walks_repeat_and_eat_a_little() -> None:
    eaten = choice.random_meals(CONFIG, 64, 60, seed=3)
    assert eaten.shape == (60, 64)
    assert torch.equal(eaten, choice.random_meals(CONFIG, 64, 60, seed=3))
    assert not torch.equal(eaten, choice.random_meals(CONFIG, 64, 60, seed=4))
    assert 5 < (eaten == Cell.FOOD).sum() < 60
    assert 2 < (eaten == Cell.POISON).sum() < 35


class _Right:
    """Goes right, whatever it sees."""

    name = "right"

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        return torch.full((len(views),), 6)


def test_who_can_die_is_found_in_kinder_fields() -> None:
    world = CONFIG.with_overrides({"training.steps_per_episode": 200, "world.width": 30,
                                   "world.height": 30})  # fmt: skip
    immortal, mortal = (
        choice.stay(_Right(), world.with_overrides({"agent.mortal": dies}), 256, 400, seed=1)
        for dies in (False, True)
    )
    assert immortal["deaths"] == 0 < mortal["deaths"]
    assert immortal["food_about"] == pytest.approx(125, abs=9)
    assert immortal["poison_about"] == pytest.approx(60, abs=5)
    assert mortal["poison_about"] < immortal["poison_about"] - 5


def test_a_stay_is_scored_like_its_meals() -> None:
    seen = choice.stay(_Right(), CONFIG, 8, 100, seed=2)
    env = VecEnv(CONFIG, 8, generator=torch.Generator().manual_seed(2))
    food = sum(int(env.step(torch.full((8,), 6)).events.food.sum()) for _ in range(100))
    assert seen["food"] == pytest.approx(food / 800 * 1000)
    assert seen["true_energy"] == pytest.approx(10 * seen["food"] - 30 * seen["poison"] - 100)


def test_the_picture_shows_every_set_and_the_model() -> None:
    ns = [1, 2, 4, 8]
    sets = [{"proxy_score": [1.0, 2.0, 3.0], "true_energy": [0.0, -k, -2.0]} for k in range(5)]
    model = {10: np.ones((4, 2)), 500: np.zeros((4, 2))}
    drawn = choice.best_of_picture({10: sets, 500: sets}, model, ns)
    assert_legible(drawn)
    for axes in drawn[0].axes:
        assert len(axes.lines) == 5 + 1 + 1
        assert len(axes.lines[-1].get_xdata()) == 4
