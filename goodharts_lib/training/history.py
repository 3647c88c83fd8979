"""What is drawn of a run: its updates so far, from the trainer itself or from its logs."""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from goodharts_lib.config import Config
from goodharts_lib.environments.cells import interestingness
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo.records import EpisodeRecord, UpdateRecord
from goodharts_lib.training.progress import remaining
from goodharts_lib.training.train_log import ACTION_COLUMNS, TrainLog

RECENT = 10  # updates over which the speed is averaged
STEM = re.compile(r"(?P<mode>.+)_(?P<stamp>\d{8}T\d{6}Z)(_(?P<number>\d+))?")

View = NDArray[np.uint8]  # (V, V) cell types
Row = TypeVar("Row", UpdateRecord, EpisodeRecord)


@dataclass
class History:
    """One run, as far as it got. It only grows.

    Attributes:
        mode: what the agent sees and is paid.
        total_updates: the length of the whole run; 0 if nobody knows.
        total_steps: the same in environment steps.
        status: one word for the user.
        records: one per update.
        views: what was round the agent of the first world after each update, where somebody looked.
        glow: interestingness of each cell type; empty if nobody knows.
    """

    mode: str
    total_updates: int = 0
    total_steps: int = 0
    status: str = "waiting"
    records: Sequence[UpdateRecord] = field(default_factory=list)
    views: dict[int, View] = field(default_factory=dict)
    glow: Sequence[float] = ()

    def series(self, key: str, updates: int | None = None) -> tuple[list[int], list[float]]:
        """Return training steps and values of a column, over the first `updates` updates or all.

        `reward` and `length` are means over the episodes that ended in an update; an update without
        any gives no point.
        """
        records = self.records[:updates]
        if key in ("reward", "length"):
            ended = [record for record in records if record.episodes]
            means = [fmean(getattr(e, key) for e in record.episodes) for record in ended]
            return [record.total_steps for record in ended], means
        return [r.total_steps for r in records], [getattr(r, key) for r in records]

    def plan(self, config: Config) -> None:
        """Take the length of the run, and how things look, from its configuration."""
        self.glow = interestingness(config)
        self.total_updates = config.training.updates
        self.total_steps = config.training.updates * config.training.steps_per_update

    @property
    def speed(self) -> float:
        """Environment steps per second, over the last few updates; 0 before the first."""
        recent = self.records[-RECENT:]
        return len(recent) / sum(1 / r.steps_per_second for r in recent) if recent else 0.0

    def progress(self, updates: int | None = None) -> str:
        """Return two lines: how far the run is and what is left of it; its steps and speed."""
        if not self.records[:updates]:
            return self.status
        record = self.records[:updates][-1]
        of = f"/{self.total_updates}" if self.total_updates else ""
        line = f"update {record.update}{of}"
        if record is not self.records[-1]:
            return f"{line}\n{record.total_steps:,} steps"
        line = f"{self.status} · {line}"
        if self.status == "training" and self.total_steps:
            left = (self.total_steps - record.total_steps) / self.speed
            line += f" · {remaining(left)}"
        return f"{line}\n{record.total_steps:,} steps · {self.speed:,.0f} steps/s"


def find_logs(paths: Sequence[Path], directory: Path, mode: str | None) -> dict[str, TrainLog]:
    """Return the logs to draw, by mode.

    Raises:
        UserError: there are none, or two of one mode.
    """
    if not paths:
        modes = list(MODES) if mode is None else [one_of("mode", mode, MODES)]
        newest = {name: find_log(directory, name) for name in modes}
        logs = {name: log for name, log in newest.items() if log is not None}
        if not logs:
            raise UserError(f"there are no logs of {mode or 'any mode'} in {directory}.")
        return logs
    found = [open_log(path) for path in paths]
    logs = dict(found)
    if len(logs) < len(found):
        raise UserError("the dashboard draws one run of each mode: name fewer logs.")
    return logs


