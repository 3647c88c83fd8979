"""Training that is watched: runs in processes of their own, and one window for all of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.backend_bases import Event
from matplotlib.widgets import Button

from goodharts_lib import window
from goodharts_lib.config import Config
from goodharts_lib.training.control import Link
from goodharts_lib.training.history import History, read_records
from goodharts_lib.training.parallel import INTERRUPTED, Processes
from goodharts_lib.training.random_walk import random_walk
from goodharts_lib.training.train_dashboard import TITLE, Dashboard, Pace, size
from goodharts_lib.training.train_log import TrainLog

TICK = 0.1  # seconds between two looks at the processes and the buttons


class Watched:
    """One run, seen from outside: its logs are read, and the link carries the rest.

    Args:
        mode: which run.
        config: its configuration.
        log_dir: where it writes its logs.
        link: to it.
    """

    def __init__(self, mode: str, config: Config, log_dir: Path, link: Link) -> None:
        self.history = History(mode)
        self.history.plan(config)
        self.config = config
        self.link = link
        self._log_dir = log_dir

    def state(self, processes: Processes) -> tuple[str, int]:
        """Return what changes when there is something new to draw; costs nothing."""
        return self._status(processes), self.link.updates

    def refresh(self, processes: Processes) -> None:
        """Take over how far the run has got."""
        history, link = self.history, self.link
        if link.stem:
            history.records = read_records(TrainLog(self._log_dir, link.stem))
            if history.records and link.view is not None:
                history.views = {history.records[-1].update: link.view}
        history.status = self._status(processes)

    def _status(self, processes: Processes) -> str:
        name = self.history.mode
        if name in processes.running:
            return "paused" if self.link.paused else "training"
        if name not in processes.statuses:
            return "not started" if self.link.stopped else "waiting"
        if processes.statuses[name] not in (0, INTERRUPTED):
            return "failed"
        if len(self.history.records) == self.history.total_updates:
            return "finished"
        return "interrupted" if processes.statuses[name] == INTERRUPTED else "stopped"


class Watch:
    """The window: the dashboard and two buttons.

    Closing it, or an error in drawing, ends no run: they go on to their end.

    Args:
        processes: the runs, by mode; none of them is started yet.
        runs: the same, as they are watched.

    Raises:
        UserError: there is neither a display nor what serving a browser takes.
    """

    def __init__(self, processes: Processes, runs: Sequence[Watched]) -> None:
        self._processes = processes
        self._runs = runs
        self._pace = Pace()
        self._shown: list[tuple[str, int]] = []
        self._figure = window.open_figure(size(len(runs)), TITLE)
        histories = [run.history for run in runs]
        self._dashboard = Dashboard(self._figure, histories, random_walk(runs[0].config))
        self._pause = self._button(0.1, "Pause", self._on_pause)
        self._stop = self._button(1.6, "Stop Training", self._on_stop)

    def run(self) -> int:
        """Draw until all runs have ended; return the worst status."""
        try:
            self._processes.poll()
            self._pace(self._redraw)  # from now on it is known what a drawing costs
            window.run(self._figure, self._tick, TICK)
        finally:
            for run in self._runs:
                run.link.resume()  # nobody is left to do it
            if self._processes.poll():
                print("The dashboard is closed; training goes on.", flush=True)
            status = self._processes.finish()
        return status

    def _tick(self) -> bool:
        going = self._processes.poll()
        if not going:
            self._redraw()  # the last update is always shown
        elif self._shown != [run.state(self._processes) for run in self._runs]:
            self._pace(self._redraw)
        return going

    def _redraw(self) -> None:
        self._shown = [run.state(self._processes) for run in self._runs]
        for run in self._runs:
            run.refresh(self._processes)
        self._dashboard.draw()
        self._figure.canvas.draw()

    def _button(self, left: float, label: str, on_click: Callable[[Event], None]) -> Button:
        """Add a button in the upper left corner, `left` inches from the edge."""
        wide, tall = self._figure.get_size_inches()
        place = ((0.5 + left) / wide, 1 - 0.36 / tall, 1.4 / wide, 0.28 / tall)
        button = Button(self._figure.add_axes(place), label)
        button.label.set_fontsize(9)
        button.on_clicked(on_click)
        return button

    def _on_pause(self, _: Event) -> None:
        paused = self._pause.label.get_text() == "Resume"
        for run in self._runs:
            run.link.resume() if paused else run.link.pause()
        self._pause.label.set_text("Pause" if paused else "Resume")
        self._redraw()

    def _on_stop(self, _: Event) -> None:
        self._processes.start_no_more()
        for run in self._runs:
            run.link.stop()
        self._stop.label.set_text("Stopping ...")
        self._redraw()
