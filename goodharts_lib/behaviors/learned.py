"""A learned policy: a network bound to the encoding it was trained with."""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.errors import UserError
from goodharts_lib.modes import Mode
from goodharts_lib.training.ppo.models import ActorCritic
from goodharts_lib.training.ppo.rollout import sample_actions


class LearnedPolicy:
    """Acts on views, like a scripted agent. Nobody can hand it the wrong observations.

    Args:
        model: policy and value; computes in float32 here, whatever it was trained in.
        mode: what it sees and was paid.
        config: the configuration it was trained with.
        greedy: take the likeliest action instead of sampling.
        name: what to call it; by default the mode's name. A clone has the mode whose eyes it has.

    Raises:
        UserError: the model reads another number of channels or another view than the mode gives.
    """

    def __init__(
        self,
        model: ActorCritic,
        mode: Mode,
        config: Config,
        *,
        greedy: bool = False,
        name: str | None = None,
    ) -> None:
        self.name = name or mode.name
        self.model = model
        self.mode = mode
        self.config = config
        self.greedy = greedy
        self.device = next(model.parameters()).device
        self.encoder = Encoder(mode, config, self.device)
        size = config.agent.view_size
        network = model.network
        if (network.n_channels, network.view_size) != (self.encoder.n_channels, size):
            raise UserError(
                f"the model reads {network.n_channels} channels of {network.view_size}x"
                f"{network.view_size} cells, but mode '{mode.name}' gives "
                f"{self.encoder.n_channels} of {size}x{size}."
            )

    def decoded(self, *, greedy: bool) -> LearnedPolicy:
        """Return the same policy with the other way of choosing actions."""
        return LearnedPolicy(self.model, self.mode, self.config, greedy=greedy, name=self.name)

    @torch.inference_mode()
    def evaluate(
        self, views: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return logits, (n, 8), and values, (n,), for views, (n, V, V) uint8.

        The generator is needed by a noisy sensor only.
        """
        counters = None
        if self.encoder.noisy:
            counters = torch.randint(2**40, (len(views),), generator=generator, device=self.device)
        logits, values = self.model(self.encoder(views, counters))
        return logits, values

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:
        """Choose one action per view: (n, V, V) uint8 to (n,) int64."""
        logits, _ = self.evaluate(views, generator)
        return logits.argmax(-1) if self.greedy else sample_actions(logits, generator)[0]

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return the probability of each action, (n, 8)."""
        return self.evaluate(views, generator)[0].softmax(-1)
