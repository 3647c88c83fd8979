"""Stable-Baselines3's PPO (Raffin et al. 2021), doing the same work as `PPOTrainer`.

Its code is not ours: where two implementations agree, a result is no slip of either. It meets the
world through the Gymnasium adaptor. Imported where it is asked for: it needs the extra `bench`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Box
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from goodharts_lib.config import Config
from goodharts_lib.environments.gym_env import GoodhartTrapVectorEnv
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.modes import get_mode
from goodharts_lib.networks.registry import get_network
from goodharts_lib.training.ppo.rollout import sample_actions


def build(config: Config, seed: int = 0) -> PPO:
    """Return the peer of `PPOTrainer(config, seed)`: same world, net and hyperparameters."""
    train = config.training
    rate = train.learning_rate
    return PPO(
        "MlpPolicy",
        Worlds(config),
        learning_rate=get_network(train.network).learning_rate if rate == "auto" else float(rate),
        n_steps=train.steps_per_env,
        batch_size=train.n_envs * train.steps_per_env // train.n_minibatches,
        n_epochs=train.k_epochs,
        gamma=train.gamma,
        gae_lambda=train.gae_lambda,
        clip_range=train.eps_clip,
        clip_range_vf=train.eps_clip,
        ent_coef=train.entropy_coef,
        vf_coef=train.value_coef,
        max_grad_norm=train.max_grad_norm,
        policy_kwargs={
            "features_extractor_class": Features,
            "features_extractor_kwargs": {"network": train.network},
            "net_arch": [],  # policy and value are linear on the features, as ours are
            "optimizer_kwargs": {"eps": train.adam_eps},
        },
        device=config.runtime.device,
        seed=seed,
    )


class Peer:
    """A trained peer as a policy that acts on views, in the eyes of its mode."""

    def __init__(self, model: PPO, config: Config) -> None:
        self.name = config.training.mode
        self._policy = model.policy
        self._encoder = Encoder(get_mode(self.name), config)

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:
        """Choose one action per view: (n, V, V) uint8 to (n,) int64."""
        told: Any = self._policy.get_distribution(self._encoder(views).contiguous())
        return sample_actions(told.distribution.logits, generator)[0]


class Features(BaseFeaturesExtractor):
    """The convolutions and the hidden layer of one of our networks."""

    def __init__(self, observation_space: Box, network: str) -> None:
        channels, size, _ = observation_space.shape
        net = get_network(network).build(channels, size)
        super().__init__(observation_space, net.hidden)
        self.layers = nn.Sequential(net.conv, nn.Flatten(), net.fc, net.fc_relu)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the features: (N, C, V, V) to (N, hidden)."""
        return self.layers(observations)


class Worlds(VecEnv):
    """`GoodhartTrapVectorEnv` under the names that stable-baselines3 uses."""

    def __init__(self, config: Config) -> None:
        train = config.training
        self.worlds = GoodhartTrapVectorEnv(
            train.n_envs, mode=train.mode, config=config, shaping=train.shaping
        )
        spaces = self.worlds.single_observation_space, self.worlds.single_action_space
        super().__init__(train.n_envs, *spaces)

    def reset(self) -> Any:
        """Begin new episodes everywhere."""
        observations, _ = self.worlds.reset(seed=self._seeds[0])
        self._reset_seeds()
        return observations

    def step_async(self, actions: Any) -> None:
        """Remember the actions."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Move once in every world."""
        observations, rewards, terminated, truncated, infos = self.worlds.step(self._actions)
        done = terminated | truncated
        told: list[dict[str, Any]] = [{} for _ in done]
        for i in np.flatnonzero(done):
            told[i]["terminal_observation"] = infos["final_obs"][i]
            told[i]["TimeLimit.truncated"] = bool(truncated[i])
        return observations, rewards.astype(np.float32), done, told

    def close(self) -> None:
        """Close the worlds."""
        self.worlds.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute, once for each world."""
        return [getattr(self.worlds, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the worlds are one object."""
        raise NotImplementedError

    def env_method(self, method_name: str, *_: Any, indices: Any = None, **__: Any) -> list[Any]:
        """Refuse: the worlds are one object."""
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:  # noqa: ARG002
        """No world is wrapped."""
        return [False for _ in self._get_indices(indices)]
