"""Run experiments unit by unit: a unit is one condition trained from one seed.

Units run through joblib, in local processes or on a Dask cluster. Whatever is done is kept: killing
a run loses the units in flight, and running it again does only what is missing.
"""

from __future__ import annotations

import importlib.util
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goodharts_lib import runtime
from goodharts_lib.errors import UserError, one_of
from goodharts_lib.experiments import results

Measure = Callable[[Mapping[str, Any], int, Path], dict[str, Any]]
Background = Callable[[Mapping[str, Any]], dict[str, Any]]


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
        measure: ``measure(settings, seed, scratch)`` does one unit and returns its ``metrics``, its
            ``placement``, what they depend on beside `runtime.machine`, and, if there are any, its
            ``curves``, all plain values. `scratch` is a folder in which it may keep what lets it
            continue after an interruption.
        background: from a condition's settings to what else decides its numbers, plain values.
        needs: modules without which `measure` fails, and the extras that bring them.
        cut: what was planned larger, and why it was not done so; empty if nothing was.
    """

    name: str
    question: str
    primary: str
    conditions: tuple[Condition, ...]
    measure: Measure
    background: Background
    needs: tuple[tuple[str, str], ...] = ()
    cut: str = ""

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
        return {
            "name": self.name,
            "measure": f"{self.measure.__module__}.{self.measure.__qualname__}",
            "conditions": {
                c.name: {"settings": dict(c.settings)} | self.background(c.settings)
                for c in self.conditions
            },
        }

    def require(self) -> None:
        """Refuse to begin where the end would fail.

        Raises:
            UserError: a module that the experiment needs is not installed.
        """
        for module, extra in self.needs:
            if importlib.util.find_spec(module) is None:
                raise UserError(
                    f"'{self.name}' needs {module}: pip install 'goodharts-lib[{extra}]'."
                )


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
        jobs: local processes at a time, or -1 for one per core.
        dask: address of a Dask scheduler that does the units instead.
        seeds: only these training seeds.
        conditions: only these conditions.
        tell: gets a line for every unit.

    Raises:
        UserError: there is no such condition or seed, a module is missing, or the results there
            belong to another definition or cannot be written.
    """
    wanted = _chosen(experiment, seeds, conditions)
    experiment.require()
    stored = results.open_for_writing(experiment.definition(), directory)
    done = {(unit["condition"], unit["seed"]) for unit in stored["units"]}
    todo = [(condition, seed) for condition, seed in wanted if (condition.name, seed) not in done]
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


def _chosen(
    experiment: Experiment, seeds: Sequence[int] | None, conditions: Sequence[str] | None
) -> list[tuple[Condition, int]]:
    """Return the units of some seeds and conditions; None stands for all of them.

    Raises:
        UserError: there is no such condition or seed, or they never come together.
    """
    units = experiment.units()
    known = dict.fromkeys(str(seed) for _, seed in units)
    names = [experiment.condition(name).name for name in conditions or ()]
    numbers = [int(one_of("training seed", str(seed), known)) for seed in seeds or ()]
    chosen = [
        (condition, seed)
        for condition, seed in units
        if condition.name in (names or (condition.name,)) and seed in (numbers or (seed,))
    ]
    if not chosen:
        raise UserError(f"'{experiment.name}' has no unit of these conditions and these seeds.")
    return chosen


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
        "machine": runtime.machine() | measured.pop("placement"),
        "commit": commit_of(Path(__file__)),
        **measured,
    }


def commit_of(file: Path) -> str | None:
    """Return the commit of the checkout that holds a file, marked if anything was edited since.

    None where git is missing or does not know the file: the library may be installed inside a
    checkout that is not its own.
    """
    known = ["ls-files", "--error-unmatch", file.name]
    commit = ["describe", "--always", "--dirty", "--exclude=*", "--abbrev=12"]
    told = ""
    try:
        for words in (known, commit):
            told = subprocess.run(  # noqa: S603 (fixed commands)
                ["git", *words],  # noqa: S607 (whichever git there is)
                cwd=file.parent, capture_output=True, text=True, check=True,
            ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.strip()


def verify(
    experiment: Experiment, stored: Mapping[str, Any], count: int, seed: int, scratch: Path
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Do `count` random stored units again, and yield each stored one with its repetition.

    Raises:
        UserError: a module is missing, or a stored condition is none of the experiment's.
    """
    experiment.require()
    units = sorted(stored["units"], key=lambda unit: (unit["condition"], unit["seed"]))
    for unit in random.Random(seed).sample(units, min(count, len(units))):
        condition = experiment.condition(unit["condition"])
        yield unit, do_unit(experiment.measure, condition, unit["seed"], scratch)


def _manifest(stored: Mapping[str, Any]) -> dict[str, Any]:
    machines: list[dict[str, Any]] = []
    for unit in stored["units"]:
        if unit["machine"] not in machines:
            machines.append(unit["machine"])
    return {
        "machines": machines,
        "commits": sorted({unit["commit"] for unit in stored["units"] if unit.get("commit")}),
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
