"""Jobs in processes of their own, some at a time."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

from goodharts_lib.errors import run_command

INTERRUPTED = 130  # the shell's convention for Ctrl-C
EXPECTED = (0, 1, 2, INTERRUPTED)  # statuses of which the job has said the reason itself


class Processes:
    """Runs jobs, at most so many at a time. Ctrl-C and SIGTERM are passed on to all of them.

    Args:
        jobs: by name; each returns an exit status. They and what they hold can be pickled.
        at_once: how many may run at a time.
    """

    def __init__(self, jobs: Mapping[str, Callable[[], int]], at_once: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._waiting: list[Any] = [
            context.Process(target=run_command, args=(job,), name=name)
            for name, job in jobs.items()
        ]
        self._running: list[Any] = []
        self._at_once = at_once
        self._stopping = False
        self.statuses: dict[str, int] = {}  # of what has ended
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)

    @property
    def running(self) -> list[str]:
        """Names of the jobs that are running."""
        return [process.name for process in self._running]

    def poll(self, seconds: float | None = 0.0) -> bool:
        """Start what may start, and note what has ended.

        Args:
            seconds: how long to wait for an end; None for as long as it takes.

        Returns:
            False when everything is over.
        """
        while self._waiting and not self._stopping and len(self._running) < self._at_once:
            self._running.append(self._waiting.pop(0))
            self._running[-1].start()
        if self._running:
            multiprocessing.connection.wait([p.sentinel for p in self._running], seconds)
        for process in [p for p in self._running if not p.is_alive()]:
            self._running.remove(process)
            self._note(process.name, process.exitcode or 0)
        return bool(self._running) or (bool(self._waiting) and not self._stopping)

    def start_no_more(self) -> None:
        """Leave those that have not started alone."""
        self._waiting, left = [], self._waiting
        if left:
            print(f"not started: {', '.join(process.name for process in left)}.", flush=True)

    def finish(self) -> int:
        """Wait for all; return the worst status."""
        while self.poll(None):
            pass
        self.start_no_more()
        return INTERRUPTED if self._stopping else max(self.statuses.values(), default=0)

    def _stop(self, _number: int, _frame: Any) -> None:
        self._stopping = True
        for process in self._running:
            process.terminate()  # SIGTERM: they save and say how to go on

    def _note(self, name: str, code: int) -> None:
        self.statuses[name] = code if code >= 0 else 1
        if code not in EXPECTED and not self._stopping:
            print(f"error: the process of {name} ended with status {code}; "
                  "its last checkpoint is kept.", file=sys.stderr)  # fmt: skip
