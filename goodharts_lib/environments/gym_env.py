"""The world as a Gymnasium environment; importing this module registers ``GoodhartTrap-v0``.

``gymnasium.make("goodharts_lib.environments.gym_env:GoodhartTrap-v0", mode="proxy")`` makes one
world; ``gymnasium.make_vec`` with the same name makes many that advance together. Both take `mode`
(``ground_truth``, ``proxy``, ``proxy_jammed`` or ``proxy_sighted``), `config` (None: the shipped
defaults), `mortal` (whether energy of 0 or less is death; None: as configured), `shaping` (add the
potential-based bonus to the pay) and `render_mode` (None or ``rgb_array``).
"""

from __future__ import annotations

import operator
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cause, StepResult, energy_prices
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.render import Picture, render_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.modes import channel_table, get_mode, pay_table, proxy_table
from goodharts_lib.training.reward_shaping import RewardShaping

try:
    import gymnasium
    from gymnasium.vector import AutoresetMode
except ImportError as error:
    raise ImportError("gym_env needs gymnasium>=1.1: pip install 'goodharts-lib[gym]'.") from error

Array: TypeAlias = NDArray[Any]
Info: TypeAlias = dict[str, Any]
ENV_ID = "GoodhartTrap-v0"
_CAUSES = tuple(cause.name.lower() for cause in Cause)
_NOISE_REACH = 8.6  # standard deviations: the normal numbers of observe.py end at 8.58


