"""Experiments of many units, condition by seed, stored one by one: stop and go on as you like."""

from __future__ import annotations

import json
import multiprocessing
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

import goodharts_lib
from goodharts_lib.errors import UserError
from goodharts_lib.training.ppo.checkpoint import write_whole

RESULTS = Path(goodharts_lib.__file__).parent / "data" / "results"

Unit = dict[str, Any]  # {"condition", "seed", "metrics", "curves"}
Stored = dict[str, Any]  # {"definition", "units", "manifest"}


def load(path: Path, definition: dict[str, Any]) -> Stored:
    """Return what is stored at `path`, or the beginning of it.

    Args:
        path: the results.
        definition: everything that the units depend on but condition and seed.

    Raises:
        UserError: there are results of another definition.
    """
    if not path.exists():
        return {"definition": definition, "units": [], "manifest": {}}
    stored: Stored = json.loads(path.read_text(encoding="utf-8"))
    if stored["definition"] != definition:
        raise UserError(f"{path} holds results of another definition; remove it or rename.")
    return stored


def save(path: Path, stored: Stored) -> None:
    """Write the results."""
    write_whole(path, (json.dumps(stored) + "\n").encode())


def run_missing(
    run_unit: Callable[[dict[str, Any]], Unit],
    wanted: Sequence[dict[str, Any]],
    stored: Stored,
    path: Path,
    describe: Callable[[Unit], str],
) -> None:
    """Do the units that are not stored, one process per core, and store each as it comes.

    Args:
        run_unit: does one unit; a function at the top of a module.
        wanted: its arguments, each with ``condition`` and ``seed``.
        stored: from `load`; brought up to date.
        path: where the results go.
        describe: what to print of a unit.
    """
    done = {(unit["condition"], unit["seed"]) for unit in stored["units"]}
    todo = [unit for unit in wanted if (unit["condition"], unit["seed"]) not in done]
    stored["manifest"] = {
        "version": goodharts_lib.__version__,
        "platform": platform.platform(terse=True),
        "torch": torch.__version__,
        "threads": 1,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    print(f"{len(todo)} runs to do, {len(done)} done, into {path.name}", flush=True)
    with multiprocessing.get_context("spawn").Pool(os.cpu_count() or 1) as pool:
        for unit in pool.imap_unordered(run_unit, todo):
            stored["units"].append(unit)
            stored["units"].sort(key=lambda u: (u["condition"], u["seed"]))
            save(path, stored)
            print(f"{unit['condition']:<20} seed {unit['seed']}  {describe(unit)}", flush=True)
