"""The random walk in a run's own worlds: the line that every dashboard draws."""

from __future__ import annotations

import torch

from goodharts_lib import runtime
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.training.ppo.records import meal_scores

WORLDS = 128  # its true energy is then known to about 10 per 1,000 steps


@torch.inference_mode()
def random_walk(config: Config, seed: int = 0) -> dict[str, float]:
    """Return the random walk's proxy_score and true_energy per 1,000 steps.

    It walks through worlds such as the run's own, one episode long: with the run's item counts,
    which differ from those of `[evaluation]`.
    """
    generators = runtime.make_generators(seed, torch.device("cpu"))
    env = VecEnv(config, WORLDS, generator=generators["world"])
    agent, views, eaten = ScriptedAgent("random", config), env.views(), []
    for _ in range(config.training.steps_per_episode):
        result = env.step(agent.act(views, generators["action"]))
        views = result.views
        eaten.append(result.events.eaten)
    return meal_scores(torch.stack(eaten), config)
