"""ppo_loss against hand-made numbers, a loop over samples, and finite differences."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from training.tiny import tiny

from goodharts_lib.config import Training
from goodharts_lib.training.ppo.algorithms import Batch, LossTerms, explained_variance, ppo_loss

TRAIN = tiny().training
EPS = 0.2


def train(**changes: float) -> Training:
    return dataclasses.replace(TRAIN, eps_clip=EPS, **changes)


def logits_of(probability: float) -> Tensor:
    """Logits, (8,), that give action 0 this probability and share the rest."""
    return torch.tensor([probability] + [(1 - probability) / 7] * 7, dtype=torch.float64).log()


def batch(
    old_probs: list[float],
    advantages: list[float],
    values: list[float] | None = None,
    returns: list[float] | None = None,
) -> Batch:
    """Samples of action 0."""
    zeros = [0.0] * len(old_probs)
    columns = ([math.log(p) for p in old_probs], values or zeros, advantages, returns or zeros)
    log_probs, v, a, r = (torch.tensor(column, dtype=torch.float64) for column in columns)
    return Batch(torch.zeros(len(old_probs), dtype=torch.int64), log_probs, v, a, r)


def loss_of(probs: list[float], samples: Batch, values: list[float] | None = None) -> LossTerms:
    logits = torch.stack([logits_of(p) for p in probs])
    v = torch.tensor(values or [0.0] * len(probs), dtype=torch.float64)
    return ppo_loss(logits, v, samples, train())


# --- The surrogate ----------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.5, +2.0, -2.4),  # gained enough: clipped at 1.2
        (1.5, -2.0, +3.0),  # moved the wrong way: the whole loss counts
        (0.5, +2.0, -1.0),
        (0.5, -2.0, +1.6),  # clipped at 0.8
        (1.1, +2.0, -2.2),  # within the range
        (0.9, -2.0, +1.8),
    ],
)
def test_the_ratio_is_clipped_only_where_that_lowers_the_objective(
    ratio: float, advantage: float, expected: float
) -> None:
    # One sample: its advantage is taken as it is.
    terms = loss_of([0.4 * ratio], batch([0.4], [advantage]))
    assert float(terms.policy_loss) == pytest.approx(expected)


@pytest.mark.parametrize(("ratio", "advantage"), [(1.5, 2.0), (0.5, -2.0)])
def test_a_clipped_sample_gives_the_policy_no_gradient(ratio: float, advantage: float) -> None:
    logits = logits_of(0.4 * ratio)[None].requires_grad_()
    terms = ppo_loss(logits, torch.zeros(1), batch([0.4], [advantage]), train(entropy_coef=0.0))
    terms.loss.backward()
    assert logits.grad.abs().max() < 1e-12


def test_advantages_are_normalised_within_the_minibatch() -> None:
    probs, old = [0.3, 0.5, 0.2], [0.31, 0.45, 0.2]
    raw = torch.tensor([1.0, -4.0, 6.0], dtype=torch.float64)
    normal = ((raw - raw.mean()) / raw.std()).tolist()
    moved = (1000 * raw + 77).tolist()
    expected = -sum(
        min(p / q * a, min(max(p / q, 0.8), 1.2) * a)
        for p, q, a in zip(probs, old, normal, strict=True)
    ) / 3  # fmt: skip
    for advantages in (raw.tolist(), normal, moved):
        terms = loss_of(probs, batch(old, advantages))
        assert float(terms.policy_loss) == pytest.approx(expected)


def test_equal_advantages_are_no_reason_to_move() -> None:
    terms = loss_of([0.3, 0.5], batch([0.2, 0.4], [3.0, 3.0]))
    assert float(terms.policy_loss) == 0.0


# --- The value loss ---------------------------------------------------------


def test_values_are_clipped_sample_by_sample() -> None:
    # S14: the larger of the two *means* is 0.50; the mean of the larger errors is 0.82.
    samples = batch([0.5, 0.5], [0.0, 0.0], values=[1.0, 0.0], returns=[0.0, 0.0])
    terms = loss_of([0.5, 0.5], samples, values=[0.0, 1.0])
    errors = [max(0.0**2, (1.0 - 0.2) ** 2), max(1.0**2, (0.0 + 0.2) ** 2)]
    assert float(terms.value_loss) == pytest.approx(0.5 * sum(errors) / 2)
    assert float(terms.value_loss) == pytest.approx(0.41)


@pytest.mark.parametrize(
    ("old", "new", "target", "expected"),
    [
        (0.0, 0.1, 1.0, 0.5 * 0.9**2),  # a small step: not clipped
        (0.0, 0.9, 1.0, 0.5 * 0.8**2),  # a good step, but too large: the clipped one is worse
        (0.0, -0.9, 1.0, 0.5 * 1.9**2),  # a bad step: the true error is worse
    ],
)
def test_value_clipping_by_hand(old: float, new: float, target: float, expected: float) -> None:
    terms = loss_of([0.5], batch([0.5], [0.0], values=[old], returns=[target]), values=[new])
    assert float(terms.value_loss) == pytest.approx(expected)


# --- Entropy and diagnostics ------------------------------------------------


def test_entropy_is_in_nats() -> None:
    uniform = loss_of([1 / 8], batch([1 / 8], [0.0]))
    assert float(uniform.entropy) == pytest.approx(math.log(8))
    peaked = loss_of([0.5, 1 / 8], batch([0.5, 0.5], [0.0, 0.0]))
    half = 0.5 * math.log(2) + 0.5 * math.log(14)
    assert float(peaked.entropy) == pytest.approx((half + math.log(8)) / 2)


def test_approx_kl_by_hand() -> None:
    # mean(r - 1 - log r) with r = 0.5 and r = 2
    terms = loss_of([0.2, 0.4], batch([0.4, 0.2], [1.0, -1.0]))
    expected = ((0.5 - 1 - math.log(0.5)) + (2 - 1 - math.log(2))) / 2
    assert float(terms.approx_kl) == pytest.approx(expected)


def test_clip_fraction_counts_ratios_out_of_range() -> None:
    # ratios 1, 1.1, 1.5 and 0.5
    terms = loss_of([0.4, 0.44, 0.6, 0.2], batch([0.4] * 4, [1.0, -1.0, 2.0, 0.0]))
    assert float(terms.clip_fraction) == 0.5


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    samples = batch([0.4, 0.3], [1.0, -2.0], values=[0.1, 0.2], returns=[1.0, -1.0])
    logits = torch.stack([logits_of(0.5), logits_of(0.2)])
    values = torch.tensor([0.3, 0.5], dtype=torch.float64)
    terms = ppo_loss(logits, values, samples, train(value_coef=3.0, entropy_coef=0.7))
    whole = terms.policy_loss + 3.0 * terms.value_loss - 0.7 * terms.entropy
    assert float(terms.loss) == pytest.approx(float(whole))


# --- References -------------------------------------------------------------


def slow_loss(logits: Tensor, values: Tensor, b: Batch, t: Training) -> list[float]:
    """All six terms by a loop over samples."""
    n = len(values)
    mean = sum(b.advantages.tolist()) / n
    spread = math.sqrt(sum((a - mean) ** 2 for a in b.advantages.tolist()) / max(n - 1, 1))
    sums = [0.0] * 5
    for i in range(n):
        weights = [math.exp(x) for x in logits[i].tolist()]
        probs = [w / sum(weights) for w in weights]
        ratio = probs[int(b.actions[i])] / math.exp(float(b.log_probs[i]))
        advantage = float(b.advantages[i])
        if n > 1:
            advantage = (advantage - mean) / (spread + 1e-8)
        inside = min(max(ratio, 1 - t.eps_clip), 1 + t.eps_clip)
        old, new, target = (float(x[i]) for x in (b.values, values, b.returns))
        near = old + min(max(new - old, -t.eps_clip), t.eps_clip)
        sums[0] -= min(ratio * advantage, inside * advantage)
        sums[1] += max((new - target) ** 2, (near - target) ** 2) / 2
        sums[2] -= sum(p * math.log(p) for p in probs)
        sums[3] += ratio - 1 - math.log(ratio)
        sums[4] += abs(ratio - 1) > t.eps_clip
    policy, value, entropy, kl, clipped = (total / n for total in sums)
    return [policy + t.value_coef * value - t.entropy_coef * entropy,
            policy, value, entropy, kl, clipped]  # fmt: skip


@given(st.integers(1, 9), st.integers(0, 2**32))
def test_equals_a_loop_over_samples(size: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    logits, values = normal(size, 8), normal(size)
    actions = torch.randint(8, (size,), generator=generator)
    old = (logits + 0.3 * normal(size, 8)).log_softmax(-1).gather(1, actions[:, None]).squeeze(1)
    samples = Batch(actions, old, values + 0.3 * normal(size), normal(size), normal(size))
    settings = train(value_coef=0.7, entropy_coef=0.1)
    terms = ppo_loss(logits, values, samples, settings)
    assert [float(t) for t in terms] == pytest.approx(
        slow_loss(logits, values, samples, settings), rel=1e-6, abs=1e-9
    )


def test_the_gradient_agrees_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(7, 5, generator=generator, dtype=torch.float64)
    actions = torch.randint(8, (7,), generator=generator)
    old, values, advantages, returns = torch.randn(4, 7, generator=generator, dtype=torch.float64)
    samples = Batch(actions, old * 0.2 - 2.0, values, advantages, returns)

    def loss(trunk: Tensor, policy: Tensor, value: Tensor) -> Tensor:
        features = (inputs @ trunk).tanh()
        return ppo_loss(features @ policy, features @ value, samples, train()).loss

    shapes = ((5, 4), (4, 8), (4,))
    weights = [
        torch.randn(*s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes
    ]
    assert torch.autograd.gradcheck(loss, weights, raise_exception=True)


# --- Explained variance -----------------------------------------------------


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 1.0),
        ([5.0, 6.0, 7.0, 8.0], 1.0),  # a constant offset is not a matter of variance
        ([0.0, 0.0, 0.0, 0.0], 0.0),
        ([4.0, 3.0, 2.0, 1.0], -3.0),  # residuals -3, -1, 1, 3: variance 5 of 1.25
        ([1.0, 2.0, 4.0, 3.0], 1 - 0.5 / 1.25),
    ],
)
def test_explained_variance_by_hand(values: list[float], expected: float) -> None:
    returns = torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert float(explained_variance(torch.tensor(values), returns)) == pytest.approx(expected)


def test_explained_variance_of_returns_that_do_not_vary_is_not_a_number() -> None:
    assert math.isnan(explained_variance(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 3.0])))
