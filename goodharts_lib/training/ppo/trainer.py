"""PPOTrainer: one training run, from a configuration and a seed to a policy."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable

import torch
from torch import Tensor

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import Config
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.modes import get_mode, pay_table
from goodharts_lib.networks.registry import get_network
from goodharts_lib.training.ppo import algorithms
from goodharts_lib.training.ppo.models import ActingCopy, ActorCritic, Profiler
from goodharts_lib.training.ppo.records import (
    TrainResult,
    UpdateRecord,
    episode_records,
    kl_divergence,
    update_record,
)
from goodharts_lib.training.ppo.rollout import KL_STRIDE, Rollout, Stream, collect_rollout
from goodharts_lib.training.reward_shaping import RewardShaping


class TrainingDivergedError(RuntimeError):
    """A loss or a weight is no longer a finite number."""


def train(
    config: Config,
    seed: int,
    *,
    on_update: Callable[[UpdateRecord], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train `config.training.mode` from scratch.

    Nothing but the arguments decides what comes out, with one exception: `[runtime] threads = 0`
    takes as many threads as torch is set to use. A number given there is set for the whole process
    and stays, because runs in other threads of the process share that setting.

    Args:
        config: everything about the run but its seed.
        seed: makes the run repeatable, bit for bit on one device and thread count.
        on_update: called after every update, e.g. to draw or to log.
        should_stop: asked before every update; true ends the run with what it has.

    Raises:
        UserError: an unknown mode, network or device.
        TrainingDivergedError: a loss or a weight is no longer finite.
    """
    return PPOTrainer(config, seed).run(on_update, should_stop)


