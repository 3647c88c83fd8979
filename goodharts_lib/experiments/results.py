"""Stored results: one JSON file per experiment, self-describing, checked when it is read."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goodharts_lib.errors import UserError, nearest
from goodharts_lib.files import probe_directory, write_whole

Stored = Mapping[str, Any]  # what a results file holds, as `load_results` returns it

FIELDS = {"definition": dict, "definition_hash": str, "units": list, "manifest": dict}
UNIT = {"condition": str, "seed": int, "seconds": int | float, "machine": dict, "metrics": dict}


def shipped() -> Path:
    """Return the folder of the book's results, inside the package."""
    return Path(str(importlib.resources.files("goodharts_lib").joinpath("data", "results")))


def read(name: str, directory: Path) -> dict[str, Any]:
    """Read a results file without asking whether its definition still holds.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = file_of(name, directory)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        there = [file.stem for file in directory.glob("*.json")]
        raise UserError(f"there are no results of '{name}' in {directory}{nearest(name, there)}.") \
            from error  # fmt: skip
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged or cannot be read.") from error
    if not _has(stored, FIELDS):
        raise UserError(f"{path} is not a results file: it needs {', '.join(FIELDS)}.")
    if not all(_has(unit, UNIT) for unit in stored["units"]):
        raise UserError(f"{path} is damaged: a unit needs {', '.join(UNIT)}.")
    if stored["units"] and stored["manifest"].get("checksum") != checksum(stored["units"]):
        raise UserError(f"{path} is damaged: its units do not have the checksum on record.")
    if stored["definition_hash"] != hashed(stored["definition"]):
        raise UserError(f"{path} is damaged: its definition does not have the hash on record.")
    return stored


def _has(entry: Any, fields: Mapping[str, Any]) -> bool:
    """Whether something is an object with these fields, each of its kind."""
    return isinstance(entry, dict) and all(
        isinstance(entry.get(field), kind) for field, kind in fields.items()
    )


def file_of(name: str, directory: Path) -> Path:
    """Return where the results of an experiment lie, if there are any."""
    return directory / f"{name}.json"


def open_for_writing(definition: dict[str, Any], directory: Path) -> dict[str, Any]:
    """Return what is stored under a definition, or an empty result.

    Raises:
        UserError: the folder cannot be written to, or holds results of another definition.
    """
    probe_directory(directory)
    path = file_of(definition["name"], directory)
    if not path.exists():
        return {
            "definition": definition,
            "definition_hash": hashed(definition),
            "units": [],
            "manifest": {},
        }
    stored = read(definition["name"], directory)
    if stored["definition_hash"] != hashed(definition):
        raise UserError(f"{path} holds results of another definition: move it away.")
    return stored


def write(stored: dict[str, Any], directory: Path) -> None:
    """Store results, whole or not at all, in an order that does not depend on who was faster."""
    stored["units"].sort(key=lambda unit: (unit["condition"], unit["seed"]))
    lines = ",\n".join(json.dumps(unit) for unit in stored["units"])  # a line each: small diffs
    head = {key: stored[key] for key in FIELDS if key != "units"}
    text = json.dumps(head, indent=1)[:-2] + f',\n "units": [\n{lines}\n ]\n}}\n'
    write_whole(file_of(stored["definition"]["name"], directory), text.encode())


def metric(unit: Mapping[str, Any], path: str) -> float:
    """Return one of a unit's metrics by its path, such as ``at.1000000.immortal.true_energy``.

    ``at.last`` is the last time that the unit was judged, where conditions train for
    different times.
    """
    value: Any = unit["metrics"]
    for key in path.split("."):
        value = value[latest(value) if key == "last" else key]
    return float(value)


def latest(at: Mapping[str, Any]) -> str:
    """Return the last of the moments, in steps or ``end``, at which a unit was judged."""
    return max(at, key=lambda moment: math.inf if moment == "end" else int(moment))


def values(stored: Mapping[str, Any], condition: str, path: str) -> list[float]:
    """Return a metric of every unit of one condition, in the order of the seeds."""
    units = sorted(stored["units"], key=lambda unit: int(unit["seed"]))
    return [metric(unit, path) for unit in units if unit["condition"] == condition]


def by_condition(units: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Group stored units by condition, in the order of their seeds."""
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for unit in sorted(units, key=lambda unit: int(unit["seed"])):
        grouped.setdefault(unit["condition"], []).append(unit)
    return grouped


def hashed(definition: Mapping[str, Any]) -> str:
    """Return a short hash of a definition."""
    text = json.dumps(definition, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def checksum(units: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of the units' numbers, in the order of condition and seed."""
    ordered = sorted(units, key=lambda unit: (unit["condition"], unit["seed"]))
    numbers = [[u["condition"], u["seed"], u["metrics"], u.get("curves")] for u in ordered]
    return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()
