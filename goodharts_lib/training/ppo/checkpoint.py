"""Models and checkpoints on disk: safetensors, self-describing, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor

import goodharts_lib
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError
from goodharts_lib.files import write_whole
from goodharts_lib.modes import get_mode
from goodharts_lib.networks.registry import get_network
from goodharts_lib.runtime import find_device
from goodharts_lib.training.ppo.models import ActorCritic
from goodharts_lib.training.ppo.trainer import PPOTrainer

FORMAT = 1

_FACTS = {  # what the description of each kind of file must hold
    "model": ("format", "kind", "mode", "network", "n_channels", "view_size", "config"),
    "checkpoint": ("format", "kind", "seed", "values", "config", "run"),
}


def model_path(directory: Path, mode: str) -> Path:
    """Return where the finished model of a mode lies."""
    return directory / f"ppo_{mode}.safetensors"


def checkpoint_path(directory: Path, mode: str) -> Path:
    """Return where an unfinished run of a mode lies."""
    return directory / f"ppo_{mode}.checkpoint.safetensors"


def save_model(path: Path, policy: LearnedPolicy, seed: int, total_steps: int) -> None:
    """Write a policy with everything needed to rebuild it.

    Raises:
        UserError: the file cannot be written.
    """
    network = policy.model.network
    facts = {
        "kind": "model",
        "name": policy.name,
        "mode": policy.mode.name,
        "network": policy.config.training.network,
        "n_channels": network.n_channels,
        "view_size": network.view_size,
        "seed": seed,
        "total_steps": total_steps,
        "config": policy.config.to_dict(),
    }
    _write(path, dict(policy.model.state_dict()), facts)


def load_policy(path: str | Path, *, device: str = "auto", greedy: bool = False) -> LearnedPolicy:
    """Load a trained policy, bound to the encoding it was trained with.

    Raises:
        UserError: the file is missing, damaged, not one of ours, or its weights do not fit.
    """
    path = Path(path)
    tensors, facts = _read(path, "model")
    config = Config.from_dict(facts["config"])
    mode, spec = get_mode(facts["mode"]), get_network(facts["network"])
    model = ActorCritic(spec.build(facts["n_channels"], facts["view_size"]))
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    found = {name: tuple(value.shape) for name, value in tensors.items()}
    if expected != found:
        names = sorted(set(expected.items()) ^ set(found.items()))
        raise UserError(
            f"{path} says it holds a {facts['network']}, but its weights differ at '{names[0][0]}'."
        )
    model.load_state_dict(tensors)
    model.to(find_device(device)).eval().requires_grad_(False)
    return LearnedPolicy(model, mode, config, greedy=greedy, name=facts.get("name"))


def save_checkpoint(path: Path, trainer: PPOTrainer, run: Mapping[str, Any]) -> None:
    """Write all that an unfinished run needs to end with the same weights.

    Args:
        path: where to.
        trainer: the run.
        run: plain facts for whoever continues it, such as where its logs are.

    Raises:
        UserError: the file cannot be written.
    """
    tensors, values = trainer.state()
    facts = {
        "kind": "checkpoint",
        "seed": trainer.seed,
        "values": values,
        "config": trainer.config.to_dict(),
        "run": dict(run),
    }
    _write(path, tensors, facts)


def load_checkpoint(
    path: Path, trainer_class: type[PPOTrainer] = PPOTrainer
) -> tuple[PPOTrainer, dict[str, Any]]:
    """Rebuild the trainer of an unfinished run, and return the facts stored beside it.

    Raises:
        UserError: the file is missing, damaged or not a checkpoint.
    """
    tensors, facts = _read(path, "checkpoint")
    trainer = trainer_class(Config.from_dict(facts["config"]), facts["seed"])
    try:
        trainer.load_state(tensors, facts["values"])
    except (KeyError, RuntimeError) as error:
        raise UserError(f"{path} is damaged: it does not fit its own configuration.") from error
    return trainer, facts["run"]


def _write(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    version = {"format": FORMAT, "library": goodharts_lib.__version__}
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    described = {"goodharts_lib": json.dumps({**version, **facts})}
    write_whole(path, safetensors.torch.save(plain, described))


def _read(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    if not path.is_file():
        raise UserError(f"there is no {kind} at {path}.")
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            described = (stored.metadata() or {}).get("goodharts_lib")
            tensors: dict[str, Tensor] = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError) as error:
        raise UserError(f"{path} is damaged or not a safetensors file.") from error
    if described is None:
        raise UserError(f"{path} holds foreign weights: it was not written by this library.")
    try:
        facts = json.loads(described)
    except ValueError as error:
        raise UserError(f"{path} is damaged: its description cannot be read.") from error
    if facts.get("format", FORMAT) != FORMAT:
        raise UserError(f"{path} has format {facts['format']}; this library reads {FORMAT}.")
    if facts.get("kind", kind) != kind:
        raise UserError(f"{path} is a {facts['kind']}, not a {kind}.")
    for name in _FACTS[kind]:
        if name not in facts:
            raise UserError(f"{path} is damaged: its description has no '{name}'.")
    return tensors, facts
