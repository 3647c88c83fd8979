"""The one drawing of a training run: ``python -m goodharts_lib.training.train_dashboard``.

The command draws the logs of a run, also while they grow. `train_ppo --dashboard` and the
notebook's panel draw with the same `Dashboard`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec, SubplotSpec
from matplotlib.text import Annotation
from matplotlib.ticker import MaxNLocator

from goodharts_lib import window
from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.cli import Parser, command_config
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.environments.render import glow_rgb, view_rgb
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.files import probe_directory, write_whole
from goodharts_lib.modes import get_mode
from goodharts_lib.plotting import PANELS, as_png
from goodharts_lib.plotting.style import in_steps
from goodharts_lib.training.history import History, find_logs, read_history, read_summary
from goodharts_lib.training.random_walk import random_walk

SHARE = 20  # the pause after a drawing is this many times as long as the drawing took
SHORTEST = 0.5  # seconds between two drawings
DPI = 100  # of pictures
TITLE = "The Goodhart Trap: training"

LEARNING = (  # key, title
    ("reward", "Episode reward"),
    ("length", "Episode length (steps)"),
    ("policy_loss", "Policy loss"),
    ("value_loss", "Value loss"),
    ("entropy", "Entropy (nats)"),
    ("explained_variance", "Explained variance"),
    ("approx_kl", "Approx. KL (nats)"),
    ("clip_fraction", "Clip fraction"),
)
FLOOR = {"explained_variance": -1.0}  # the first updates can lie far below and hide the rest


class Pace:
    """Keeps drawing below a twentieth of the time, however slow it is."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, draw: Callable[[], None]) -> None:
        """Call `draw`, unless the last time is too recent."""
        start = time.monotonic()
        if start < self._next:
            return
        draw()
        end = time.monotonic()
        self._next = end + max(SHORTEST, SHARE * (end - start))


class Dashboard:
    """The artists of one or more runs in a figure. `draw` moves them; it builds nothing.

    Args:
        figure: an empty one, of about `size(len(histories))`.
        histories: the runs, one per mode; they are looked at again at every `draw`.
        random: the random walk's proxy_score and true_energy, drawn as lines.
    """

    def __init__(
        self, figure: Figure, histories: Sequence[History], random: Mapping[str, float]
    ) -> None:
        self.figure = figure
        self._histories = histories
        self._random = random
        wide, tall = figure.get_size_inches()
        grid = GridSpec(
            1, 2, figure, width_ratios=(3.1, 1), wspace=0.1,
            left=0.6 / wide, right=1 - 0.1 / wide, top=1 - 0.7 / tall, bottom=0.5 / tall,
        )  # fmt: skip
        self._charts = self._add_charts(grid[0], random)
        self._lines = {
            (key, h.mode): axes.plot([], [], ".-", color=MODE_COLORS[h.mode], lw=1.4, ms=3)[0]
            for key, axes in self._charts.items()
            for h in histories
        }
        rows = GridSpecFromSubplotSpec(len(histories), 1, grid[1], hspace=0.55)
        self._agents = [
            _Agent(figure, rows[row], history.mode, beside=len(histories) > 1)
            for row, history in enumerate(histories)
        ]

    def draw(self, updates: int | None = None) -> None:
        """Move the artists to where the runs are.

        Args:
            updates: show only so many updates of each run, on the axes of the whole.
        """
        ends = [history.total_steps for history in self._histories]
        ends += [h.records[-1].total_steps for h in self._histories if h.records]
        for key, axes in self._charts.items():
            for history in self._histories:
                self._lines[key, history.mode].set_data(*history.series(key))
            axes.relim()
            axes.set_autoscaley_on(True)
            axes.autoscale_view(scalex=False)
            if axes.get_ylim()[0] < FLOOR.get(key, -math.inf):
                axes.set_ylim(bottom=FLOOR[key])
            axes.set_xlim(0, max(1, *ends))
            if updates is not None:
                for history in self._histories:
                    self._lines[key, history.mode].set_data(*history.series(key, updates))
        for agent, history in zip(self._agents, self._histories, strict=True):
            agent.draw(history, updates)

    def describe(self, updates: int | None = None) -> str:
        """Return the alt text of what `draw` shows."""
        told = [
            f"{history.mode} after {record.total_steps:,} steps: proxy score "
            f"{record.proxy_score:,.0f}, true energy {record.true_energy:+,.0f} per 1,000 steps"
            for history in self._histories
            for record in history.records[:updates][-1:]
        ]
        walk = " and ".join(f"{self._random[key]:,.0f}" for key, _, _ in PANELS)
        return "; ".join(told or ["no update yet"]) + f" (the random walk: {walk})."

    def _add_charts(self, place: SubplotSpec, random: Mapping[str, float]) -> dict[str, Axes]:
        """Add the two large panels with the random walk, and the small ones below."""
        grid = GridSpecFromSubplotSpec(
            3, 4, place, height_ratios=(1.7, 1, 1), hspace=0.38, wspace=0.42
        )
        charts = {}
        for index, (key, title, meaning) in enumerate(PANELS):
            axes = self.figure.add_subplot(grid[0, 2 * index : 2 * index + 2])
            charts[key] = _chart(axes, f"{title}: {meaning}", 9.5)
            unit = _write(axes, "per 1,000 steps", (0, 0.5), (-29, 0), ha="right", va="center")
            unit.set_rotation(90)
            axes.axhline(random[key], color=MODE_COLORS["random"], linestyle="--", linewidth=1.2)
            axes.text(
                0.99, random[key], "random walk", transform=axes.get_yaxis_transform(),
                color=MODE_COLORS["random"], fontsize=8, ha="right", va="bottom",
            )  # fmt: skip
        for index, (key, title) in enumerate(LEARNING):
            row, column = divmod(index, 4)
            charts[key] = _chart(self.figure.add_subplot(grid[1 + row, column]), title, 8.5)
            if row == 0:
                charts[key].tick_params(labelbottom=False)
            else:
                _write(charts[key], "training steps", (0.5, 0), (0, -16), ha="center", va="top")
        return charts


