"""A rollout: what is stored is what happened, step by step."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from slow_reference import seeded, slow_potential, small_config
from torch import Tensor
from training.tiny import tiny

from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cause, Cell, StepResult
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.modes import MODES, pay_table
from goodharts_lib.training.ppo.models import Profiler
from goodharts_lib.training.ppo.rollout import Rollout, Stream, collect_rollout, sample_actions
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.reward_shaping import RewardShaping

MORTAL = {"agent.mortal": True}


class Watched:
    """A trainer whose world's answers are all kept."""

    def __init__(self, overrides: dict[str, Any] | None = None, seed: int = 0) -> None:
        self.trainer = PPOTrainer(tiny(overrides), seed)
        self.first_views = self.trainer.stream.views.clone()
        self.results: list[StepResult] = []
        step = self.trainer.env.step

        def kept(actions: Tensor) -> StepResult:
            self.results.append(step(actions))
            return self.results[-1]

        self.trainer.env.step = kept

    def collect(self) -> Rollout:
        return self.trainer.collect()

    def values(self, views: Tensor) -> Tensor:
        with torch.no_grad():
            return self.trainer.model(self.trainer.encoder(views))[1]

    def logits(self, views: Tensor) -> Tensor:
        with torch.no_grad():
            return self.trainer.model(self.trainer.encoder(views))[0]


@pytest.fixture(params=[{}, MORTAL], ids=["immortal", "mortal"])
def watched(request: pytest.FixtureRequest) -> Watched:
    return Watched(request.param)


# --- What is stored ---------------------------------------------------------


def test_each_step_stores_the_view_that_was_answered_and_what_came_of_it(watched: Watched) -> None:
    rollout = watched.collect()
    results = watched.results
    assert len(results) == 16
    seen = torch.stack([watched.first_views, *(r.views for r in results[:-1])])
    assert torch.equal(rollout.views, seen)
    assert torch.equal(rollout.eaten, torch.stack([r.events.eaten for r in results]))
    assert torch.equal(rollout.terminated, torch.stack([r.terminated for r in results]))
    assert torch.equal(rollout.truncated, torch.stack([r.truncated for r in results]))
    assert torch.equal(watched.trainer.stream.views, results[-1].views)
    assert rollout.actions.shape == (16, 4)


def test_log_probabilities_and_values_are_those_of_the_policy_that_acted(watched: Watched) -> None:
    rollout = watched.collect()
    views = rollout.views.flatten(0, 1)
    log_probs = watched.logits(views).log_softmax(-1)
    taken = log_probs.gather(1, rollout.actions.flatten().long()[:, None]).view(16, 4)
    torch.testing.assert_close(rollout.log_probs, taken)
    torch.testing.assert_close(rollout.values, watched.values(views).view(16, 4))
    torch.testing.assert_close(rollout.mean_probs, log_probs.exp().mean(0))


def test_next_values_belong_to_the_same_episode(watched: Watched) -> None:
    watched.collect()
    rollout = watched.collect()  # steps 17 to 32: the time limit of 20 falls inside
    ends = rollout.terminated | rollout.truncated
    assert ends.any()
    assert not ends.all()
    for t, result in enumerate(watched.results[16:]):
        own = watched.values(result.final_views)
        ignored = result.terminated  # death: whatever stands there is never read
        torch.testing.assert_close(rollout.next_values[t][~ignored], own[~ignored])
        if result.truncated.any():
            new = watched.values(result.views)
            assert not torch.allclose(own[result.truncated], new[result.truncated])


def test_a_time_limit_on_the_very_last_step_bootstraps_from_its_final_view() -> None:
    watched = Watched({"training.steps_per_episode": 16})
    rollout = watched.collect()
    assert rollout.truncated[-1].all()
    final = watched.values(watched.results[-1].final_views)
    torch.testing.assert_close(rollout.next_values[-1], final)
    assert not torch.allclose(final, watched.values(watched.results[-1].views))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shaping", [True, False])
