"""A training run in a thread of its own, drawn as it goes; no display is needed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from matplotlib.figure import Figure

from goodharts_lib.config import Config
from goodharts_lib.plotting import as_png
from goodharts_lib.training.control import Control
from goodharts_lib.training.history import History
from goodharts_lib.training.ppo.records import TrainResult, UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.random_walk import random_walk
from goodharts_lib.training.train_dashboard import DPI, Dashboard, Pace, size
from goodharts_lib.widgets.recording import Frame, record, small


class Drawing:
    """The dashboard of one run in a figure that no window shows.

    Args:
        config: of the run.
    """

    def __init__(self, config: Config) -> None:
        self.history = History(config.training.mode, status="ready")
        self.history.plan(config)
        self._figure = Figure(figsize=size(1))
        self._dashboard = Dashboard(self._figure, [self.history], random_walk(config))

    def picture(self) -> bytes:
        """Draw the run as it is; return a PNG picture."""
        self._dashboard.draw()
        return as_png(self._figure, DPI)

    def describe(self) -> str:
        """Return the alt text of the picture."""
        return self._dashboard.describe()

    def frames(self) -> list[Frame]:
        """Draw the run again from its beginning; it has ended."""
        if not self.history.records:
            return [Frame(small(self.picture()), self.describe())]
        return record(self._figure, self._dashboard, len(self.history.records))


class Caught:
    """Keeps the first exception of its ``with`` blocks instead of raising it."""

    error: Exception | None = None

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if isinstance(error, Exception):
            self.error = self.error or error
            return True
        return False


class BackgroundRun(threading.Thread):
    """One run. It ends with its last update, after `control.stop()`, or with the interpreter.

    An error in drawing does not end the training; it is told at the end.

    Args:
        trainer: what to run.
        drawing: its dashboard.
        show: called with each new picture.
        ended: called at the end, from this thread.
    """

    def __init__(
        self,
        trainer: PPOTrainer,
        drawing: Drawing,
        show: Callable[[bytes], None],
        ended: Callable[[], None],
    ) -> None:
        super().__init__(name=f"training {trainer.mode.name}", daemon=False)
        self.control = Control()
        self.result: TrainResult | None = None
        self.caught = Caught()
        self._trainer = trainer
        self._drawing = drawing
        self._pace = Pace()
        self._show = show
        self._ended = ended
        self._outcome = ""

    @property
    def over(self) -> bool:
        """Whether the training has ended; its last drawings may still be under way."""
        return bool(self._outcome)

    @property
    def status(self) -> str:
        """One word for the user."""
        if self.over:
            return self._outcome
        if self.control.stopped:
            return "stopping"
        return "paused" if self.control.paused else "training"

    def run(self) -> None:
        """Train, draw, and keep what comes of it."""
        with self.caught:
            self._pace(self._draw)  # from now on it is known what a drawing costs
        with self.caught:
            self.result = self._trainer.run(self._on_update, self._hold)
        if self.result is None:
            self._outcome = "failed"
        else:
            self._outcome = "finished" if self.result.finished else "stopped"
        with self.caught:
            self._draw()  # the last update is always shown
        with self.caught:
            self._ended()

    def _on_update(self, update: UpdateRecord) -> None:
        history = self._drawing.history
        history.records = [*history.records, update]
        history.views[update.update] = self._trainer.stream.views[0].cpu().numpy().copy()
        if self.caught.error is None:
            with self.caught:
                self._pace(self._draw)

    def _hold(self) -> bool:
        """Wait while paused, with the latest update on show; return whether to end."""
        if self.control.paused:
            with self.caught:
                self._draw()
        return self.control.hold(_interpreter_ends)

    def _draw(self) -> None:
        self._drawing.history.status = self.status
        self._show(self._drawing.picture())


def _interpreter_ends() -> bool:
    """Whether the main thread is gone: the interpreter waits for this thread alone."""
    return not threading.main_thread().is_alive()


def stop_all() -> None:
    """Stop the runs that go on in this process, and wait for their ends."""
    for thread in threading.enumerate():
        if isinstance(thread, BackgroundRun):
            thread.control.stop()
            thread.join()
