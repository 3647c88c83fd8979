"""Pictures of worlds: known pixels, and shapes that differ without colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import PALETTE, Palette, glow_rgb, render_rgb, view_rgb

NOBODY = np.zeros((0, 2), int)


def rgb(code: str) -> list[int]:
    return list(bytes.fromhex(code.removeprefix("#")))


def tile(cell: int, side: int = 8) -> np.ndarray:
    return render_rgb([[cell]], NOBODY, cell_pixels=side)


def inked(cell: int, side: int = 16) -> np.ndarray:
    """Where a tile is not background, (side, side) bool: its shape without its colour."""
    return (tile(cell, side) != rgb(PALETTE.empty)).any(-1)


@pytest.mark.parametrize("side", [4, 8, 9, 24])
def test_the_middle_of_a_cell_has_its_colour(side: int) -> None:
    middle = (side // 2, side // 2)
    assert tile(Cell.EMPTY, side)[middle].tolist() == rgb(PALETTE.empty)
    assert tile(Cell.WALL, side)[middle].tolist() == rgb(PALETTE.wall)
    assert tile(Cell.FOOD, side)[middle].tolist() == rgb("#009E73")
    assert tile(Cell.POISON, side)[middle].tolist() == rgb("#D55E00")


def test_a_wall_fills_its_cell_and_items_leave_the_corners_free() -> None:
    assert inked(Cell.WALL).all()
    assert not inked(Cell.EMPTY).any()
    for cell in (Cell.FOOD, Cell.POISON, Cell.PREY, Cell.PREDATOR):
        assert not inked(cell)[0, 0]


def test_food_and_poison_differ_in_shape() -> None:
    disc, diamond = inked(Cell.FOOD), inked(Cell.POISON)
    assert disc[3, 3]  # on the diagonal a disc reaches further,
    assert not diamond[3, 3]
    assert diamond[8, 0]  # on the axes a diamond does
    assert not disc[8, 0]
    assert (disc ^ diamond).sum() > 0.1 * (disc | diamond).sum()


def test_each_shape_is_like_no_other() -> None:
    items = (Cell.FOOD, Cell.POISON, Cell.PREY, Cell.PREDATOR)
    shapes = {inked(cell).tobytes() for cell in items}
    assert len(shapes) == len(items)


def test_every_shape_is_symmetric_and_all_but_the_triangle_stand_on_any_side() -> None:
    for cell in Cell:
        picture = tile(cell, 15)
        assert (picture == picture[:, ::-1]).all()
        if cell != Cell.PREDATOR:
            assert (picture == picture.transpose(1, 0, 2)).all()


def test_an_agent_is_dark_with_a_light_border() -> None:
    picture = render_rgb([[Cell.EMPTY]], [(0, 0)], cell_pixels=8)
    assert picture[4, 4].tolist() == rgb(PALETTE.agent)
    for corner in ((0, 0), (0, 7), (7, 0), (7, 7), (0, 4)):
        assert picture[corner].tolist() == rgb(PALETTE.border)


def test_cells_and_agents_are_where_they_are() -> None:
    grid = np.zeros((3, 5), np.uint8)
    grid[0, 4], grid[2, 1] = Cell.FOOD, Cell.POISON
    picture = render_rgb(grid, [(3, 1), (0, 2)], cell_pixels=6)  # (x, y)
    assert picture.shape == (18, 30, 3)
    assert picture.dtype == np.uint8
    middles = picture[3::6, 3::6].tolist()
    expected = [[rgb(PALETTE.empty)] * 5 for _ in range(3)]
    expected[0][4], expected[2][1] = rgb(PALETTE.food), rgb(PALETTE.poison)
    expected[1][3] = expected[2][0] = rgb(PALETTE.agent)
    assert middles == expected


def test_a_view_shows_its_owner_at_the_centre() -> None:
    view = torch.zeros(11, 11, dtype=torch.uint8)
    view[5, 6] = Cell.FOOD
    picture = view_rgb(view, cell_pixels=4)
    assert picture.shape == (44, 44, 3)
    assert picture[22, 22].tolist() == rgb(PALETTE.agent)
    assert picture[22, 26].tolist() == rgb(PALETTE.food)


def test_arrays_and_tensors_give_the_same_picture_and_are_left_alone() -> None:
    grid = torch.randint(0, 6, (7, 9), dtype=torch.uint8, generator=torch.Generator())
    before, agents = grid.clone(), torch.tensor([[2, 3]])
    picture = render_rgb(grid, agents)
    assert (picture == render_rgb(grid.numpy(), agents.tolist())).all()
    assert (grid == before).all()
    picture[:] = 0
    assert render_rgb(grid, agents).any()


def test_one_pixel_a_cell_is_a_map() -> None:
    picture = render_rgb([[Cell.EMPTY, Cell.WALL]], NOBODY, cell_pixels=1)
    assert picture.tolist() == [[rgb(PALETTE.empty), rgb(PALETTE.wall)]]


def test_colours_can_be_changed() -> None:
    picture = render_rgb([[Cell.FOOD]], NOBODY, palette=Palette(food="#010203"))
    assert picture[4, 4].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "grid", [[[6]], [[-1]], [0, 1], [[]], [[[0]]]], ids=["six", "negative", "flat", "none", "deep"]
)
def test_what_is_no_grid_is_refused(grid: list[object]) -> None:
    with pytest.raises(ValueError, match="a grid is"):
        render_rgb(grid, NOBODY)


def test_a_cell_needs_a_pixel() -> None:
    with pytest.raises(ValueError, match="at least 1, not 0"):
        render_rgb([[0]], NOBODY, cell_pixels=0)


def test_what_glows_alike_looks_alike() -> None:
    view = [[0, 2], [3, 4]]  # empty, food, poison, prey
    picture = glow_rgb(view, [0.0, 0.0, 1.0, 0.9, 0.3, 1.0], cell_pixels=3)
    assert picture.shape == (6, 6, 3)
    assert [picture[y, x, 0] for y, x in ((0, 0), (0, 3), (3, 0), (3, 3))] == [245, 50, 70, 186]
    assert (picture[:3, 3:] == 50).all()
    assert (glow_rgb([[0]], [1.7]) == glow_rgb([[0]], [1.0])).all()
