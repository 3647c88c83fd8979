"""What a policy's output depends on: saliency maps by captum.

A map is exploratory: it suggests a story. `saliency_sanity` asks whether it can be about what was
learned at all, and `swap_effect` tests a story by an intervention.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.training.ppo.models import ActorCritic

Target: TypeAlias = Literal["policy", "value"]

TARGETS: tuple[Target, ...] = ("policy", "value")
IG_STEPS = 128  # points of the Gauss-Legendre rule between the empty view and the view


@dataclass(frozen=True)
class Explanation:
    """One method's maps of several views.

    Attributes:
        method: one of `METHODS`.
        target: ``policy``, the logit of `actions`, or ``value``.
        views: (N, V, V) uint8.
        attribution: (N, C, V, V) float32, one map per channel of the observation. C is 1 for
            occlusion and Grad-CAM, which know cells and no channels.
        actions: (N,) int64.
        probabilities: (N,) float32, of `actions`.
        outputs: (N,) float32, the explained logits or values.
    """

    method: str
    target: Target
    views: Tensor
    attribution: Tensor
    actions: Tensor
    probabilities: Tensor
    outputs: Tensor

    @property
    def summed(self) -> Tensor:
        """(N, V, V): the sum over channels. Above 0: this cell raises the output."""
        return self.attribution.sum(1)


class Readout(nn.Module):
    """The explained part of a model: (N, C, V, V) to logits, (N, 8), or values, (N, 1)."""

    def __init__(self, model: ActorCritic, target: Target) -> None:
        super().__init__()
        self.model = model
        self.target = target

    def forward(self, observations: Tensor) -> Tensor:
        """Return the columns from which captum picks one per view."""
        logits, values = self.model(observations)
        return logits if self.target == "policy" else values[:, None]


class Question(NamedTuple):
    """What a method is asked: why this output here, and not the one of the empty view?"""

    readout: Readout
    observations: Tensor  # (N, C, V, V) float32
    empty: Tensor  # (1, C, V, V) the view without walls and items, encoded: is_empty is 1
    column: Tensor  # (N,) int64, of the readout


def explain(
    policy: LearnedPolicy,
    views: Tensor,
    method: str,
    target: Target = "policy",
    actions: Tensor | None = None,
) -> Explanation:
    """Attribute one output of a policy to the cells and channels that it sees.

    The policy is left as it was. A noisy sensor reads view i with the noise of counter i.

    Args:
        policy: whose output.
        views: (N, V, V) uint8 cell types.
        method: one of `METHODS`.
        target: ``policy`` for the logit of an action, ``value`` for the value.
        actions: (N,) which action's logit; by default the likeliest.

    Raises:
        UserError: an unknown method or target, or captum is not installed.
    """
    attribute = METHODS[one_of("method", method, METHODS)]
    one_of("target", target, TARGETS)
    views = views.to(policy.device)
    observations = observe(policy, views).requires_grad_()
    empty = observe(policy, torch.full_like(views[:1], Cell.EMPTY))
    readout = Readout(policy.model, target)
    with torch.no_grad():
        logits, _ = policy.model(observations)
        actions = logits.argmax(-1) if actions is None else actions.to(policy.device)
        column = actions if target == "policy" else torch.zeros_like(actions)
        outputs = _pick(readout(observations), column)
    attribution = attribute(Question(readout, observations, empty, column)).detach()
    probabilities = _pick(logits.softmax(-1), actions)
    return Explanation(method, target, views, attribution, actions, probabilities, outputs)


def _pick(table: Tensor, columns: Tensor) -> Tensor:
    """Take one column of each row: (N, K), (N,) to (N,)."""
    return table.gather(1, columns[:, None])[:, 0]


def observe(policy: LearnedPolicy, views: Tensor) -> Tensor:
    """Encode views as the policy sees them, (N, C, V, V); view i with the noise of counter i."""
    counters = torch.arange(len(views), device=policy.device)
    return policy.encoder(views, counters).contiguous()


def _gradient(asked: Question) -> Tensor:
    """Return the plain gradient. Source: Simonyan et al. 2013, arXiv:1312.6034."""
    method = require_captum().Saliency(asked.readout)
    return method.attribute(asked.observations, target=asked.column, abs=False)


def _integrated_gradients(asked: Question) -> Tensor:
    """Average the gradient on the way from the empty view, times the difference.

    Complete: a view's attributions add up to output(view) - output(empty view).
    Source: Sundararajan et al. 2017, arXiv:1703.01365.
    """
    method = require_captum().IntegratedGradients(asked.readout)
    return method.attribute(
        asked.observations, baselines=asked.empty, target=asked.column, n_steps=IG_STEPS,
        internal_batch_size=max(1024, len(asked.observations)),
    )  # fmt: skip


def _guided_backprop(asked: Question) -> Tensor:
    """Pass only positive gradients back through every ReLU.

    Source: Springenberg et al. 2014, arXiv:1412.6806.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Setting backward hooks")  # they are removed
        method = require_captum().GuidedBackprop(asked.readout)
        return method.attribute(asked.observations, target=asked.column)


def _grad_cam(asked: Question) -> Tensor:
    """Weight the maps of the last convolution by their mean gradients.

    The paper's last ReLU is left out: what lowers the output is shown as well. Mean gradients
    forget places, which suits networks that end in a mean over places. These do not.
    Source: Selvaraju et al. 2017, arXiv:1610.02391.
    """
    last = asked.readout.model.network.conv[-1]  # the ReLU of the last convolution
    method = require_captum().LayerGradCam(asked.readout, last)
    return method.attribute(asked.observations, target=asked.column)


def _occlusion(asked: Question) -> Tensor:
    """Empty one cell after the other, all its channels at once: by how much does that lower it?

    Source: Zeiler & Fergus 2014, arXiv:1311.2901.
    """
    channels, size = asked.observations.shape[1:3]
    method = require_captum().Occlusion(asked.readout)
    change = method.attribute(
        asked.observations, sliding_window_shapes=(channels, 1, 1), baselines=asked.empty,
        target=asked.column, perturbations_per_eval=size,
    )  # fmt: skip
    # Captum repeats a window's number in each of its channels. Where nothing was changed it is
    # rounding error, of another batch size.
    return change[:, :1] * (asked.observations != asked.empty).any(1, keepdim=True)


def require_captum() -> Any:
    """Import and return ``captum.attr``.

    Raises:
        UserError: it is not installed.
    """
    try:
        import captum.attr  # an optional extra
    except ImportError as error:
        raise UserError(
            "saliency maps need captum, which is not installed: "
            'pip install "goodharts-lib[notebooks]".'
        ) from error
    return captum.attr


METHODS: dict[str, Callable[[Question], Tensor]] = {  # by name
    "gradient": _gradient,
    "integrated_gradients": _integrated_gradients,
    "guided_backprop": _guided_backprop,
    "grad_cam": _grad_cam,
    "occlusion": _occlusion,
}
