"""What a clone learns from: demonstrations put together, weighted, shuffled, and made up."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS, action_index
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import EDIBLE, Cell
from goodharts_lib.training.collect import Demonstrations


def concatenate(*parts: Demonstrations) -> Demonstrations:
    """Join demonstrations, in order."""
    return Demonstrations(
        torch.cat([part.views for part in parts]), torch.cat([part.actions for part in parts])
    )


def neighbours(views: Tensor) -> Tensor:
    """Return the cell types that the eight moves lead to: (N, V, V) to (N, 8) uint8."""
    centre = views.shape[-1] // 2
    return torch.stack([views[:, centre + a.dy, centre + a.dx] for a in ACTIONS], dim=1)


def stepped_on(demonstrations: Demonstrations) -> Tensor:
    """Return the cell type that each action leads to, (N,) uint8: what it eats, if that is food."""
    actions = demonstrations.actions[:, None]
    return neighbours(demonstrations.views).gather(1, actions).squeeze(1)


def in_view(views: Tensor, *cells: Cell) -> Tensor:
    """Return whether any of these cell types is in view: (N, V, V) to (N,) bool."""
    found = torch.zeros(len(views), dtype=torch.bool, device=views.device)
    for cell in cells:
        found |= (views == cell).flatten(1).any(1)
    return found


def sample_weights(demonstrations: Demonstrations, config: Config) -> Tensor:
    """Return how much each sample counts, (N,) float32 with mean 1.

    `[cloning] reward_weight` multiplies actions that eat food, `visibility_weight` multiplies
    states with food or poison in view. The mean is taken once, over all samples: taken in each
    minibatch it would undo part of the weighting.
    """
    settings = config.cloning
    eats = stepped_on(demonstrations) == Cell.FOOD
    sees = in_view(demonstrations.views, *EDIBLE)
    weights = torch.where(eats, settings.reward_weight, 1.0)
    weights = weights * torch.where(sees, settings.visibility_weight, 1.0)
    return weights / weights.mean()


def synthetic_avoidance(n: int, config: Config, generator: torch.Generator) -> Demonstrations:
    """Make up what a careful expert never shows: poison one step away, and a step away from it.

    Args:
        n: number of samples. All eight directions are equally likely; the rest of the view is
            empty, and the action is the opposite move.
        config: the view's size.
        generator: of the directions.
    """
    size = config.agent.view_size
    device = generator.device
    toward = torch.randint(N_ACTIONS, (n,), generator=generator, device=device)
    moves = torch.tensor([(a.dy, a.dx) for a in ACTIONS], device=device)  # (8, 2) row, column
    rows, columns = (moves[toward] + config.agent.view_range).unbind(1)
    views = torch.full((n, size, size), Cell.EMPTY, dtype=torch.uint8, device=device)
    views[torch.arange(n, device=device), rows, columns] = Cell.POISON
    away = torch.tensor([action_index(-a.dx, -a.dy) for a in ACTIONS], device=device)
    return Demonstrations(views, away[toward])


def minibatches(n: int, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield each of n rows once, in random order, `size` at a time; the last may be smaller."""
    yield from torch.randperm(n, generator=generator, device=generator.device).split(size)
