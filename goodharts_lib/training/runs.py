"""Which runs the arguments of `train_ppo` ask for, all checked before any of them starts."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodharts_lib.cli import command_config
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.files import probe_directory
from goodharts_lib.modes import MODES
from goodharts_lib.networks.registry import get_network
from goodharts_lib.runtime import place
from goodharts_lib.training.ppo import checkpoint


@dataclass(frozen=True)
class Run:
    """One run to do: a fresh one, or the continuation of a checkpoint."""

    mode: str
    checkpoint: Path  # where its checkpoint lies while it is unfinished
    log_dir: Path
    config: Config
    seed: int = 0
    resume: bool = False

    @property
    def models_dir(self) -> Path:
        """Where its model goes."""
        return self.checkpoint.parent


def fresh_runs(args: argparse.Namespace) -> tuple[list[Run], Config, str]:
    """Return the runs that the arguments ask for, all checked, their configuration, its origin."""
    flags: dict[str, Any] = {}
    for name, key in (
        ("timesteps", "training.timesteps"),
        ("n_envs", "training.n_envs"),
        ("network", "training.network"),
        ("lr", "training.learning_rate"),
    ):
        if hasattr(args, name):
            flags[key] = getattr(args, name)
    if args.mortal:
        flags["agent.mortal"] = True
    if args.deterministic:
        flags["runtime.deterministic"] = True
    config, origin = command_config(args, flags)
    train = config.training
    if hasattr(args, "updates"):
        steps = args.updates * train.steps_per_update
        config = config.with_overrides({"training.timesteps": steps})
    wanted = getattr(args, "mode", train.mode)
    modes = list(MODES) if wanted == "all" else [one_of("mode", wanted, [*MODES, "all"])]
    if len(modes) > 1 and config.runtime.threads == 0:
        config = config.with_overrides({"runtime.threads": 1})
    get_network(config.training.network)
    place(config)
    models_dir, log_dir = Path(args.models_dir), Path(args.log_dir)
    runs = [
        Run(
            mode,
            checkpoint.checkpoint_path(models_dir, mode),
            log_dir,
            config.with_overrides({"training.mode": mode}),
            args.seed,
        )
        for mode in modes
    ]
    for run in runs:
        if run.checkpoint.exists() and not args.overwrite:
            raise UserError(
                f"{run.checkpoint} is an unfinished run: continue it with --resume "
                f"{run.checkpoint}, or replace it with --overwrite."
            )
    probe_directory(models_dir)
    probe_directory(log_dir)
    return runs, config, origin


def resumed_runs(path: Path) -> list[Run]:
    """Return the unfinished runs at a checkpoint file or in a folder; none if all are complete.

    Raises:
        UserError: there is neither an unfinished nor a finished run.
    """
    ending = ".checkpoint.safetensors"
    files = sorted(path.glob(f"ppo_*{ending}")) if path.is_dir() else [path]
    if not path.is_dir() and not path.name.endswith(ending):
        raise UserError(f"{path} is not a checkpoint: its name must end in {ending}.")
    found = [file for file in files if file.exists()]
    if not found:
        finished = path.with_name(path.name.replace(ending, ".safetensors"))
        done = any(path.glob("ppo_*.safetensors")) if path.is_dir() else finished.exists()
        if not done:
            raise UserError(f"there is no run to continue at {path}.")
    runs = []
    for file in found:
        trainer, facts = checkpoint.load_checkpoint(file)  # a damaged file is found out now
        log_dir = Path(os.path.normpath(file.parent / facts["log_dir"]))
        probe_directory(file.parent)
        probe_directory(log_dir)
        runs.append(Run(trainer.mode.name, file, log_dir, trainer.config, resume=True))
    return runs
