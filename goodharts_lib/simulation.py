"""Several kinds of agents in one shared world, and what goes on inside them: the demo, undrawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from goodharts_lib import runtime
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import Config
from goodharts_lib.environments.cells import Cause, Cell
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import Policy, check_view, evaluation_config


@dataclass(frozen=True)
class Thought:
    """What went through a network when it chose an action.

    Attributes:
        observation: (C, V, V), what it was given.
        layers: what left each ReLU: (W, V, V) of each convolution, then the features, (hidden,).
        logits: (8,).
        value: the discounted pay that it expects.
    """

    observation: NDArray[np.float32]
    layers: tuple[NDArray[np.float32], ...]
    logits: NDArray[np.float32]
    value: float

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Return the probability of each action, (8,)."""
        return torch.from_numpy(self.logits).softmax(0).numpy()


@dataclass(frozen=True)
class Moment:
    """One agent now: where it is, what is around it, and what it is about to do.

    Attributes:
        kind: its name.
        place: (x, y).
        energy: its own.
        view: (V, V) cell types.
        action: the one that it has chosen.
        thought: None for a scripted agent.
    """

    kind: str
    place: tuple[int, int]
    energy: float
    view: NDArray[np.uint8]
    action: int
    thought: Thought | None

    def require_thought(self) -> Thought:
        """Return the thought.

        Raises:
            ValueError: the agent is scripted.
        """
        if self.thought is None:
            raise ValueError(f"'{self.kind}' has no network to look into.")
        return self.thought


class Simulation:
    """Several kinds of agents in one shared, mortal world, and a record of what they do.

    Who dies starts again in the same world with fresh energy. The time limit lies beyond the last
    step, so that nothing but death resets an energy. In training nobody met other agents: what a
    trained agent does about them is its own guess.

    Args:
        config: `[evaluation]` gives food, poison and the number of steps.
        policies: one per kind, which bears its name. Each acts with its own eyes.
        per_kind: agents of each kind.
        seed: of the world and of all choices.

    Attributes:
        kinds: K names.
        now: steps taken so far.
        energy: (steps + 1, K) mean energy of each kind; NaN where it is yet to come.
        visits: (K, height, width) how often its agents stood on each cell after a step.
        deaths: (K, causes) by `Cause`.
        meals: (K, cell types) by `Cell`.

    Raises:
        UserError: no kind, two of one name, too few or too many agents, or a trained agent that
            sees another window than this world shows.
    """

    def __init__(
        self, config: Config, policies: Sequence[Policy], per_kind: int, seed: int
    ) -> None:
        self.kinds = tuple(policy.name for policy in policies)
        if per_kind < 1 or not policies:
            raise UserError(f"there must be at least 1 agent of each kind, not {per_kind}.")
        if len(set(self.kinds)) < len(policies):
            raise UserError(f"two kinds have one name: {', '.join(self.kinds)}.")
        for policy in policies:
            check_view(policy, config)
        self.steps, self.seed, self.per_kind, self.now = config.evaluation.steps, seed, per_kind, 0
        limit = {"training.steps_per_episode": self.steps + 1}
        self.config = evaluation_config(config).with_overrides(limit)
        self.policies = dict(zip(self.kinds, policies, strict=True))
        device = getattr(policies[0], "device", torch.device("cpu"))
        generators = runtime.make_generators(seed, device)
        self._choices = generators["action"]
        n, k, world = per_kind * len(policies), len(policies), config.world
        self.env = VecEnv(self.config, n, generator=generators["world"], shared_grid=True)
        self._kind = np.repeat(np.arange(k), per_kind)  # (n,)
        self.energy = np.full((self.steps + 1, k), np.nan)
        self.visits = np.zeros((k, world.height, world.width), np.int64)
        self.deaths = np.zeros((k, len(Cause)), np.int64)
        self.meals = np.zeros((k, len(Cell)), np.int64)
        self._look_around(self.env.views())

    def step(self) -> None:
        """Let every agent take the action it has chosen, and choose the next.

        Raises:
            ValueError: the last step has been taken.
        """
        if self.now == self.steps:
            raise ValueError(f"the simulation has ended after {self.steps} steps.")
        result = self.env.step(self._actions)
        self.now += 1
        x, y = self.env.agents().cpu().numpy().T
        np.add.at(self.visits, (self._kind, y, x), 1)
        dead = result.terminated.cpu().numpy()
        np.add.at(self.deaths, (self._kind[dead], result.events.cause.cpu().numpy()[dead]), 1)
        np.add.at(self.meals, (self._kind, result.events.eaten.cpu().numpy()), 1)
        self._look_around(result.views)

    def look(self, kind: str) -> Moment:
        """Return the first agent of a kind. Looking changes nothing."""
        first = self.kinds.index(kind) * self.per_kind
        policy, mine = self.policies[kind], slice(first, first + self.per_kind)
        thought = None
        if isinstance(policy, LearnedPolicy):
            again = torch.Generator(policy.device)
            again.set_state(self._before[kind])  # a noisy sensor reads the same noise again
            thought = think(policy, self._views[mine], again)
        x, y = self.env.agents()[first].tolist()
        energy, action = int(self.env.energy[first]) / 10, int(self._actions[first])
        return Moment(kind, (x, y), energy, self._views[first].cpu().numpy(), action, thought)

    def _look_around(self, views: Tensor) -> None:
        """Note the energies, and let every kind choose, each in one batch."""
        means = self.env.energy.view(len(self.kinds), self.per_kind).double().mean(1) / 10
        self.energy[self.now] = means.cpu().numpy()
        self._views, self._before = views, {}
        chosen = []
        for (kind, policy), mine in zip(
            self.policies.items(), views.split(self.per_kind), strict=True
        ):
            self._before[kind] = self._choices.get_state()
            chosen.append(policy.act(mine, self._choices))
        self._actions = torch.cat(chosen)  # (n,)


def think(policy: LearnedPolicy, views: Tensor, generator: torch.Generator) -> Thought:
    """Run a policy on views, (n, V, V), and return what goes through its network for the first.

    The observation is caught where it enters the network, so it is the one that the policy reads.
    No hook stays behind.
    """
    inputs: list[Tensor] = []
    outputs: list[Tensor] = []
    model = policy.model
    hooks = [
        module.register_forward_hook(lambda *call: outputs.append(call[2]))
        for module in model.modules()
        if isinstance(module, nn.ReLU)
    ]
    hooks.append(model.register_forward_pre_hook(lambda _, given: inputs.append(given[0])))
    try:
        logits, values = policy.evaluate(views, generator)
    finally:
        for hook in hooks:
            hook.remove()
    observation, first, *layers = (
        t[0].float().cpu().numpy() for t in (inputs[0], logits, *outputs)
    )
    return Thought(observation, tuple(layers), first, float(values[0]))
