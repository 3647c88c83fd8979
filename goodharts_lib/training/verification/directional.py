"""Does a model move towards food, and choose food over poison?

Correct is an action that lowers the Chebyshev distance to the food. The model sees through its own
encoding. Actions are sampled, so a policy that still hesitates scores below 1.
"""

from __future__ import annotations

import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.evaluation import Policy

DISTANCES = (1, 2, 3, 4, 5)
CHOICE_DISTANCES = (1, 2)  # near enough that one step can tell which item it is for
REPEATS = 64  # actions drawn per view

Place = tuple[int, int]


def directional_accuracy(
    policy: Policy, view_range: int, generator: torch.Generator
) -> dict[str, list[float]]:
    """Show one food in 8 directions at distances 1 to 5, as far as they are in view.

    Returns:
        For each direction's arrow the share of correct actions at each distance.
    """
    near = DISTANCES[:view_range]
    places = [(a.dx * d, a.dy * d) for a in ACTIONS for d in near]
    actions = _act(policy, view_range, [{place: Cell.FOOD} for place in places], generator)
    correct = _nearer(places, actions).float().mean(1).view(len(ACTIONS), len(near))
    return {a.arrow: row for a, row in zip(ACTIONS, correct.tolist(), strict=True)}


def choice_accuracy(policy: Policy, view_range: int, generator: torch.Generator) -> float:
    """Show food in one direction and poison in another, equally far: the share of right choices.

    A step that comes nearer to one of the two and not to the other is a choice; other steps are
    not counted. All pairs of directions, at distances 1 and 2. 0 if nothing was ever chosen.
    """
    pairs = [
        ((here.dx * d, here.dy * d), (there.dx * d, there.dy * d))
        for d in CHOICE_DISTANCES[:view_range]
        for here in ACTIONS
        for there in ACTIONS
        if here != there
    ]
    shown = [{food: Cell.FOOD, poison: Cell.POISON} for food, poison in pairs]
    actions = _act(policy, view_range, shown, generator)
    to_food = _nearer([food for food, _ in pairs], actions)
    to_poison = _nearer([poison for _, poison in pairs], actions)
    chosen = int((to_food ^ to_poison).sum())
    return int((to_food & ~to_poison).sum()) / chosen if chosen else 0.0


def _act(
    policy: Policy, view_range: int, shown: list[dict[Place, Cell]], generator: torch.Generator
) -> Tensor:
    """Draw actions for drawn views: (len(shown), REPEATS) int64, on the CPU."""
    size = 2 * view_range + 1
    views = torch.zeros(len(shown), size, size, dtype=torch.uint8)
    for view, items in zip(views, shown, strict=True):
        for (dx, dy), cell in items.items():
            view[view_range + dy, view_range + dx] = cell
    repeated = views.repeat_interleave(REPEATS, dim=0).to(generator.device)
    return policy.act(repeated, generator).view(len(shown), REPEATS).cpu()


def _nearer(places: list[Place], actions: Tensor) -> Tensor:
    """Whether each action comes nearer to its place: (N, REPEATS) bool."""
    moves = torch.tensor([(a.dx, a.dy) for a in ACTIONS])  # (8, 2)
    offset = torch.tensor(places)[:, None, :]  # (N, 1, 2)
    after = (offset - moves[actions]).abs().amax(-1)  # (N, REPEATS)
    return after < offset.abs().amax(-1)
