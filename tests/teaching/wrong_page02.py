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


def _greedy(view: Any) -> int:
    """Go for whatever is nearest."""
    cells = zip(*(view > 1).nonzero(), strict=True)
    items = [(max(abs(r - 5), abs(c - 5)), r, c) for r, c in cells]
    _, row, column = min(items, default=(0, 10, 10))
    moves = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]
    return min(
        range(8), key=lambda k: max(abs(column - 5 - moves[k][0]), abs(row - 5 - moves[k][1]))
    )


NUMBERS = {"2.1"}  # exercises whose answer is no function

WRONG: dict[str, dict[str, Any]] = {
    "2.1": {
        "the ratio of the prices": 10 / 30,
        "the share of food": 0.75,
        "a guess": 0.5,
        "not a number": "a quarter",
    },
    "2.2": {
        "food and poison swapped": _swapped,
        "food and poison not told apart": _blind,
        "channels returned as they are": lambda channels: channels,
        "a typo": lambda channels: channels.tpyes,
    },
    "2.3": {
        "eats whatever is nearest": _greedy,
        "always to the right": lambda view: 6,  # noqa: ARG005
        "a direction, not a move": lambda view: (1, 0),  # noqa: ARG005
        "nothing": lambda view: None,  # noqa: ARG005
    },
}