def test_rewards_are_the_pay_of_the_events_and_the_shaping(mode: str, shaping: bool) -> None:
    changed = {"training.mode": mode, "training.shaping": shaping, "training.steps_per_episode": 9}
    watched = Watched(MORTAL | changed)
    rollout = watched.collect()
    paid = {
        "energy": {Cell.EMPTY: -0.01, Cell.FOOD: 0.99, Cell.POISON: -3.01},
        "interestingness": {Cell.EMPTY: 0.0, Cell.FOOD: 1.0, Cell.POISON: 0.9},
    }[MODES[mode].is_paid]
    attractive = {int(cell) for cell in (Cell.FOOD, Cell.POISON) if paid[cell] > 0}
    scale = 0.5 if shaping else 0.0
    seen = watched.first_views
    for t, result in enumerate(watched.results):
        for world in range(4):
            before = slow_potential(seen[world].tolist(), attractive, scale)
            after = slow_potential(result.final_views[world].tolist(), attractive, scale)
            after *= not result.terminated[world]
            wanted = paid[Cell(int(result.events.eaten[world]))] + 0.99 * after - before
            assert float(rollout.rewards[t, world]) == pytest.approx(wanted, abs=1e-6)
        seen = result.views
    assert rollout.terminated.any()
    assert rollout.truncated.any()


# --- From one rollout to the next -------------------------------------------


def recount(rollouts: list[Rollout]) -> Iterator[tuple[int, int, int, float, int]]:
    """Length, food, poison, reward and world of each ended episode, counted step by step."""
    running = [[0, 0, 0, 0.0] for _ in range(4)]
    for r in rollouts:
        for t in range(len(r.rewards)):
            for world in range(4):
                count = running[world]
                count[0] += 1
                count[1] += int(r.eaten[t, world] == Cell.FOOD)
                count[2] += int(r.eaten[t, world] == Cell.POISON)
                count[3] += float(r.rewards[t, world])
                if r.terminated[t, world] or r.truncated[t, world]:
                    yield (*count, world)
                    running[world] = [0, 0, 0, 0.0]


def test_episodes_are_counted_across_rollouts(watched: Watched) -> None:
    rollouts = [watched.collect() for _ in range(4)]
    found = []
    for rollout in rollouts:
        for ended in rollout.ended:
            for world in ended.episodes.ended.nonzero().flatten().tolist():
                counts = [int(c[world]) for c in ended.episodes[1:]]
                found.append((*counts, pytest.approx(float(ended.reward[world]), abs=1e-5), world))
    assert found == list(recount(rollouts))
    assert any(length == 20 for length, *_ in found)


def test_causes_come_with_the_episodes() -> None:
    watched = Watched(MORTAL)
    causes = set()
    for rollout in (watched.collect() for _ in range(8)):
        for ended in rollout.ended:
            for world in ended.episodes.ended.nonzero().flatten().tolist():
                cause = Cause(int(ended.cause[world]))
                causes.add(cause)
                if cause == Cause.TIME_LIMIT:
                    assert int(ended.episodes.length[world]) == 20
                if cause == Cause.POISONED:
                    assert int(ended.episodes.poison[world]) > 0
    assert causes == {Cause.STARVED, Cause.POISONED, Cause.TIME_LIMIT}


def test_the_second_rollout_begins_where_the_first_ended(watched: Watched) -> None:
    watched.collect()
    last = watched.trainer.stream.views.clone()
    assert torch.equal(watched.collect().views[0], last)


# --- One world --------------------------------------------------------------

MAP = "......o\n.@.o...\n.....x.\n.o....o\n...o...\nx....o.\n..o...."


def straight(n: int, config: Config) -> Rollout:
    """`n` copies of one drawn world, in which a certain policy walks down and to the right."""
    env = VecEnv.from_map(config, MAP, generator=seeded(), n_envs=n)
    mode = MODES["ground_truth"]
    shaping = RewardShaping(mode, config)
    weights = torch.linspace(-1, 1, 6 * 9)

    def act(observations: Tensor) -> tuple[Tensor, Tensor]:
        logits = torch.zeros(len(observations), 8)
        logits[:, 7] = 1e6
        return logits, observations.flatten(1) @ weights

    views = env.views()
    stream = Stream(views, shaping.potential(views), torch.zeros(n))
    pay = torch.tensor(pay_table(mode, config))
    encoder = Encoder(mode, config)
    return collect_rollout(env, act, encoder, shaping, pay, stream, 6, seeded(3), Profiler())


def test_one_world_is_a_slice_of_two() -> None:
    # S17: with one world a squeezed value broadcasts, and returns are silently wrong.
    config = small_config({"training.steps_per_episode": 6})
    one, two = straight(1, config), straight(2, config)
    names = ("views", "actions", "log_probs", "values", "rewards", "eaten", "truncated")
    for name in names:
        assert getattr(one, name).shape[:2] == (6, 1)
        assert torch.equal(getattr(one, name), getattr(two, name)[:, :1]), name
    assert torch.equal(one.next_values[:-1], two.next_values[:-1, :1])
    assert one.eaten.count_nonzero() > 0
    assert one.truncated[-1].all()


