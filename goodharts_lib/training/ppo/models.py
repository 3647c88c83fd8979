"""The value head, the actor-critic of PPO, and the profiler."""

from __future__ import annotations

import copy
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from goodharts_lib.networks.base_cnn import BaseCNN


class ValueHead(nn.Module):
    """Estimates the return from the features of the policy's network: (N, hidden) to (N,)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.linear = nn.Linear(hidden, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return values, (N,)."""
        return self.linear(features).squeeze(-1)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw orthogonal weights with gain 1."""
        nn.init.orthogonal_(self.linear.weight, 1.0, generator=generator)
        nn.init.zeros_(self.linear.bias)


class ActorCritic(nn.Module):
    """Policy and value on one trunk: a single forward pass gives both.

    With ``precision = bfloat16`` the trunk computes in bfloat16; heads and losses stay in float32.
    """

    def __init__(self, network: BaseCNN, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.network = network
        self.value_head = ValueHead(network.hidden)
        self.dtype = dtype

    def forward(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, (N, 8), and values, (N,), both float32."""
        mixed = self.dtype != torch.float32
        with torch.autocast(observations.device.type, self.dtype, enabled=mixed):
            features = self.network.features(observations)
        features = features.float()
        return self.network.policy(features), self.value_head(features)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights from the generator."""
        self.network.initialise(generator)
        self.value_head.initialise(generator)


class ActingCopy:
    """The policy that acts: the same weights, cast once per update instead of at every step.

    Args:
        model: what is trained. In float32 it acts itself, and nothing is copied.
    """

    def __init__(self, model: ActorCritic) -> None:
        self._source = model
        self._copy = model
        if model.dtype != torch.float32:
            self._copy = copy.deepcopy(model).requires_grad_(False)
            self._copy.network.conv.to(model.dtype)
            self._copy.network.fc.to(model.dtype)
            self._copy.dtype = torch.float32  # the trunk is cast already: no autocast

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the trained weights."""
        if self._copy is not self._source:
            for mine, trained in zip(
                self._copy.parameters(), self._source.parameters(), strict=True
            ):
                mine.copy_(trained)

    def __call__(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits, (N, 8), and values, (N,), both float32."""
        logits, values = self._copy(observations)
        return logits, values


class Profiler:
    """Adds up where the time goes, by section.

    On a GPU the sections measure when work was queued, not when it was done, unless
    ``synchronise=True``, which makes the host wait at the end of every section.
    """

    def __init__(self, synchronise: bool = False) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._synchronise = synchronise and torch.cuda.is_available()

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Count the time of a ``with`` block towards `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            if self._synchronise:
                torch.cuda.synchronize()
            self.seconds[name] += time.perf_counter() - start

    def line(self) -> str:
        """Return e.g. ``[Profile] PPO Update: 1.40s (80%) | Inference: 0.25s (14%)``."""
        total = sum(self.seconds.values()) or 1.0
        parts = sorted(self.seconds.items(), key=lambda part: -part[1])
        shown = (f"{name}: {took:.2f}s ({took / total:.0%})" for name, took in parts)
        return "[Profile] " + " | ".join(shown)
