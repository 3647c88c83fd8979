"""Cell types, the events of a step, and what each event costs or earns."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import torch
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.errors import UserError
from goodharts_lib.values import tenths


class Cell(IntEnum):
    """Cell types; the value is the channel of the one-hot view."""

    EMPTY = 0
    WALL = 1
    FOOD = 2
    POISON = 3
    PREY = 4
    PREDATOR = 5


class Cause(IntEnum):
    """Why an episode ended. The world reports it; nobody infers it."""

    NONE = 0  # it goes on
    STARVED = 1  # energy <= 0 on a step without poison
    POISONED = 2  # energy <= 0 on a step that ate poison
    TIME_LIMIT = 3


EDIBLE = (Cell.FOOD, Cell.POISON)

_DRAWN = {".": Cell.EMPTY, "#": Cell.WALL, "o": Cell.FOOD, "x": Cell.POISON, "@": Cell.EMPTY}


class Events(NamedTuple):
    """What happened to each agent in one step. Modes price events; the world only reports them."""

    eaten: Tensor  # (n,) uint8: Cell.FOOD, Cell.POISON, or Cell.EMPTY for nothing
    cause: Tensor  # (n,) uint8: a Cause; Cause.NONE while the episode goes on

    @property
    def food(self) -> Tensor:
        """(n,) bool: ate food."""
        return self.eaten == Cell.FOOD

    @property
    def poison(self) -> Tensor:
        """(n,) bool: ate poison."""
        return self.eaten == Cell.POISON


class Episodes(NamedTuple):
    """Counts of the episodes that end with this step (read them where `ended` is true)."""

    ended: Tensor  # (n,) bool
    length: Tensor  # (n,) int64, steps
    food: Tensor  # (n,) int64, meals
    poison: Tensor  # (n,) int64, meals


class StepResult(NamedTuple):
    """What `VecEnv.step` returns."""

    views: Tensor  # (n, V, V) uint8, of the new episode where one has just begun
    events: Events
    terminated: Tensor  # (n,) bool: died. Never together with truncated
    truncated: Tensor  # (n,) bool: the time limit cut the episode off
    final_views: Tensor  # (n, V, V) uint8, before any reset; the very tensor `views` if none ended
    episodes: Episodes | None  # None: no episode ended in this step


def energy_prices(config: Config) -> list[int]:
    """Return the change of energy, in tenths, of a step that ate each cell type, move included."""
    move = tenths(config.agent.energy_move_cost)
    prices = [-move] * len(Cell)
    prices[Cell.FOOD] += tenths(config.items.food_energy)
    prices[Cell.POISON] += tenths(config.items.poison_energy)
    return prices


def interestingness(config: Config) -> list[float]:
    """Return how interesting each cell type looks: the proxy, in sensor and pay alike."""
    items = config.items
    return [
        0.0,
        0.0,
        items.food_interestingness,
        items.poison_interestingness,
        items.prey_interestingness,
        items.predator_interestingness,
    ]


def read_map(drawing: str) -> tuple[Tensor, Tensor]:
    """Read a drawn map: ``.`` empty, ``#`` wall, ``o`` food, ``x`` poison, ``@`` agent.

    Returns:
        The grid, (height, width) uint8 cell types, and the agents' (x, y), (k, 2) int64, in
        reading order.

    Raises:
        UserError: an unknown character, rows of unequal length, or no agent.
    """
    rows = [line.strip() for line in drawing.strip().splitlines()]
    if len({len(row) for row in rows}) != 1:
        raise UserError("all rows of a drawn map must have the same length.")
    for char in "".join(rows):
        if char not in _DRAWN:
            raise UserError(f"'{char}' is not a map symbol: use {' '.join(_DRAWN)}.")
    agents = [(x, y) for y, row in enumerate(rows) for x, char in enumerate(row) if char == "@"]
    if not agents:
        raise UserError("a drawn map needs at least one agent, '@'.")
    grid = torch.tensor([[_DRAWN[char] for char in row] for row in rows], dtype=torch.uint8)
    return grid, torch.tensor(agents)