class PPOTrainer:
    """Trains one policy with PPO.

    `run` alternates `collect` and `update`. Subclass and override `make_env`, `make_model`,
    `make_shaping`, `collect` or `update` to change one part and keep the rest.

    Args:
        config: everything about the run but its seed.
        seed: makes the run repeatable.

    Raises:
        UserError: an unknown mode, network or device.
    """

    def __init__(self, config: Config, seed: int) -> None:
        self.mode = get_mode(config.training.mode)
        spec = get_network(config.training.network)
        self.placement = runtime.place(config)
        runtime.apply(self.placement)
        rate = config.training.learning_rate
        self.learning_rate = spec.learning_rate if rate == "auto" else float(rate)
        settled = {"training.learning_rate": self.learning_rate} | self.placement.overrides()
        self.config = config.with_overrides(settled)
        self.seed = seed
        self.device = self.placement.device
        self.generators = runtime.make_generators(seed, self.device)
        self.env = self.make_env()
        self.encoder = Encoder(self.mode, self.config, self.device, self.placement.dtype, seed)
        self.shaping = self.make_shaping()
        self.pay = torch.tensor(pay_table(self.mode, self.config), device=self.device)
        self.model = self.make_model()
        self.initial_model = copy.deepcopy(self.model).requires_grad_(False)
        self.acting = ActingCopy(self.model)
        self.parameters = list(self.model.parameters())
        self.optimizer = torch.optim.Adam(
            self.parameters, lr=self.learning_rate, eps=config.training.adam_eps, fused=True
        )
        views = self.env.views()
        zeros = torch.zeros(self.env.n_envs, device=self.device)
        self.stream = Stream(views, self.shaping.potential(views), zeros)
        self.updates_done = 0
        self.episodes_done = 0
        self.profiler = Profiler()

    @property
    def steps_per_update(self) -> int:
        """Environment steps of one rollout."""
        return self.config.training.steps_per_update

    @property
    def total_updates(self) -> int:
        """Updates of the whole run: the timesteps, rounded up."""
        return self.config.training.updates

    def make_env(self) -> VecEnv:
        """Build the worlds."""
        train = self.config.training
        return VecEnv(self.config, train.n_envs, generator=self.generators["world"])

    def make_shaping(self) -> RewardShaping:
        """Build the bonus on top of the pay."""
        return RewardShaping(self.mode, self.config, self.device)

    def make_model(self) -> ActorCritic:
        """Build and initialise policy and value."""
        spec = get_network(self.config.training.network)
        with torch.random.fork_rng(devices=[]):  # torch draws weights at construction: ours follow
            network = spec.build(self.encoder.n_channels, self.config.agent.view_size)
            model = ActorCritic(network, self.placement.dtype)
        model.initialise(self.generators["init"])
        return model.to(self.device).to(memory_format=self.placement.torch_memory_format)  # type: ignore[call-overload]

    def run(
        self,
        on_update: Callable[[UpdateRecord], None] | None = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> TrainResult:
        """Train until the configured number of steps, or until `should_stop()` returns true.

        Args:
            on_update: called after every update.
            should_stop: asked before every update.

        Raises:
            TrainingDivergedError: a loss is not finite. The weights are then useless.
        """
        start = time.perf_counter()
        history = []
        while self.updates_done < self.total_updates:
            if should_stop is not None and should_stop():
                break
            history.append(self.train_one_update())
            if on_update is not None:
                on_update(history[-1])
        return TrainResult(
            config=self.config,
            seed=self.seed,
            policy=self.policy(),
            history=tuple(history),
            total_steps=self.updates_done * self.steps_per_update,
            finished=self.updates_done >= self.total_updates,
            wall_time=time.perf_counter() - start,
            profile=self.profiler.line(),
        )

    def train_one_update(self) -> UpdateRecord:
        """Collect one rollout and learn from it."""
        start = time.perf_counter()
        rollout = self.collect()
        terms, explained = self.update(rollout)
        self.updates_done += 1
        return self._record(rollout, terms, explained, time.perf_counter() - start)

    def collect(self) -> Rollout:
        """Let the policy act for one rollout."""
        self.acting.refresh()
        return collect_rollout(
            self.env, self.acting, self.encoder, self.shaping, self.pay, self.stream,
            self.config.training.steps_per_env, self.generators["action"], self.profiler,
        )  # fmt: skip

    def update(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Learn from a rollout: the means of `LossTerms`, (6,), and the explained variance."""
        train = self.config.training
        with self.profiler.section("GAE Calc"):
            advantages, returns = algorithms.compute_gae(
                rollout.rewards, rollout.values, rollout.next_values, rollout.terminated,
                rollout.truncated, train.gamma, train.gae_lambda,
            )  # fmt: skip
        batch = algorithms.Batch(
            rollout.actions.flatten().long(),
            rollout.log_probs.flatten(),
            rollout.values.flatten(),
            advantages.flatten(),
            returns.flatten(),
        )
        views = rollout.views.flatten(0, 1)  # (B, V, V)
        counters = rollout.counters.flatten() if rollout.counters is not None else None

        def evaluate(index: Tensor) -> tuple[Tensor, Tensor]:
            seen = self.encoder(views[index], counters[index] if counters is not None else None)
            return self.model(seen)

        with self.profiler.section("PPO Update"):
            terms = algorithms.ppo_update(
                evaluate, self.parameters, self.optimizer, batch, train,
                self.generators["minibatch"],
            )  # fmt: skip
        return terms, algorithms.explained_variance(batch.values, batch.returns)

    def policy(self) -> LearnedPolicy:
        """Return a float32 copy of the current policy."""
        model = copy.deepcopy(self.model)
        model.dtype = torch.float32
        return LearnedPolicy(model.eval(), self.mode, self.config)

    def state(self) -> tuple[dict[str, Tensor], dict[str, int]]:
        """Return all that a checkpoint must hold: tensors, and plain values."""
        tensors: dict[str, Tensor] = {}
        tensors |= {f"model.{k}": v for k, v in self.model.state_dict().items()}
        tensors |= {f"initial.{k}": v for k, v in self.initial_model.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": v for k, v in slots.items()}
        tensors |= {f"world.{k}": v for k, v in self.env.state().items()}
        tensors |= {f"random.{k}": g.get_state() for k, g in self.generators.items()}
        tensors |= {"stream.potential": self.stream.potential, "stream.reward": self.stream.reward}
        values = {
            "updates_done": self.updates_done,
            "episodes_done": self.episodes_done,
            "steps": self.stream.steps,
        }
        return tensors, values

    def load_state(self, tensors: dict[str, Tensor], values: dict[str, int]) -> None:
        """Continue exactly where `state` was taken."""

        def part(prefix: str) -> dict[str, Tensor]:
            return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self.initial_model.load_state_dict(part("initial."))
        adam = self.optimizer.state_dict()
        for name, value in part("adam.").items():
            index, slot = name.split(".")
            slots = adam["state"].setdefault(int(index), {})
            # Fused Adam reads memory in order: its moments must have the strides of their weight.
            like = torch.empty_like(self.parameters[int(index)])
            slots[slot] = like.copy_(value) if value.dim() else value
        self.optimizer.load_state_dict(adam)
        self.env.load_state(part("world."))
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"random.{name}"].cpu())
        self.stream = Stream(
            self.env.views(),
            tensors["stream.potential"].to(self.device),
            tensors["stream.reward"].to(self.device),
            values["steps"],
        )
        self.updates_done = values["updates_done"]
        self.episodes_done = values["episodes_done"]

    def _record(
        self, rollout: Rollout, terms: Tensor, explained: Tensor, seconds: float
    ) -> UpdateRecord:
        """Report an update, after checking that it left finite numbers."""
        finite = torch.stack([p.detach().isfinite().all() for p in self.parameters]).all()
        if not (finite and terms.isfinite().all()):
            raise TrainingDivergedError(
                f"update {self.updates_done} left a loss or a weight that is not finite."
            )
        episodes = episode_records(rollout.ended, self.episodes_done, self.config)
        self.episodes_done += len(episodes)
        return update_record(
            rollout,
            terms.tolist(),
            explained_variance=float(explained),
            kl_to_initial=self._kl_to_initial(rollout),
            update=self.updates_done,
            total_steps=self.updates_done * self.steps_per_update,
            seconds=seconds,
            episodes=episodes,
            config=self.config,
        )

    @torch.inference_mode()
    def _kl_to_initial(self, rollout: Rollout) -> float:
        """Compare the policy that acted with the one the run began with."""
        views = rollout.views[::KL_STRIDE].flatten(0, 1)
        counters = None
        if rollout.counters is not None:
            counters = rollout.counters[::KL_STRIDE].flatten()
        logits, _ = self.initial_model(self.encoder(views, counters))
        return float(kl_divergence(rollout.sampled_logits.flatten(0, 1), logits))
