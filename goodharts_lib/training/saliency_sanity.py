"""A sanity check of saliency maps: do they change when the network forgets what it learned?"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import NamedTuple

import torch
from scipy import stats
from torch import Tensor, nn

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.training.ppo.models import ActorCritic
from goodharts_lib.training.saliency import Target, explain


class Stage(NamedTuple):
    """A step of the randomisation cascade: how much a map is still like the original one.

    Attributes:
        layer: what was drawn anew last; ``trained`` for nothing.
        signed: mean over views of Spearman's rank correlation over cells of the summed maps.
        absolute: the same of their absolute values.
    """

    layer: str
    signed: float
    absolute: float


def randomisation_cascade(
    policy: LearnedPolicy,
    views: Tensor,
    method: str,
    generator: torch.Generator,
    target: Target = "policy",
) -> list[Stage]:
    """Draw the weights of a copy anew, layer after layer from the output down, and compare maps.

    A method that shows what was learned gives another map of a network that forgot it. Layers
    above stay random, and the same action is explained. Integrated gradients and occlusion are 0
    on every empty cell whatever the weights, so their absolute values always rank much alike.

    Args:
        policy: is left as it was.
        views: (N, V, V) uint8.
        method: one of `METHODS`.
        generator: of the new weights, on the CPU.
        target: see `explain`.

    Source: Adebayo et al. 2018, arXiv:1810.03292, section 3.
    """
    original = explain(policy, views, method, target)
    model = copy.deepcopy(policy.model)
    fresh = copy.deepcopy(model).cpu()
    fresh.initialise(generator)
    changed = LearnedPolicy(model, policy.mode, policy.config)
    weights, before = fresh.state_dict(), original.summed
    cascade = [Stage("trained", 1.0, 1.0)]
    for name in layers(model, target):
        model.get_submodule(name).load_state_dict(
            {key: weights[f"{name}.{key}"] for key in ("weight", "bias")}
        )
        after = explain(changed, views, method, target, original.actions).summed
        signed = rank_correlation(before, after)
        cascade.append(Stage(name, signed, rank_correlation(before.abs(), after.abs())))
    return cascade


def cascade_table(
    policies: Sequence[LearnedPolicy],
    views: Tensor,
    methods: Sequence[str],
    target: Target,
    seed: int,
) -> str:
    """Return the randomisation cascade of each policy and method as text, a line for each."""
    head = "Rank correlation with the map of the trained weights, drawing layer after layer anew"
    lines = [f"{head}, with signs and without, mean of {len(views)} views:"]
    for policy in policies:
        for method in methods:
            generator = runtime.make_generators(seed, policy.device)["init"]
            cascade = randomisation_cascade(policy, views, method, generator, target)
            told = "  ".join(f"{s.layer} {s.signed:+.2f} {s.absolute:.2f}" for s in cascade)
            lines.append(f"{policy.name:<16} {method:<21} {told}")
    return "\n".join(lines)


def layers(model: ActorCritic, target: Target) -> list[str]:
    """Return the names of the layers with weights on which a target rests, the output first."""
    head = "network.policy" if target == "policy" else "value_head.linear"
    convolutions = [
        f"network.conv.{index}"
        for index, module in enumerate(model.network.conv)
        if isinstance(module, nn.Conv2d)
    ]
    return [head, "network.fc", *reversed(convolutions)]


def rank_correlation(maps: Tensor, others: Tensor) -> float:
    """Return Spearman's correlation of maps, (N, V, V) each, over cells; the mean over views.

    A constant map ranks nothing and counts as 0.
    """
    pairs = zip(maps.flatten(1).cpu().numpy(), others.flatten(1).cpu().numpy(), strict=True)
    flat = [0.0 if a.std() * b.std() == 0 else stats.spearmanr(a, b).statistic for a, b in pairs]
    return float(sum(flat) / len(flat))
