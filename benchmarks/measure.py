"""What is measured, and how: training, matrix products, the world alone, memory."""

from __future__ import annotations

import dataclasses
import time
from statistics import median

import torch
from torch import Tensor, nn

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.training.ppo.models import ActorCritic, Profiler
from goodharts_lib.training.ppo.rollout import Rollout
from goodharts_lib.training.ppo.trainer import PPOTrainer

MINIBATCH = 1024  # samples
PRODUCTS = ((1024, 1024, 1024), (2048, 2048, 2048), (4096, 4096, 4096), (1024, 7744, 512))


def make_config(
    network: str,
    worlds: int,
    steps: int,
    *,
    threads: int = 0,
    device: str = "cpu",
    minibatch: int = MINIBATCH,
) -> Config:
    """Return the shipped configuration at another size, with minibatches of about one size."""
    return load_config(
        overrides={
            "training.network": network,
            "training.n_envs": worlds,
            "training.steps_per_env": steps,
            "training.n_minibatches": max(1, worlds * steps // minibatch),
            "runtime.threads": threads,
            "runtime.device": device,
        }
    )


class Training:
    """A training run whose updates are timed one by one, with all that belongs to them."""

    def __init__(self, config: Config, *, synchronise: bool = False) -> None:
        self.trainer = PPOTrainer(config, seed=0)
        self.trainer.profiler = Profiler(synchronise)
        self.seconds: list[float] = []
        self.sections: list[dict[str, float]] = []
        self.update()
        self.seconds.clear()  # that was the warm-up
        self.sections.clear()

    def update(self) -> None:
        """Time one update."""
        runtime.apply(self.trainer.placement)  # another run may have changed the threads
        before = dict(self.trainer.profiler.seconds)
        start = time.perf_counter()
        self.trainer.train_one_update()  # ends by reading its losses: a GPU has finished too
        self.seconds.append(time.perf_counter() - start)
        after = self.trainer.profiler.seconds
        self.sections.append({name: after[name] - before.get(name, 0.0) for name in after})

    @property
    def rate(self) -> float:
        """Environment steps per second, learning included."""
        return self.trainer.steps_per_update / median(self.seconds)

    def section(self, name: str) -> float:
        """Seconds that a section of the profiler takes in an update."""
        return median(part[name] for part in self.sections)

    def share(self, name: str) -> float:
        """Share of an update's whole time that a section takes."""
        shares = zip(self.sections, self.seconds, strict=True)
        return median(part[name] / whole for part, whole in shares)


class MatrixProducts:
    """The best rate at which this machine multiplies matrices.

    Args:
        placement: device, precision and threads.
        shapes: (m, k, n) of each product.
        seconds: how long to repeat each.
    """

    def __init__(
        self,
        placement: runtime.Placement,
        shapes: tuple[tuple[int, int, int], ...] = PRODUCTS,
        seconds: float = 0.25,
    ) -> None:
        self.placement = placement
        self.seconds = seconds
        self.rates: dict[tuple[int, int, int], list[float]] = {shape: [] for shape in shapes}
        self._factors = {shape: self._draw(shape) for shape in shapes}
        self.measure()
        for rates in self.rates.values():
            rates.clear()  # that was the warm-up

    def measure(self) -> None:
        """Time every product once more."""
        runtime.apply(self.placement)
        for shape, factors in self._factors.items():
            self.rates[shape].append(self._rate(*factors))

    @property
    def best(self) -> tuple[float, tuple[int, int, int]]:
        """FLOP per second of the fastest product, and its shape."""
        return max((median(rates), shape) for shape, rates in self.rates.items())

    def _draw(self, shape: tuple[int, int, int]) -> tuple[Tensor, Tensor, Tensor]:
        m, k, n = shape
        draw = torch.Generator().manual_seed(0)
        sizes = ((m, k), (k, n), (m, n))
        a, b, c = (torch.randn(size, generator=draw).to(self.placement.dtype) for size in sizes)
        device = self.placement.device
        return a.to(device), b.to(device), c.to(device)

    def _rate(self, a: Tensor, b: Tensor, out: Tensor) -> float:
        count, start = 0, time.perf_counter()
        while count == 0 or time.perf_counter() - start < self.seconds:
            for _ in range(8 if a.is_cuda else 1):
                torch.mm(a, b, out=out)
                count += 1
            if a.is_cuda:
                torch.cuda.synchronize()
        flop = 2 * a.shape[0] * a.shape[1] * b.shape[1]
        return count * flop / (time.perf_counter() - start)


class World:
    """The world alone, under random actions, over whole episodes."""

    def __init__(self, config: Config) -> None:
        self.n_envs = config.training.n_envs
        self.length = config.training.steps_per_episode
        generator = torch.Generator(config.runtime.device).manual_seed(0)
        self.env = VecEnv(config, self.n_envs, generator=generator)
        shape = self.length, self.n_envs
        self.actions = torch.randint(N_ACTIONS, shape, generator=generator, device=generator.device)
        self.seconds: list[float] = []

    @torch.inference_mode()
    def measure(self) -> None:
        """Time one episode, the drawing of the next worlds included."""
        start = time.perf_counter()
        for actions in self.actions:
            self.env.step(actions)
        if self.env.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - start)

    @property
    def rate(self) -> float:
        """Environment steps per second."""
        return self.n_envs * self.length / median(self.seconds)


def forward_flop(model: ActorCritic) -> int:
    """Count the FLOP of one view's way through a network, from the shapes of its layers."""
    cells = model.network.view_size**2  # padding keeps every map as large as the view
    flop = 0
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            flop += 2 * cells * layer.weight.numel()
        elif isinstance(layer, nn.Linear):
            flop += 2 * layer.weight.numel()
    return flop


def forwards_per_step(k_epochs: int) -> tuple[int, int]:
    """Return what a step costs in forward passes: in the update, and in all.

    The rollout takes one; an epoch takes three, as a backward pass is worth two.
    """
    return 3 * k_epochs, 1 + 3 * k_epochs


def stored_bytes(rollout: Rollout) -> dict[str, float]:
    """Return the bytes that a step takes in each tensor of a rollout."""
    values = {field.name: getattr(rollout, field.name) for field in dataclasses.fields(rollout)}
    steps = rollout.actions.numel()
    return {name: v.nbytes / steps for name, v in values.items() if isinstance(v, Tensor)}
