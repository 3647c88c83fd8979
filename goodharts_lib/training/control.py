"""How a run is paused and stopped from outside. Plain flags: nothing here ever blocks a run."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

LOOK = 0.05  # seconds between two looks at the flags while a run is paused


class Control:
    """Pauses, resumes and stops a run, from another thread; `hold` is its `should_stop`."""

    def __init__(self) -> None:
        self._flags: Any = bytearray(3)  # paused, stopped, held

    @property
    def paused(self) -> bool:
        """Whether the run waits, or will wait before its next update."""
        return bool(self._flags[0]) and not self.stopped

    @property
    def stopped(self) -> bool:
        """Whether the run was asked to end."""
        return bool(self._flags[1])

    @property
    def held(self) -> bool:
        """Whether the run waits this very moment: the update in which it was paused has ended."""
        return bool(self._flags[2])

    def pause(self) -> None:
        """Let the run wait before its next update."""
        self._flags[0] = 1

    def resume(self) -> None:
        """Let the run go on."""
        self._flags[0] = 0

    def stop(self) -> None:
        """Let the run end after its current update, also when it is paused."""
        self._flags[1] = 1

    def hold(self, interrupted: Callable[[], bool] = lambda: False) -> bool:
        """Wait while paused, then return whether to end.

        Args:
            interrupted: another reason to end, such as Ctrl-C.
        """
        while self.paused and not interrupted():
            self._flags[2] = 1
            time.sleep(LOOK)
        self._flags[2] = 0
        return self.stopped or interrupted()


class Link(Control):
    """The control of a run in another process, and what the run shows there.

    It lies in shared memory without a lock. What is not fetched in time is overwritten, and if the
    watching process dies, the run goes on.

    Args:
        side: V of the views.
    """

    def __init__(self, side: int) -> None:
        self._flags = RawArray("b", 3)
        self._updates = RawArray("q", 1)
        self._view = RawArray("B", side * side)
        self._stem = RawArray("c", 256)

    @property
    def paused(self) -> bool:
        """Whether the run waits. It does not wait for a process that is gone."""
        parent = multiprocessing.parent_process()
        return super().paused and (parent is None or parent.is_alive())

    @property
    def stem(self) -> str:
        """First part of the names of the run's logs; empty before it started."""
        return self._stem.value.decode()

    @property
    def updates(self) -> int:
        """How often the run has shown something."""
        return self._updates[0]

    @property
    def view(self) -> NDArray[np.uint8] | None:
        """What the agent of the first world sees, (V, V); None before the first update."""
        if not self.updates:
            return None
        side = round(len(self._view) ** 0.5)
        return np.array(self._view, dtype=np.uint8).reshape(side, side)

    def announce(self, stem: str) -> None:
        """Say where the run writes its logs."""
        self._stem.value = stem.encode()

    def show(self, view: Tensor) -> None:
        """Show the current view, (V, V) uint8, after an update."""
        self._view[:] = view.flatten().tolist()
        self._updates[0] += 1
