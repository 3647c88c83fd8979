"""Plausible wrong answers to the exercises of page 2."""

from __future__ import annotations

from typing import Any

import torch


def _swapped(channels: torch.Tensor) -> torch.Tensor:
    types = torch.zeros(11, 11, dtype=torch.uint8)
    types[channels[1] == 1] = 1
    types[channels[2] > 0.95] = 3
    types[(channels[2] > 0) & (channels[2] < 0.95)] = 2
    return types


def _blind(channels: torch.Tensor) -> torch.Tensor:
    types = torch.zeros(11, 11, dtype=torch.uint8)
    types[channels[1] == 1] = 1
    types[channels[2] > 0.5] = 2
    return types


def _prey(channels: torch.Tensor) -> torch.Tensor:
    """Counts the cell types from 2."""
    return 2 + (channels[2] > 0.95) + 2 * ((channels[2] > 0) & (channels[2] < 0.95))


def _toward(row: int, column: int) -> int:
    """The move that comes nearest to a cell of the view."""
    moves = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    return min(
        range(8), key=lambda k: max(abs(column - 5 - moves[k][0]), abs(row - 5 - moves[k][1]))
    )


def seek(view: Any, handicap: float) -> int:
    """Go for what is nearest, as if poison were so many steps further off than it is."""
    items = [
        (max(abs(r - 5), abs(c - 5)) + handicap * (view[r, c] == 3), r, c)
        for r, c in zip(*(view > 1).nonzero(), strict=True)
    ]
    _, row, column = min(items, default=(0, 10, 10))
    return _toward(row, column)


NUMBERS = {"2.1"}  # exercises whose answer is no function

WRONG: dict[str, dict[str, Any]] = {
    "2.1": {
        "the ratio of the prices": 12 / 20,
        "the share of food": 20 / 32,
        "the line of the page": 0.25,
        "per cent": 37.5,
        "a guess": 0.5,
        "not a number": "a quarter",
    },
    "2.2": {
        "food and poison swapped": _swapped,
        "food and poison not told apart": _blind,
        "channels returned as they are": lambda channels: channels,
        "types that do not occur": _prey,
        "a typo": lambda channels: channels.tpyes,
    },
    "2.3": {
        "eats whatever is nearest": lambda view: seek(view, 0),
        "of two as near it takes the food": lambda view: seek(view, 0.5),
        "poison only if it is much nearer": lambda view: seek(view, 1.5),
        "always to the right": lambda view: 6,  # noqa: ARG005
        "a direction, not a move": lambda view: (1, 0),  # noqa: ARG005
        "nothing": lambda view: None,  # noqa: ARG005
    },
}
