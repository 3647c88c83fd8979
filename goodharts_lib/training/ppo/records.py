"""What a training run reports: one record per update, one per finished episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cause, Cell, energy_prices
from goodharts_lib.modes import proxy_table
from goodharts_lib.training.ppo.rollout import EndedEpisodes, Rollout

PER_STEPS = 1000  # scores are told per so many steps


@dataclass(frozen=True)
class EpisodeRecord:
    """One finished episode of training. `reward` is what PPO was given: pay and shaping."""

    episode: int
    env: int
    length: int
    cause: str
    food: int
    poison: int
    proxy_score: float
    true_energy: float
    reward: float


@dataclass(frozen=True)
class UpdateRecord:
    """One update: what was lived through, and what was learned from it.

    `food`, `poison`, `proxy_score` and `true_energy` are per 1,000 steps of this update's rollout.
    `kl_to_initial` is of the policy that acted in it: the mean of KL(pi || pi_0) in nats per
    action, over the states of every eighth step.
    """

    update: int
    total_steps: int
    policy_loss: float
    value_loss: float
    entropy: float
    approx_kl: float
    clip_fraction: float
    explained_variance: float
    kl_to_initial: float
    steps_per_second: float
    food: float
    poison: float
    proxy_score: float
    true_energy: float
    action_probs: tuple[float, ...]
    episodes: tuple[EpisodeRecord, ...]


@dataclass(frozen=True)
class TrainResult:
    """What a training run returns."""

    config: Config
    seed: int
    policy: LearnedPolicy
    history: tuple[UpdateRecord, ...]
    total_steps: int
    finished: bool  # false if `should_stop` ended it early
    wall_time: float  # seconds
    profile: str


def meal_scores(eaten: Tensor, config: Config) -> dict[str, float]:
    """Return food, poison, proxy_score and true_energy per 1,000 steps.

    Args:
        eaten: cell types eaten, one entry per step, any shape.
        config: prices.
    """
    counts = torch.bincount(eaten.flatten().int(), minlength=len(Cell)).tolist()
    per = PER_STEPS / eaten.numel()
    proxy = sum(n * score for n, score in zip(counts, proxy_table(config), strict=True))
    energy = sum(n * price for n, price in zip(counts, energy_prices(config), strict=True))
    return {
        "food": counts[Cell.FOOD] * per,
        "poison": counts[Cell.POISON] * per,
        "proxy_score": proxy * per,
        "true_energy": energy / 10 * per,  # prices are in tenths
    }


def episode_records(
    ended: Sequence[EndedEpisodes], first: int, config: Config
) -> tuple[EpisodeRecord, ...]:
    """Return a record of each episode that ended, in order of time, then of world."""
    prices, scores = energy_prices(config), proxy_table(config)
    records: list[EpisodeRecord] = []
    for step in ended:
        which = step.episodes.ended.nonzero().squeeze(1)
        columns = (which, *(t[which] for t in (*step.episodes[1:], step.cause, step.reward)))
        for env, length, food, poison, cause, reward in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            energy = (length - food - poison) * prices[Cell.EMPTY]
            energy += food * prices[Cell.FOOD] + poison * prices[Cell.POISON]
            proxy = food * scores[Cell.FOOD] + poison * scores[Cell.POISON]
            records.append(
                EpisodeRecord(
                    episode=first + len(records),
                    env=env,
                    length=length,
                    cause=Cause(cause).name.lower(),
                    food=food,
                    poison=poison,
                    proxy_score=proxy,
                    true_energy=energy / 10,
                    reward=reward,
                )
            )
    return tuple(records)


def kl_divergence(logits: Tensor, other: Tensor) -> Tensor:
    """Return the mean of KL(pi || other) in nats, over all but the last dimension; scalar."""
    log_p, log_q = logits.log_softmax(-1), other.log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def update_record(
    rollout: Rollout,
    terms: Sequence[float],
    *,
    explained_variance: float,
    kl_to_initial: float,
    update: int,
    total_steps: int,
    seconds: float,
    episodes: tuple[EpisodeRecord, ...],
    config: Config,
) -> UpdateRecord:
    """Assemble the record of one update; `terms` are the means of `LossTerms`."""
    _, policy_loss, value_loss, entropy, approx_kl, clip_fraction = terms
    return UpdateRecord(
        update=update,
        total_steps=total_steps,
        policy_loss=policy_loss,
        value_loss=value_loss,
        entropy=entropy,
        approx_kl=approx_kl,
        clip_fraction=clip_fraction,
        explained_variance=explained_variance,
        kl_to_initial=kl_to_initial,
        steps_per_second=rollout.actions.numel() / seconds,
        **meal_scores(rollout.eaten, config),
        action_probs=tuple(rollout.mean_probs.tolist()),
        episodes=episodes,
    )
