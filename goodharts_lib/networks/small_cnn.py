"""A smaller network of the same kind, 0.13 M parameters: for sweeps, notebooks and the page."""

from __future__ import annotations

from goodharts_lib.networks.base_cnn import BaseCNN


class SmallCNN(BaseCNN):
    """`BaseCNN` with two convolutions of 16 channels and 64 features."""

    def __init__(self, n_channels: int, view_size: int) -> None:
        super().__init__(n_channels, view_size, widths=(16, 16), hidden=64)
