"""The networks by name, each with its default learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from goodharts_lib.errors import one_of
from goodharts_lib.networks.base_cnn import BaseCNN
from goodharts_lib.networks.small_cnn import SmallCNN


@dataclass(frozen=True)
class NetworkSpec:
    """How to build a network, ``build(n_channels, view_size)``, and how fast it learns well."""

    name: str
    build: Callable[[int, int], BaseCNN]
    learning_rate: float


NETWORKS = {
    spec.name: spec
    for spec in (
        NetworkSpec("base_cnn", BaseCNN, learning_rate=3e-4),
        NetworkSpec("small_cnn", SmallCNN, learning_rate=1e-3),
    )
}


def get_network(name: str) -> NetworkSpec:
    """Return the network called `name`.

    Raises:
        UserError: there is none; the sentence lists those there are.
    """
    return NETWORKS[one_of("network", name, NETWORKS)]
