"""Cell types, prices and drawn maps."""

from __future__ import annotations

import pytest
import torch
from slow_reference import small_config

from goodharts_lib.environments.cells import (
    EDIBLE,
    Cause,
    Cell,
    Events,
    energy_prices,
    interestingness,
    read_map,
)
from goodharts_lib.errors import UserError


def test_cell_types_stand_in_channel_order() -> None:
    assert [cell.name for cell in Cell] == ["EMPTY", "WALL", "FOOD", "POISON", "PREY", "PREDATOR"]
    assert [cell.value for cell in Cell] == [0, 1, 2, 3, 4, 5]
    assert set(EDIBLE) == {Cell.FOOD, Cell.POISON}


def test_causes_are_four_and_distinct() -> None:
    assert {cause.name for cause in Cause} == {"NONE", "STARVED", "POISONED", "TIME_LIMIT"}
    assert Cause.NONE == 0


def test_shipped_prices_are_those_of_the_design() -> None:
    # tenths: move -0.1, food +10.0, poison -30.0
    assert energy_prices(small_config()) == [-1, -1, 99, -301, -1, -1]
    assert interestingness(small_config()) == [0.0, 0.0, 1.0, 0.9, 0.3, 1.0]


def test_prices_follow_the_configuration() -> None:
    config = small_config(
        {
            "agent.energy_move_cost": 0.3,
            "items.food_energy": -1.2,
            "items.poison_energy": 2.5,
            "items.food_interestingness": 0.1,
            "items.poison_interestingness": 0.2,
            "items.prey_interestingness": 0.4,
            "items.predator_interestingness": 0.5,
        }
    )
    assert energy_prices(config) == [-3, -3, -15, 22, -3, -3]
    assert interestingness(config) == [0.0, 0.0, 0.1, 0.2, 0.4, 0.5]


@pytest.mark.parametrize("price", [0.3, 1.1, 2.3, 1234.7, 8.2])
def test_prices_are_exact_where_floats_are_not(price: float) -> None:
    config = small_config({"items.food_energy": price, "agent.energy_move_cost": 0.0})
    assert energy_prices(config)[Cell.FOOD] == int(str(price).replace(".", ""))


def test_events_tell_food_from_poison() -> None:
    events = Events(torch.tensor([0, 2, 3, 2], dtype=torch.uint8), torch.zeros(4))
    assert events.food.tolist() == [False, True, False, True]
    assert events.poison.tolist() == [False, False, True, False]


def test_a_drawn_map_reads_as_drawn() -> None:
    grid, agents = read_map("""
        .#o
        x@@
    """)
    assert grid.tolist() == [[0, 1, 2], [3, 0, 0]]
    assert grid.dtype == torch.uint8
    assert agents.tolist() == [[1, 1], [2, 1]]  # (x, y) in reading order


@pytest.mark.parametrize(
    ("drawing", "complaint"),
    [
        ("@.\n...", "same length"),
        ("", "same length"),
        ("@?", "'\\?' is not a map symbol"),
        ("@ .", "' ' is not a map symbol"),
        (".o\nx#", "at least one agent"),
    ],
)
def test_a_map_that_cannot_be_read_is_refused(drawing: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        read_map(drawing)
