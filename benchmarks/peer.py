"""Stable-Baselines3's PPO with the same net in the same world, in a process of its own.

It has its own process so that it runs as a user gets it: nothing that this library sets for a
whole process (threads, memory) reaches it.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import time
from multiprocessing.connection import Connection
from typing import Any

from goodharts_lib.config import Config


class Peer:
    """Trains when asked, and tells how long it took.

    Args:
        config: the run; `[runtime]` is left to the peer, apart from the device.
    """

    def __init__(self, config: Config) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_serve, args=(there, config), daemon=True)
        self._process.start()
        there.close()
        self.facts: dict[str, Any] = self._answer()

    def update(self) -> float:
        """Collect one rollout, learn from it, and return the seconds this took."""
        self._here.send(True)
        return self._answer()

    def close(self) -> None:
        """End the process."""
        self._here.close()
        self._process.join()

    def _answer(self) -> Any:
        try:
            return self._here.recv()
        except EOFError as error:
            raise RuntimeError("the process of stable-baselines3 ended: see above.") from error


def available() -> bool:
    """Whether stable-baselines3 is installed."""
    return importlib.util.find_spec("stable_baselines3") is not None


def _serve(connection: Connection, config: Config) -> None:
    import torch

    from goodharts_lib.experiments import sb3

    model = sb3.build(config)
    size = sum(p.numel() for p in model.policy.parameters())
    connection.send({"threads": torch.get_num_threads(), "parameters": size})
    steps = config.training.n_envs * config.training.steps_per_env
    try:
        while connection.recv():
            start = time.perf_counter()
            model.learn(steps, reset_num_timesteps=False)
            connection.send(time.perf_counter() - start)
    except EOFError:  # the other end is closed: no more is wanted
        pass
