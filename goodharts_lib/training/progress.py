"""Tell the user how a run is getting on."""

from __future__ import annotations

import time

from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer

PROGRESS_SECONDS = 2.0


class Progress:
    """Prints a line every few seconds, with the time that is left."""

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
        each = (now - self._start) / (record.update - self._first)
        left = round(each * (self._total - record.update))
        print(
            f"[{self._mode}] update {record.update}/{self._total}  {record.total_steps:,} steps  "
            f"{record.steps_per_second:,.0f} steps/s  per 1,000 steps: true energy "
            f"{record.true_energy:+,.0f}, proxy score {record.proxy_score:,.0f}  "
            f"ETA {left // 60}:{left % 60:02}",
            flush=True,
        )
