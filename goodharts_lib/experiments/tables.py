"""Tables of stored results, in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from goodharts_lib import stats
from goodharts_lib.experiments import catalog, results
from goodharts_lib.experiments.analysis import last
from goodharts_lib.experiments.engine import Experiment
from goodharts_lib.experiments.results import Stored, by_condition

COLUMNS = {
    "food": "food",
    "poison": "poison",
    "true_energy": "true energy",
    "proxy_score": "proxy score",
    "deaths": "deaths",
    "rmst": "survival",
}


def scores_table(stored: Stored) -> str:
    """Return what the agents of every condition were last judged to be, in mortal worlds if there.

    Means over training seeds with 95 % t intervals; a scripted agent has no training seeds, so its
    numbers are means over sets of worlds. Per 1,000 steps; survival in steps.
    """
    lines = [
        "| agent | " + " | ".join(COLUMNS.values()) + " |",
        "|---" * (len(COLUMNS) + 1) + "|",
    ]
    told = stored["definition"]["conditions"]
    grouped = by_condition(stored["units"])
    for name in (name for name in told if name in grouped):
        found = [last(unit) for unit in grouped[name]]
        scores = [judged.get("mortal", judged["immortal"]) for judged in found]
        learned = "scripted" not in told[name]["settings"]
        cells = [cell([s[key] for s in scores], learned=learned) for key in COLUMNS]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(found: Sequence[float], *, learned: bool) -> str:
    """Return a mean, with its interval over seeds if there is one to give."""
    mean = sum(found) / len(found)
    digits = 0 if abs(mean) >= 100 else 1
    numbers = [mean]
    if learned and len(found) > 1:
        interval = stats.t_interval(found)
        numbers += [interval.low, interval.high]
    texts = [f"{round(number, digits) + 0.0:,.{digits}f}" for number in numbers]  # no -0.0
    shown = texts[0] if len(texts) == 1 else f"{texts[0]} [{texts[1]}, {texts[2]}]"
    return shown.replace("-", "−")


class Progress(NamedTuple):
    """How much of an experiment is stored.

    Attributes:
        done: units of its grid that are stored.
        total: units of its grid.
        hours: that the stored units took together, each on one core.
        megabytes: size of the file.
        checksum: over the units' numbers, shortened to 12 digits; empty if nothing is stored.
        stale: whether its definition has changed since.
    """

    done: int
    total: int
    hours: float
    megabytes: float
    checksum: str
    stale: bool

    def __str__(self) -> str:
        """As ``3 of 20, stale``."""
        return f"{self.done} of {self.total}{', stale' if self.stale else ''}"


def progress(experiment: Experiment, directory: Path) -> Progress:
    """Return how much of an experiment is stored in a folder.

    Raises:
        UserError: its file is damaged.
    """
    grid = {(condition.name, seed) for condition, seed in experiment.units()}
    path = results.file_of(experiment.name, directory)
    if not path.exists():
        return Progress(0, len(grid), 0.0, 0.0, "", stale=False)
    stored = results.read(experiment.name, directory)
    units, manifest = stored["units"], stored["manifest"]
    return Progress(
        done=len(grid & {(unit["condition"], unit["seed"]) for unit in units}),
        total=len(grid),
        hours=manifest.get("compute_seconds", 0) / 3600,
        megabytes=path.stat().st_size / 1e6,
        checksum=manifest["checksum"][:12] if units else "",
        stale=catalog.is_stale(stored),
    )


def status(directory: Path) -> str:
    """Return, line by line, what is done of every experiment, and what was cut."""
    found = {name: progress(one, directory) for name, one in catalog.EXPERIMENTS.items()}
    lines = [f"Results in {directory}"]
    for name, one in found.items():
        lines.append(f"{name:<16} {one} units, {one.hours:.1f} h")
        if catalog.EXPERIMENTS[name].cut:
            lines.append(f"{'':<16} {catalog.EXPERIMENTS[name].cut}")
    hours, size = (sum(getattr(p, key) for p in found.values()) for key in ("hours", "megabytes"))
    lines.append(f"{'together':<16} {hours:.1f} h on one core, {size:.1f} MB")
    return "\n".join(lines)


def reproduction_table(directory: Path) -> str:
    """Return, for every experiment, the command that makes it, what is stored, and what was cut.

    Args:
        directory: where results lie.
    """
    lines = [
        "| what it asks | command | units stored | hours | checksum | cut, and why |",
        "|---|---|---|---|---|---|",
    ]
    for name, experiment in catalog.EXPERIMENTS.items():
        one = progress(experiment, directory)
        cells = [experiment.question, f"`run {name}`", str(one)]
        cells += [f"{one.hours:.2f}", f"`{one.checksum}`"] if one.checksum else ["", ""]
        lines.append("| " + " | ".join([*cells, experiment.cut or "nothing"]) + " |")
    return "\n".join(lines)