# --- A noisy sensor ---------------------------------------------------------

NOISY = {"training.mode": "proxy", "observation.noise_std": 0.3}


class Recorder:
    """An encoder that keeps what went in and what came out."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.noisy = encoder.noisy
        self.n_channels = encoder.n_channels
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __call__(self, views: Tensor, counters: Tensor | None = None) -> Tensor:
        seen = self._encoder(views, counters)
        assert counters is not None
        self.calls.append((counters.clone(), seen.clone()))
        return seen


def test_the_update_sees_what_the_rollout_saw() -> None:
    trainer = PPOTrainer(tiny(NOISY), 0)
    recorder = Recorder(trainer.encoder)
    trainer.encoder = recorder
    rollout = trainer.collect()
    assert rollout.counters is not None
    acted = {}
    for counters, seen in recorder.calls:
        acted |= dict(zip(counters.tolist(), seen, strict=True))
    recorder.calls.clear()
    trainer.update(rollout)
    learned = [pair for c, seen in recorder.calls for pair in zip(c.tolist(), seen, strict=True)]
    assert sorted(c for c, _ in learned) == sorted(2 * rollout.counters.flatten().tolist())
    for counter, seen in learned:
        assert torch.equal(seen, acted[counter])
    again = trainer.encoder(rollout.views.flatten(0, 1), rollout.counters.flatten())
    stored = torch.stack([acted[c] for c in rollout.counters.flatten().tolist()])
    assert torch.equal(again, stored)


def test_no_two_noisy_steps_share_a_counter() -> None:
    trainer = PPOTrainer(tiny(NOISY), 0)
    counters = torch.cat([trainer.collect().counters.flatten() for _ in range(3)])
    assert len(counters.unique()) == len(counters) == 3 * 64


def test_without_noise_no_counters_are_stored() -> None:
    assert PPOTrainer(tiny({"training.mode": "proxy"}), 0).collect().counters is None
    sighted = NOISY | {"training.mode": "proxy_sighted"}  # types are read without error
    assert PPOTrainer(tiny(sighted), 0).collect().counters is None


# --- Size, choice -----------------------------------------------------------


@pytest.mark.parametrize("overrides", [{}, NOISY], ids=["plain", "noisy"])
def test_a_stored_step_takes_at_most_200_bytes(overrides: dict[str, Any]) -> None:
    shipped = load_config(
        overrides={
            "training.network": "small_cnn",
            "training.n_envs": 4,
            "training.steps_per_env": 16,
            "runtime.device": "cpu",
            "runtime.threads": 1,
        }
        | overrides
    )
    rollout = PPOTrainer(shipped, 0).collect()
    stored = [getattr(rollout, entry.name) for entry in dataclasses.fields(rollout)]
    tensors = [item for item in stored if isinstance(item, Tensor)]
    assert len(tensors) >= 11
    total = sum(t.numel() * t.element_size() for t in tensors)
    assert 121 < total / 64 <= 200


def test_actions_follow_the_probabilities() -> None:
    logits = torch.tensor([0.5, -1.0, 0.0, 2.0, 0.3, -3.0, 1.0, 0.0]).expand(40_000, 8)
    actions, log_probs = sample_actions(logits, seeded(5))
    counts = actions.bincount(minlength=8).numpy()
    expected = logits[0].double().softmax(-1).numpy() * 40_000
    assert chisquare(counts, expected).pvalue > 0.001
    torch.testing.assert_close(log_probs, logits.log_softmax(-1))
    assert torch.equal(sample_actions(logits, seeded(5))[0], actions)
    assert not torch.equal(sample_actions(logits, seeded(6))[0], actions)


def test_each_world_draws_its_own_action() -> None:
    actions, _ = sample_actions(torch.zeros(64, 8), seeded())
    assert len(actions.unique()) == 8


def test_the_network_and_the_world_are_timed() -> None:
    trainer = PPOTrainer(tiny(), 0)
    trainer.collect()
    assert set(trainer.profiler.seconds) == {"Inference", "Env Step"}
    assert min(trainer.profiler.seconds.values()) > 0
