"""Scripted agents: what can be earned without learning.

Each is a batch function of views. Distances are Chebyshev distances (the number of moves), then
Euclidean ones, and what is still equal goes to the cell that comes first in reading order, or to
the move with the lowest index.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS, action_index
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell, interestingness
from goodharts_lib.errors import one_of

STRAIGHT_ON = action_index(1, 1)  # on a torus a diagonal line sees most new cells per step

SEEKER_RADIUS = 5.0  # Euclidean, of the two seekers


class ScriptedAgent:
    """A scripted policy: ``act(views, generator)``, like a learned one.

    Args:
        name: one of `SCRIPTED`.
        config: view range and interestingness.
        device: where the views live.

    Raises:
        UserError: an unknown name.
    """

    def __init__(self, name: str, config: Config, device: torch.device | str = "cpu") -> None:
        self.name = one_of("scripted agent", name, SCRIPTED)
        self.device = torch.device(device)
        reach = config.agent.view_range
        offset = torch.arange(-reach, reach + 1, device=self.device)
        self.dy, self.dx = (t.flatten() for t in torch.meshgrid(offset, offset, indexing="ij"))
        self.squared = self.dx**2 + self.dy**2  # (V*V,)
        moves = torch.maximum(self.dx.abs(), self.dy.abs())
        cells = torch.arange(len(moves), device=self.device)
        order = (moves * 10_000 + self.squared) * len(cells) + cells
        self.rank = order.argsort().argsort()  # (V*V,) 0 is the centre; all distinct
        self.glow = torch.tensor(interestingness(config), device=self.device)
        self.centre = len(cells) // 2
        self.step_cells = torch.tensor(  # (8,) where each move leads, in the flattened view
            [self.centre + a.dy * (2 * reach + 1) + a.dx for a in ACTIONS], device=self.device
        )

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:
        """Choose one action per view: (n, V, V) uint8 to (n,) int64."""
        return SCRIPTED[self.name](self, views.flatten(1), generator)

    def nearest(self, wanted: Tensor) -> tuple[Tensor, Tensor]:
        """Return the index of the nearest wanted cell, (n,), and whether there is one, (n,)."""
        rank = torch.where(wanted, self.rank, len(self.rank))  # (n, V*V)
        return rank.argmin(1), wanted.any(1)

    def toward(self, target: Tensor, blocked: Tensor) -> Tensor:
        """Return the unblocked move that ends nearest to a cell: (n,), (n, 8) bool to (n,)."""
        dx = self.dx[target, None] - self.dx[self.step_cells]  # (n, 8) what remains after the move
        dy = self.dy[target, None] - self.dy[self.step_cells]
        cost = torch.maximum(dx.abs(), dy.abs()) * 10_000 + dx**2 + dy**2
        cost = (cost + blocked * 1_000_000) * N_ACTIONS
        return (cost + torch.arange(N_ACTIONS, device=self.device)).argmin(1)

    def neighbours(self, views: Tensor) -> Tensor:
        """Return the cell types that the eight moves lead to, (n, 8) uint8."""
        return views[:, self.step_cells]

    def random(self, allowed: Tensor, generator: torch.Generator) -> Tensor:
        """Return a uniform pick among the allowed moves, or among all: (n, 8) bool to (n,)."""
        draw = torch.rand(allowed.shape, generator=generator, device=self.device)
        return (draw + allowed).argmax(1)


def _random(agent: ScriptedAgent, views: Tensor, generator: torch.Generator) -> Tensor:
    """Any of the eight moves."""
    return agent.random(torch.ones(len(views), N_ACTIONS, device=agent.device), generator)


def _omniscient_seeker(agent: ScriptedAgent, views: Tensor, generator: torch.Generator) -> Tensor:
    """Step toward the nearest food within radius 5, around poison by an axis move, else wander.

    If the next cell is poison it tries the horizontal, then the vertical part of the move. If
    there is no food in sight, or no such part that is safe, it takes a random safe move.
    """
    near = agent.squared <= SEEKER_RADIUS**2
    target, found = agent.nearest((views == Cell.FOOD) & near)
    dx, dy = agent.dx[target].sign(), agent.dy[target].sign()  # (n,)
    moves_x = torch.tensor([move.dx for move in ACTIONS], device=agent.device)
    moves_y = torch.tensor([move.dy for move in ACTIONS], device=agent.device)
    around = agent.neighbours(views)
    safe = (around != Cell.POISON) & (around != Cell.WALL)  # (n, 8)
    chosen = agent.random(safe, generator)
    for x, y in ((0 * dx, dy), (dx, 0 * dy), (dx, dy)):  # the last that is safe wins
        is_move = (moves_x == x[:, None]) & (moves_y == y[:, None]) & safe  # (n, 8)
        chosen = torch.where(found & is_move.any(1), is_move.int().argmax(1), chosen)
    return chosen


def _proxy_seeker(agent: ScriptedAgent, views: Tensor, generator: torch.Generator) -> Tensor:
    """Step toward the brightest cell within radius 5, ties to the nearest, else wander."""
    glow = agent.glow[views.long()] * (agent.squared <= SEEKER_RADIUS**2)  # (n, V*V)
    brightest = glow.amax(1, keepdim=True)
    target, found = agent.nearest((glow == brightest) & (glow > 0))
    walls = agent.neighbours(views) == Cell.WALL
    return torch.where(found, agent.toward(target, walls), agent.random(~walls, generator))


def _eat_everything(agent: ScriptedAgent, views: Tensor, _: torch.Generator) -> Tensor:
    """Step toward the nearest item anywhere in view, straight on when there is none."""
    return _forage(agent, views, (views == Cell.FOOD) | (views == Cell.POISON), avoid=())


def _food_only(agent: ScriptedAgent, views: Tensor, _: torch.Generator) -> Tensor:
    """Step toward the nearest food in view, never onto poison, straight on when there is none."""
    return _forage(agent, views, views == Cell.FOOD, avoid=(Cell.POISON,))


def _forage(agent: ScriptedAgent, views: Tensor, wanted: Tensor, avoid: tuple[Cell, ...]) -> Tensor:
    """Step toward the nearest wanted cell, or straight on, round walls and what to avoid."""
    target, found = agent.nearest(wanted)
    target = torch.where(found, target, agent.step_cells[STRAIGHT_ON])
    around = agent.neighbours(views)
    blocked = around == Cell.WALL
    for cell in avoid:
        blocked = blocked | (around == cell)
    return agent.toward(target, blocked)


SCRIPTED: dict[str, Callable[[ScriptedAgent, Tensor, torch.Generator], Tensor]] = {  # by name
    "random": _random,
    "omniscient_seeker": _omniscient_seeker,
    "proxy_seeker": _proxy_seeker,
    "eat_everything": _eat_everything,
    "food_only": _food_only,
}
