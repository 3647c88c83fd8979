"""The swap effect: put poison where food was, and see whether the policy minds.

A saliency map suggests what an agent looks at. This tests it: an agent that does not tell food from
poison acts alike in both views. One that takes poison for empty ground minds as well, because its
food has gone; to see whether it heeds poison, compare poison with the empty cell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import evaluation_config

N_VIEWS = 500
MAX_DRAWS = 30  # worlds drawn per view found; beyond that, such views are too rare to wait for


class Probabilistic(Protocol):
    """A policy that tells how likely each action is, as a learned one does."""

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return (n, 8) for views, (n, V, V) uint8."""
        ...


@dataclass(frozen=True)
class SwapEffect:
    """What the swap did in each view.

    Attributes:
        tv: (n,) total variation between the two distributions over actions, from 0 to 1.
        closer: (n,) change of the probability of coming closer to the cell, poison minus food (the
            second kind minus the first), from -1 to 1. Negative: the policy avoids poison where it
            would have sought food.
        distances: (n,) int64, Chebyshev distance of the cell.
    """

    tv: Tensor
    closer: Tensor
    distances: Tensor

    def means(self) -> dict[str, float]:
        """Return the mean of `tv` and of `closer` over all views."""
        return {"tv": float(self.tv.mean()), "closer": float(self.closer.mean())}

    def by_distance(self) -> dict[int, dict[str, float]]:
        """Return the means at each distance that occurs."""
        found = {}
        for distance in self.distances.unique().tolist():
            here = self.distances == distance
            found[distance] = SwapEffect(
                self.tv[here], self.closer[here], self.distances[here]
            ).means()
        return found


def swap_effect(
    policy: Probabilistic,
    views: Tensor,
    cells: Tensor,
    generator: torch.Generator,
    kinds: tuple[Cell, Cell] = (Cell.FOOD, Cell.POISON),
) -> SwapEffect:
    """Compare what a policy does in each view with one cell as food, and as poison.

    Args:
        policy: anything with ``probabilities(views, generator)``.
        views: (n, V, V) uint8.
        cells: (n,) int64 index of the swapped cell in the flattened view, not the centre.
        generator: for a noisy sensor: both views are read with the same noise.
        kinds: what the cell holds first and then, if not food and poison.
    """
    size = views.shape[-1]
    state = generator.get_state()
    shown = []
    for cell in kinds:
        generator.set_state(state)
        seen = views.flatten(1).scatter(1, cells[:, None], int(cell)).view_as(views)
        shown.append(policy.probabilities(seen, generator))
    change = shown[1] - shown[0]  # (n, 8)
    offset = torch.stack([cells % size, cells // size], dim=1) - size // 2  # (n, 2) x, y
    moves = torch.tensor([(a.dx, a.dy) for a in ACTIONS], device=views.device)  # (8, 2)
    distances = offset.abs().amax(-1)  # (n,)
    after = (offset[:, None] - moves).abs().amax(-1)  # (n, 8)
    nearer = after < distances[:, None]
    return SwapEffect(change.abs().sum(1) / 2, (change * nearer).sum(1), distances)


def nearest_food(views: Tensor, config: Config) -> Tensor:
    """Return the cell of the nearest food in each view, (n,): the one `food_only` would go for.

    Nearest by Chebyshev distance, then by Euclidean distance, then in reading order.
    """
    agent = ScriptedAgent("food_only", config, views.device)
    return agent.nearest(views.flatten(1) == Cell.FOOD)[0]


def sample_views(
    config: Config,
    n: int,
    generator: torch.Generator,
    wanted: tuple[Cell, ...] = (Cell.FOOD,),
) -> Tensor:
    """Return views of fresh `[evaluation]` worlds that hold every wanted type, (n, V, V) uint8.

    Each world is drawn for one view, which shows what surrounds a uniformly drawn empty cell. So
    views are independent, and no agent's habits choose what all agents are shown.

    Raises:
        UserError: such views are too rare in these worlds.
    """
    fixed = evaluation_config(config)
    env = VecEnv(fixed, fixed.evaluation.n_envs, generator=generator)
    found: list[Tensor] = []
    for _ in range(math.ceil(MAX_DRAWS * n / env.n_envs)):
        views = env.reset()
        holds = torch.stack([(views == cell).flatten(1).any(1) for cell in wanted])  # (types, n)
        found.append(views[holds.all(0)])
        if sum(map(len, found)) >= n:
            return torch.cat(found)[:n]
    names = " and ".join(cell.name.lower() for cell in wanted)
    raise UserError(f"hardly any view in these worlds holds {names}: raise [evaluation]'s counts.")


def swap_table(policies: Sequence[LearnedPolicy], config: Config, seed: int) -> str:
    """Measure the swap effect of several policies on the same views, and lay it out as text.

    Raises:
        UserError: hardly any view holds food.
    """
    lines = [
        f"Swap effect: the nearest food becomes poison, in {N_VIEWS} views.",
        f"{'agent':<16} {'tv':>6} {'closer':>7}   closer, by the item's distance",
    ]
    for policy in policies:
        draw = runtime.make_generators(seed, policy.device)
        views = sample_views(config, N_VIEWS, draw["world"])
        effect = swap_effect(policy, views, nearest_food(views, config), draw["action"])
        means = effect.means()
        near = "  ".join(f"{d}: {m['closer']:+.2f}" for d, m in effect.by_distance().items())
        lines.append(f"{policy.name:<16} {means['tv']:>6.3f} {means['closer']:>+7.3f}   {near}")
    return "\n".join(lines)
