"""The eight moves. This table is their only owner: every label and inverse map derives from it."""

from __future__ import annotations

from typing import NamedTuple


class Action(NamedTuple):
    """One move: x grows to the right, y grows downwards."""

    dx: int
    dy: int
    arrow: str
    name: str


ACTIONS = (  # in the order of the network's logits
    Action(-1, -1, "↖", "up-left"),
    Action(-1, 0, "←", "left"),
    Action(-1, 1, "↙", "down-left"),
    Action(0, -1, "↑", "up"),
    Action(0, 1, "↓", "down"),
    Action(1, -1, "↗", "up-right"),
    Action(1, 0, "→", "right"),
    Action(1, 1, "↘", "down-right"),
)

N_ACTIONS = len(ACTIONS)

_INDEX = {(action.dx, action.dy): index for index, action in enumerate(ACTIONS)}


def action_index(dx: int, dy: int) -> int:
    """Return the index of the move (dx, dy), each in {-1, 0, 1} and not both 0.

    Raises:
        ValueError: there is no such move; staying in place is not one.
    """
    if (dx, dy) not in _INDEX:
        raise ValueError(f"({dx}, {dy}) is not a move: dx and dy must be -1, 0 or 1, not both 0.")
    return _INDEX[dx, dy]
