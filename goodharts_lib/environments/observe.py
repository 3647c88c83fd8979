"""From stored cell types to the float channels that a network reads."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.modes import Mode, channel_table


class Encoder:
    """Turns views into observations, as one mode sees them.

    Args:
        mode: what the agent sees.
        config: interestingness and `[observation]`.
        device: where the views live.
        dtype: type of the observations.
        seed: of the sensor's noise, so that runs do not share it.
    """

    def __init__(
        self,
        mode: Mode,
        config: Config,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        seed: int = 0,
    ) -> None:
        table = torch.tensor(channel_table(mode, config), device=device)  # (types, C)
        self.mode = mode
        self.n_channels = table.shape[1]
        self._table = table.to(dtype)
        self._offset = (seed << 40) % 2**63  # beyond any run's counters
        self._noise_std = config.observation.noise_std if mode.sees == "glow" else 0.0

    @property
    def noisy(self) -> bool:
        """Whether observations need `counters`."""
        return self._noise_std > 0

    def __call__(self, views: Tensor, counters: Tensor | None = None) -> Tensor:
        """Encode views, (N, V, V) uint8, as observations, (N, C, V, V) in channels-last memory.

        Args:
            views: cell types.
            counters: (N,) int64, one number per view. The same view with the same counter gives
                the same noise, so that an update sees what the rollout saw.

        Raises:
            ValueError: the mode is noisy and there are no counters.
        """
        size = views.shape[-1]
        observations = self._table.index_select(0, views.flatten().int())
        observations = observations.view(-1, size, size, self.n_channels)  # (N, V, V, C)
        if self.noisy:
            if counters is None:
                raise ValueError("a noisy sensor needs one counter per view.")
            noise = self._noise_std * counter_noise(counters + self._offset, size * size)
            noise = noise.view(-1, size, size, 1)
            item = (views > Cell.WALL)[..., None]  # empty cells and walls are read without error
            noise = (noise * item).to(observations.dtype)
            observations = torch.cat([observations[..., :2], observations[..., 2:] + noise], dim=-1)
        return observations.permute(0, 3, 1, 2)


def counter_noise(counters: Tensor, width: int) -> Tensor:
    """Return standard normal numbers that depend only on the counters, (N, width) float32.

    A counter-based generator: splitmix64 (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195)
    hashes counter and column, Box-Muller turns two hashes into a normal number.
    """
    column = torch.arange(width, device=counters.device)
    key = (counters[:, None] * width + column) * 2  # (N, width) int64
    u1, u2 = _uniform(key), _uniform(key + 1)
    radius = torch.sqrt(-2.0 * torch.log1p(-u1))
    return (radius * torch.cos(2.0 * math.pi * u2)).float()


def _uniform(key: Tensor) -> Tensor:
    """Hash int64 keys into [0, 1), float64. Integer overflow wraps, as the hash intends."""
    z = (key + 1) * -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed number
    z = (z ^ _shift(z, 30)) * -4658895280553007687  # 0xBF58476D1CE4E5B9
    z = (z ^ _shift(z, 27)) * -7723592293110705685  # 0x94D049BB133111EB
    return _shift(z ^ _shift(z, 31), 11).double() * 2.0**-53


def _shift(z: Tensor, bits: int) -> Tensor:
    """Shift right, filling with zeros (torch's own shift copies the sign)."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)
