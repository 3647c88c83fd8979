"""Grid -> RGB: the only drawing of a world.

Food and poison differ in shape (disc, diamond) as well as in colour. Every cell is a copy of a
small tile, so a picture is one table look-up however large the world is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from goodharts_lib.colors import FOOD_COLOR, POISON_COLOR
from goodharts_lib.environments.cells import Cell

Picture: TypeAlias = NDArray[np.uint8]  # (height, width, 3)
Mask: TypeAlias = NDArray[np.bool_]  # (side, side)

_AGENT = len(Cell)  # the tile after the last cell type
_FINE = 4  # samples per pixel and axis: edges are smooth


@dataclass(frozen=True)
class Palette:
    """Colours as ``#rrggbb``."""

    empty: str = "#F5F3EE"
    wall: str = "#3B3B3B"
    food: str = FOOD_COLOR  # a disc
    poison: str = POISON_COLOR  # a diamond
    prey: str = "#56B4E9"  # a ring: another agent
    predator: str = "#882255"  # a triangle
    agent: str = "#1A1A1A"  # a square ...
    border: str = "#FFFFFF"  # ... with a light border


PALETTE = Palette()


def render_rgb(
    grid: ArrayLike | Tensor,
    agents: ArrayLike | Tensor,
    *,
    cell_pixels: int = 8,
    palette: Palette = PALETTE,
) -> Picture:
    """Draw one world.

    Args:
        grid: (height, width) cell types.
        agents: (k, 2) their (x, y); k may be 0.
        cell_pixels: side of a cell in pixels.
        palette: the colours.

    Returns:
        (height * cell_pixels, width * cell_pixels, 3) uint8.

    Raises:
        ValueError: `cell_pixels` is not positive, or `grid` is not a grid of cell types.
    """
    cells = _array(grid)
    if cells.ndim != 2 or cells.size == 0 or cells.min() < 0 or cells.max() >= len(Cell):
        raise ValueError(f"a grid is (height, width) cell types below {len(Cell)}.")
    places = _array(agents).reshape(-1, 2)
    shown = cells.copy()
    shown[places[:, 1], places[:, 0]] = _AGENT
    tiles = _tiles(cell_pixels, palette)
    height, width = (side * cell_pixels for side in cells.shape)
    return tiles[shown].transpose(0, 2, 1, 3, 4).reshape(height, width, 3)


def view_rgb(
    view: ArrayLike | Tensor, *, cell_pixels: int = 8, palette: Palette = PALETTE
) -> Picture:
    """Draw what one agent sees, (V, V) cell types, with the agent itself at the centre."""
    cells = _array(view)
    centre = len(cells) // 2
    return render_rgb(cells, [(centre, centre)], cell_pixels=cell_pixels, palette=palette)


def glow_rgb(view: ArrayLike | Tensor, glow: ArrayLike, *, cell_pixels: int = 8) -> Picture:
    """Draw what an agent sees that sees interestingness only, as grey levels: 0 light, 1 dark.

    Args:
        view: (V, V) cell types.
        glow: (types,) interestingness of each; beyond [0, 1] it is drawn as 0 or 1.
        cell_pixels: side of a cell in pixels.
    """
    level = np.clip(np.asarray(glow, float), 0.0, 1.0)[_array(view)]  # (V, V)
    grey = (245 - 195 * level).round().astype(np.uint8)
    large = grey.repeat(cell_pixels, axis=0).repeat(cell_pixels, axis=1)
    return np.stack([large] * 3, axis=-1)


def _array(values: ArrayLike | Tensor) -> NDArray[np.intp]:
    if isinstance(values, Tensor):
        values = values.cpu().numpy()
    return np.asarray(values).astype(np.intp)


def _tiles(side: int, palette: Palette) -> NDArray[np.uint8]:
    """Return a tile for each cell type and one for an agent, (types + 1, side, side, 3) uint8."""
    if side < 1:
        raise ValueError(f"cell_pixels must be at least 1, not {side}.")
    tiles = np.empty((_AGENT + 1, side, side, 3), np.uint8)
    shapes = _shapes(side * _FINE)
    everywhere = np.ones((side * _FINE, side * _FINE), bool)
    layers: dict[int, list[tuple[str, Mask]]] = {
        Cell.EMPTY: [],
        Cell.WALL: [(palette.wall, everywhere)],
        Cell.FOOD: [(palette.food, shapes["disc"])],
        Cell.POISON: [(palette.poison, shapes["diamond"])],
        Cell.PREY: [(palette.prey, shapes["ring"])],
        Cell.PREDATOR: [(palette.predator, shapes["triangle"])],
        _AGENT: [(palette.border, shapes["frame"]), (palette.agent, shapes["square"])],
    }
    for tile, stamps in layers.items():
        fine = np.broadcast_to(_colour(palette.empty), (*everywhere.shape, 3))
        for colour, mask in stamps:
            fine = np.where(mask[..., None], _colour(colour), fine)
        tiles[tile] = fine.reshape(side, _FINE, side, _FINE, 3).mean(axis=(1, 3)).round()
    return tiles


def _shapes(side: int) -> dict[str, Mask]:
    """Return the glyphs as masks, (side, side) bool, on coordinates from -1 to 1."""
    line = (2 * np.arange(side) + 1 - side) / side
    x, y = line[None, :], line[:, None]
    radius = np.hypot(x, y)
    furthest = np.maximum(np.abs(x), np.abs(y))
    return {
        "disc": radius <= 0.8,
        "diamond": np.abs(x) + np.abs(y) <= 0.95,
        "ring": (radius <= 0.85) & (radius >= 0.4),
        "triangle": (np.abs(x) <= (y + 0.85) / 2) & (y <= 0.75),
        "frame": furthest <= 1.0,
        "square": furthest <= 0.72,
    }


def _colour(code: str) -> NDArray[np.float64]:
    """Turn ``#rrggbb`` into three numbers from 0 to 255."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], float)
