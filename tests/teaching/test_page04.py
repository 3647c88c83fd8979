"""Page 4: whoever computes the same advantages in another way is right."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from goodharts_lib.teaching import fault_of


def lambda_return(rewards: Tensor, values: Tensor, next_values: Tensor, died: Tensor,
                  cut: Tensor, gamma: float, lam: float) -> Tensor:  # fmt: skip
    """What the steps are worth in truth, as far as one saw, minus what the critic expected."""
    follows = next_values.masked_fill(died, 0.0)
    running = follows[-1]
    returns = torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        blend = (1 - lam) * follows[t] + lam * running
        running = rewards[t] + gamma * torch.where(died[t] | cut[t], follows[t], blend)
        returns[t] = running
    return returns - values


def next_row(rewards: Tensor, values: Tensor, next_values: Tensor, died: Tensor,
             cut: Tensor, gamma: float, lam: float) -> Tensor:  # fmt: skip
    """Takes the value of the next state from the next row, wherever the episode goes on."""
    ends = died | cut
    follows = torch.where(ends, next_values, torch.cat([values[1:], next_values[-1:]]))
    deltas = rewards + gamma * follows.masked_fill(died, 0.0) - values
    advantages, running = torch.zeros_like(rewards), torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        running = deltas[t] + gamma * lam * running.masked_fill(ends[t], 0.0)
        advantages[t] = running
    return advantages


@pytest.mark.parametrize("answer", [lambda_return, next_row])
def test_advantages_may_be_computed_in_any_way(answer: Any) -> None:
    assert fault_of("4.2", answer) is None


def test_the_value_of_the_next_row_is_no_value_at_the_end_of_an_episode() -> None:
    def careless(rewards: Tensor, values: Tensor, next_values: Tensor, *rest: Any) -> Tensor:
        follows = torch.cat([values[1:], next_values[-1:]])
        return next_row(rewards, values, torch.where(rest[1], follows, next_values), *rest)

    assert "at a step that the time limit cuts off" in str(fault_of("4.2", careless))
