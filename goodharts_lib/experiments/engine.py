"""Run experiments unit by unit: a unit is one condition trained from one seed.

Units run through joblib, in local processes or on a Dask cluster. Whatever is done is kept: killing
a run loses the units in flight, and running it again does only what is missing.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.config import load_config
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.experiments import results

Measure = Callable[[Mapping[str, Any], int, Path], dict[str, Any]]


@dataclass(frozen=True)
class Condition:
    """One cell of an experiment's grid.

    Attributes:
        name: unique within the experiment.
        settings: what `measure` needs; ``overrides`` are those of the configuration.
        seeds: training seeds.
    """

    name: str
    settings: Mapping[str, Any]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Experiment:
    """A question put to the world.

    Attributes:
        name: of the command line and of the results file.
        question: what it asks, in one sentence.
        primary: the metric that decides, as a path into a unit's metrics.
        conditions: the grid.
        measure: ``measure(settings, seed, scratch)`` does one unit and returns its ``metrics`` and,
            if there are any, its ``curves``, all plain values. `scratch` is a folder in which it
            may keep what lets it continue after an interruption.
    """

    name: str
    question: str
    primary: str
    conditions: tuple[Condition, ...]
    measure: Measure

    def units(self) -> list[tuple[Condition, int]]:
        """Return all units: seed by seed, so that early results cover the grid."""
        seeds = sorted({seed for condition in self.conditions for seed in condition.seeds})
        return [(c, seed) for seed in seeds for c in self.conditions if seed in c.seeds]

    def condition(self, name: str) -> Condition:
        """Return the condition called `name`.

        Raises:
            UserError: there is none.
        """
        names = [condition.name for condition in self.conditions]
        return self.conditions[names.index(one_of("condition", name, names))]

    def definition(self) -> dict[str, Any]:
        """Return all that determines a unit's numbers, apart from seed and machine.

        Seeds are not part of it: more of them make a result better, not another one.
        """
        conditions = {}
        for condition in self.conditions:
            config = load_config(overrides=condition.settings.get("overrides")).to_dict()
            del config["runtime"]  # where numbers are computed, not which
            if "expert" not in condition.settings:
                del config["cloning"]  # only clones read it
            conditions[condition.name] = {"settings": dict(condition.settings), "config": config}
        return {
            "name": self.name,
            "measure": f"{self.measure.__module__}.{self.measure.__qualname__}",
            "conditions": conditions,
        }


def run(
    experiment: Experiment,
    directory: Path,
    *,
    jobs: int = -1,
    dask: str | None = None,
    seeds: Sequence[int] | None = None,
    conditions: Sequence[str] | None = None,
    tell: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Do the units that are missing, and store each as it comes.

    Args:
        experiment: which.
        directory: results go to ``{directory}/{name}.json``.
        jobs: local processes at a time; -1 for one per core.
        dask: address of a Dask scheduler that does the units instead.
        seeds: only these training seeds.
        conditions: only these conditions.
        tell: gets a line for every unit.

    Raises:
        UserError: the results there belong to another definition, or cannot be written.
    """
    stored = results.open_for_writing(experiment.definition(), directory)
    wanted = [experiment.condition(name).name for name in conditions or ()]
    done = {(unit["condition"], unit["seed"]) for unit in stored["units"]}
    todo = [
        (condition, seed)
        for condition, seed in experiment.units()
        if (condition.name, seed) not in done
        and (not wanted or condition.name in wanted)
        and (seeds is None or seed in seeds)
    ]
    tell(f"{experiment.name}: {len(todo)} units to do, {len(done)} done")
    scratch = directory / f"{experiment.name}.unfinished"
    start = time.monotonic()
    for number, unit in enumerate(_compute(experiment, todo, scratch, jobs, dask), 1):
        stored["units"].append(unit)
        stored["manifest"] = _manifest(stored)
        results.write(stored, directory)
        left = (time.monotonic() - start) / number * (len(todo) - number)
        tell(f"{unit['condition']} seed {unit['seed']}: {experiment.primary} "
             f"{results.metric(unit, experiment.primary):,.2f}  "
             f"[{number}/{len(todo)}, ETA {left / 60:.0f} min]")  # fmt: skip
    if scratch.is_dir() and not any(scratch.iterdir()):
        scratch.rmdir()
    return stored


def _compute(
    experiment: Experiment,
    todo: Sequence[tuple[Condition, int]],
    scratch: Path,
    jobs: int,
    dask: str | None,
) -> Iterator[dict[str, Any]]:
    """Yield finished units in any order."""
    if not todo:
        return
    joblib = _joblib()
    tasks = (
        joblib.delayed(do_unit)(experiment.measure, condition, seed, scratch)
        for condition, seed in todo
    )
    if dask is None:
        yield from joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")(tasks)
        return
    with _client(dask), joblib.parallel_config(backend="dask"):
        yield from joblib.Parallel(n_jobs=-1, return_as="generator_unordered")(tasks)


def do_unit(measure: Measure, condition: Condition, seed: int, scratch: Path) -> dict[str, Any]:
    """Do one unit, in whatever process this is."""
    start = time.monotonic()
    measured = measure(condition.settings, seed, scratch)
    return {
        "condition": condition.name,
        "seed": seed,
        "seconds": round(time.monotonic() - start, 1),
        "machine": runtime.machine(),
        "commit": _commit(),
        **measured,
    }


def _commit() -> str | None:
    """Return the commit of the library's checkout, or None where it is installed without one."""
    command = ["git", "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(  # noqa: S603 (a fixed command)
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def verify(
    experiment: Experiment, stored: Mapping[str, Any], count: int, seed: int, scratch: Path
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Do `count` random stored units again, and yield each stored one with its repetition."""
    units = sorted(stored["units"], key=lambda unit: (unit["condition"], unit["seed"]))
    for unit in random.Random(seed).sample(units, min(count, len(units))):
        condition = experiment.condition(unit["condition"])
        yield unit, do_unit(experiment.measure, condition, unit["seed"], scratch)


def _manifest(stored: Mapping[str, Any]) -> dict[str, Any]:
    machines: list[dict[str, str]] = []
    for unit in stored["units"]:
        if unit["machine"] not in machines:
            machines.append(unit["machine"])
    return {
        "machines": machines,
        "commits": sorted({unit["commit"] for unit in stored["units"] if unit.get("commit")}),
        "threads": 1,
        "compute_seconds": round(sum(unit["seconds"] for unit in stored["units"])),
        "checksum": results.checksum(stored["units"]),
    }


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise UserError("--dask needs pip install 'goodharts-lib[dask]'.") from error
    try:
        return Client(address, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise UserError(f"there is no Dask scheduler at {address}.") from error


def _joblib() -> Any:
    try:
        import joblib
    except ImportError as error:
        raise UserError(
            "running experiments needs joblib: pip install 'goodharts-lib[experiments]'."
        ) from error
    return joblib
