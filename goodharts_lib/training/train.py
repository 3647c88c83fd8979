"""Behaviour cloning: imitate an expert. Deprecated as a method, alive as a cautionary tale.

Command: ``python -m goodharts_lib.training.train``.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.cli import Parser, add_config_arguments, command_config, seed
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError, one_of, run_command
from goodharts_lib.evaluation import Scores, evaluate, evaluate_decodings, format_table
from goodharts_lib.files import probe_directory
from goodharts_lib.modes import MODES, channel_table, get_mode
from goodharts_lib.networks.registry import NETWORKS, get_network
from goodharts_lib.training.cloning import (
    CloneLog,
    CloneResult,
    EpochRecord,
    ceiling,
    imitation,
)
from goodharts_lib.training.collect import Demonstrations, collect
from goodharts_lib.training.dataset import (
    concatenate,
    minibatches,
    sample_weights,
    synthetic_avoidance,
)
from goodharts_lib.training.ppo.checkpoint import save_model
from goodharts_lib.training.ppo.models import ActorCritic
from goodharts_lib.training.progress import eta

WHY_DEPRECATED = (
    "Behaviour cloning is deprecated as a method and kept as a cautionary tale: train with "
    "train_ppo instead. The reasons given for its failure: the expert shows no negative examples; "
    "the clone comes to states that its expert never visited (distribution shift); and copying "
    "is not surviving. How much each of them counts is measured by "
    "python -m goodharts_lib.experiments run cloning."
)


def clone(
    config: Config,
    expert: str,
    seed: int,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> CloneResult:
    """Imitate an expert. About threads, see `goodharts_lib.train`.

    Args:
        config: everything about the run but its expert and its seed.
        expert: a scripted agent, in place of that of `[cloning]`.
        seed: makes the run repeatable, bit for bit on one device and thread count.
        on_epoch: called after every epoch, e.g. to draw or to log.

    Raises:
        UserError: an unknown expert, mode, network or device; the loss is no longer finite.
    """
    return Cloner(config.with_overrides({"cloning.expert": expert}), seed).run(on_epoch)


class Cloner:
    """A clone in training, its expert, and the held-out states on which it is examined.

    The clone has the eyes of `[training] mode` and computes in float32. Held-out states come from
    worlds of their own: the steps of one walk resemble each other too much to be split.

    Args:
        config: everything about the run but its seed.
        seed: makes the run repeatable.

    Raises:
        UserError: an unknown expert, mode, network or device.
    """

    def __init__(self, config: Config, seed: int) -> None:
        train, settings = config.training, config.cloning
        mode, spec = get_mode(train.mode), get_network(train.network)
        placement = runtime.place(config.with_overrides({"runtime.precision": "float32"}))
        runtime.apply(placement)
        self.seed, self.generators = seed, runtime.make_generators(seed, placement.device)
        self.expert = ScriptedAgent(settings.expert, config, placement.device)
        with torch.random.fork_rng(devices=[]):  # torch draws weights at construction: ours follow
            n_channels = len(channel_table(mode, config)[0])
            model = ActorCritic(spec.build(n_channels, config.agent.view_size))
        model.initialise(self.generators["init"])
        rate = spec.learning_rate if train.learning_rate == "auto" else float(train.learning_rate)
        settled = {"training.learning_rate": rate} | placement.overrides()
        self.config = config.with_overrides(settled)
        self.policy = LearnedPolicy(
            model.to(placement.device), mode, self.config, name=f"clone_{self.expert.name}"
        )
        self.optimizer = torch.optim.Adam(model.parameters(), lr=rate, eps=train.adam_eps)
        self.held_out = self.collect(settings.held_out_samples)
        self.ceilings = ceiling(self.expert, self.held_out.views, self.generators["action"])
        self.judge = int(torch.randint(2**62, (), generator=self.generators["init"]))

    def collect(self, n_samples: int, driver: LearnedPolicy | None = None) -> Demonstrations:
        """Collect samples from fresh worlds."""
        return collect(self.expert, self.config, n_samples, self.generators, driver)

    def run(self, on_epoch: Callable[[EpochRecord], None] | None = None) -> CloneResult:
        """Learn from the expert's walk, then, with DAgger, from its advice on the clone's.

        Raises:
            UserError: the loss is no longer finite.
        """
        start = time.perf_counter()
        settings = self.config.cloning
        samples = synthetic_avoidance(settings.synthetic, self.config, self.generators["minibatch"])
        parts = settings.dagger_rounds + 1
        history: list[EpochRecord] = []
        for part in range(parts):
            share = settings.samples * (part + 1) // parts - settings.samples * part // parts
            samples = concatenate(samples, self.collect(share, self.policy if part else None))
            weights = sample_weights(samples, self.config)
            for _ in range(settings.epochs):
                loss, accuracy = self.learn(samples, weights)
                if not math.isfinite(loss):
                    raise UserError("the loss is no longer finite: lower the learning rate.")
                history.append(self.examine(len(history) + 1, part, len(samples), loss, accuracy))
                if on_epoch is not None:
                    on_epoch(history[-1])
        self.policy.model.eval()
        wall_time = time.perf_counter() - start
        return CloneResult(self.config, self.seed, self.policy, tuple(history), wall_time)

    def learn(self, samples: Demonstrations, weights: Tensor) -> tuple[float, float]:
        """Pass over the samples once; return the mean loss and the accuracy while learning.

        Args:
            samples: N of them.
            weights: how much each counts, (N,) with mean 1.
        """
        loss_sum, right = torch.zeros(2, device=weights.device)
        generator = self.generators["minibatch"]
        for rows in minibatches(len(samples), self.config.cloning.batch_size, generator):
            logits, _ = self.policy.model(self.observe(samples.views[rows]))
            actions = samples.actions[rows]
            losses = weights[rows] * F.cross_entropy(logits, actions, reduction="none")
            self.optimizer.zero_grad()
            losses.mean().backward()
            self.optimizer.step()
            loss_sum += losses.detach().sum()
            right += (logits.argmax(-1) == actions).sum()
        return loss_sum.item() / len(samples), right.item() / len(samples)

    def observe(self, views: Tensor) -> Tensor:
        """Encode views as the clone sees them; a noisy sensor reads anew every time."""
        encoder, counters = self.policy.encoder, None
        if encoder.noisy:
            counters = torch.randint(
                2**40, (len(views),), generator=self.generators["minibatch"], device=views.device
            )
        return encoder(views, counters)

    def examine(
        self, epoch: int, part: int, samples: int, loss: float, accuracy: float
    ) -> EpochRecord:
        """Measure imitation on the held-out states, and life in a few worlds."""
        few = self.config.with_overrides(
            {"evaluation.n_envs": self.config.cloning.evaluation_envs}
        )
        lives = [
            evaluate(self.policy.decoded(greedy=greedy), few, self.judge).true_energy
            for greedy in (False, True)
        ]
        exam = imitation(self.policy, self.held_out, self.ceilings, self.generators["action"])
        return EpochRecord(
            epoch=epoch,
            round=part,
            samples=samples,
            loss=loss,
            train_accuracy=accuracy,
            **asdict(exam),
            true_energy_sampled=lives[0],
            true_energy_greedy=lives[1],
        )


def compare(policy: LearnedPolicy, config: Config, seed: int) -> dict[str, dict[str, Scores]]:
    """Evaluate a clone, sampled and greedy, beside the expert of `[cloning]`."""
    expert = ScriptedAgent(config.cloning.expert, config, policy.device)
    return {
        expert.name: {"sampled": evaluate(expert, config, seed)},
        policy.name: evaluate_decodings(policy, config, seed),
    }


class EpochProgress:
    """Prints a line about every epoch, with the time that is left."""

    def __init__(self, config: Config) -> None:
        self._total = config.cloning.epochs * (config.cloning.dagger_rounds + 1)
        self._start = time.monotonic()

    def __call__(self, record: EpochRecord) -> None:
        """Show an epoch."""
        energies = record.true_energy_sampled, record.true_energy_greedy
        print(f"epoch {record.epoch}/{self._total}  {record.samples:,} samples  accuracy "
              f"{record.accuracy:.3f} of {record.ceiling:.3f}  true energy per 1,000 steps: "
              f"sampled {energies[0]:+,.0f}, greedy {energies[1]:+,.0f}  "
              f"{eta(self._start, record.epoch, self._total)}", flush=True)  # fmt: skip


FLAGS = {  # of the command: the key that each one sets
    "expert": ("cloning.expert", str, f"whom to copy: {', '.join(SCRIPTED)}"),
    "mode": ("training.mode", str, f"whose eyes the clone has: {', '.join(MODES)}"),
    "network": ("training.network", str, " or ".join(NETWORKS)),
    "epochs": ("cloning.epochs", int, "passes over the samples"),
    "batch_size": ("cloning.batch_size", int, "samples of one step of Adam"),
    "lr": ("training.learning_rate", float, "learning rate"),
    "collection_steps": ("cloning.samples", int, "steps of the expert to learn from"),
    "dagger": ("cloning.dagger_rounds", int, "rounds in which the clone walks, the expert names"),
    "reward_weight": ("cloning.reward_weight", float, "weight of actions that eat food"),
    "visibility_weight": ("cloning.visibility_weight", float, "weight of states with an item"),
    "synthetic": ("cloning.synthetic", int, "made-up samples: poison, and a step away from it"),
}


def _parser() -> Parser:
    parser = Parser(prog="train", description=WHY_DEPRECATED)
    for name, (full, kind, words) in FLAGS.items():
        flag, (section, key) = f"--{name.replace('_', '-')}", full.split(".")
        told = f"{words} (default: [{section}] {key})"
        parser.add_argument(flag, type=kind, help=told, default=argparse.SUPPRESS)
    parser.add_argument("--seed", type=seed, help="seed of the run", default=0)
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="where it goes")
    parser.add_argument("--log-dir", type=Path, default=Path("logs"), help="where logs go")
    add_config_arguments(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(argv)
    given = {key: getattr(args, name) for name, (key, _, _) in FLAGS.items() if hasattr(args, name)}
    config, origin = command_config(args, given)
    settings, train = config.cloning, config.training
    name = f"clone_{one_of('scripted agent', settings.expert, SCRIPTED)}"
    get_mode(train.mode)
    get_network(train.network)
    runtime.place(config)
    for directory in (args.models_dir, args.log_dir):
        probe_directory(directory)
    log, epochs = CloneLog(args.log_dir, name), settings.epochs * (settings.dagger_rounds + 1)
    print(f"{origin}\n{WHY_DEPRECATED}\n"
          f"Cloning {settings.expert} with {train.network}, through the eyes of mode {train.mode}: "
          f"{settings.samples:,} samples, {epochs} epochs, seed {args.seed}; "
          f"logs {log.stem}_*", flush=True)  # fmt: skip
    progress = EpochProgress(config)

    def on_epoch(record: EpochRecord) -> None:
        log.write(record)
        progress(record)

    cloner = Cloner(config, args.seed)
    result = cloner.run(on_epoch)
    path = args.models_dir / f"{name}.safetensors"
    save_model(path, result.policy, args.seed, settings.samples)
    scores = compare(result.policy, config, cloner.judge)
    log.finish(result, scores, path)
    print(f"model {path}, summary {log.summary}")
    print(f"The clone's accuracy is {result.history[-1].accuracy:.3f}. Per 1,000 steps:")
    print(format_table(scores))
    return 0


if __name__ == "__main__":
    run_command(main)
