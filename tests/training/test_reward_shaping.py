"""Shaping: one potential, and sums that telescope."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import FOOD, POISON, drawn_view, seeded, slow_potential, small_config

from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.modes import MODES
from goodharts_lib.training.reward_shaping import RewardShaping

ATTRACTIVE = {
    "ground_truth": {FOOD},
    "proxy": {FOOD, POISON},
    "proxy_jammed": {FOOD},
    "proxy_sighted": {FOOD, POISON},
}

CROWDED = {
    "world.width": 6,
    "world.height": 6,
    "agent.view_range": 2,
    "items.respawn": True,
    "training.min_food": 1,
    "training.max_food": 3,
    "training.max_poison": 3,
    "training.steps_per_episode": 17,
}
MORTAL = {"agent.mortal": True, "agent.energy_start": 30.5}

views_5x5 = st.lists(st.sampled_from([0] * 12 + [1, 2, 3, 4, 5]), min_size=25, max_size=25).map(
    lambda cells: torch.tensor([*cells[:12], 0, *cells[13:]], dtype=torch.uint8).view(1, 5, 5)
)


@pytest.mark.parametrize("name", MODES)
@given(view=views_5x5)
def test_the_potential_equals_a_cell_by_cell_reference(name: str, view: torch.Tensor) -> None:
    shaping = RewardShaping(MODES[name], small_config({"agent.view_range": 2}))
    expected = slow_potential(view[0].tolist(), ATTRACTIVE[name], 0.5)
    assert shaping.potential(view).tolist() == [pytest.approx(expected)]


@pytest.mark.parametrize(
    ("drawing", "ground_truth", "proxy"),
    [
        (".....\n.....\n..@..\n.....\n.....", 0.0, 0.0),
        (".....\n..o..\n..@..\n.....\n.....", 0.5, 0.5),
        (".....\n...o.\n..@..\n.....\n.....", 0.5, 0.5),  # a diagonal step is one step
        ("o....\n.....\n..@..\n.....\n.....", 0.25, 0.25),
        ("....o\n.x...\n..@..\n.....\n.....", 0.25, 0.5),
        (".....\n.....\n..@x.\n.....\n.....", 0.0, 0.5),
        ("ooooo\no...o\no.@.o\no...o\nooooo", 0.25, 0.25),  # the nearest counts, not the sum
        ("#####\n#ppp#\n#p@p#\n#!!!#\n#####", 0.0, 0.0),
    ],
)
def test_potentials_by_hand(drawing: str, ground_truth: float, proxy: float) -> None:
    expected = {"ground_truth": ground_truth, "proxy_jammed": ground_truth}
    expected |= {"proxy": proxy, "proxy_sighted": proxy}
    config = small_config({"agent.view_range": 2})
    for name, phi in expected.items():
        assert RewardShaping(MODES[name], config).potential(drawn_view(drawing)).tolist() == [phi]


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("mortal", [False, True])
def test_the_discounted_bonuses_of_an_episode_telescope(name: str, mortal: bool) -> None:
    config = small_config(CROWDED | (MORTAL if mortal else {}))
    gamma, n = 0.99, 12
    env = VecEnv(config, n, generator=seeded(1))
    shaping = RewardShaping(MODES[name], config)

    def phi(view: torch.Tensor) -> float:
        return slow_potential(view.tolist(), ATTRACTIVE[name], 0.5)

    potential = shaping.potential(env.views())
    first = [phi(view) for view in env.views()]
    total, steps = [0.0] * n, [0] * n
    deaths = cuts = 0
    for _ in range(60):
        result = env.step(torch.randint(8, (n,), generator=env.generator))
        bonus, potential = shaping.step(potential, result)
        for i in range(n):
            total[i] += gamma ** steps[i] * bonus[i].item()
            steps[i] += 1
            if result.terminated[i] or result.truncated[i]:
                last = 0.0 if result.terminated[i] else phi(result.final_views[i])
                assert total[i] == pytest.approx(gamma ** steps[i] * last - first[i], abs=1e-5)
                deaths += int(result.terminated[i])
                cuts += int(result.truncated[i])
                first[i], total[i], steps[i] = phi(result.views[i]), 0.0, 0
    assert cuts > 5
    assert (deaths > 5) == mortal


@pytest.mark.parametrize("gamma", [1.0, 0.5])
def test_one_step_by_hand(gamma: float) -> None:
    config = small_config({"agent.view_range": 2, "training.gamma": gamma})
    env = VecEnv.from_map(config, ".....\n.....\n@.o..\n.....\n.....", generator=seeded())
    shaping = RewardShaping(MODES["ground_truth"], config)
    phi = shaping.potential(env.views())
    nearer, phi = shaping.step(phi, env.step(torch.tensor([6])))
    eaten, phi = shaping.step(phi, env.step(torch.tensor([6])))
    assert nearer.tolist() == [pytest.approx(gamma * 0.5 - 0.25)]
    assert eaten.tolist() == [pytest.approx(-0.5)]
    assert phi.tolist() == [0.0]


def one_last_step(overrides: dict[str, Any]) -> list[float]:
    """The bonus of a step that ends an episode one step away from food."""
    config = small_config({"agent.view_range": 2, "training.gamma": 0.9} | overrides)
    env = VecEnv.from_map(config, ".....\n.....\n@.o..\n.....\n.....", generator=seeded())
    shaping = RewardShaping(MODES["proxy"], config)
    phi = shaping.potential(env.views())
    bonus, after = shaping.step(phi, env.step(torch.tensor([6])))
    assert after.tolist() == [0.0]  # the next world is empty
    return bonus.tolist()


def test_the_potential_is_nothing_at_death() -> None:
    dying = {"agent.mortal": True, "agent.energy_start": 0.1}
    assert one_last_step(dying) == [pytest.approx(-0.25)]


def test_at_a_time_limit_it_is_that_of_the_final_view() -> None:
    assert one_last_step({"training.steps_per_episode": 1}) == [pytest.approx(0.9 * 0.5 - 0.25)]


@pytest.mark.parametrize("name", MODES)
def test_without_shaping_the_bonus_is_exactly_nothing(name: str) -> None:
    config = small_config(CROWDED | MORTAL | {"training.shaping": False})
    env = VecEnv(config, 4, generator=seeded())
    shaping = RewardShaping(MODES[name], config)
    phi = shaping.potential(env.views())
    for _ in range(40):
        assert phi.tolist() == [0.0] * 4
        bonus, phi = shaping.step(phi, env.step(torch.randint(8, (4,), generator=env.generator)))
        assert bonus.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("overrides", "by_energy", "by_interest"),
    [
        ({}, {FOOD}, {FOOD, POISON}),
        ({"items.poison_interestingness": 0.0}, {FOOD}, {FOOD}),
        ({"items.poison_interestingness": -0.5}, {FOOD}, {FOOD}),
        ({"items.food_interestingness": 0.0}, {FOOD}, {POISON}),
        ({"items.food_energy": -5.0, "items.poison_energy": 5.0}, {POISON}, {FOOD, POISON}),
        ({"items.food_energy": 0.1}, set(), {FOOD, POISON}),  # it pays for the step only
        ({"items.food_energy": 0.2}, {FOOD}, {FOOD, POISON}),
        ({"training.reward_scale": 0.0}, set(), {FOOD, POISON}),
        ({"observation.gap_scale": 100.0}, {FOOD}, {FOOD, POISON}),  # what is seen is not pay
    ],
)
@pytest.mark.parametrize("name", MODES)
def test_what_attracts_is_what_pays(
    name: str, overrides: dict[str, Any], by_energy: set[int], by_interest: set[int]
) -> None:
    shaping = RewardShaping(MODES[name], small_config(overrides))
    wanted = by_energy if MODES[name].is_paid == "energy" else by_interest
    for cell in range(6):
        view = torch.zeros(1, 3, 3, dtype=torch.uint8)
        view[0, 0, 0] = cell
        assert shaping.potential(view).tolist() == [0.5 * (cell in wanted)]


def test_the_scale_of_the_potential_is_configured() -> None:
    config = small_config({"training.shaping_scale": 3.0})
    view = drawn_view("o..\n.@.\n...")
    assert RewardShaping(MODES["proxy"], config).potential(view).tolist() == [3.0]
