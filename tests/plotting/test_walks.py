"""Walks over a world: where they began, what they ate, how far they came."""

from __future__ import annotations

import numpy as np
import pytest
from legible import assert_legible
from matplotlib.axes import Axes

from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.plotting.walks import CLOSE, Walk, unbroken, walks_picture

FIELD = np.zeros((100, 100), np.uint8)
FIELD[40, 40], FIELD[70, 20] = Cell.FOOD, Cell.POISON


def walk(name: str, path: list[tuple[int, int]], eaten: dict[int, Cell] | None = None) -> Walk:
    """A walk; `eaten` is by step, from 1."""
    meals = np.zeros(len(path) - 1, np.uint8)
    for step, cell in (eaten or {}).items():
        meals[step - 1] = cell
    return Walk(name, FIELD, np.array(path), meals)


def far(name: str = "after epoch 6") -> Walk:
    path = [(20 + step, 30) for step in range(30)]
    return walk(name, path, {5: Cell.FOOD, 9: Cell.POISON, 12: Cell.FOOD})


def to_and_fro(x: int, y: int) -> Walk:
    return walk("after epoch 12", [(x, y), *[(x - 1, y - 1), (x - 2, y - 2)] * 10])


def meals(axes: Axes) -> list[list[tuple[float, float]]]:
    """Where meals are marked, those of food first."""
    return [[tuple(place) for place in drawn.get_offsets().tolist()]
            for drawn in axes.collections[-2:]]  # fmt: skip


def test_discoveries_are_the_steps_that_led_to_a_new_cell() -> None:
    path = [(1, 1), (2, 1), (1, 1), (2, 1), (3, 1), (3, 1), (1, 1)]
    assert walk("a", path).discoveries().tolist() == [0, 1, 4]
    assert to_and_fro(50, 50).discoveries().tolist() == [0, 1, 2]
    assert far().discoveries().tolist() == list(range(30))


def test_food_has_a_ring_and_poison_a_diamond() -> None:
    figure, alt = walks_picture([far()])
    (axes,) = figure.axes
    food, poison = meals(axes)
    assert food == [(25, 30), (32, 30)]
    assert poison == [(29, 30)]
    ring, diamond = axes.collections[-2:]
    assert len(ring.get_paths()[0].vertices) > len(diamond.get_paths()[0].vertices)
    assert len(ring.get_facecolors()) == 0
    assert len(diamond.get_facecolors()) == 1
    assert "after epoch 6 eats 2 food and 1 poison and comes to 30 cells" in alt
    assert alt.endswith("the last new one after 29 steps.")


def test_the_start_is_a_square_and_the_way_a_line_in_no_agent_s_colour() -> None:
    (axes,) = walks_picture([far("proxy")])[0].axes
    (way,) = axes.lines
    assert way.get_color() not in AGENT_COLORS.values()
    assert way.get_xydata().tolist() == [[20 + step, 30] for step in range(30)]
    assert axes.collections[0].get_offsets().tolist() == [[20, 30]]


def test_a_way_over_the_edge_is_broken_there() -> None:
    over = np.array([[98, 2], [99, 2], [0, 2], [1, 2]])
    broken = unbroken(over)
    assert np.isnan(broken).all(1).tolist() == [False, False, True, False, False]
    assert np.array_equal(broken[~np.isnan(broken).any(1)], over)
    assert np.array_equal(unbroken(over[:2]), over[:2])


@pytest.mark.parametrize(("x", "y"), [(30, 20), (2, 2), (99, 99), (50, 97)])
def test_a_walk_that_stays_is_magnified_away_from_itself(x: int, y: int) -> None:
    figure, alt = walks_picture([far(), to_and_fro(x, y)])
    assert alt.count("magnified") == 1
    assert alt.endswith("comes to 3 cells, the last new one after 2 steps, magnified in a corner.")
    assert [len(axes.child_axes) for axes in figure.axes] == [0, 1]
    (close,) = figure.axes[1].child_axes
    (left, right), (below, above) = close.get_xlim(), close.get_ylim()
    assert (right - left, below - above) == (CLOSE, CLOSE)
    assert -0.5 <= left <= x - 2
    assert x <= right <= 99.5
    assert -0.5 <= above <= y - 2
    assert y <= below <= 99.5
    figure.canvas.draw()
    inset = close.get_window_extent()
    for place in ((x, y), (x - 2, y - 2)):
        assert not inset.contains(*figure.axes[1].transData.transform(place))


def test_nothing_is_cut_off() -> None:
    assert_legible(walks_picture([far(), to_and_fro(30, 20)]))