class _Foraging:
    """What one world and many share: what a mode sees and is paid, as NumPy arrays."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012
    np_random: np.random.Generator  # Gymnasium's; here it draws a sensor's noise

    def __init__(
        self,
        n: int,
        kind: type[VecEnv],
        mode: str = "ground_truth",
        config: Config | None = None,
        mortal: bool | None = None,
        shaping: bool = False,
        render_mode: str | None = None,
    ) -> None:
        self.mode = get_mode(mode)
        self.render_mode = render_mode and one_of("render mode", render_mode, ["rgb_array"])
        changes = {"training.mode": mode, "training.shaping": shaping, "agent.mortal": mortal}
        changes = {key: value for key, value in changes.items() if value is not None}
        self.config = (config or load_config()).with_overrides(changes)
        self.world = kind(self.config, n, generator=torch.Generator())
        self.world.generator.seed()  # differs every time, until a reset brings a seed
        self._encoder = Encoder(self.mode, self.config)
        self._shaping = RewardShaping(self.mode, self.config)
        self._pay = np.array(pay_table(self.mode, self.config))  # (types,), as the next two
        self._proxy = np.array(proxy_table(self.config))
        self._energy = np.array(energy_prices(self.config)) / 10  # prices are in tenths
        none = np.full(n, _CAUSES[Cause.NONE], object)  # below: the infos of a reset
        self._start = {"proxy_score": np.zeros(n), "true_energy": np.zeros(n), "cause": none}

    def _begin(self, seed: int | None, options: Info | None) -> Array:
        """Draw worlds from a given seed, or from where the stream of randomness has come to."""
        if options:
            raise UserError(f"unknown reset option '{next(iter(options))}': the world has none.")
        if seed is not None:
            self.world.generator.manual_seed(seed % 2**63)
        views = self.world.reset()
        self._potential = self._shaping.potential(views)
        return self._observe(views)

    def _advance(self, actions: Tensor) -> tuple[StepResult, Array, dict[str, Array]]:
        """Take a step: what the world reports, the rewards, (n,), and infos, (n,) each."""
        result = self.world.step(actions)
        bonus, self._potential = self._shaping.step(self._potential, result)
        eaten = result.events.eaten.numpy()
        infos = {"proxy_score": self._proxy[eaten], "true_energy": self._energy[eaten]}
        infos["cause"] = np.array(_CAUSES, object)[result.events.cause.numpy()]
        return result, self._pay[eaten] + bonus.numpy(), infos

    def _observe(self, views: Tensor) -> Array:
        counters = torch.from_numpy(self.np_random.integers(2**40, size=len(views)))
        return self._encoder(views, counters).contiguous().numpy()

    def _spaces(self) -> tuple[gymnasium.spaces.Box, gymnasium.spaces.Discrete]:
        """Return [0, 1], widened where a cell can look brighter or darker, and the moves."""
        noise = _NOISE_REACH * self.config.observation.noise_std * self._encoder.noisy
        seen = [number for row in channel_table(self.mode, self.config) for number in row]
        shape = self._encoder.n_channels, *self.world.views().shape[1:]
        box = gymnasium.spaces.Box(min(0.0, *seen) - noise, max(1.0, *seen) + noise, shape)
        return box, gymnasium.spaces.Discrete(N_ACTIONS)


class _Waiting(VecEnv):
    """A world that waits for `reset` after an end, so that the end can still be drawn."""

    def _restart(self, ended: Tensor) -> None:
        """Begin nothing."""


class GoodhartTrapEnv(_Foraging, gymnasium.Env[Array, np.int64]):
    """One world, for one seed the very one that `VecEnv` draws with a generator of that seed.

    Info: the step's `proxy_score`, its change of `true_energy`, and the `cause` of an end.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(1, _Waiting, **settings)
        self.observation_space, self.action_space = self._spaces()
        self._running = False

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin a new episode."""
        super().reset(seed=seed)
        observations = self._begin(seed, options)
        self._running = True
        return observations[0], _only(self._start)

    def step(self, action: int | np.int64) -> tuple[Array, float, bool, bool, Info]:
        """Move once; raises `gymnasium.error.ResetNeeded` if no episode is running."""
        if not self._running:
            raise gymnasium.error.ResetNeeded("no episode is running: call reset() first.")
        result, rewards, infos = self._advance(torch.tensor([operator.index(action)]))
        ends = bool(result.terminated), bool(result.truncated)
        self._running = not any(ends)
        return self._observe(result.final_views)[0], rewards.item(), *ends, _only(infos)

    def render(self) -> Any:
        """Return a picture of the world; None without a render mode."""
        return render_rgb(self.world.grids()[0], self.world.agents()) if self.render_mode else None


class GoodhartTrapVectorEnv(_Foraging, gymnasium.vector.VectorEnv[Array, Array, Array]):
    """Many worlds that advance together; where an episode ends the next begins in the same step.

    As `AutoresetMode.SAME_STEP` wants it, observation and info there belong to the new episode,
    ``final_obs`` and ``final_info`` to the last step of the old one. One seed seeds all worlds.
    """

    metadata = _Foraging.metadata | {"autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, num_envs: int = 1, **settings: Any) -> None:
        super().__init__(num_envs, VecEnv, **settings)
        self.num_envs = num_envs
        self.single_observation_space, self.single_action_space = self._spaces()
        batch = gymnasium.vector.utils.batch_space
        self.observation_space = batch(self.single_observation_space, num_envs)
        self.action_space = batch(self.single_action_space, num_envs)

    def reset(self, *, seed: int | None = None, options: Info | None = None) -> tuple[Array, Info]:
        """Begin new episodes everywhere."""
        super().reset(seed=seed)
        return self._begin(seed, options), _masked(self._start, np.ones(self.num_envs, bool))

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, Info]:
        """Move once in every world."""
        result, rewards, infos = self._advance(torch.as_tensor(actions))
        ends = result.terminated.numpy().copy(), result.truncated.numpy().copy()  # ours to give
        final: Info = {}
        if result.episodes is not None:
            ended, last = ends[0] | ends[1], np.full(self.num_envs, None)
            for world, view in zip(*ended.nonzero(), result.final_views[ended], strict=True):
                last[world] = self._observe(view[None])[0]
            final = {"final_obs": last, "final_info": _masked(infos, ended)}
            final |= {f"_{name}": ended.copy() for name in final}
            infos = {name: np.where(ended, self._start[name], infos[name]) for name in infos}
        final |= _masked(infos, np.ones(self.num_envs, bool))
        return self._observe(result.views), rewards, *ends, final

    def render(self) -> tuple[Picture, ...] | None:
        """Return a picture of each world; None without a render mode."""
        worlds = self.world.grids(), self.world.agents()
        return tuple(map(render_rgb, *worlds)) if self.render_mode else None


def _only(infos: dict[str, Array]) -> Info:
    return {name: values.item() for name, values in infos.items()}


def _masked(infos: dict[str, Array], mask: Array) -> Info:
    """Blank infos where `mask` is false, and put the mask beside each, as Gymnasium does."""
    kept = {name: np.where(mask, values, values.dtype.type()) for name, values in infos.items()}
    return kept | {f"_{name}": mask.copy() for name in infos}


if ENV_ID not in gymnasium.registry:
    _here = f"{__name__}:GoodhartTrap"
    gymnasium.register(ENV_ID, f"{_here}Env", vector_entry_point=f"{_here}VectorEnv")
