"""PPO's mathematics as pure functions (Schulman et al. 2017, arXiv:1707.06347)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from goodharts_lib.config import Training

EvaluateFn = Callable[[Tensor], tuple[Tensor, Tensor]]


class Batch(NamedTuple):
    """The samples of one update, flattened over time and worlds (B = T * n)."""

    actions: Tensor  # (B,) int64
    log_probs: Tensor  # (B,) of those actions, under the policy that took them
    values: Tensor  # (B,) as estimated during the rollout
    advantages: Tensor  # (B,)
    returns: Tensor  # (B,) targets of the value function

    def take(self, index: Tensor) -> Batch:
        """Return the samples at `index`."""
        return Batch(*(field[index] for field in self))


class LossTerms(NamedTuple):
    """The loss and what it is made of; scalars."""

    loss: Tensor
    policy_loss: Tensor
    value_loss: Tensor
    entropy: Tensor
    approx_kl: Tensor
    clip_fraction: Tensor


def compute_gae(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    gae_lambda: float,
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation (Schulman et al. 2016, arXiv:1506.02438, equation 16).

    Death and the time limit are different things (Pardo et al. 2018, arXiv:1712.00378): after
    death there is nothing to gain, so the bootstrap value is 0; the time limit only cuts our view,
    so the bootstrap value is that of the final state. Both end the recursion, for the next step
    belongs to another episode.

    Args:
        rewards: (T, n).
        values: (T, n), V(s_t).
        next_values: (T, n), V(s_{t+1}) of the same episode: where an episode was truncated, the
            value of its final state. Ignored where it terminated.
        terminated: (T, n) bool.
        truncated: (T, n) bool.
        gamma: discount factor.
        gae_lambda: weight of longer estimates.

    Returns:
        Advantages and returns (advantages + values), (T, n) each.

    Raises:
        ValueError: shapes differ, so that broadcasting would mix worlds.
    """
    shapes = {tuple(t.shape) for t in (rewards, values, next_values, terminated, truncated)}
    if len(shapes) != 1 or rewards.dim() != 2:
        raise ValueError(f"all arguments must have one shape (T, n), not {sorted(shapes)}.")
    deltas = rewards + gamma * next_values.masked_fill(terminated, 0.0) - values  # (T, n)
    carry = gamma * gae_lambda * ~(terminated | truncated)  # (T, n)
    advantages = torch.empty_like(rewards)
    running = torch.zeros_like(rewards[0])  # (n,)
    for t in reversed(range(len(rewards))):
        running = deltas[t] + carry[t] * running
        advantages[t] = running
    return advantages, advantages + values


def ppo_loss(logits: Tensor, values: Tensor, batch: Batch, train: Training) -> LossTerms:
    """The clipped surrogate, the clipped value loss and the entropy bonus.

    Args:
        logits: (B, 8) of the current policy.
        values: (B,) of the current value function.
        batch: the samples; advantages are normalised here, within this minibatch.
        train: clipping range and weights.

    The value loss is half the mean of the *elementwise* larger of the two squared errors.
    `approx_kl` is the low-variance estimator mean(r - 1 - log r) (Schulman 2020,
    *Approximating KL divergence*).
    """
    log_probs = logits.log_softmax(dim=-1)  # (B, 8)
    log_ratio = log_probs.gather(1, batch.actions[:, None]).squeeze(1) - batch.log_probs  # (B,)
    ratio = log_ratio.exp()
    advantages = batch.advantages
    if len(advantages) > 1:
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    clipped = ratio.clamp(1 - train.eps_clip, 1 + train.eps_clip)
    policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).mean()

    moved = (values - batch.values).clamp(-train.eps_clip, train.eps_clip)
    errors = (values - batch.returns) ** 2, (batch.values + moved - batch.returns) ** 2
    value_loss = 0.5 * torch.maximum(*errors).mean()

    entropy = -(log_probs.exp() * log_probs).sum(-1).mean()
    loss = policy_loss + train.value_coef * value_loss - train.entropy_coef * entropy
    with torch.no_grad():
        approx_kl = (ratio - 1 - log_ratio).mean()
        clip_fraction = ((ratio - 1).abs() > train.eps_clip).float().mean()
    return LossTerms(
        loss, policy_loss.detach(), value_loss.detach(), entropy.detach(), approx_kl, clip_fraction
    )


def ppo_update(
    evaluate: EvaluateFn,
    parameters: list[nn.Parameter],
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    train: Training,
    generator: torch.Generator,
) -> Tensor:
    """Improve the policy by several passes over one rollout.

    In each pass every sample is used exactly once, in random minibatches whose sizes differ by at
    most one. The gradient is clipped by one global norm over all parameters.

    Args:
        evaluate: index (b,) to logits (b, 8) and values (b,) of those samples.
        parameters: what to train, each once.
        optimizer: steps the same parameters.
        batch: all B samples.
        train: epochs, minibatches, clipping, weights.
        generator: shuffles the samples.

    Returns:
        The mean of each of `LossTerms` over all samples of all passes, (6,), still on the device.
    """
    size = len(batch.actions)
    totals = torch.zeros(len(LossTerms._fields), device=batch.actions.device)
    for _ in range(train.k_epochs):
        order = torch.randperm(size, generator=generator, device=batch.actions.device)
        for index in order.tensor_split(train.n_minibatches):
            logits, values = evaluate(index)
            terms = ppo_loss(logits, values, batch.take(index), train)
            optimizer.zero_grad(set_to_none=True)
            terms.loss.backward()
            nn.utils.clip_grad_norm_(parameters, train.max_grad_norm)
            optimizer.step()
            totals += torch.stack([term.detach() for term in terms]) * (len(index) / size)
    return totals / train.k_epochs


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """Share of the returns' variance that the values explain, over the whole batch; scalar.

    1 is perfect, 0 is no better than a constant. nan if the returns do not vary.
    """
    variance = returns.var(unbiased=False)
    return torch.where(
        variance > 0, 1 - (returns - values).var(unbiased=False) / variance, torch.nan
    )
