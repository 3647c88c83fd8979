"""PPOTrainer: repeatable, replaceable part by part, honest in what it reports."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import numpy as np
import pytest
import torch
from slow_reference import small_config
from torch import Tensor
from training.tiny import facts, tiny

from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo.models import ActorCritic, Profiler
from goodharts_lib.training.ppo.records import TrainResult, UpdateRecord, kl_divergence
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer, TrainingDivergedError, train
from goodharts_lib.training.reward_shaping import RewardShaping

MORTAL = {"agent.mortal": True}
NOISY = {"training.mode": "proxy", "observation.noise_std": 0.1}


def weights(result: TrainResult | PPOTrainer) -> Tensor:
    model = result.model if isinstance(result, PPOTrainer) else result.policy.model
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def history(result: TrainResult) -> list[dict[str, Any]]:
    return [facts(record) for record in result.history]


# --- Repeatable -------------------------------------------------------------


@pytest.mark.parametrize("overrides", [{}, MORTAL, NOISY], ids=["immortal", "mortal", "noisy"])
def test_the_same_seed_gives_the_same_run_bit_for_bit(overrides: dict[str, Any]) -> None:
    config = tiny(overrides)
    torch.manual_seed(1)
    one = train(config, 5)
    torch.manual_seed(2)
    two = train(config, 5)
    assert torch.equal(weights(one), weights(two))
    assert history(one) == history(two)


def test_another_seed_gives_another_run() -> None:
    one, two = train(tiny(), 0), train(tiny(), 1)
    assert not torch.equal(weights(one), weights(two))
    assert history(one)[0] != history(two)[0]


def test_what_ran_before_in_the_process_makes_no_difference() -> None:
    # S18, N18: shared random numbers made a mode's result depend on the order of modes.
    configs = {mode: tiny({"training.mode": mode}) for mode in MODES}
    forwards = {mode: weights(train(config, 0)) for mode, config in configs.items()}
    for mode, config in reversed(configs.items()):
        assert torch.equal(weights(train(config, 0)), forwards[mode])
    assert not torch.equal(forwards["ground_truth"], forwards["proxy"])


def test_modes_with_one_seed_begin_in_the_same_worlds_with_the_same_weights() -> None:
    runs = [PPOTrainer(tiny({"training.mode": mode}), 4) for mode in MODES]
    for other in runs[1:]:
        assert torch.equal(other.stream.views, runs[0].stream.views)
        assert torch.equal(weights(other), weights(runs[0]))


def test_training_leaves_the_global_random_numbers_alone() -> None:
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    train(tiny(MORTAL), 0)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    assert random.getstate() == before[2]


def test_training_moves_every_weight_tensor() -> None:
    trainer = PPOTrainer(tiny(), 0)
    before = {name: p.detach().clone() for name, p in trainer.model.named_parameters()}
    trainer.train_one_update()
    for name, parameter in trainer.model.named_parameters():
        assert not torch.equal(parameter, before[name]), name
    for name, parameter in trainer.initial_model.named_parameters():
        assert torch.equal(parameter, before[name]), name


def test_the_optimizer_steps_each_parameter_once() -> None:
    trainer = PPOTrainer(tiny(), 0)
    assert len({id(p) for p in trainer.parameters}) == len(trainer.parameters)
    assert {id(p) for p in trainer.parameters} == {id(p) for p in trainer.model.parameters()}
    stepped = [id(p) for group in trainer.optimizer.param_groups for p in group["params"]]
    assert sorted(stepped) == sorted(id(p) for p in trainer.parameters)


# --- Length -----------------------------------------------------------------


@pytest.mark.parametrize(("timesteps", "updates"), [(1, 1), (64, 1), (65, 2), (128, 2)])
def test_steps_are_rounded_up_to_whole_updates(timesteps: int, updates: int) -> None:
    result = train(tiny({"training.timesteps": timesteps}), 0)
    assert len(result.history) == updates
    assert result.total_steps == 64 * updates
    assert result.finished
    assert [r.total_steps for r in result.history] == [64 * (i + 1) for i in range(updates)]


def test_should_stop_is_asked_before_every_update() -> None:
    asked: list[int] = []

    def after_two() -> bool:
        asked.append(1)
        return len(asked) > 2

    result = train(tiny(), 0, should_stop=after_two)
    assert len(result.history) == 2
    assert not result.finished
    assert result.total_steps == 128
    assert torch.equal(weights(result), weights(train(tiny({"training.timesteps": 128}), 0)))


def test_stopping_at_once_leaves_the_first_policy() -> None:
    result = train(tiny(), 0, should_stop=lambda: True)
    assert result.history == ()
    assert torch.equal(weights(result), weights(PPOTrainer(tiny(), 0)))


def test_a_stopped_trainer_can_go_on() -> None:
    trainer = PPOTrainer(tiny(), 0)
    trainer.run(should_stop=lambda: trainer.updates_done == 3)
    assert torch.equal(weights(trainer.run()), weights(train(tiny(), 0)))


# --- Parts that can be replaced ---------------------------------------------


def test_a_subclass_may_bring_its_own_world() -> None:
    class Empty(PPOTrainer):
        def make_env(self) -> VecEnv:
            bare = {f"training.{e}_{k}": 0 for e in ("min", "max") for k in ("food", "poison")}
            config = self.config.with_overrides(bare)
            return VecEnv(config, 4, generator=self.generators["world"])

    record = Empty(tiny({"training.mode": "proxy"}), 0).run().history[-1]
    assert record.food == record.poison == record.proxy_score == 0
    assert record.true_energy == pytest.approx(-100)  # the price of 1,000 moves
    assert [e.reward for r in Empty(tiny({"training.mode": "proxy"}), 0).run().history
            for e in r.episodes] == [0.0] * 12  # fmt: skip


def test_a_subclass_may_bring_its_own_shaping() -> None:
    class Constant(RewardShaping):
        def step(self, before: Tensor, result: Any) -> tuple[Tensor, Tensor]:  # noqa: ARG002
            return torch.full_like(before, 7.0), before

    class Shaped(PPOTrainer):
        def make_shaping(self) -> RewardShaping:
            return Constant(self.mode, self.config)

    rollout = Shaped(tiny({"training.mode": "proxy"}), 0).collect()
    assert rollout.rewards.min() == 7.0
    plain = PPOTrainer(tiny({"training.mode": "proxy", "training.shaping": False}), 0).collect()
    torch.testing.assert_close(rollout.rewards - 7.0, plain.rewards)


def test_a_subclass_may_bring_its_own_network() -> None:
    class Blind(PPOTrainer):
        def make_model(self) -> ActorCritic:
            model = super().make_model()
            torch.nn.init.zeros_(model.network.policy.weight)
            return model

    probs = Blind(tiny(), 0).collect().mean_probs
    assert probs.tolist() == pytest.approx([1 / 8] * 8)


def test_a_subclass_may_change_what_is_collected_and_learned() -> None:
    class Watching(PPOTrainer):
        seen = 0

        def collect(self) -> Rollout:
            self.seen += 1
            return super().collect()

        def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:  # noqa: ARG002
            return torch.zeros(6), torch.tensor(0.5)

    trainer = Watching(tiny(), 0)
    result = trainer.run()
    assert trainer.seen == 4
    assert torch.equal(weights(result), weights(PPOTrainer(tiny(), 0)))
    assert {r.explained_variance for r in result.history} == {0.5}
    assert max(r.kl_to_initial for r in result.history) == pytest.approx(0, abs=1e-7)


def test_the_returned_policy_is_a_copy() -> None:
    trainer = PPOTrainer(tiny(), 0)
    policy = trainer.policy()
    before = torch.cat([p.detach().flatten() for p in policy.model.parameters()])
    trainer.train_one_update()
    assert torch.equal(torch.cat([p.detach().flatten() for p in policy.model.parameters()]), before)


# --- What is reported -------------------------------------------------------


class Keeping(PPOTrainer):
    """Keeps its rollouts and what the updates returned."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.rollouts: list[Rollout] = []
        self.returned: list[tuple[Tensor, Tensor]] = []

    def collect(self) -> Rollout:
        self.rollouts.append(super().collect())
        return self.rollouts[-1]

    def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        self.returned.append(super().update(rollout))
        return self.returned[-1]


