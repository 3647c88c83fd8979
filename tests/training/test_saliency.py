"""Saliency maps: known answers of a tiny net, slow references, and a model left as it was."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from training.tiny import tiny

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.modes import get_mode
from goodharts_lib.networks.base_cnn import BaseCNN
from goodharts_lib.training.ppo.models import ActorCritic
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.saliency import (
    METHODS,
    TARGETS,
    Target,
    explain,
    observe,
)
from goodharts_lib.training.saliency_sanity import (
    cascade_table,
    randomisation_cascade,
    rank_correlation,
)
from goodharts_lib.training.swap_effect import sample_views

SIZE = 5


def untrained(overrides: Mapping[str, Any] | None = None, seed: int = 0) -> LearnedPolicy:
    """A policy before training, its logits as far apart as those of a trained one."""
    policy = PPOTrainer(tiny(overrides), seed).policy()
    with torch.no_grad():
        policy.model.network.policy.weight.mul_(100)
    return policy


def views(n: int = 6) -> Tensor:
    return sample_views(tiny(), n, torch.Generator().manual_seed(3), (Cell.FOOD, Cell.POISON))


# --- A net whose answers are known ------------------------------------------

# One convolution that reads each cell by itself, one hidden feature, and heads of one weight each:
# f = relu(sum over cells of w * relu(c[type])), logit a = p[a] * f, value = v * f.
C = torch.tensor([1.0, 0.0, 3.0, -1.0, 0.0, 0.0])  # by cell type: poison is cut off by the ReLU
W = torch.linspace(-0.5, 2.0, SIZE * SIZE).view(SIZE, SIZE)  # some weights are negative
P = torch.tensor([0.5, -1.0, 2.0, 0.0, 1.0, -2.0, 3.0, 0.25])
V = torch.tensor([-4.0])


def known_policy() -> LearnedPolicy:
    network = BaseCNN(6, SIZE, widths=(1,), hidden=1)
    model = ActorCritic(network).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        network.conv[0].weight[0, :, 1, 1] = C
        network.fc.weight[0] = W.flatten()
        network.policy.weight[:, 0] = P
        model.value_head.linear.weight[0] = V
    return LearnedPolicy(model, get_mode("ground_truth"), tiny())


def drawn_view() -> Tensor:
    view = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    view[0, 1, 3] = view[0, 4, 4] = Cell.FOOD
    view[0, 3, 0] = view[0, 0, 1] = Cell.POISON
    return view


def known_answer(method: str, view: Tensor, head: float) -> Tensor:
    """The attribution by hand, (6 or 1, V, V), where head is p[a] or v."""
    kind = view.long()
    hidden = C[kind].clamp(min=0)  # (V, V) after the first ReLU
    open_cells = (C[kind] > 0).float()
    channel = C[:, None, None]
    if method == "gradient":
        return head * W * channel * open_cells
    if method == "guided_backprop":  # only what is positive passes a ReLU
        return max(head, 0.0) * W.clamp(min=0) * channel * open_cells
    if method == "grad_cam":
        return (head * W.mean() * hidden)[None]
    if method == "occlusion":
        return (head * W * (hidden - 1))[None]  # an empty cell's hidden value is 1
    answer = torch.zeros(6, SIZE, SIZE)  # integrated gradients
    food, poison = kind == Cell.FOOD, kind == Cell.POISON
    answer[Cell.FOOD][food] = (head * W * 3)[food]
    answer[Cell.EMPTY][food] = (head * W * -1)[food]
    # On the way to poison the ReLU shuts half-way, at 1 - 2t = 0.
    answer[Cell.POISON][poison] = (head * W * -0.5)[poison]
    answer[Cell.EMPTY][poison] = (head * W * -0.5)[poison]
    return answer


@pytest.mark.parametrize("method", METHODS)
def test_a_net_with_known_gradients(method: str) -> None:
    policy, view = known_policy(), drawn_view()
    feature = float((W * C[view[0].long()].clamp(min=0)).sum())
    assert feature > 0
    for action, head in enumerate(P.tolist()):
        found = explain(policy, view, method, actions=torch.tensor([action]))
        torch.testing.assert_close(
            found.attribution[0], known_answer(method, view[0], head), atol=0.02, rtol=0.01
        )
        assert found.outputs.item() == pytest.approx(head * feature, rel=1e-5)
    found = explain(policy, view, method, "value")
    torch.testing.assert_close(
        found.attribution[0], known_answer(method, view[0], V.item()), atol=0.02, rtol=0.01
    )
    assert found.outputs.item() == pytest.approx(V.item() * feature, rel=1e-5)


def test_the_likeliest_action_is_explained_unless_another_is_named() -> None:
    policy, view = known_policy(), drawn_view()
    found = explain(policy, view, "gradient")
    assert found.actions.tolist() == [P.argmax().item()]
    torch.testing.assert_close(found.attribution[0], known_answer("gradient", view[0], 3.0))
    assert found.probabilities.item() == pytest.approx(policy.probabilities(view).max().item())
    torch.testing.assert_close(found.summed, found.attribution.sum(1))
    assert found.attribution.dtype == found.outputs.dtype == torch.float32


# --- Nets as they are trained -----------------------------------------------


@pytest.mark.parametrize("network", ["small_cnn", "base_cnn"])
@pytest.mark.parametrize("mode", ["ground_truth", "proxy"])
@pytest.mark.parametrize("target", TARGETS)
def test_integrated_gradients_are_complete(network: str, mode: str, target: Target) -> None:
    policy = untrained({"training.mode": mode, "training.network": network})
    shown = views()
    found = explain(policy, shown, "integrated_gradients", target)
    nothing = explain(policy, torch.zeros_like(shown), "gradient", target, found.actions)
    difference = found.outputs - nothing.outputs
    error = (found.summed.sum((1, 2)) - difference).abs().max()
    assert error < 0.03 * difference.abs().max()


@pytest.mark.parametrize("overrides", [{}, {"observation.noise_std": 0.3}], ids=["exact", "noisy"])
@pytest.mark.parametrize("mode", ["ground_truth", "proxy"])
@pytest.mark.parametrize("target", TARGETS)
def test_occlusion_is_the_change_when_a_cell_is_emptied(
    mode: str, target: Target, overrides: dict[str, Any]
) -> None:
    policy = untrained({"training.mode": mode} | overrides)
    shown = views(3)
    found = explain(policy, shown, "occlusion", target)

    def output(seen: Tensor) -> Tensor:
        logits, values = policy.model(observe(policy, seen))
        return values if target == "value" else logits[torch.arange(3), found.actions]

    for y in range(SIZE):
        for x in range(SIZE):
            emptied = shown.clone()
            emptied[:, y, x] = Cell.EMPTY
            expected = output(shown) - output(emptied)
            torch.testing.assert_close(found.summed[:, y, x], expected, atol=1e-4, rtol=1e-4)
    assert found.attribution.shape == (3, 1, SIZE, SIZE)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("mode", ["ground_truth", "proxy"])
def test_a_batch_is_explained_view_by_view(method: str, mode: str) -> None:
    policy, shown = untrained({"training.mode": mode}), views(3)
    together = explain(policy, shown, method)
    for i in range(3):
        alone = explain(policy, shown[i : i + 1], method)
        torch.testing.assert_close(alone.attribution[0], together.attribution[i])


def test_any_view_size() -> None:
    policy = untrained({"agent.view_range": 3})
    shown = torch.randint(0, 4, (2, 7, 7), dtype=torch.uint8, generator=torch.Generator())
    for method in METHODS:
        found = explain(policy, shown, method)
        assert found.summed.shape == (2, 7, 7)
        assert found.summed.abs().max() > 0


def test_guided_backprop_is_not_the_plain_gradient() -> None:
    for network in ("small_cnn", "base_cnn"):
        policy, shown = untrained({"training.network": network}), views()
        plain = explain(policy, shown, "gradient").attribution
        guided = explain(policy, shown, "guided_backprop").attribution
        assert (plain - guided).abs().max() > 0.1 * plain.abs().max()


def test_a_noisy_sensor_reads_the_same_twice_and_not_what_an_exact_one_reads() -> None:
    shown = views()
    noisy = untrained({"training.mode": "proxy", "observation.noise_std": 0.3})
    exact = untrained({"training.mode": "proxy"})
    first, again = (explain(noisy, shown, "integrated_gradients") for _ in range(2))
    assert torch.equal(first.attribution, again.attribution)
    assert not torch.equal(
        first.attribution, explain(exact, shown, "integrated_gradients").attribution
    )


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("target", TARGETS)
def test_the_model_is_left_as_it_was(frozen: bool, target: Target) -> None:
    policy, shown = untrained(), views(2)
    policy.model.requires_grad_(not frozen).train(not frozen)
    before = copy.deepcopy(policy.model.state_dict())
    for method in METHODS:
        explain(policy, shown, method, target)
        randomisation_cascade(policy, shown, method, torch.Generator(), target)
    for name, value in policy.model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.requires_grad != frozen and p.grad is None for p in policy.model.parameters())
    for module in policy.model.modules():
        assert module.training != frozen
        hooks = vars(module)
        assert not any(hooks[name] for name in hooks if name.endswith("_hooks"))


# --- The sanity check -------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_drawing_the_same_weights_again_changes_no_map(method: str) -> None:
    policy = PPOTrainer(tiny(), 5).policy()
    for target in TARGETS:
        init = runtime.make_generators(5, torch.device("cpu"))["init"]  # the policy's own
        cascade = randomisation_cascade(policy, views(2), method, init, target)
        for stage in cascade:
            assert stage[1:] == pytest.approx((1.0, 1.0))


@pytest.mark.parametrize("method", METHODS)
def test_the_cascade_ends_at_a_network_that_forgot_everything(method: str) -> None:
    policy, shown = untrained(), views()
    fresh = copy.deepcopy(policy)
    fresh.model.initialise(torch.Generator().manual_seed(9))
    original = explain(policy, shown, method)
    forgot = explain(fresh, shown, method, actions=original.actions)
    expected = rank_correlation(original.summed, forgot.summed)
    cascade = randomisation_cascade(policy, shown, method, torch.Generator().manual_seed(9))
    absolute = rank_correlation(original.summed.abs(), forgot.summed.abs())
    assert cascade[0] == ("trained", 1.0, 1.0)
    assert cascade[-1] == ("network.conv.0", pytest.approx(expected), pytest.approx(absolute))
    assert all(stage.signed < 0.99 for stage in cascade[1:])
    assert expected != pytest.approx(absolute, abs=1e-4)


def test_the_cascade_goes_from_the_output_down() -> None:
    base = untrained({"training.network": "base_cnn"})
    trunk = ["network.fc", "network.conv.4", "network.conv.2", "network.conv.0"]
    heads: dict[Target, str] = {"policy": "network.policy", "value": "value_head.linear"}
    for target, head in heads.items():
        cascade = randomisation_cascade(base, views(1), "gradient", torch.Generator(), target)
        assert [stage.layer for stage in cascade] == ["trained", head, *trunk]


def test_the_cascade_keeps_the_layers_above_random() -> None:
    policy, shown = untrained(), views()
    fresh = copy.deepcopy(policy.model)
    fresh.initialise(torch.Generator().manual_seed(2))
    half = copy.deepcopy(policy)
    half.model.network.policy, half.model.network.fc = fresh.network.policy, fresh.network.fc
    original = explain(policy, shown, "gradient")
    halfway = explain(half, shown, "gradient", actions=original.actions)
    cascade = randomisation_cascade(policy, shown, "gradient", torch.Generator().manual_seed(2))
    expected = rank_correlation(original.summed, halfway.summed)
    assert cascade[2].layer == "network.fc"
    assert cascade[2].signed == pytest.approx(expected)


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
def test_without_signs_a_map_that_is_zero_on_empty_cells_cannot_fail(method: str) -> None:
    shown = views()
    empty = (shown == Cell.EMPTY).sum((1, 2))
    assert (empty > SIZE).all()
    maps = explain(untrained(), shown, method).summed
    assert (maps[shown == Cell.EMPTY] == 0).all()
    assert (maps[shown != Cell.EMPTY] != 0).all()
    cascade = randomisation_cascade(untrained(), shown, method, torch.Generator().manual_seed(9))
    assert cascade[-1].absolute > cascade[-1].signed + 0.2


def test_rank_correlations_by_hand() -> None:
    rising = torch.arange(9.0).view(1, 3, 3)
    assert rank_correlation(rising, rising.exp()) == pytest.approx(1.0)
    assert rank_correlation(rising, -rising) == pytest.approx(-1.0)
    assert rank_correlation(rising, torch.ones(1, 3, 3)) == 0.0
    both = torch.cat([rising, rising])
    assert rank_correlation(both, torch.cat([rising, -rising])) == pytest.approx(0.0)


def test_the_table_has_a_line_for_each_policy_and_method() -> None:
    policies = [untrained(), untrained({"training.mode": "proxy"})]
    lines = cascade_table(policies, views(2), ["gradient", "grad_cam"], "value", 0).splitlines()
    assert lines[0].endswith("with signs and without, mean of 2 views:")
    found = [line.split()[:5] for line in lines[1:]]
    assert found == [
        [policy.name, method, "trained", "+1.00", "1.00"]
        for policy in policies
        for method in ("gradient", "grad_cam")
    ]


# --- Wrong input ------------------------------------------------------------


def test_what_is_unknown_is_refused() -> None:
    policy, shown = known_policy(), drawn_view()
    with pytest.raises(UserError, match=r"unknown method 'gradients' \(nearest valid: gradient\)"):
        explain(policy, shown, "gradients")
    with pytest.raises(UserError, match="unknown target 'values'"):
        explain(policy, shown, "gradient", "values")  # type: ignore[arg-type]


def test_without_captum_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(UserError, match=r'pip install "goodharts-lib\[notebooks\]"'):
        explain(known_policy(), drawn_view(), "gradient")
