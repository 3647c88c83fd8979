"""What drawing costs: ``python -m benchmarks.drawing``.

The same run with and without drawing, in turns: machines drift, so neighbours are compared. Wall
time is what the user waits for; processor time, of all processes together, says what drawing costs
even while others use the machine. The notebook's panel trains one mode in a thread; the dashboard
watches one process per core, and somebody looks at it in the browser.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from statistics import median

from matplotlib.figure import Figure

from benchmarks.measure import make_config
from goodharts_lib import window
from goodharts_lib.cli import Parser
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.modes import MODES
from goodharts_lib.training import train_ppo
from goodharts_lib.training.ppo.checkpoint import checkpoint_path
from goodharts_lib.training.ppo.records import TrainResult
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.runs import Run
from goodharts_lib.widgets.background import BackgroundRun, Drawing

TARGET = 1.05  # time with drawing over time without


class Viewer:
    """A browser that takes every picture."""

    def send_json(self, _: object) -> None:
        """Take a message."""

    def send_binary(self, _: bytes) -> None:
        """Take a picture."""


def train_in_panel(config: Config, drawn: bool) -> float:
    """Train one mode in a thread, as the panel does; return how long the training took."""
    trainer = PPOTrainer(config, 0)
    results: list[TrainResult | None] = []
    thread: threading.Thread
    if drawn:
        thread = run = BackgroundRun(
            trainer, Drawing(config), lambda _: None, lambda: results.append(run.result)
        )
    else:
        thread = threading.Thread(target=lambda: results.append(trainer.run()))
    thread.start()
    thread.join()
    if results[0] is None:
        raise UserError("the training failed.")
    return results[0].wall_time


def train_with_dashboard(config: Config, drawn: bool) -> float:
    """Train modes in processes; return how long the slowest took."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        runs = [
            Run(mode, checkpoint_path(folder, mode), folder,
                config.with_overrides({"training.mode": mode, "runtime.threads": 1}))
            for mode in islice(MODES, max(2, os.cpu_count() or 1))
        ]  # fmt: skip
        execute = train_ppo.execute_watched if drawn else train_ppo.execute_all
        with quiet():
            status = execute(runs, sequential=False)
        if status:
            raise UserError(f"a run ended with status {status}.")
        summaries = [json.loads(path.read_text()) for path in folder.glob("*_summary.json")]
        return max(float(summary["wall_time"]) for summary in summaries)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence standard output, also that of other processes."""
    sys.stdout.flush()
    kept = os.dup(1)
    with Path(os.devnull).open("wb") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


@contextlib.contextmanager
def looked_at() -> Iterator[None]:
    """Let every figure be looked at in the browser."""
    open_figure = window.open_figure

    def opened(figsize: tuple[float, float], title: str) -> Figure:
        figure = open_figure(figsize, title)
        figure.canvas.manager.add_web_socket(Viewer())  # type: ignore[union-attr]
        return figure

    os.environ["MPLBACKEND"] = window.BROWSER
    window.open_figure = opened
    try:
        yield
    finally:
        window.open_figure = open_figure


def compare(name: str, train: Callable[[Config, bool], float], config: Config, turns: int) -> str:
    """Measure in turns; return a line with the median ratios, the smallest and the largest."""
    ratios: dict[str, list[float]] = {"wall": [], "processor": []}
    for turn in range(turns):
        took: dict[tuple[str, bool], float] = {}
        for drawn in (False, True) if turn % 2 == 0 else (True, False):
            before = sum(os.times()[:4])  # this process and those that have ended
            took["wall", drawn] = train(config, drawn)
            took["processor", drawn] = sum(os.times()[:4]) - before
        for kind, found in ratios.items():
            found.append(took[kind, True] / took[kind, False])
            print(f"{name}, turn {turn + 1} of {turns}: {kind} time {took[kind, False]:.1f} s "
                  f"without drawing, {took[kind, True]:.1f} s with", flush=True)  # fmt: skip
    told = [
        f"{median(found):.3f} ({min(found):.3f} to {max(found):.3f}) of the {kind} time"
        for kind, found in ratios.items()
    ]
    return f"{name}: {', '.join(told)} without drawing, {turns} turns; target: below {TARGET}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit status."""
    parser = Parser(prog="benchmarks.drawing", description="Measure what drawing costs.")
    parser.add_argument("--turns", type=int, default=5, help="pairs of runs, with and without")
    parser.add_argument("--updates", type=int, default=20, help="length of a run")
    parser.add_argument("--worlds", type=int, default=64, help="another size, to try it out")
    parser.add_argument("--steps", type=int, default=128, help="another size, to try it out")
    args = parser.parse_args(argv)
    for name in ("turns", "updates", "worlds", "steps"):
        if getattr(args, name) < 1:
            raise UserError(f"--{name} must be at least 1, not {getattr(args, name)}.")
    length = args.updates * args.worlds * args.steps
    config = make_config("small_cnn", args.worlds, args.steps)
    config = config.with_overrides({"training.timesteps": length})
    print(f"small_cnn, {args.updates} updates of {args.worlds} worlds x {args.steps} steps; load "
          f"before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores.", flush=True)  # fmt: skip
    with looked_at():
        lines = [
            compare("panel", train_in_panel, config, args.turns),
            compare("dashboard", train_with_dashboard, config, args.turns),
        ]
    print(*lines, sep="\n")
    return 0


if __name__ == "__main__":
    run_command(main)