@pytest.mark.parametrize("overrides", [{}, MORTAL], ids=["immortal", "mortal"])
def test_records_agree_with_the_events(overrides: dict[str, Any]) -> None:
    trainer = Keeping(tiny({"training.mode": "proxy"} | overrides), 0)
    told: list[UpdateRecord] = []
    result = trainer.run(told.append)
    assert tuple(told) == result.history
    for number, (record, rollout) in enumerate(zip(told, trainer.rollouts, strict=True), 1):
        eaten = rollout.eaten.flatten().tolist()
        food, poison = eaten.count(Cell.FOOD), eaten.count(Cell.POISON)
        assert record.update == number
        assert record.total_steps == 64 * number
        assert record.food == pytest.approx(food / 64 * 1000)
        assert record.poison == pytest.approx(poison / 64 * 1000)
        assert record.proxy_score == pytest.approx((food + 0.9 * poison) / 64 * 1000)
        energy = 10 * food - 30 * poison - 0.1 * 64
        assert record.true_energy == pytest.approx(energy / 64 * 1000)
        assert sum(record.action_probs) == pytest.approx(1, abs=1e-5)
        assert record.steps_per_second > 0
    assert sum(r.food + r.poison for r in told) > 0


@pytest.mark.parametrize("overrides", [{}, MORTAL], ids=["immortal", "mortal"])
def test_episode_records_agree_with_the_events(overrides: dict[str, Any]) -> None:
    trainer = Keeping(tiny(overrides), 0)
    records = [e for record in trainer.run().history for e in record.episodes]
    assert [e.episode for e in records] == list(range(len(records)))
    eaten, ends, rewards = (
        torch.cat([getattr(r, name) for r in trainer.rollouts]).tolist()
        for name in ("eaten", "truncated", "rewards")
    )
    died = torch.cat([r.terminated for r in trainer.rollouts]).tolist()
    expected = []
    running: list[list[int]] = [[] for _ in range(4)]
    earned = [0.0] * 4
    for t, row in enumerate(eaten):
        for env, cell in enumerate(row):
            running[env].append(cell)
            earned[env] += rewards[t][env]
            if died[t][env] or ends[t][env]:
                meals = running[env]
                food, poison = meals.count(Cell.FOOD), meals.count(Cell.POISON)
                cause = "time_limit"
                if died[t][env]:
                    cause = "poisoned" if cell == Cell.POISON else "starved"
                expected.append(
                    {
                        "env": env,
                        "length": len(meals),
                        "cause": cause,
                        "food": food,
                        "poison": poison,
                        "proxy_score": pytest.approx(food + 0.9 * poison),
                        "true_energy": pytest.approx(10 * food - 30 * poison - len(meals) * 0.1),
                        "reward": pytest.approx(earned[env], abs=1e-5),
                    }
                )
                running[env], earned[env] = [], 0.0
    found = [{k: v for k, v in vars(e).items() if k != "episode"} for e in records]
    assert found == expected
    assert {e.length for e in records} != {20} or not overrides


