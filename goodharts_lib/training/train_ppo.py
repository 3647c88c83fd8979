"""Train agents with PPO from the command line: ``python -m goodharts_lib.training.train_ppo``."""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodharts_lib.cli import Parser, add_config_arguments, command_config, seed
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError, one_of, run_command
from goodharts_lib.modes import MODES
from goodharts_lib.networks.registry import get_network
from goodharts_lib.runtime import place
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer, TrainingDivergedError
from goodharts_lib.training.progress import Progress
from goodharts_lib.training.train_log import TrainLog

INTERRUPTED = 130  # the shell's convention for Ctrl-C


@dataclass(frozen=True)
class Run:
    """One run to do: a fresh one, or the continuation of a checkpoint."""

    mode: str
    checkpoint: Path  # where its checkpoint lies while it is unfinished
    log_dir: Path
    config: Config | None = None  # None: resume
    seed: int = 0

    @property
    def models_dir(self) -> Path:
        """Where its model goes."""
        return self.checkpoint.parent


def execute(run: Run) -> int:
    """Do one run, writing its checkpoint, logs and model; return an exit status."""
    if run.config is None:
        trainer, facts = checkpoint.load_checkpoint(run.checkpoint)
        log = TrainLog(run.log_dir, facts["log_stem"])
        log.cut(trainer.updates_done, trainer.episodes_done)
        before = float(facts["wall_time"])
    else:
        trainer, before = PPOTrainer(run.config, run.seed), 0.0
        log = TrainLog.create(run.log_dir, run.mode)
    start = time.monotonic()

    def save() -> None:
        facts = {
            "log_dir": os.path.relpath(log.directory, run.models_dir),
            "log_stem": log.stem,
            "wall_time": before + time.monotonic() - start,
        }
        checkpoint.save_checkpoint(run.checkpoint, trainer, facts)

    if run.config is not None:
        save()  # before the first update: from here on nothing can be lost
    print(f"[{run.mode}] {trainer.placement}; learning rate {trainer.learning_rate:g}; "
          f"logs {log.directory / log.stem}_*", flush=True)  # fmt: skip
    progress = Progress(trainer)

    def on_update(record: UpdateRecord) -> None:
        log.write(record)
        if record.update % trainer.config.training.checkpoint_interval == 0:
            save()
        progress(record)

    try:
        result = trainer.run(on_update, _interruption())
    except TrainingDivergedError as error:
        print(f"error: [{run.mode}] {error} The last good checkpoint is {run.checkpoint}.",
              file=sys.stderr)  # fmt: skip
        return 1
    if not result.finished:
        save()
        print(f"[{run.mode}] stopped after {result.total_steps:,} steps. Continue with: "
              f"python -m goodharts_lib.training.train_ppo --resume {run.checkpoint}")  # fmt: skip
        return INTERRUPTED
    model = checkpoint.model_path(run.models_dir, run.mode)
    checkpoint.save_model(model, result.policy, trainer.seed, result.total_steps)
    log.finish(result, model, before + time.monotonic() - start)
    run.checkpoint.unlink(missing_ok=True)
    print(f"[{run.mode}] {result.profile}")
    print(f"[{run.mode}] model {model}, summary {log.summary}", flush=True)
    return 0


def _interruption() -> Callable[[], bool]:
    """Return a function that is true after Ctrl-C or SIGTERM. A second Ctrl-C ends at once."""
    caught: list[int] = []

    def remember(number: int, _frame: Any) -> None:
        caught.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, remember)
    signal.signal(signal.SIGTERM, remember)
    return lambda: bool(caught)


def execute_all(runs: Sequence[Run], *, sequential: bool) -> int:
    """Do several runs, in parallel processes or one after the other; return the worst status."""
    if sequential or len(runs) == 1:
        worst = 0
        for run in runs:
            worst = max(worst, execute(run))
            if worst == INTERRUPTED:
                break
        return worst
    return _execute_parallel(runs)


