"""Page 5's walks: what was eaten is told apart, and no line crosses the field at its edge."""

from __future__ import annotations

import numpy as np
from legible import assert_legible
from numpy.typing import NDArray

from goodharts_lib.environments.cells import Cell
from goodharts_lib.plotting import trails
from goodharts_lib.plotting.walks import Walk


def walk() -> Walk:
    """Five steps to the right on a field of nine by nine, over its edge; food, then poison."""
    path = np.array([[6, 2], [7, 2], [8, 2], [0, 2], [1, 2], [2, 2]])
    eaten = np.array([Cell.EMPTY, Cell.FOOD, Cell.EMPTY, Cell.POISON, Cell.EMPTY], dtype=np.uint8)
    return Walk("proxy", np.zeros((9, 9), np.uint8), path, eaten)


def drawn(marker: str) -> list[NDArray[np.float64]]:
    """Places of a marker in the picture of one walk, in the order in which they were drawn."""
    figure, _ = trails.trails_picture([walk()])
    found = [line.get_xydata() for line in figure.axes[0].lines if line.get_marker() == marker]
    return [np.asarray(places) for places in found]


def test_food_and_poison_are_marked_where_they_were_eaten_and_the_start_too() -> None:
    assert [places.tolist() for places in drawn("o")] == [[[8, 2]]]
    assert [places.tolist() for places in drawn("D")] == [[[1, 2]]]
    assert [places.tolist() for places in drawn("s")] == [[[6, 2]]]


def test_a_path_over_the_edge_is_broken_there() -> None:
    broken = trails.unbroken(walk().path)
    assert np.isnan(broken).all(1).tolist() == [False, False, False, True, False, False, False]
    whole = walk().path[:3]
    assert np.array_equal(trails.unbroken(whole), whole)


def test_the_picture_is_legible_and_says_what_was_eaten() -> None:
    picture = trails.trails_picture([walk(), walk()])
    assert_legible(picture)
    assert "proxy eats 1 food and 1 poison" in picture[1]
    assert "walked for 5 steps" in picture[1]