def find_log(directory: Path, mode: str) -> TrainLog | None:
    """Return the newest log of a mode in a folder; None if there is none."""
    found = []
    for path in directory.glob(f"{mode}_*_updates.csv"):
        stem = path.name.removesuffix("_updates.csv")
        match = STEM.fullmatch(stem)
        if match is not None and match["mode"] == mode:
            found.append((match["stamp"], int(match["number"] or 1), stem))
    return TrainLog(directory, max(found)[2]) if found else None


def open_log(path: Path) -> tuple[str, TrainLog]:
    """Return the mode and the log of which `path` is a file, or the common start of its files.

    Raises:
        UserError: there is no such log.
    """
    stem = re.sub(r"_(updates\.csv|episodes\.csv|summary\.json)$", "", path.name)
    log = TrainLog(path.parent, stem)
    match = STEM.fullmatch(stem)
    if match is None or match["mode"] not in MODES or not log.updates.is_file():
        raise UserError(f"there is no log of a run at {path}: name its _updates.csv.")
    return match["mode"], log


def read_history(mode: str, log: TrainLog) -> History:
    """Read a run's logs, also while they grow.

    Raises:
        UserError: a log is missing or damaged.
    """
    history = History(mode, status="logged", records=read_records(log))
    summary = read_summary(log)
    if summary is not None:
        config, finished = summary
        history.plan(config)
        history.status = "finished" if finished else "stopped"
    return history


def read_summary(log: TrainLog) -> tuple[Config, bool] | None:
    """Return the configuration of a run that ended, and whether it got to its end.

    Raises:
        UserError: the summary is damaged.
    """
    if not log.summary.exists():
        return None
    try:
        summary = json.loads(log.summary.read_text(encoding="utf-8"))
        return Config.from_dict(summary["config"]), bool(summary["finished"])
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{log.summary} is damaged.") from error


def read_records(log: TrainLog) -> list[UpdateRecord]:
    """Return the updates of a run from its logs, each with the episodes that ended in it.

    A last line that is not complete yet is left for later. Which update an episode ended in follows
    from the lengths of its world's episodes so far, for a world never pauses. The number of worlds
    is taken from the log; it is exact once every world has ended an episode.

    Raises:
        UserError: a log is missing or damaged.
    """
    updates = _read(log.updates, UpdateRecord)
    episodes = _read(log.episodes, EpisodeRecord)
    if not updates or not episodes:
        return updates
    worlds = 1 + max(episode.env for episode in episodes)
    steps_per_env = max(1, updates[0].total_steps // updates[0].update // worlds)
    age = [0] * worlds
    ended: list[list[EpisodeRecord]] = [[] for _ in updates]
    for episode in episodes:
        age[episode.env] += episode.length
        index = (age[episode.env] - 1) // steps_per_env
        if index < len(updates):
            ended[index].append(episode)
    pairs = zip(updates, ended, strict=True)
    return [dataclasses.replace(update, episodes=tuple(mine)) for update, mine in pairs]


def _read(path: Path, kind: type[Row]) -> list[Row]:
    """Read the complete lines of a log."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the run's log {path}: {error.strerror}.") from error
    try:
        rows = csv.DictReader(text[: text.rfind("\n") + 1].splitlines())
        return [_record(row, kind) for row in rows]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} is not the log of a run, or is damaged.") from error


def _record(row: dict[str, str], kind: type[Row]) -> Row:
    """Turn a line into the record it was written from."""
    types = {"int": int, "float": float, "str": str}
    fields = {f.name: types[str(f.type)] for f in dataclasses.fields(kind) if f.type in types}
    values: dict[str, Any] = {name: of(row[name]) for name, of in fields.items()}
    if kind is UpdateRecord:
        values["action_probs"] = tuple(float(row[name]) for name in ACTION_COLUMNS)
        values["episodes"] = ()
    return kind(**values)
