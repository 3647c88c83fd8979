"""A world and a run so small that a test can afford them, and the commands run in-process."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import goodharts_lib
from goodharts_lib.config import Config, load_config
from goodharts_lib.errors import run_command
from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.train_log import read_rows

ROOT = Path(goodharts_lib.__file__).resolve().parents[1]

# 64 steps per update, 4 updates, 3 minibatches of 22, 21 and 21. A mortal life without a meal
# starves on its 15th step, and any early poison kills.
TINY: dict[str, Any] = {
    "world.width": 12,
    "world.height": 12,
    "agent.view_range": 2,
    "agent.energy_start": 1.5,
    "training.network": "small_cnn",
    "training.timesteps": 256,
    "training.n_envs": 4,
    "training.steps_per_env": 16,
    "training.steps_per_episode": 20,
    "training.k_epochs": 2,
    "training.n_minibatches": 3,
    "training.min_food": 6,
    "training.max_food": 20,
    "training.min_poison": 3,
    "training.max_poison": 10,
    "training.checkpoint_interval": 2,
    "evaluation.n_envs": 4,
    "evaluation.steps": 30,
    "evaluation.food": 12,
    "evaluation.poison": 6,
    "runtime.device": "cpu",
    "runtime.precision": "float32",
    "runtime.memory_format": "contiguous",
    "runtime.threads": 1,
}


def tiny(overrides: Mapping[str, Any] | None = None) -> Config:
    """The tiny configuration, with some values replaced."""
    return load_config(overrides=TINY | dict(overrides or {}))


def toml(overrides: Mapping[str, Any]) -> str:
    """Overrides by full key as the text of a configuration file."""
    sections: dict[str, list[str]] = {}
    for name, value in overrides.items():
        section, key = name.split(".")
        sections.setdefault(section, []).append(f"{key} = {json.dumps(value)}")
    return "\n".join(f"[{name}]\n" + "\n".join(lines) for name, lines in sections.items()) + "\n"


def write_config(folder: Path, overrides: Mapping[str, Any] | None = None) -> Path:
    """Put the tiny configuration into a folder as its config.toml."""
    path = folder / "config.toml"
    path.write_text(toml(TINY | dict(overrides or {})), encoding="utf-8")
    return path


class Outcome(NamedTuple):
    """What a command left on the screen."""

    status: int
    out: str
    err: str


def run(main: Callable[[Sequence[str]], int], *argv: object) -> Outcome:
    """Run a command as its module does, in this process, and put the signal handlers back."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    out, err = io.StringIO(), io.StringIO()
    try:
        with pytest.raises(SystemExit) as ended, redirect_stdout(out), redirect_stderr(err):
            run_command(lambda: main([str(word) for word in argv]))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return Outcome(int(ended.value.code or 0), out.getvalue(), err.getvalue())


def environment() -> dict[str, str]:
    """The variables of a subprocess that finds this very library."""
    kept = {key: value for key, value in os.environ.items() if key != "GOODHARTS_DEVICE"}
    return kept | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def start(words: Sequence[object], folder: Path) -> subprocess.Popen[str]:
    """Start Python in a folder, as the leader of its own process group."""
    return subprocess.Popen(
        [sys.executable, *map(str, words)],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(process: subprocess.Popen[str]) -> Outcome:
    """Wait for a subprocess."""
    out, err = process.communicate(timeout=120)
    return Outcome(process.returncode, out, err)


def rows_without_speed(path: Path) -> list[dict[str, Any]]:
    """A log's rows without the column that no two runs share."""
    return [{k: v for k, v in row.items() if k != "steps_per_second"} for row in read_rows(path)]


def facts(record: UpdateRecord) -> dict[str, Any]:
    """A record without its speed."""
    return {k: v for k, v in vars(record).items() if k != "steps_per_second"}


def files_below(folder: Path) -> set[str]:
    """All files under a folder, by relative name."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
