"""An experiment that a test can afford: its unit adds numbers, or counts how often it was done."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from goodharts_lib.experiments.engine import Condition, Experiment


def add(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:  # noqa: ARG001
    return {
        "metrics": {"sum": settings["base"] + seed},
        "curves": {"x": [0.1, 0.2, seed / 3]},
        "placement": {"threads": 1, "repeatable": True},
    }


def slow(settings: Mapping[str, Any], seed: int, scratch: Path) -> dict[str, Any]:
    """Note in a file each time that this unit is begun, and by which process; take a moment."""
    scratch.mkdir(parents=True, exist_ok=True)
    Path(settings["notes"]).mkdir(parents=True, exist_ok=True)
    note = Path(settings["notes"]) / f"{settings['base']}_{seed}"
    with note.open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(settings["seconds"])
    return add(settings, seed, scratch)


def nothing(settings: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG001
    """What decides a sum beside the settings."""
    return {}


def experiment(measure: Any = add, seeds: tuple[int, ...] = (1, 2), **settings: Any) -> Experiment:
    conditions = tuple(
        Condition(f"base {base}", {"base": base, **settings}, seeds) for base in (10, 20)
    )
    return Experiment("fake", "Does it add up?", "sum", conditions, measure, nothing)
