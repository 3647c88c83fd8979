"""Plausible wrong answers to the exercises of page 4."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from goodharts_lib.training.ppo.algorithms import compute_gae


def _leaky(rewards: Tensor, values: Tensor, next_values: Tensor, terminated: Tensor,
           truncated: Tensor, gamma: float, lam: float) -> Tensor:  # fmt: skip  # noqa: ARG001
    """As the exercise gives it."""
    alive = (~terminated).float()
    deltas = rewards + gamma * next_values * alive - values
    advantages = torch.zeros_like(rewards)
    running = torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        running = deltas[t] + gamma * lam * alive[t] * running
        advantages[t] = running
    return advantages


def _as_death(*given: Any) -> Tensor:
    rewards, values, next_values, terminated, truncated, gamma, lam = given
    ended = terminated | truncated
    return compute_gae(rewards, values, next_values, ended, ended & False, gamma, lam)[0]


def _never_dies(*given: Any) -> Tensor:
    rewards, values, next_values, terminated, truncated, gamma, lam = given
    ended = terminated | truncated
    return compute_gae(rewards, values, next_values, ended & False, ended, gamma, lam)[0]


def _no_lambda(*given: Any) -> Tensor:
    return compute_gae(*given[:-1], 1.0)[0]


def _cut_before(*given: Any) -> Tensor:
    """Cuts one step too early: between the last step but one and the last."""
    rewards, values, next_values, terminated, truncated, gamma, lam = given
    early = torch.cat([truncated[1:], truncated[:1] & False])
    return compute_gae(rewards, values, next_values, terminated, truncated | early, gamma, lam)[0]


def _only_closer(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:  # noqa: ARG001
    return max(0.0, gamma * after - before)


def _undiscounted(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:  # noqa: ARG001
    return (0.0 if died else after) - before


def _outlives_death(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:  # noqa: ARG001
    return gamma * after - before


def _cut_is_death(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:
    return (0.0 if died or cut else gamma * after) - before


def _nothing_at_the_end(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:
    return 0.0 if died or cut else gamma * after - before


def _nothing_at_a_cut(before: float, after: float, gamma: float, died: bool, cut: bool) -> float:
    return 0.0 if cut else (0.0 if died else gamma * after) - before


NUMBERS = {"4.1"}  # exercises whose answer is no function

WRONG: dict[str, dict[str, Any]] = {
    "4.1": {
        "the time limit taken for death": 0.16,
        "lambda 0": 0.4,
        "weighed by gamma alone": 0.65,
        "weighed by lambda alone": 1.52,
        "not weighed": 2.4,
        "the second step": 0.2,
        "the return": 1.08,
        "a guess": 7,
        "not a number": "half",
    },
    "4.2": {
        "as it was": _leaky,
        "a time limit is a death": _as_death,
        "a death is a time limit": _never_dies,
        "lambda forgotten": _no_lambda,
        "cut one step too early": _cut_before,
        "both results": compute_gae,
        "nothing": lambda *_: None,
    },
    "4.3": {
        "paid for coming closer only": _only_closer,
        "gamma forgotten": _undiscounted,
        "a potential after death": _outlives_death,
        "none after a time limit": _cut_is_death,
        "no bonus at the end": _nothing_at_the_end,
        "no bonus at a time limit": _nothing_at_a_cut,
        "nothing": lambda *_: None,
    },
}