class _Agent:
    """What one agent sees, what it tends to do, and how far its run is."""

    def __init__(self, figure: Figure, place: SubplotSpec, mode: str, *, beside: bool) -> None:
        shape = (1, 2) if beside else (2, 1)
        grid = GridSpecFromSubplotSpec(*shape, place, wspace=0.3, hspace=0.12)
        color = MODE_COLORS[mode]
        self._sees = get_mode(mode).sees
        view, bars = (figure.add_subplot(grid[part]) for part in range(2))
        view.set_axis_off()
        view.set_anchor("NW")
        _write(view, mode, (0, 1), (0, 28), color=color, weight="bold", fontsize=10)
        self._told = _write(view, "", (0, 1), (0, 4))
        self._caption = _write(view, "", (0.5, 0), (0, -4), ha="center", va="top")
        self._image = view.imshow(np.full((1, 1, 3), 255, np.uint8), extent=(0, 1, 0, 1))
        if self._sees == "glow":  # the other drawing shows the agent itself
            view.plot(0.5, 0.5, "s", ms=4, color="white", mec="black", mew=0.8)
        arrows = [action.arrow for action in ACTIONS]
        self._bars = bars.bar(arrows, [0.0] * N_ACTIONS, color=color)
        bars.axhline(1 / N_ACTIONS, color=MODE_COLORS["random"], linestyle="--", linewidth=1)
        _style(bars)
        bars.set_title("P(move)", fontsize=8, loc="right", y=1.0, pad=4)
        bars.tick_params(axis="x", labelsize=10, length=0)

    def draw(self, history: History, updates: int | None) -> None:
        """Show the state after so many updates, or the latest."""
        records = history.records[:updates]
        self._told.set_text(history.progress(updates))
        if not records:
            return
        for bar, probability in zip(self._bars, records[-1].action_probs, strict=True):
            bar.set_height(probability)
        self._bars[0].axes.set_ylim(0, max(0.25, 1.1 * max(records[-1].action_probs)))
        view = history.views.get(records[-1].update)
        if view is None:
            self._caption.set_text("no view in the logs")
        elif self._sees == "glow" and history.glow:
            self._caption.set_text("what it sees: how each cell glows")
            self._image.set_data(glow_rgb(view, history.glow, cell_pixels=12))
        else:
            self._caption.set_text("what it sees")
            self._image.set_data(view_rgb(view, cell_pixels=12))


def size(runs: int) -> tuple[float, float]:
    """Return the width and height in inches that so many runs need."""
    return (13.0, max(6.0, 2.1 * runs)) if runs > 1 else (9.2, 6.0)


def _chart(axes: Axes, title: str, fontsize: float) -> Axes:
    """Prepare a panel over training steps."""
    _style(axes)
    axes.set_title(title, fontsize=fontsize, loc="left", y=1.0, pad=5)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(lambda x, _: in_steps(x))
    return axes


def _write(
    axes: Axes, text: str, at: tuple[float, float], points: tuple[float, float], **style: Any
) -> Annotation:
    """Write beside a panel, so many points from a place given in parts of it.

    An axis label would do, but matplotlib looks for its place anew in every drawing.
    """
    style = {"fontsize": 8} | style
    return axes.annotate(text, at, points, "axes fraction", "offset points", **style)


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=7.5, length=2, pad=2)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.spines[["top", "right"]].set_visible(False)


def _parser() -> Parser:
    parser = Parser(prog="train_dashboard", description="Draw training runs from their logs.")
    parser.add_argument("logs", nargs="*", type=Path, metavar="LOG",
                        help="a run's _updates.csv; without any, each mode's newest")  # fmt: skip
    parser.add_argument("--log-dir", type=Path, default=Path("logs"), help="where logs lie")
    parser.add_argument("--mode", help="only this mode's newest log")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--save", type=Path, metavar="FILE.png", help="write a picture, open nothing")
    how.add_argument("--follow", action="store_true", help="draw again when the logs grow")
    parser.add_argument("--config", metavar="FILE", help="worlds of the random walk, for runs that "
                        "have no summary yet; a TOML file instead of ./config.toml")  # fmt: skip
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(argv)
    config, origin = command_config(args, {})
    logs = find_logs(args.logs, args.log_dir, args.mode)
    histories = [read_history(mode, log) for mode, log in logs.items()]
    if args.save is not None:
        if args.save.suffix != ".png":
            raise UserError(f"--save writes PNG pictures: {args.save} must end in .png.")
        probe_directory(args.save.parent)
    summaries = [found for found in map(read_summary, logs.values()) if found is not None]
    random = random_walk(summaries[0][0] if summaries else config)
    print(origin)
    print(f"Drawing {', '.join(str(log.updates) for log in logs.values())}", flush=True)
    shape = size(len(logs))
    figure = window.open_figure(shape, TITLE) if args.save is None else Figure(figsize=shape)
    dashboard = Dashboard(figure, histories, random)
    dashboard.draw()
    if args.save is not None:
        write_whole(args.save, as_png(figure, DPI))
        print(f"Written to {args.save}")
        return 0
    pace = Pace()

    def redraw() -> None:
        histories[:] = [read_history(mode, log) for mode, log in logs.items()]
        dashboard.draw()
        figure.canvas.draw()

    def tick() -> bool:
        if args.follow:
            pace(redraw)
        return True

    window.run(figure, tick, SHORTEST)
    return 0


if __name__ == "__main__":
    run_command(main)