def _execute_parallel(runs: Sequence[Run]) -> int:
    """Do several runs in processes, at most one per core at a time."""
    context = multiprocessing.get_context("spawn")
    waiting = [context.Process(target=_child, args=(run,), name=run.mode) for run in runs]
    running: list[Any] = []
    stopping: list[int] = []
    status = 0

    def stop(number: int, _frame: Any) -> None:
        stopping.append(number)
        for process in running:
            process.terminate()  # SIGTERM: they save and say how to go on

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    while running or (waiting and not stopping):
        while waiting and not stopping and len(running) < (os.cpu_count() or 1):
            running.append(waiting.pop(0))
            running[-1].start()
        multiprocessing.connection.wait([process.sentinel for process in running])
        for process in [p for p in running if not p.is_alive()]:
            running.remove(process)
            code = process.exitcode or 0
            if code not in (0, 1, 2, INTERRUPTED) and not stopping:
                print(f"error: the process of {process.name} ended with status {code}; "
                      "its last checkpoint is kept.", file=sys.stderr)  # fmt: skip
            status = max(status, code if code > 0 else int(code < 0))
    if waiting:
        print(f"not started: {', '.join(process.name for process in waiting)}.")
    return INTERRUPTED if stopping else status


def _child(run: Run) -> None:
    run_command(lambda: execute(run))


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
        steps = args.updates * train.n_envs * train.steps_per_env
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
    checkpoint.probe_directory(models_dir)
    checkpoint.probe_directory(log_dir)
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
        checkpoint.probe_directory(file.parent)
        checkpoint.probe_directory(log_dir)
        runs.append(Run(trainer.mode.name, file, log_dir))
    return runs


def _parser() -> Parser:
    parser = Parser(prog="train_ppo", description="Train agents with PPO.")
    absent = argparse.SUPPRESS
    parser.add_argument("--mode", help=f"{', '.join(MODES)} or all", default=absent)
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--timesteps", type=int, help="environment steps per mode", default=absent)
    length.add_argument("--updates", type=int, help="PPO updates per mode", default=absent)
    parser.add_argument("--n-envs", type=int, help="worlds that advance together", default=absent)
    parser.add_argument("--seed", type=seed, help="seed of the run", default=0)
    parser.add_argument("--network", help="base_cnn or small_cnn", default=absent)
    parser.add_argument("--lr", type=float, help="learning rate", default=absent)
    add_config_arguments(parser)
    parser.add_argument("--mortal", action="store_true", help="let agents die while they train")
    parser.add_argument("--sequential", action="store_true", help="one mode after the other")
    parser.add_argument("--deterministic", action="store_true", help="same bits on a GPU")
    parser.add_argument("--resume", metavar="PATH", help="a checkpoint, or a folder of them")
    parser.add_argument("--overwrite", action="store_true", help="replace unfinished runs")
    parser.add_argument("--models-dir", default="models", help="where models go")
    parser.add_argument("--log-dir", default="logs", help="where logs go")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(arguments)
    if args.resume is not None:
        others = [a for a in arguments if a.startswith("--") and not a.startswith("--resume")]
        if any(name != "--sequential" for name in others):
            raise UserError(f"--resume uses the run's own settings: leave out {others[0]}.")
        runs = resumed_runs(Path(args.resume))
        if not runs:
            print(f"Nothing to do: the run at {args.resume} is complete.")
            return 0
        print(f"Resuming {', '.join(run.mode for run in runs)}.")
        return execute_all(runs, sequential=args.sequential)
    runs, config, origin = fresh_runs(args)
    train = config.training
    per_update = train.n_envs * train.steps_per_env
    updates = -(-train.timesteps // per_update)
    print(origin)
    print(f"Training {', '.join(run.mode for run in runs)} with {train.network}: {updates} updates "
          f"of {per_update:,} steps, {updates * per_update:,} steps per mode, seed {args.seed}; "
          f"models go to {args.models_dir}/", flush=True)  # fmt: skip
    return execute_all(runs, sequential=args.sequential)


if __name__ == "__main__":
    run_command(main)
