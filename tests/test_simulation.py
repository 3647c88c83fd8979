"""The demo's world: counted again by a slow loop, and what its agents are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from training.tiny import tiny

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cause, Cell
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import evaluation_config
from goodharts_lib.modes import MODES
from goodharts_lib.simulation import Simulation, think
from goodharts_lib.training.ppo.trainer import PPOTrainer

CROWDED = {"evaluation.food": 50, "evaluation.poison": 50}  # of 144 cells: everybody sees both
EMPTY = {"evaluation.food": 0, "evaluation.poison": 0}


def untrained(mode: str, overrides: dict[str, Any] | None = None) -> LearnedPolicy:
    return PPOTrainer(tiny({"training.mode": mode} | (overrides or {})), 0).policy()


def policies(config: Config) -> list[LearnedPolicy | ScriptedAgent]:
    scripted = [ScriptedAgent(name, config) for name in ("random", "eat_everything")]
    return [untrained("ground_truth"), untrained("proxy"), *scripted]


def finished(seed: int = 0, overrides: dict[str, Any] | None = None) -> Simulation:
    config = tiny(overrides)
    simulation = Simulation(config, policies(config), 3, seed)
    for _ in range(simulation.steps):
        simulation.step()
    return simulation


def records(simulation: Simulation) -> list[np.ndarray]:
    return [simulation.energy, simulation.visits, simulation.deaths, simulation.meals]


class Straight:
    """Your own policy; it notes how many views it is given at once."""

    name = "straight"

    def __init__(self) -> None:
        self.batches: list[int] = []

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        self.batches.append(len(views))
        return torch.full((len(views),), 6)


# --- The record -------------------------------------------------------------


def test_the_record_equals_a_slow_recount() -> None:
    simulation, config = finished(4), tiny({"training.steps_per_episode": 1000})
    generators = runtime.make_generators(4, torch.device("cpu"))
    world = evaluation_config(config).with_overrides({"training.steps_per_episode": 1000})
    env = VecEnv(world, 12, generator=generators["world"], shared_grid=True)
    kinds = policies(config)
    visits = np.zeros((4, 12, 12), int)
    deaths, meals = np.zeros((4, len(Cause)), int), np.zeros((4, len(Cell)), int)
    energy = [[1.5] * 4]
    views = env.views()
    for _ in range(30):
        chosen = [kinds[k].act(views[3 * k : 3 * k + 3], generators["action"]) for k in range(4)]
        result = env.step(torch.cat(chosen))
        views = result.views
        for agent in range(12):
            x, y = env.agents()[agent].tolist()
            visits[agent // 3, y, x] += 1
            meals[agent // 3, result.events.eaten[agent]] += 1
            if result.terminated[agent]:
                deaths[agent // 3, result.events.cause[agent]] += 1
        tenths = env.energy.tolist()
        energy.append([sum(tenths[3 * k : 3 * k + 3]) / 30 for k in range(4)])
    assert (simulation.visits == visits).all()
    assert (simulation.deaths == deaths).all()
    assert (simulation.meals == meals).all()
    assert simulation.energy == pytest.approx(np.array(energy))
    assert deaths[:, Cause.POISONED].sum() > 0 < deaths[:, Cause.STARVED].sum()
    assert deaths[:, [Cause.NONE, Cause.TIME_LIMIT]].sum() == 0


def test_the_same_seed_gives_the_same_demo() -> None:
    first, again, other = finished(1), finished(1), finished(2)
    for a, b in zip(records(first), records(again), strict=True):
        assert a.tobytes() == b.tobytes()
    assert (first.visits != other.visits).any()


def test_looking_changes_nothing() -> None:
    config = tiny()
    watched = Simulation(config, policies(config), 3, 1)
    for _ in range(watched.steps):
        for kind in watched.kinds:
            watched.look(kind)
        watched.step()
    for a, b in zip(records(finished(1)), records(watched), strict=True):
        assert a.tobytes() == b.tobytes()


def test_no_time_limit_resets_the_energy() -> None:
    config = tiny(EMPTY | {"agent.energy_start": 50.0, "training.steps_per_episode": 7})
    simulation = Simulation(config, [Straight()], 2, 0)
    assert np.isnan(simulation.energy[1:]).all()
    for _ in range(30):
        simulation.step()
    assert simulation.energy[:, 0] == pytest.approx(50 - 0.1 * np.arange(31))
    assert simulation.deaths.sum() == 0


def test_who_starves_starts_again() -> None:
    simulation = Simulation(tiny(EMPTY), [Straight()], 2, 0)
    for _ in range(15):
        simulation.step()
    assert simulation.deaths[0, Cause.STARVED] == 2
    assert simulation.energy[13:16, 0] == pytest.approx([0.2, 0.1, 1.5])


def test_each_kind_acts_in_one_batch_before_every_step() -> None:
    policy = Straight()
    simulation = Simulation(tiny(), [policy, ScriptedAgent("random", tiny())], 5, 0)
    simulation.step()
    simulation.step()
    assert policy.batches == [5, 5, 5]


def test_after_the_last_step_there_is_none() -> None:
    simulation = finished()
    with pytest.raises(ValueError, match="has ended after 30 steps"):
        simulation.step()


@pytest.mark.parametrize(
    ("kinds", "per_kind", "sentence"),
    [
        ([], 5, "at least 1 agent"),
        ([Straight()], 0, "at least 1 agent of each kind, not 0"),
        ([Straight(), Straight()], 1, "two kinds have one name: straight, straight"),
        ([untrained("proxy", {"agent.view_range": 3})], 1, "trained with view_range 3"),
        ([Straight()], 100, "100 agents do not fit"),
    ],
    ids=["nobody", "none", "twins", "other eyes", "crowd"],
)
def test_what_makes_no_demo_is_refused(kinds: list[Any], per_kind: int, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Simulation(tiny(), kinds, per_kind, 0)


# --- What the agents are shown ----------------------------------------------


def test_every_agent_reads_its_own_encoding() -> None:
    config = tiny(CROWDED)
    simulation = Simulation(config, [untrained(mode) for mode in MODES], 2, 0)
    for _ in range(5):
        for name, mode in MODES.items():
            moment = simulation.look(name)
            given = moment.require_thought().observation
            view = torch.from_numpy(moment.view)[None]
            assert (given == Encoder(mode, config)(view)[0].numpy()).all()
            food, poison = moment.view == Cell.FOOD, moment.view == Cell.POISON
            assert food.any()
            assert poison.any()
            if mode.sees == "types":
                assert (given[Cell.FOOD] == food).all()
                assert (given[Cell.POISON] == poison).all()
            else:
                assert (given[2:] == given[2]).all()
                assert given[2][food].tolist() == [1.0] * food.sum()
                assert given[2][poison] == pytest.approx(0.9)
        simulation.step()


def test_a_policy_keeps_the_interestingness_it_was_trained_with() -> None:
    policy = untrained("proxy", {"items.poison_interestingness": 0.5})
    moment = Simulation(tiny(CROWDED), [policy], 1, 0).look("proxy")
    seen = moment.require_thought().observation[2][moment.view == Cell.POISON]
    assert set(seen.tolist()) == {0.5}


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_what_is_shown_led_to_the_action(noise: float) -> None:
    policy = untrained("proxy", {"observation.noise_std": noise}).decoded(greedy=True)
    simulation = Simulation(tiny(CROWDED), [ScriptedAgent("random", tiny()), policy], 3, 0)
    chosen = set()
    for _ in range(20):
        moment = simulation.look("proxy")
        thought = moment.require_thought()
        assert moment.action == thought.logits.argmax() == thought.probabilities.argmax()
        assert thought.probabilities.sum() == pytest.approx(1)
        before = simulation.env.geometry.neighbours[
            int(simulation.env.position[3]) * 8 + moment.action
        ]
        simulation.step()
        if simulation.env.age[3]:  # it lives on
            assert simulation.env.position[3] == before
        chosen.add(moment.action)
    assert len(chosen) > 1


def test_a_scripted_agent_has_no_thought() -> None:
    moment = Simulation(tiny(), policies(tiny()), 1, 0).look("random")
    assert moment.thought is None
    with pytest.raises(ValueError, match="'random' has no network"):
        moment.require_thought()


# --- Inside a network -------------------------------------------------------


@pytest.mark.parametrize("network", ["small_cnn", "base_cnn"])
def test_a_thought_is_what_each_relu_gives(network: str) -> None:
    policy = untrained("proxy", {"training.network": network})
    views = torch.randint(0, 4, (2, 5, 5), dtype=torch.uint8, generator=torch.Generator())
    thought = think(policy, views, torch.Generator())
    inner = policy.model.network
    values = policy.encoder(views)
    expected = []
    for module in inner.conv:
        values = module(values)
        if isinstance(module, torch.nn.ReLU):
            expected.append(values[0])
    features = inner.features(policy.encoder(views))
    expected.append(features[0])
    assert len(thought.layers) == len(expected)
    for layer, known in zip(thought.layers, expected, strict=True):
        assert layer.shape == known.shape
        np.testing.assert_allclose(layer, known.detach().numpy(), rtol=1e-5, atol=1e-6)
        assert layer.max() > 0
    logits, value = policy.evaluate(views)
    np.testing.assert_array_equal(thought.logits, logits[0].numpy())
    assert thought.value == float(value[0])


def hooks(policy: LearnedPolicy) -> int:
    return sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for module in policy.model.modules()
    )


def test_no_hook_stays_behind() -> None:
    policy = untrained("ground_truth")
    views = torch.zeros(1, 5, 5, dtype=torch.uint8)
    before = policy.evaluate(views)
    think(policy, views, torch.Generator())
    assert hooks(policy) == 0
    with pytest.raises(RuntimeError):  # views of another size
        think(policy, torch.zeros(1, 7, 7, dtype=torch.uint8), torch.Generator())
    assert hooks(policy) == 0
    for a, b in zip(before, policy.evaluate(views), strict=True):
        assert (a == b).all()