def test_terms_are_finite_and_in_order() -> None:
    trainer = Keeping(tiny(), 0)
    for record, (terms, explained) in zip(trainer.run().history, trainer.returned, strict=True):
        reported = (record.policy_loss, record.value_loss, record.entropy, record.approx_kl,
                    record.clip_fraction, record.explained_variance)  # fmt: skip
        assert reported == (*terms[1:].tolist(), float(explained))
        assert all(math.isfinite(term) for term in reported)
        assert 0 < record.entropy <= math.log(8) + 1e-6
        assert record.value_loss >= 0
        assert record.approx_kl > -1e-7
        assert 0 <= record.clip_fraction <= 1
        assert record.explained_variance <= 1


def test_explained_variance_is_of_the_whole_batch() -> None:
    trainer = Keeping(tiny({"training.gae_lambda": 1.0, "training.gamma": 0.5}), 0)
    record = trainer.train_one_update()
    rollout = trainer.rollouts[0]
    returns = torch.zeros(16, 4)
    following = rollout.next_values[-1]
    for t in reversed(range(16)):  # immortal, and the time limit of 20 has not come yet
        following = rollout.rewards[t] + 0.5 * following
        returns[t] = following
    expected = 1 - (returns - rollout.values).var() / returns.var()
    assert record.explained_variance == pytest.approx(float(expected), abs=1e-4)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_kl_to_initial_starts_at_0_and_grows(precision: str) -> None:
    # In bfloat16 a copy of the weights acts: one that is not renewed would stay at 0 for ever.
    overrides = {"training.timesteps": 640, "training.learning_rate": 0.01}
    result = train(tiny(overrides | {"runtime.precision": precision}), 0)
    distances = [r.kl_to_initial for r in result.history]
    assert distances[0] == pytest.approx(0, abs=1e-6)
    assert distances[1] > 1e-5
    assert distances[-1] > 3 * distances[1]


