"""Where things are: index tables of a grid, and the drawing of new worlds."""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.config import Config, Training
from goodharts_lib.environments.cells import Cell


class Geometry:
    """Index tables of one grid, flattened row by row.

    The grid is stored with one extra row and column of wall. On a torus no index ever reaches
    them; without loop every index beyond the edge does, so one code path serves both.

    Attributes:
        stride: cells in a stored row, width + 1.
        n_cells: cells in a stored grid.
        inside: (height * width,) int64, the cells that belong to the world.
        neighbours: (n_cells * 8,) int64, where each action leads from each cell.
    """

    def __init__(self, config: Config, device: torch.device) -> None:
        world, reach = config.world, config.agent.view_range
        self.height, self.width = world.height, world.width
        self.stride = world.width + 1
        self.n_cells = self.stride * (world.height + 1)
        columns = _windows(world.width, reach, world.loop).to(device)  # (width, V)
        rows = _windows(world.height, reach, world.loop).to(device) * self.stride  # (height, V)
        neighbours = torch.zeros(
            world.height + 1, self.stride, N_ACTIONS, dtype=torch.int64, device=device
        )
        for index, move in enumerate(ACTIONS):
            row, column = rows[:, reach + move.dy], columns[:, reach + move.dx]
            neighbours[:-1, :-1, index] = row[:, None] + column[None, :]
        self.neighbours = neighbours.flatten()
        start = torch.arange(world.height, device=device)[:, None] * self.stride
        self.inside = (start + torch.arange(world.width, device=device)).flatten()
        x, y = self.xy(torch.arange(self.n_cells, device=device))
        self._rows = rows[y.clamp(max=world.height - 1)]  # (n_cells, V) rows seen from each cell
        self._columns = columns[x.clamp(max=world.width - 1)]  # (n_cells, V)

    def xy(self, position: Tensor) -> tuple[Tensor, Tensor]:
        """Split flat cell indices into x and y, (n,) each."""
        y = torch.div(position, self.stride, rounding_mode="floor")
        return position - y * self.stride, y

    def flat(self, x: Tensor, y: Tensor) -> Tensor:
        """Join x and y into flat cell indices, (n,)."""
        return y * self.stride + x

    def windows(self, position: Tensor) -> Tensor:
        """Return the cells seen from each position, (n, V, V) flat indices."""
        rows = self._rows.index_select(0, position)[:, :, None]
        return rows + self._columns.index_select(0, position)[:, None]

    def store(self, grids: Tensor) -> Tensor:
        """Turn grids (k, height, width) into stored ones, (k, n_cells) uint8."""
        shape = len(grids), self.height + 1, self.stride
        padded = torch.full(shape, Cell.WALL, dtype=torch.uint8, device=grids.device)
        padded[:, :-1, :-1] = grids
        return padded.flatten(1)

    def show(self, stored: Tensor) -> Tensor:
        """Turn stored grids back into (k, height, width)."""
        return stored.view(-1, self.height + 1, self.stride)[:, :-1, :-1]


def _windows(size: int, reach: int, loop: bool) -> Tensor:
    """Return the coordinates seen from each coordinate, (size, V); `size` means beyond the edge."""
    seen = torch.arange(size)[:, None] + torch.arange(-reach, reach + 1)
    if loop:
        return seen % size
    return torch.where((seen >= 0) & (seen < size), seen, size)


def draw_worlds(
    geometry: Geometry, train: Training, k: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw k worlds: item counts, their places, and a start for one agent each, all uniform.

    Returns:
        Stored grids, (k, n_cells) uint8, and flat starts, (k,) int64, on empty cells.
    """
    device = generator.device

    def count(low: int, high: int) -> Tensor:
        return torch.randint(low, high + 1, (k, 1), generator=generator, device=device)

    food = count(train.min_food, train.max_food)
    items = food + count(train.min_poison, train.max_poison)  # (k, 1)
    most = train.max_food + train.max_poison
    inside = geometry.inside
    keys = torch.rand(k, len(inside), generator=generator, device=device, dtype=torch.float64)
    # The largest keys stand on distinct cells, every arrangement equally likely.
    cells = inside[keys.topk(most + 1, dim=1).indices]  # (k, most + 1)
    rank = torch.arange(most, device=device)
    kinds = torch.where(rank < food, Cell.FOOD, Cell.POISON) * (rank < items)  # (k, most)
    grids = torch.full((k, geometry.n_cells), Cell.WALL, dtype=torch.uint8, device=device)
    grids[:, inside] = Cell.EMPTY
    return grids.scatter_(1, cells[:, :-1], kinds.to(torch.uint8)), cells[:, -1]


def list_empties(grids: Tensor) -> tuple[Tensor, Tensor]:
    """List the empty cells of stored grids, so that a respawn is one uniform pick.

    Returns:
        (k, n_cells) int64, of which the first n entries of a row are its empty cells, and n, (k,).
    """
    n_cells = grids.shape[1]
    empty = grids == Cell.EMPTY  # (k, n_cells)
    order = empty.cumsum(1)  # 1, 2, ... at the empty cells
    slots = torch.where(empty, order - 1, n_cells)  # the others go to a bin, cut off below
    cells = torch.arange(n_cells, device=grids.device)
    listed = torch.zeros(len(grids), n_cells + 1, dtype=torch.int64, device=grids.device)
    return listed.scatter_(1, slots, cells.expand_as(slots))[:, :-1], order[:, -1]
