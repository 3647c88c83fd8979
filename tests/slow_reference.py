"""Slow, obvious references for the tests: plain Python loops over drawn or listed worlds.

Nothing here asks the library for an answer. Cell types and moves are written out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodharts_lib.config import Config, load_config

EMPTY, WALL, FOOD, POISON, PREY, PREDATOR = range(6)
GOES_ON, STARVED, POISONED, TIME_LIMIT = range(4)

SYMBOLS = {".": EMPTY, "#": WALL, "o": FOOD, "x": POISON, "@": EMPTY, "p": PREY, "!": PREDATOR}

# The seed document's table: index, (dx, dy), arrow.
SEED_TABLE = (
    (0, (-1, -1), "↖", "up-left"),
    (1, (-1, 0), "←", "left"),
    (2, (-1, 1), "↙", "down-left"),
    (3, (0, -1), "↑", "up"),
    (4, (0, 1), "↓", "down"),
    (5, (1, -1), "↗", "up-right"),
    (6, (1, 0), "→", "right"),
    (7, (1, 1), "↘", "down-right"),
)
MOVES = [move for _, move, _, _ in SEED_TABLE]
ARROWS = {arrow: index for index, _, arrow, _ in SEED_TABLE}

Grid = list[list[int]]
Place = tuple[int, int]

NO_ITEMS = {
    "training.min_food": 0,
    "training.max_food": 0,
    "training.min_poison": 0,
    "training.max_poison": 0,
    "evaluation.food": 0,
    "evaluation.poison": 0,
}


def small_config(overrides: dict[str, Any] | None = None) -> Config:
    """The shipped prices in a bare 5x5 torus with a 3x3 view, where nothing comes back."""
    bare = {"world.width": 5, "world.height": 5, "agent.view_range": 1, "items.respawn": False}
    return load_config(overrides=bare | NO_ITEMS | (overrides or {}))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def arrows(drawn: str) -> list[Tensor]:
    """One action tensor per step from words of arrows, one arrow per agent: ``"→↓ ←↓"``."""
    return [torch.tensor([ARROWS[arrow] for arrow in word]) for word in drawn.split()]


def drawn_view(drawing: str) -> Tensor:
    """A view, (1, V, V) uint8, from a drawing."""
    rows = [line.strip() for line in drawing.strip().splitlines()]
    return torch.tensor([[[SYMBOLS[char] for char in row] for row in rows]], dtype=torch.uint8)


def picture(grid: Grid, agents: Iterable[Place]) -> list[str]:
    """Draw a world; agents as ``@``."""
    agents = set(agents)
    return [
        "".join("@" if (x, y) in agents else ".#ox"[cell] for x, cell in enumerate(row))
        for y, row in enumerate(grid)
    ]


def slow_view(
    grid: Grid, at: Place, reach: int, *, loop: bool, others: Sequence[Place] = ()
) -> Grid:
    """What an agent sees, cell by cell."""
    height, width = len(grid), len(grid[0])
    view = []
    for dy in range(-reach, reach + 1):
        row = []
        for dx in range(-reach, reach + 1):
            x, y = at[0] + dx, at[1] + dy
            if loop:
                x, y = x % width, y % height
            inside = 0 <= x < width and 0 <= y < height
            if dx == dy == 0:
                row.append(EMPTY)
            elif not inside:
                row.append(WALL)
            elif (x, y) in others:
                row.append(PREY)
            else:
                row.append(grid[y][x])
        view.append(row)
    return view


def slow_potential(view: Grid, attractive: set[int], scale: float) -> float:
    """scale / distance to the nearest attractive cell, 0 if there is none."""
    reach = len(view) // 2
    distances = [
        max(abs(x - reach), abs(y - reach), 1)
        for y, row in enumerate(view)
        for x, cell in enumerate(row)
        if cell in attractive
    ]
    return scale / min(distances) if distances else 0.0


class SlowWorld:
    """One grid without respawn, advanced by if and else. Energy in tenths.

    It knows nothing of what follows an end: stop comparing there.
    """

    def __init__(self, grid: Grid, agents: Sequence[Place], config: Config) -> None:
        self.grid = [list(row) for row in grid]
        self.agents = [tuple(place) for place in agents]
        self.loop = config.world.loop
        self.reach = config.agent.view_range
        self.mortal = config.agent.mortal
        self.limit = config.training.steps_per_episode
        self.move = round(config.agent.energy_move_cost * 10)
        self.meal = {
            FOOD: round(config.items.food_energy * 10),
            POISON: round(config.items.poison_energy * 10),
        }
        self.energy = [round(config.agent.energy_start * 10)] * len(agents)
        self.age = [0] * len(agents)

    def views(self) -> list[Grid]:
        return [
            slow_view(
                self.grid,
                at,
                self.reach,
                loop=self.loop,
                others=[other for j, other in enumerate(self.agents) if j != i],
            )
            for i, at in enumerate(self.agents)
        ]

    def step(self, actions: Sequence[int]) -> tuple[list[int], list[int]]:
        """Move all agents, then let them eat in order. Returns what each ate, and causes."""
        height, width = len(self.grid), len(self.grid[0])
        for i, action in enumerate(actions):
            x = self.agents[i][0] + MOVES[action][0]
            y = self.agents[i][1] + MOVES[action][1]
            if self.loop:
                x, y = x % width, y % height
            if 0 <= x < width and 0 <= y < height and self.grid[y][x] != WALL:
                self.agents[i] = (x, y)
        eaten, causes = [], []
        for i, (x, y) in enumerate(self.agents):
            cell = self.grid[y][x]
            self.grid[y][x] = EMPTY
            eaten.append(cell)
            self.energy[i] += self.meal.get(cell, 0) - self.move
            self.age[i] += 1
            if self.mortal and self.energy[i] <= 0:
                causes.append(POISONED if cell == POISON else STARVED)
            else:
                causes.append(TIME_LIMIT if self.age[i] >= self.limit else GOES_ON)
        return eaten, causes
