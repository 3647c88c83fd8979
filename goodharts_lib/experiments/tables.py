"""Tables of stored results, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goodharts_lib import stats
from goodharts_lib.experiments import results
from goodharts_lib.experiments.analysis import last
from goodharts_lib.experiments.catalog import EXPERIMENTS
from goodharts_lib.experiments.results import by_condition

COLUMNS = {
    "food": "food",
    "poison": "poison",
    "true_energy": "true energy",
    "proxy_score": "proxy score",
    "deaths": "deaths",
    "rmst": "survival",
}


def scores_table(stored: Mapping[str, Any]) -> str:
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


def reproduction_table(directory: Path) -> str:
    """Return, for every experiment, the command that makes it, and what is stored of it.

    Hours are those that the stored units took together, each on one core. A checksum is the one
    in the results file, over the units' numbers, shortened to 12 digits.

    Args:
        directory: where results lie.
    """
    lines = [
        "| what it asks | command | units stored | hours | checksum |",
        "|---|---|---|---|---|",
    ]
    for name, experiment in EXPERIMENTS.items():
        cells = [experiment.question, f"`run {name}`"]
        cells += _stored_cells(name, len(experiment.units()), directory)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _stored_cells(name: str, total: int, directory: Path) -> list[str]:
    """Return how many units are stored, the hours they took, and their checksum."""
    if not (directory / f"{name}.json").exists():
        return [f"0 of {total}", "", ""]
    stored = results.read(name, directory)
    manifest = stored["manifest"]
    done = f"{len(stored['units'])} of {total}"
    if results.is_stale(stored):
        done += ", stale"
    hours = f"{manifest.get('compute_seconds', 0) / 3600:.2f}"
    return [done, hours, f"`{manifest['checksum'][:12]}`" if stored["units"] else ""]
