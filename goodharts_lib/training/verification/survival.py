"""Does a model survive? Thresholds over the same worlds as `evaluation`."""

from __future__ import annotations

from collections.abc import Callable

import torch

from goodharts_lib import runtime
from goodharts_lib.config import Config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy, evaluation_config


@torch.inference_mode()
def alive_share(
    policy: Policy, config: Config, seed: int, on_step: Callable[[], None] | None = None
) -> float:
    """Return the share of `[evaluation]`'s mortal worlds whose first life lasts to the end.

    Args:
        policy: anything with ``act(views, generator)``.
        config: worlds, steps and item counts.
        seed: of the worlds and the policy's choices.
        on_step: called after every step.
    """
    world = evaluation_config(config)
    device = getattr(policy, "device", torch.device("cpu"))
    generators = runtime.make_generators(seed, device)
    env = VecEnv(world, world.evaluation.n_envs, generator=generators["world"])
    alive = torch.ones(env.n_envs, dtype=torch.bool, device=device)
    views = env.views()
    for _ in range(world.evaluation.steps):
        result = env.step(policy.act(views, generators["action"]))
        views = result.views
        alive &= ~result.terminated
        if on_step is not None:
            on_step()
    return float(alive.float().mean())
