"""Tell the user how far some work is, and how long the rest will take."""

from __future__ import annotations

import time

from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer

PROGRESS_SECONDS = 2.0


def eta(start: float, done: int, total: int) -> str:
    """Return the time that is left, as ``ETA m:ss``, if the rest takes as long as what is done.

    Args:
        start: when the work began, by `time.monotonic`.
        done: units of it, at least 1.
        total: all its units.
    """
    return remaining((time.monotonic() - start) / done * (total - done))


def remaining(seconds: float) -> str:
    """Return a time that is left as ``ETA m:ss``."""
    return f"ETA {round(seconds) // 60}:{round(seconds) % 60:02}"


class Countdown:
    """Counts steps, and prints a line every few seconds, with the time that is left.

    Args:
        total: how often it will be called.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._start = self._shown = time.monotonic()

    def __call__(self) -> None:
        """Count a step."""
        self._done += 1
        now = time.monotonic()
        if now - self._shown >= PROGRESS_SECONDS:
            self._shown = now
            left = eta(self._start, self._done, self._total)
            print(f"step {self._done:,}/{self._total:,}  {left}", flush=True)


class Progress:
    """Prints a line about a training run every few seconds, with the time that is left."""

    def __init__(self, trainer: PPOTrainer) -> None:
        self._total = trainer.total_updates
        self._first = trainer.updates_done
        self._mode = trainer.mode.name
        self._start = self._shown = time.monotonic()

    def __call__(self, record: UpdateRecord) -> None:
        """Show an update, unless the last line is too recent."""
        now = time.monotonic()
        if now - self._shown < PROGRESS_SECONDS and record.update < self._total:
            return
        self._shown = now
        left = eta(self._start, record.update - self._first, self._total - self._first)
        print(
            f"[{self._mode}] update {record.update}/{self._total}  {record.total_steps:,} steps  "
            f"{record.steps_per_second:,.0f} steps/s  per 1,000 steps: true energy "
            f"{record.true_energy:+,.0f}, proxy score {record.proxy_score:,.0f}  {left}",
            flush=True,
        )
