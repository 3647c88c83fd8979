"""Collect experience: the only loop in which a policy meets the world during training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from goodharts_lib.environments.cells import Episodes
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.training.ppo.models import Profiler
from goodharts_lib.training.reward_shaping import RewardShaping

ActFn = Callable[[Tensor], tuple[Tensor, Tensor]]

KL_STRIDE = 8  # every eighth step lends its states to kl_to_initial: 1,024 of 8,192


@dataclass(frozen=True)
class EndedEpisodes:
    """Episodes that ended in one step of a rollout; read the rows where `episodes.ended`."""

    episodes: Episodes
    cause: Tensor  # (n,) uint8
    reward: Tensor  # (n,) sum of pay and shaping


class Step(NamedTuple):
    """What is stored of one step of n worlds; stacked, of T steps."""

    views: Tensor  # (T, n, V, V) uint8
    actions: Tensor  # (T, n) uint8
    log_probs: Tensor  # (T, n) of the actions
    values: Tensor  # (T, n)
    rewards: Tensor  # (T, n) pay and shaping
    eaten: Tensor  # (T, n) uint8
    terminated: Tensor  # (T, n) bool
    truncated: Tensor  # (T, n) bool


@dataclass(frozen=True)
class Rollout:
    """T steps of n worlds. A stored step takes about 150 bytes, 121 of them the view."""

    views: Tensor  # these eight as in Step
    actions: Tensor
    log_probs: Tensor
    values: Tensor
    rewards: Tensor
    eaten: Tensor
    terminated: Tensor
    truncated: Tensor
    next_values: Tensor  # (T, n) of the same episode; see compute_gae
    counters: Tensor | None  # (T, n) int64 noise counters, if the sensor is noisy
    mean_probs: Tensor  # (8,) mean probability of each action
    sampled_logits: Tensor  # (ceil(T / KL_STRIDE), n, 8)
    ended: list[EndedEpisodes]


@dataclass
class Stream:
    """What is carried from one rollout to the next."""

    views: Tensor  # (n, V, V) uint8, not yet answered
    potential: Tensor  # (n,) of those views
    reward: Tensor  # (n,) of the running episodes so far
    steps: int = 0  # all steps so far; numbers the noise counters


def sample_actions(logits: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw actions: (n, 8) to actions, (n,) int64, and all log-probabilities, (n, 8).

    The Gumbel-max trick needs no check of the probabilities, so a GPU is never waited for.
    """
    log_probs = logits.log_softmax(dim=-1)
    noise = torch.empty_like(log_probs).exponential_(generator=generator)
    return (log_probs - noise.log()).argmax(dim=-1), log_probs


@torch.inference_mode()
def collect_rollout(
    env: VecEnv,
    act: ActFn,
    encoder: Encoder,
    shaping: RewardShaping,
    pay: Tensor,
    stream: Stream,
    n_steps: int,
    generator: torch.Generator,
    profiler: Profiler,
) -> Rollout:
    """Let a policy act for `n_steps` steps, T, in each of the n worlds.

    `act` takes observations, (n, C, V, V), to logits, (n, 8), and values, (n,); `pay` is the pay by
    what was eaten, (types,). `stream` is where the last rollout stopped, and is brought up to date.
    """
    steps: list[Step] = []
    ended: list[EndedEpisodes] = []
    final_values: dict[int, Tensor] = {}
    mean_probs = torch.zeros_like(pay[:1])
    sampled = []
    for t in range(n_steps):
        with profiler.section("Inference"):
            logits, values = act(encoder(stream.views, _counters(encoder, stream)))
            actions, log_probs = sample_actions(logits, generator)
        mean_probs = mean_probs + log_probs.exp().sum(0)
        if t % KL_STRIDE == 0:
            sampled.append(logits)
        with profiler.section("Env Step"):
            result = env.step(actions)
            bonus, potential = shaping.step(stream.potential, result)
        reward = pay.take(result.events.eaten.long()) + bonus
        taken = log_probs.gather(1, actions[:, None]).squeeze(1)
        steps.append(Step(stream.views, actions.to(torch.uint8), taken, values, reward,
                          result.events.eaten, result.terminated, result.truncated))  # fmt: skip
        stream.reward = stream.reward + reward
        stream.steps += 1
        if result.episodes is not None:
            ended.append(EndedEpisodes(result.episodes, result.events.cause, stream.reward))
            stream.reward = stream.reward.masked_fill(result.episodes.ended, 0.0)
            final = encoder(result.final_views, _counters(encoder, stream))
            final_values[t] = act(final)[1]
        stream.views, stream.potential = result.views, potential
    last_values = act(encoder(stream.views, _counters(encoder, stream)))[1]
    columns = Step(*(torch.stack(column) for column in zip(*steps, strict=True)))
    next_values = _next_values(columns, last_values, final_values)
    counters = _counters(encoder, stream, n_steps)
    probs = mean_probs / columns.actions.numel()
    return Rollout(*columns, next_values, counters, probs, torch.stack(sampled), ended)


def _next_values(steps: Step, last: Tensor, final: dict[int, Tensor]) -> Tensor:
    """Return V of what followed each step in the same episode, (T, n)."""
    values = torch.cat([steps.values[1:], last[None]])
    for t, final_values in final.items():
        values[t] = torch.where(steps.truncated[t], final_values, values[t])
    return values


def _counters(encoder: Encoder, stream: Stream, back: int = 0) -> Tensor | None:
    """Number the views to be answered next, (n,), or those of the last steps, (back, n).

    Only a noisy sensor needs the numbers; otherwise there are none.
    """
    if not encoder.noisy:
        return None
    n, device = len(stream.views), stream.views.device
    world = torch.arange(n, device=device)
    if not back:
        return stream.steps * n + world
    steps = torch.arange(stream.steps - back, stream.steps, device=device)
    return steps[:, None] * n + world
