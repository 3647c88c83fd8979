"""The default network: three convolutions, one hidden layer, eight logits. 4.03 M parameters."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from goodharts_lib.behaviors.action_space import N_ACTIONS


class BaseCNN(nn.Module):
    """Convolutions (3x3, padding 1), one hidden layer, one logit per action.

    Every ReLU is a module of its own, because guided backpropagation hooks modules.

    Args:
        n_channels: channels C of an observation.
        view_size: side V of the square view.
        widths: output channels of each convolution.
        hidden: number of features, on which the policy and the value head stand.
    """

    def __init__(
        self,
        n_channels: int,
        view_size: int,
        widths: Sequence[int] = (32, 64, 64),
        hidden: int = 512,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        previous = n_channels
        for width in widths:
            layers += [nn.Conv2d(previous, width, 3, padding=1), nn.ReLU()]
            previous = width
        self.conv = nn.Sequential(*layers)
        self.fc = nn.Linear(previous * view_size * view_size, hidden)
        self.fc_relu = nn.ReLU()
        self.policy = nn.Linear(hidden, N_ACTIONS)
        self.n_channels = n_channels
        self.view_size = view_size
        self.hidden = hidden

    def features(self, observations: Tensor) -> Tensor:
        """Return the last hidden layer: (N, C, V, V) to (N, hidden)."""
        maps = self.conv(observations)  # (N, W, V, V)
        # Flattened with channels last: in channels-last memory that is a view, not a copy.
        flat = maps.permute(0, 2, 3, 1).flatten(1)  # (N, V * V * W)
        return self.fc_relu(self.fc(flat))

    def forward(self, observations: Tensor) -> Tensor:
        """Return logits: (N, C, V, V) to (N, 8)."""
        return self.policy(self.features(observations))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights: gain sqrt(2), and 0.01 for a nearly uniform first policy."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                gain = 0.01 if module is self.policy else 2.0**0.5
                drawn = torch.empty_like(module.weight, memory_format=torch.contiguous_format)
                nn.init.orthogonal_(drawn, gain, generator=generator)  # refuses other formats
                module.weight.data.copy_(drawn)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
