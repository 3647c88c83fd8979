"""Train agents with PPO from the command line: ``python -m goodharts_lib.training.train_ppo``."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from goodharts_lib.cli import Parser, add_config_arguments, seed
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.modes import MODES
from goodharts_lib.networks.registry import NETWORKS
from goodharts_lib.training.control import Link
from goodharts_lib.training.parallel import INTERRUPTED, Processes
from goodharts_lib.training.ppo import checkpoint
from goodharts_lib.training.ppo.records import TrainResult, UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer, TrainingDivergedError
from goodharts_lib.training.progress import Progress
from goodharts_lib.training.runs import Run, fresh_runs, resumed_runs
from goodharts_lib.training.train_log import TrainLog


def execute(run: Run, link: Link | None = None) -> int:
    """Do one run, writing its checkpoint, logs and model; return an exit status.

    Args:
        run: what to do.
        link: to whoever watches and may pause or stop it. It changes nothing that is written.
    """
    trainer, log, before = _begin(run)
    start = time.monotonic()

    def save() -> None:
        log.sync()
        facts = {
            "log_dir": os.path.relpath(log.directory, run.models_dir),
            "log_stem": log.stem,
            "wall_time": before + time.monotonic() - start,
        }
        checkpoint.save_checkpoint(run.checkpoint, trainer, facts)

    if not run.resume:
        save()  # before the first update: from here on nothing can be lost
    print(f"[{run.mode}] {trainer.placement}; learning rate {trainer.learning_rate:g}; "
          f"logs {log.directory / log.stem}_*", flush=True)  # fmt: skip
    progress = Progress(trainer)
    interrupted = _interruption()
    if link is not None:
        link.announce(log.stem)

    def on_update(record: UpdateRecord) -> None:
        log.write(record)
        if record.update % trainer.config.training.checkpoint_interval == 0:
            save()
        if link is not None:
            link.show(trainer.stream.views[0])
        progress(record)

    should_stop = interrupted if link is None else partial(link.hold, interrupted)
    try:
        result = trainer.run(on_update, should_stop)
    except TrainingDivergedError as error:
        print(f"error: [{run.mode}] {error} The last good checkpoint is {run.checkpoint}.",
              file=sys.stderr)  # fmt: skip
        return 1
    if not result.finished:
        save()
    wall_time = before + time.monotonic() - start
    return _end(run, result, log, wall_time, interrupted=interrupted())


def _begin(run: Run) -> tuple[PPOTrainer, TrainLog, float]:
    """Return the run's trainer, its log, and the seconds it has taken before."""
    if not run.resume:
        return PPOTrainer(run.config, run.seed), TrainLog.create(run.log_dir, run.mode), 0.0
    trainer, facts = checkpoint.load_checkpoint(run.checkpoint)
    log = TrainLog(run.log_dir, facts["log_stem"])
    log.cut(trainer.updates_done, trainer.episodes_done)
    return trainer, log, float(facts["wall_time"])


def _end(
    run: Run, result: TrainResult, log: TrainLog, wall_time: float, *, interrupted: bool
) -> int:
    """Write the model, unless the run was interrupted before its end; say where everything is."""
    resume = f"python -m goodharts_lib.training.train_ppo --resume {run.checkpoint}"
    if not result.finished:
        print(f"[{run.mode}] stopped after {result.total_steps:,} steps. Continue with: {resume}",
              flush=True)  # fmt: skip
        if interrupted:
            return INTERRUPTED
    model = checkpoint.model_path(run.models_dir, run.mode)
    checkpoint.save_model(model, result.policy, result.seed, result.total_steps)
    log.finish(result, model, wall_time)
    if result.finished:
        run.checkpoint.unlink(missing_ok=True)
    print(f"[{run.mode}] {result.profile}")
    print(f"[{run.mode}] model {model}, summary {log.summary}", flush=True)
    return INTERRUPTED if interrupted else 0  # in its last update: what follows is not wanted


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
    return Processes({run.mode: partial(execute, run) for run in runs}, _cores()).finish()


