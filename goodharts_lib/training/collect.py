"""Expert demonstrations: what an agent saw, and what the expert did or would have done there."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from goodharts_lib.config import Config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy, check_view


class Walk(NamedTuple):
    """T steps of n agents, each in its own world."""

    views: Tensor  # (T, n, V, V) uint8, before each step
    actions: Tensor  # (T, n) int64, the ones that were executed
    eaten: Tensor  # (T, n) uint8 cell types


@dataclass(frozen=True)
class Demonstrations:
    """States and the actions to imitate there.

    Attributes:
        views: (N, V, V) uint8 cell types.
        actions: (N,) int64.
    """

    views: Tensor
    actions: Tensor

    def __len__(self) -> int:
        """Return the number of samples, N."""
        return len(self.actions)


@torch.no_grad()
def walk(
    policy: Policy, config: Config, n_worlds: int, generators: Mapping[str, torch.Generator]
) -> Walk:
    """Let a policy live one episode in each of n fresh worlds, and keep every step.

    Whole episodes, because an agent empties the neighbourhood it lives in: the first steps of a
    life see more food than the last.

    Args:
        policy: who acts.
        config: `[training]` says how long an episode is, and how many items there are.
        n_worlds: number n of worlds.
        generators: ``world`` and ``action``, see `runtime.make_generators`. The next walk with the
            same generators leads through other worlds.

    Raises:
        UserError: a learned policy sees another window than these worlds show.
    """
    check_view(policy, config)
    env = VecEnv(config, n_worlds, generator=generators["world"])
    steps = []
    views = env.views()
    for _ in range(config.training.steps_per_episode):
        actions = policy.act(views, generators["action"])
        result = env.step(actions)
        steps.append((views, actions, result.events.eaten))
        views = result.views
    return Walk(*(torch.stack(column) for column in zip(*steps, strict=True)))


@torch.no_grad()
def collect(
    expert: Policy,
    config: Config,
    n_samples: int,
    generators: Mapping[str, torch.Generator],
    driver: Policy | None = None,
) -> Demonstrations:
    """Collect demonstrations: as many whole episodes as are needed, the last one cut.

    Args:
        expert: who is imitated.
        config: the worlds, as for `walk`.
        n_samples: number N of samples, at least 1.
        generators: as for `walk`.
        driver: who walks. None: the expert itself, and the actions are those it executed.
            Otherwise the expert names what it would have done in the states that the driver came
            to, as in DAgger (Ross, Gordon & Bagnell 2011, arXiv:1011.0686).
    """
    n_worlds = math.ceil(n_samples / config.training.steps_per_episode)
    walked = walk(driver or expert, config, n_worlds, generators)
    views = walked.views.transpose(0, 1).flatten(0, 1)[:n_samples]  # world by world
    if driver is None:
        return Demonstrations(views, walked.actions.T.flatten()[:n_samples])
    return Demonstrations(views, expert.act(views, generators["action"]))
