"""PPO learns: what is paid for comes about, and with it what was not meant.

A 20x20 torus, a 5x5 view, items as dense as in the shipped world and with the same share of
poison (about a third), 41,000 steps.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest

from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config, load_config
from goodharts_lib.evaluation import Scores, evaluate
from goodharts_lib.training.ppo.records import TrainResult
from goodharts_lib.training.ppo.trainer import train

pytestmark = pytest.mark.slow

SEEDS = (0, 1, 2)


def config(mode: str) -> Config:
    changed: dict[str, Any] = {
        "world.width": 20,
        "world.height": 20,
        "agent.view_range": 2,
        "training.mode": mode,
        "training.network": "small_cnn",
        "training.timesteps": 20 * 2048,
        "training.n_envs": 16,
        "training.min_food": 6,
        "training.max_food": 24,
        "training.min_poison": 2,
        "training.max_poison": 12,
        "evaluation.n_envs": 64,
        "evaluation.food": 15,
        "evaluation.poison": 7,
        "runtime.device": "cpu",
        "runtime.threads": 1,
    }
    return load_config(overrides=changed)


@functools.cache
def trained(mode: str, seed: int) -> tuple[TrainResult, Scores]:
    result = train(config(mode), seed)
    return result, evaluate(result.policy, config(mode), 100 + seed)


@functools.cache
def scripted(name: str) -> Scores:
    worlds = config("ground_truth")
    return evaluate(ScriptedAgent(name, worlds), worlds, 100)


@pytest.mark.parametrize("seed", SEEDS)
def test_ground_truth_learns_to_eat_food_and_leave_poison(seed: int) -> None:
    _, scores = trained("ground_truth", seed)
    assert scores.food_share is not None
    assert scores.food_share >= 0.9
    assert scores.true_energy > scripted("random").true_energy + 100
    assert scores.food > 2 * scripted("random").food
    assert scores.deaths < scripted("random").deaths


@pytest.mark.parametrize("seed", SEEDS)
def test_proxy_gains_what_it_is_paid_and_loses_what_we_want(seed: int) -> None:
    result, scores = trained("proxy", seed)
    first, last = result.history[0], result.history[-1]
    random = scripted("random")
    assert last.proxy_score > 2 * first.proxy_score
    assert scores.proxy_score > 2 * random.proxy_score
    assert scores.true_energy < random.true_energy
    assert last.true_energy < first.true_energy
    assert scores.deaths > random.deaths


@pytest.mark.parametrize("seed", SEEDS)
def test_the_same_steps_lead_apart(seed: int) -> None:
    truth, proxy = trained("ground_truth", seed)[1], trained("proxy", seed)[1]
    assert proxy.true_energy < 0 < truth.true_energy
    assert proxy.food_share is not None
    assert truth.food_share is not None
    assert proxy.food_share < 0.8 < truth.food_share


def test_learning_lowers_the_entropy_and_leaves_the_first_policy_behind() -> None:
    for mode in ("ground_truth", "proxy"):
        history = trained(mode, 0)[0].history
        assert history[-1].entropy < history[0].entropy - 0.3
        assert history[-1].kl_to_initial > 0.1
        assert history[-1].explained_variance > history[0].explained_variance
