"""The networks: sizes, one pass of the trunk, initial weights."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from goodharts_lib.errors import UserError
from goodharts_lib.networks.base_cnn import BaseCNN
from goodharts_lib.networks.registry import NETWORKS, get_network
from goodharts_lib.networks.small_cnn import SmallCNN
from goodharts_lib.training.ppo.models import ActorCritic


def observations(n: int, view_size: int, channels: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    cells = torch.randint(channels, (n, view_size, view_size), generator=generator)
    return nn.functional.one_hot(cells, channels).permute(0, 3, 1, 2).float()


def built(name: str = "small_cnn", view_size: int = 5, seed: int = 0) -> ActorCritic:
    model = ActorCritic(get_network(name).build(6, view_size))
    model.initialise(torch.Generator().manual_seed(seed))
    return model


def count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# --- Size -------------------------------------------------------------------


def test_base_cnn_has_the_parameters_of_the_seed() -> None:
    convolutions = (6 * 32 + 32 * 64 + 64 * 64) * 9 + 32 + 64 + 64
    heads = (7744 + 1) * 512 + (512 + 1) * 8
    assert count(BaseCNN(6, 11)) == convolutions + heads == 4_026_728


def test_small_cnn_has_an_eighth_of_a_million_parameters() -> None:
    convolutions = (6 * 16 + 16 * 16) * 9 + 16 + 16
    heads = (1936 + 1) * 64 + (64 + 1) * 8
    assert count(SmallCNN(6, 11)) == convolutions + heads == 127_688


def test_the_value_head_adds_one_weight_per_feature_and_a_bias() -> None:
    assert count(ActorCritic(BaseCNN(6, 11))) == 4_026_728 + 513


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("view_size", [3, 5, 11, 13])
@pytest.mark.parametrize("n", [1, 3])
def test_one_pass_gives_logits_and_values(name: str, view_size: int, n: int) -> None:
    model = ActorCritic(get_network(name).build(6, view_size))
    seen = observations(n, view_size)
    logits, values = model(seen)
    assert logits.shape == (n, 8)
    assert values.shape == (n,)
    assert model.network.features(seen).shape == (n, model.network.hidden)
    assert torch.equal(model.network(seen), logits)


def test_the_number_of_channels_is_free() -> None:
    assert ActorCritic(BaseCNN(2, 5))(observations(2, 5, channels=2))[0].shape == (2, 8)


def test_each_sample_is_judged_by_itself() -> None:
    model = built()
    seen = observations(5, 5)
    together = model(seen)
    for i in range(5):
        alone = model(seen[i : i + 1])
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[i : i + 1], part)


def test_memory_format_does_not_change_the_answer() -> None:
    model, seen = built(), observations(4, 5)
    plain = model(seen)
    last = model.to(memory_format=torch.channels_last)
    for one, other in zip(plain, last(seen.to(memory_format=torch.channels_last)), strict=True):
        torch.testing.assert_close(one, other)


def test_memory_format_does_not_change_the_first_weights() -> None:
    plain, last = built(), built().to(memory_format=torch.channels_last)
    for model in (plain, last):
        model.initialise(torch.Generator().manual_seed(3))
    for key, weights in plain.state_dict().items():
        assert torch.equal(last.state_dict()[key], weights)


def test_bfloat16_is_only_inside_the_trunk() -> None:
    exact = built()
    rough = ActorCritic(exact.network, torch.bfloat16)
    rough.value_head = exact.value_head
    seen = observations(16, 5)
    for one, other in zip(exact(seen), rough(seen), strict=True):
        assert other.dtype == torch.float32
        assert not torch.equal(one, other)
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.03)


# --- One trunk --------------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_a_forward_pass_costs_one_trunk(name: str) -> None:
    # S13: logits and then features, each with its own pass, took twice the arithmetic.
    model = built(name, 11)
    network = model.network
    cells = 11 * 11
    pairs = [(m.in_channels, m.out_channels) for m in network.conv if isinstance(m, nn.Conv2d)]
    per_sample = sum(2 * a * b * 9 * cells for a, b in pairs)
    per_sample += 2 * pairs[-1][1] * cells * network.hidden + 2 * network.hidden * (8 + 1)
    with FlopCounterMode(display=False) as counter:
        model(observations(3, 11))
    assert counter.get_total_flops() == 3 * per_sample


@pytest.mark.parametrize("name", NETWORKS)
def test_every_relu_is_a_module_of_its_own_and_fires_once(name: str) -> None:
    model = built(name)
    relus = [m for m in model.modules() if isinstance(m, nn.ReLU)]
    weighted = [m for m in model.network.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(relus) == len({id(m) for m in relus}) == len(weighted) - 1  # all but the logits
    fired: Counter[int] = Counter()
    for module in [*relus, *weighted]:
        module.register_forward_hook(lambda m, _inputs, _output: fired.update([id(m)]))
    model.network(observations(2, 5))
    assert set(fired.values()) == {1}
    assert len(fired) == len(relus) + len(weighted)


# --- The first weights ------------------------------------------------------


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_orthogonal_and_biases_zero(name: str) -> None:
    model = built(name)
    for module in model.modules():
        if not isinstance(module, nn.Conv2d | nn.Linear):
            continue
        gain = 2**0.5
        if module is model.network.policy:
            gain = 0.01
        elif module is model.value_head.linear:
            gain = 1.0
        matrix = module.weight.detach().flatten(1)
        if len(matrix) > matrix.shape[1]:
            matrix = matrix.T
        product = matrix @ matrix.T
        torch.testing.assert_close(product, gain**2 * torch.eye(len(matrix)), rtol=0, atol=1e-4)
        assert module.bias.count_nonzero() == 0


def test_the_generator_alone_decides_the_first_weights() -> None:
    def weights(seed: int) -> Tensor:
        return torch.cat([p.detach().flatten() for p in built(seed=seed).parameters()])

    torch.manual_seed(1)
    first = weights(0)
    torch.manual_seed(2)
    assert torch.equal(weights(0), first)
    assert not torch.equal(weights(1), first)


def test_initialising_leaves_the_global_random_numbers_alone() -> None:
    model = built()
    before = torch.random.get_rng_state()
    model.initialise(torch.Generator().manual_seed(1))
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_first_policy_is_nearly_uniform(name: str) -> None:
    logits, _ = built(name, 11)(observations(64, 11))
    probs = logits.softmax(-1)
    assert (probs - 1 / 8).abs().max() < 0.02
    assert probs.std(0).max() > 0  # nearly: it does look at what it sees


# --- The registry -----------------------------------------------------------


def test_each_network_has_its_own_learning_rate() -> None:
    assert {name: spec.learning_rate for name, spec in NETWORKS.items()} == {
        "base_cnn": 3e-4,
        "small_cnn": 1e-3,
    }


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"unknown network 'smal_cnn' \(nearest valid: small_cnn\)"):
        get_network("smal_cnn")