def execute_watched(runs: Sequence[Run], *, sequential: bool) -> int:
    """Do runs in processes of their own, with a dashboard; return the worst status.

    Raises:
        UserError: there is neither a display nor what serving a browser takes.
    """
    from goodharts_lib.training.watch import Watch, Watched  # matplotlib, for this case alone

    links = {run.mode: Link(run.config.agent.view_size) for run in runs}
    jobs = {run.mode: partial(execute, run, links[run.mode]) for run in runs}
    processes = Processes(jobs, 1 if sequential else _cores())
    watched = [Watched(run.mode, run.config, run.log_dir, links[run.mode]) for run in runs]
    return Watch(processes, watched).run()


def _cores() -> int:
    return os.cpu_count() or 1


def _parser() -> Parser:
    parser = Parser(prog="train_ppo", description="Train agents with PPO.")
    absent = argparse.SUPPRESS
    parser.add_argument("--mode", default=absent,
                        help=f"{', '.join(MODES)} or all (default: [training] mode)")  # fmt: skip
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--timesteps", type=int, default=absent, help="environment steps per mode, "
                        "rounded up to whole updates (default: [training] timesteps)")  # fmt: skip
    length.add_argument("--updates", type=int, help="PPO updates per mode instead", default=absent)
    parser.add_argument("--n-envs", type=int, default=absent,
                        help="worlds in parallel (default: [training] n_envs)")  # fmt: skip
    parser.add_argument("--seed", type=seed, help="seed of the run", default=0)
    parser.add_argument("--network", default=absent,
                        help=f"{' or '.join(NETWORKS)} (default: [training] network)")  # fmt: skip
    parser.add_argument("--lr", type=float, default=absent,
                        help="learning rate (default: [training] learning_rate)")  # fmt: skip
    add_config_arguments(parser)
    parser.add_argument("--mortal", action="store_true", help="let agents die while they train, as "
                        "[agent] mortal = true does")  # fmt: skip
    parser.add_argument("--sequential", action="store_true", help="one mode after the other")
    parser.add_argument("--deterministic", action="store_true", help="same bits on a GPU")
    parser.add_argument("--dashboard", action="store_true", help=(
        "draw the runs while they go on, in a window or in the browser; its Stop Training ends "
        "each run after its current update, with a model of what it learned so far and a "
        "checkpoint for --resume; closing it ends nothing"))  # fmt: skip
    parser.add_argument("--resume", metavar="PATH", help="a checkpoint, or a folder of them")
    parser.add_argument("--overwrite", action="store_true", help="replace unfinished runs")
    parser.add_argument("--models-dir", default="models", help="where models go")
    parser.add_argument("--log-dir", default="logs", help="where logs go")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    args = _parser().parse_args(arguments)
    do = execute_watched if args.dashboard else execute_all
    if args.resume is not None:
        others = [a for a in arguments if a.startswith("--") and not a.startswith("--resume")]
        others = [name for name in others if name not in ("--sequential", "--dashboard")]
        if others:
            raise UserError(f"--resume uses the run's own settings: leave out {others[0]}.")
        runs = resumed_runs(Path(args.resume))
        if not runs:
            print(f"Nothing to do: the run at {args.resume} is complete.")
            return 0
        print(f"Resuming {', '.join(run.mode for run in runs)}.", flush=True)
        return do(runs, sequential=args.sequential)
    runs, config, origin = fresh_runs(args)
    train = config.training
    print(origin)
    print(f"Training {', '.join(run.mode for run in runs)} with {train.network}: {train.updates} "
          f"updates of {train.steps_per_update:,} steps, "
          f"{train.updates * train.steps_per_update:,} steps per mode, seed {args.seed}; "
          f"models go to {args.models_dir}/", flush=True)  # fmt: skip
    return do(runs, sequential=args.sequential)


if __name__ == "__main__":
    run_command(main)
