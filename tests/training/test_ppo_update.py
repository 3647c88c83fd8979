"""ppo_update: every sample once an epoch, one global gradient norm, honest means."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from training.tiny import tiny

from goodharts_lib.config import Training
from goodharts_lib.errors import UserError
from goodharts_lib.training.ppo.algorithms import Batch, LossTerms, ppo_loss, ppo_update

TRAIN = tiny().training
Step = Callable[[list[nn.Parameter]], torch.optim.Optimizer]


def settings(**changes: float) -> Training:
    return dataclasses.replace(TRAIN, **{"k_epochs": 1, "n_minibatches": 1} | changes)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def samples(size: int, seed: int = 0) -> Batch:
    draw = torch.randn(4, size, generator=seeded(seed))
    actions = torch.arange(size) % 8
    return Batch(actions, draw[0] * 0.1 - 2.1, draw[1], draw[2] * 3, draw[3] * 5)


class Toy:
    """Logits and values straight from two tables; remembers what it was asked."""

    def __init__(self, size: int) -> None:
        draw = torch.randn(size, 9, generator=seeded(7))
        self.logits = nn.Parameter(draw[:, :8].clone())
        self.values = nn.Parameter(draw[:, 8].clone())
        self.parameters = [self.logits, self.values]
        self.asked: list[Tensor] = []

    def evaluate(self, index: Tensor) -> tuple[Tensor, Tensor]:
        self.asked.append(index)
        return self.logits[index], self.values[index]

    def update(
        self, batch: Batch, train: Training, optimizer: torch.optim.Optimizer, seed: int = 0
    ) -> Tensor:
        return ppo_update(self.evaluate, self.parameters, optimizer, batch, train, seeded(seed))

    def sgd(self, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters, lr=lr)

    def flat(self) -> Tensor:
        return torch.cat([p.detach().flatten() for p in self.parameters])


# --- Which samples ----------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 3))
def test_every_sample_is_used_exactly_once_an_epoch(size: int, parts: int, epochs: int) -> None:
    parts = min(parts, size)
    toy = Toy(size)
    toy.update(samples(size), settings(n_minibatches=parts, k_epochs=epochs), toy.sgd(0.0))
    assert len(toy.asked) == parts * epochs
    for epoch in range(epochs):
        asked = toy.asked[epoch * parts : (epoch + 1) * parts]
        assert torch.cat(asked).sort().values.tolist() == list(range(size))
        sizes = {len(index) for index in asked}
        assert max(sizes) - min(sizes) <= 1


def test_each_epoch_shuffles_anew_from_the_generator() -> None:
    def order(seed: int) -> list[list[int]]:
        toy = Toy(20)
        toy.update(samples(20), settings(k_epochs=2), toy.sgd(0.0), seed)
        return [index.tolist() for index in toy.asked]

    assert order(1) == order(1)
    assert order(1)[0] != order(1)[1]
    assert order(1)[0] != order(2)[0]
    assert order(1)[0] != list(range(20))


def test_fewer_samples_than_minibatches_are_refused_by_the_configuration() -> None:
    many = {"training.n_envs": 2, "training.steps_per_env": 3}
    assert tiny(many | {"training.n_minibatches": 6})
    with pytest.raises(UserError, match=r"training\.n_minibatches"):
        tiny(many | {"training.n_minibatches": 7})


# --- The gradient -----------------------------------------------------------


def whole_gradient(size: int, train: Training) -> Tensor:
    toy = Toy(size)
    ppo_loss(toy.logits, toy.values, samples(size), train).loss.backward()
    return torch.cat([p.grad.flatten() for p in toy.parameters])


@pytest.mark.parametrize("limit", [1e-3, 0.05, 0.5])
def test_one_global_norm_clips_the_whole_gradient(limit: float) -> None:
    # S16: clipped head by head, the step would point elsewhere and be longer.
    train = settings(max_grad_norm=limit, value_coef=1.0)
    gradient = whole_gradient(12, train)
    heads = gradient[: 12 * 8].norm(), gradient[12 * 8 :].norm()
    assert min(heads) > 1e-3  # both heads have a say, and neither
    assert float(gradient.norm()) > limit or limit == 0.5
    toy = Toy(12)
    before = toy.flat()
    toy.update(samples(12), train, toy.sgd(1.0))
    step = before - toy.flat()
    assert float(step.norm()) <= limit * 1.0001
    assert float(torch.cosine_similarity(step, gradient, dim=0)) == pytest.approx(1.0, abs=1e-5)
    wanted = gradient * min(1.0, limit / float(gradient.norm()))
    torch.testing.assert_close(step, wanted, rtol=1e-4, atol=1e-7)


def test_a_small_gradient_is_left_alone() -> None:
    train = settings(max_grad_norm=1e3)
    toy = Toy(12)
    before = toy.flat()
    toy.update(samples(12), train, toy.sgd(1.0))
    torch.testing.assert_close(before - toy.flat(), whole_gradient(12, train), rtol=1e-4, atol=1e-6)


def test_the_norm_is_limited_in_every_step() -> None:
    norms = []

    class Spy(torch.optim.SGD):
        def step(self, closure: None = None) -> None:
            gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
            norms.append(float(torch.cat(gradients).norm()))
            super().step(closure)

    toy = Toy(30)
    train = settings(max_grad_norm=0.02, k_epochs=3, n_minibatches=4)
    toy.update(samples(30), train, Spy(toy.parameters, lr=0.1))
    assert len(norms) == 12
    assert max(norms) <= 0.02 * 1.0001


def test_a_minibatch_starts_from_fresh_gradients() -> None:
    # The second of two steps must not contain the first one's gradient.
    train = settings(n_minibatches=2, max_grad_norm=1e3)
    toy = Toy(8)
    before = toy.flat()
    toy.update(samples(8), train, toy.sgd(1e-3))
    step = before - toy.flat()
    parts = []
    for index in toy.asked:
        fresh = Toy(8)
        ppo_loss(*fresh.evaluate(index), samples(8).take(index), train).loss.backward()
        parts.append(torch.cat([p.grad.flatten() for p in fresh.parameters]))
    torch.testing.assert_close(step, 1e-3 * sum(parts), rtol=1e-2, atol=1e-6)


# --- What it returns --------------------------------------------------------


def test_returned_means_are_weighted_by_samples() -> None:
    train = settings(n_minibatches=2, k_epochs=2)
    toy = Toy(5)
    means = toy.update(samples(5), train, toy.sgd(0.0))
    expected = torch.zeros(len(LossTerms._fields))
    asked = list(toy.asked)
    assert sorted(len(index) for index in asked) == [2, 2, 3, 3]
    for index in asked:
        terms = ppo_loss(*toy.evaluate(index), samples(5).take(index), train)
        expected += torch.stack([t.detach() for t in terms]) * len(index) / 10
    torch.testing.assert_close(means, expected)


def test_with_nothing_learned_the_policy_has_not_moved() -> None:
    toy = Toy(16)
    old = toy.logits.detach().log_softmax(-1).gather(1, samples(16).actions[:, None]).squeeze(1)
    batch = samples(16)._replace(log_probs=old)
    means = LossTerms(*toy.update(batch, settings(n_minibatches=4), toy.sgd(0.0)).tolist())
    assert means.approx_kl == pytest.approx(0.0, abs=1e-6)
    assert means.clip_fraction == 0.0


def test_what_paid_better_than_expected_becomes_likelier() -> None:
    toy = Toy(16)
    before = toy.logits.detach().softmax(-1)
    old = before.log().gather(1, samples(16).actions[:, None]).squeeze(1)
    estimated = toy.values.detach().clone()
    batch = samples(16)._replace(log_probs=old, values=estimated)
    toy.update(batch, settings(k_epochs=3, entropy_coef=0.0), toy.sgd(1.0))
    taken = batch.actions[:, None]
    gain = (toy.logits.detach().softmax(-1) - before).gather(1, taken).squeeze(1)
    good = batch.advantages > batch.advantages.mean()
    assert (gain[good] > 0).all()
    assert (gain[~good] < 0).all()
    errors = (toy.values.detach() - batch.returns).abs(), (estimated - batch.returns).abs()
    assert (errors[0] < errors[1]).all()
