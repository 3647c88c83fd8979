"""What lies on the grids: cell types, and exact lists of empty cells for uniform respawns."""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.environments.geometry import Geometry, list_empties

Which = Tensor | slice


class Ground:
    """Stored grids, each with a list of its empty cells, kept exact by every change.

    Attributes:
        cells: (worlds, n_cells) uint8 cell types.
        empties: (worlds, n_cells) int64; the first `n_empty` entries of a row are empty cells.
        n_empty: (worlds,) int64.
    """

    def __init__(self, geometry: Geometry, n_worlds: int, generator: torch.Generator) -> None:
        device = generator.device
        self.geometry = geometry
        self.generator = generator
        self.cells = torch.zeros(n_worlds, geometry.n_cells, dtype=torch.uint8, device=device)
        self.empties = torch.zeros(n_worlds, geometry.n_cells, dtype=torch.int64, device=device)
        self.n_empty = torch.zeros(n_worlds, dtype=torch.int64, device=device)
        self._base = torch.arange(n_worlds, device=device) * geometry.n_cells

    def put(self, which: Which, stored: Tensor) -> None:
        """Replace some worlds' grids by stored ones, (k, n_cells)."""
        self.cells[which] = stored
        self.empties[which], self.n_empty[which] = list_empties(stored)

    def respawn(self, position: Tensor, eaten: Tensor) -> None:
        """Let what each world's one agent has eaten, (n,), reappear on a uniform empty cell.

        The chosen cell leaves the list and the agent's cell takes its place. As that cell is not
        listed before, an item never reappears where it was eaten.
        """
        share = torch.rand(
            len(eaten), generator=self.generator, device=eaten.device, dtype=torch.float64
        )
        slot = (share * self.n_empty).long()[:, None]  # (n, 1)
        new = self.empties.gather(1, slot)  # (n, 1)
        kept = torch.where(eaten[:, None] > 0, position[:, None], new)
        self.empties.scatter_(1, slot, kept)
        # Where nothing was eaten this writes EMPTY on a cell that is empty.
        self.cells.view(-1).scatter_(0, self._base + new.squeeze(1), eaten)

    def respawn_shared(self, positions: Tensor, eaten: Tensor) -> None:
        """Do the same in one world with several agents: distinct cells, none with an agent."""
        ate = eaten.nonzero().squeeze(1)
        slots = self.free_slots(positions, len(ate))
        new = self.empties[0, slots]
        self.empties[0, slots] = positions[ate]
        self.cells[0, new] = eaten[ate]

    def free_slots(self, positions: Tensor, k: int) -> Tensor:
        """Return k slots of the first world's list, uniform among the cells without an agent."""
        occupied = torch.zeros(self.geometry.n_cells, device=positions.device)
        occupied[positions] = 1.0
        listed = self.empties[0, : int(self.n_empty[0])]
        keys = torch.rand(len(listed), generator=self.generator, device=positions.device)
        return (keys - occupied[listed]).topk(k).indices

    def clear(self, position: Tensor, eaten: Tensor) -> None:
        """List the cells of meals, (n,), that do not reappear, as empty."""
        if len(self.cells) != len(eaten):  # a shared grid: several meals at once
            self.empties, self.n_empty = list_empties(self.cells)
            return
        self.empties.scatter_(1, self.n_empty[:, None], position[:, None])
        self.n_empty += eaten > 0  # where nothing was eaten, what was written lies beyond the list
