"""The logs of a run: two CSV files that grow, and a summary at the end."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.errors import UserError
from goodharts_lib.files import write_whole
from goodharts_lib.training.ppo.records import EpisodeRecord, TrainResult, UpdateRecord

ACTION_COLUMNS = [f"prob_{action.name.replace('-', '_')}" for action in ACTIONS]


def _columns(record: type) -> list[str]:
    plain = ("action_probs", "episodes")
    return [entry.name for entry in dataclasses.fields(record) if entry.name not in plain]


EPISODE_COLUMNS = _columns(EpisodeRecord)
UPDATE_COLUMNS = _columns(UpdateRecord) + ACTION_COLUMNS


class TrainLog:
    """Writes ``{stem}_episodes.csv``, ``{stem}_updates.csv`` and ``{stem}_summary.json``.

    Args:
        directory: where to; it exists.
        stem: first part of the names.
    """

    def __init__(self, directory: Path, stem: str) -> None:
        self.directory = directory
        self.stem = stem
        self.episodes = directory / f"{stem}_episodes.csv"
        self.updates = directory / f"{stem}_updates.csv"
        self.summary = directory / f"{stem}_summary.json"

    @classmethod
    def create(cls, directory: Path, mode: str) -> TrainLog:
        """Start logs called ``{mode}_{timestamp}``. Two runs never share a name."""
        log = cls(directory, reserve(directory, mode, "_updates.csv"))
        log.updates.write_text(",".join(UPDATE_COLUMNS) + "\n", encoding="utf-8")
        log.episodes.write_text(",".join(EPISODE_COLUMNS) + "\n", encoding="utf-8")
        return log

    def write(self, record: UpdateRecord) -> None:
        """Append one update and its episodes."""
        row = [getattr(record, name) for name in UPDATE_COLUMNS if name not in ACTION_COLUMNS]
        _append(self.updates, [row + list(record.action_probs)])
        _append(self.episodes, [dataclasses.astuple(episode) for episode in record.episodes])

    def sync(self) -> None:
        """Have the rows so far on the disk, before a checkpoint there counts them."""
        for path in (self.updates, self.episodes):
            with path.open("ab") as stream:
                os.fsync(stream.fileno())

    def cut(self, updates: int, episodes: int) -> None:
        """Drop rows later than a checkpoint: those a killed run wrote and will write again.

        Raises:
            UserError: a log is missing, or has lost rows that the checkpoint counts.
        """
        kept = {}
        for path, keep in ((self.updates, updates), (self.episodes, episodes)):
            try:
                lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            except OSError as error:
                raise UserError(f"cannot read the run's log {path}: {error.strerror}.") from error
            if len(lines) <= keep or not lines[keep].endswith("\n"):
                raise UserError(
                    f"{path} lacks rows that its checkpoint has: restore it, or start again with "
                    "--overwrite."
                )
            kept[path] = "".join(lines[: keep + 1])
        for path, text in kept.items():
            write_whole(path, text.encode())

    def finish(self, result: TrainResult, model_path: Path, wall_time: float) -> None:
        """Write the summary."""
        summary = {
            "mode": result.policy.mode.name,
            "seed": result.seed,
            "network": result.config.training.network,
            "finished": result.finished,
            "total_steps": result.total_steps,
            "total_updates": len(read_rows(self.updates)),
            "total_episodes": len(read_rows(self.episodes)),
            "wall_time": wall_time,
            "model_path": str(model_path),
            "profile": result.profile,
            "config": result.config.to_dict(),
        }
        write_whole(self.summary, (json.dumps(summary, indent=2) + "\n").encode())


def reserve(directory: Path, name: str, ending: str) -> str:
    """Make an empty ``{name}_{timestamp}{ending}`` and return its stem, which nobody else gets."""
    stem = stamped = f"{name}_{datetime.now(UTC).strftime('%Y%m%dT%H%M%SZ')}"
    number = 1
    while True:
        try:
            (directory / f"{stem}{ending}").touch(exist_ok=False)
        except FileExistsError:
            number += 1
            stem = f"{stamped}_{number}"
        else:
            return stem


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read a log's CSV file, turning what looks like a number into one."""
    with path.open(encoding="utf-8", newline="") as stream:
        return [{key: _number(text) for key, text in row.items()} for row in csv.DictReader(stream)]


def _append(path: Path, rows: list[Any]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(buffer.getvalue())


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