def test_kl_divergence_by_hand() -> None:
    p = torch.tensor([[0.5, 0.25, 0.25], [1 / 3] * 3])
    q = torch.tensor([[0.25, 0.25, 0.5], [1 / 3] * 3])
    expected = (0.5 * math.log(2) - 0.25 * math.log(2)) / 2
    assert float(kl_divergence(p.log(), q.log())) == pytest.approx(expected)
    assert float(kl_divergence(p.log() + 5, p.log())) == pytest.approx(0, abs=1e-7)


def test_kl_to_initial_is_of_the_policy_that_acted() -> None:
    trainer = Keeping(tiny({"training.learning_rate": 0.01}), 0)
    trainer.train_one_update()
    acted = trainer.policy()
    record = trainer.train_one_update()
    views = trainer.rollouts[1].views[::8].flatten(0, 1)
    with torch.no_grad():
        first, _ = trainer.initial_model(trainer.encoder(views))
    p, q = acted.probabilities(views).double(), first.double().softmax(-1)
    expected = float((p * (p / q).log()).sum(-1).mean())
    assert record.kl_to_initial == pytest.approx(expected, rel=1e-3)


# --- Divergence -------------------------------------------------------------


class Breaking(PPOTrainer):
    """Goes wrong in its third update."""

    @torch.no_grad()
    def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        if self.updates_done == 2:
            self.parameters[0].view(-1)[3] = math.nan
        return torch.zeros(6), torch.tensor(0.0)


def test_a_weight_that_is_no_number_ends_the_run() -> None:
    told: list[UpdateRecord] = []
    with pytest.raises(TrainingDivergedError, match="update 3 left"):
        Breaking(tiny(), 0).run(told.append)
    assert [record.update for record in told] == [1, 2]


def test_a_reward_that_is_no_number_ends_the_run() -> None:
    trainer = PPOTrainer(tiny(), 0)
    trainer.pay = trainer.pay * math.inf
    with pytest.raises(TrainingDivergedError, match="not finite"):
        trainer.run()


# --- Settings ---------------------------------------------------------------


@pytest.mark.parametrize(("network", "rate"), [("small_cnn", 1e-3), ("base_cnn", 3e-4)])
def test_an_automatic_learning_rate_is_the_networks_own(network: str, rate: float) -> None:
    trainer = PPOTrainer(tiny({"training.network": network}), 0)
    assert trainer.config.training.learning_rate == rate
    assert trainer.optimizer.param_groups[0]["lr"] == rate
    chosen = PPOTrainer(tiny({"training.learning_rate": 0.02}), 0)
    assert chosen.optimizer.param_groups[0]["lr"] == 0.02


def test_a_run_stores_what_was_resolved() -> None:
    automatic = {
        "runtime.device": "auto",
        "runtime.precision": "auto",
        "runtime.memory_format": "auto",
    }
    config = PPOTrainer(tiny(automatic), 0).config
    assert "auto" not in config.to_dict()["runtime"].values()
    assert config.training.learning_rate != "auto"
    assert config.runtime.threads > 0


@pytest.mark.parametrize("key", ["mode", "network"])
def test_an_unknown_name_is_refused(key: str) -> None:
    with pytest.raises(UserError, match=f"unknown {key} 'nonsense'"):
        PPOTrainer(small_config({f"training.{key}": "nonsense"}), 0)


# --- The profiler -----------------------------------------------------------


def test_a_run_says_where_its_time_went() -> None:
    line = train(tiny(), 0).profile
    parts = line.removeprefix("[Profile] ").split(" | ")
    found = [re.fullmatch(r"([A-Z][\w ]+): (\d+\.\d\d)s \((\d+)%\)", part) for part in parts]
    assert line.startswith("[Profile] ")
    assert all(found)
    assert {match[1] for match in found} == {"PPO Update", "Inference", "Env Step", "GAE Calc"}
    assert 98 <= sum(int(match[3]) for match in found) <= 102
    seconds = [float(match[2]) for match in found]
    assert seconds == sorted(seconds, reverse=True)


def test_the_profiler_adds_up_its_sections(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 1.4, 10.0, 10.25, 20.0, 20.1])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    profiler = Profiler()
    for name in ("PPO Update", "Inference", "Inference"):
        with profiler.section(name):
            pass
    assert profiler.line() == "[Profile] PPO Update: 1.40s (80%) | Inference: 0.35s (20%)"


def test_a_section_that_fails_is_timed_all_the_same() -> None:
    profiler = Profiler()
    with pytest.raises(ZeroDivisionError), profiler.section("Env Step"):
        1 / 0  # noqa: B018
    assert "Env Step" in profiler.seconds
