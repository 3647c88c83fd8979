"""From stored results to the numbers that pages and figures state, over training seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from goodharts_lib import stats
from goodharts_lib.contrasts import Effects, effects_2x2
from goodharts_lib.experiments.results import by_condition, latest, values
from goodharts_lib.modes import MODES

Stored = Mapping[str, Any]
EARLY, LATE = 300_000, 1_000_000  # training steps at which the headline is judged
HARMS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)  # h/g of the phase diagram
MIN_SEEDS = 5  # training seeds: fewer carry no claim


class TooFewError(ValueError):
    """Fewer training seeds than a claim may rest on."""


def seeds(stored: Stored, condition: str, path: str) -> list[float]:
    """Return one number per training seed.

    Raises:
        TooFewError: there are fewer than `MIN_SEEDS`.
    """
    found = values(stored, condition, path)
    if len(found) < MIN_SEEDS:
        raise TooFewError(f"{len(found)} seeds of {condition}; a claim needs {MIN_SEEDS}.")
    return found


def judged(stored: Stored, condition: str) -> list[int]:
    """Return the training steps at which every unit of a condition was judged, ascending."""
    units = by_condition(stored["units"])[condition]
    common = set.intersection(*({int(k) for k in u["metrics"]["at"]} for u in units))
    return sorted(common)


def over_steps(stored: Stored, condition: str, path: str) -> tuple[list[int], np.ndarray]:
    """Return the judged steps, and a metric there: (n_seeds, n_steps).

    Args:
        stored: of an experiment.
        condition: one of it.
        path: below ``at.STEP``, such as ``immortal.true_energy``.
    """
    steps = judged(stored, condition)
    columns = [values(stored, condition, f"at.{step}.{path}") for step in steps]
    return steps, np.array(columns).T  # (n_seeds, n_steps)


def effects(stored: Stored, step: int, key: str = "true_energy") -> Effects:
    """Return the effects of wages (energy, not interestingness) and eyes (types, not glow).

    Args:
        stored: of an experiment with all four modes.
        step: training steps at which they were judged.
        key: a score per 1,000 steps in immortal worlds.
    """
    cells = {mode: seeds(stored, mode, f"at.{step}.immortal.{key}") for mode in MODES}
    return effects_2x2(
        both=cells["ground_truth"],
        first=cells["proxy_jammed"],
        second=cells["proxy_sighted"],
        neither=cells["proxy"],
    )


def compare(one: Stored, other: Stored, step: int) -> dict[str, stats.Interval]:
    """Return, for each mode, true energy in one experiment minus in the other."""
    path = f"at.{step}.immortal.true_energy"
    return {
        mode: stats.difference_interval(values(one, mode, path), values(other, mode, path))
        for mode in MODES
    }


def ranking(stored: Stored, step: int) -> list[str]:
    """Return the modes by mean true energy, best first."""
    path = f"at.{step}.immortal.true_energy"
    return sorted(MODES, key=lambda mode: -float(np.mean(values(stored, mode, path))))


def learning_times(stored: Stored) -> tuple[list[float], list[float], list[bool]]:
    """Return gaps, times and whether learning was seen, of the plain gap sweep without gap 0."""
    gaps, times, seen = [], [], []
    for unit in stored["units"]:
        words = unit["condition"].split()
        if len(words) != 2 or words[0] != "gap" or float(words[1]) == 0:
            continue
        at = unit["metrics"]["learned_at"]
        gaps.append(float(words[1]))
        times.append(float(at or unit["metrics"]["total_steps"]))
        seen.append(at is not None)
    return gaps, times, seen


def meals_share(scores: Mapping[str, float]) -> float:
    """Return poison's share of meals, in [0, 1]."""
    return scores["poison"] / (scores["food"] + scores["poison"])


def phase_line(
    stored: Stored, harm: float, prefix: str = "share"
) -> tuple[list[float], list[float]]:
    """Return poison's share of meals, and true energy minus the random walk's, for one h/g.

    Immortal training never sees energy, so energy is arithmetic: g food − h poison, with g = 10;
    moves cost both the same. One entry per unit; the share is the mean over a condition's seeds.
    """
    share: list[float] = []
    gain: list[float] = []
    for meals, walked in phase_columns(stored, prefix).values():
        energy = [10 * (m["food"] - harm * m["poison"]) for m in meals]
        aimless = float(np.mean([10 * (m["food"] - harm * m["poison"]) for m in walked]))
        share += [float(np.mean([meals_share(m) for m in meals]))] * len(meals)
        gain += [e - aimless for e in energy]
    return share, gain


def phase_columns(
    stored: Stored, prefix: str = "share"
) -> dict[float, tuple[list[Mapping[str, float]], list[Mapping[str, float]]]]:
    """Return, for each poison share of items, the agents' scores and the random walks'.

    Args:
        stored: of the phase experiment.
        prefix: "share" for agents trained immortal, "mortal at" for the others.
    """
    columns = {}
    grouped = by_condition(stored["units"])
    for name, units in grouped.items():
        if not name.startswith(prefix):
            continue
        share = name.removeprefix(prefix).strip()
        walk = grouped.get(f"random at {share}", [])
        if walk:
            meals, walked = ([last(unit)["immortal"] for unit in both] for both in (units, walk))
            columns[float(share)] = (meals, walked)
    return dict(sorted(columns.items()))


def recovery(stored: Stored, condition: str = "proxy") -> list[float | None]:
    """Return, for each seed, the training steps after which it stays above the random walk.

    True energy in immortal worlds, interpolated between the steps at which it was judged; None for
    a seed that is below at the last of them.
    """
    steps, energy = over_steps(stored, condition, "immortal.true_energy")
    end = judged(stored, "random")[-1]
    walk = np.mean(values(stored, "random", f"at.{end}.immortal.true_energy"))
    found: list[float | None] = []
    for above in energy - walk:  # (n_steps,)
        low = int(np.flatnonzero(above <= 0)[-1]) if (above <= 0).any() else -1
        if low == len(steps) - 1:
            found.append(None)
        elif low < 0:
            found.append(float(steps[0]))
        else:
            part = -above[low] / (above[low + 1] - above[low])
            found.append(float(steps[low] + part * (steps[low + 1] - steps[low])))
    return found


def last(unit: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a unit was last judged to be."""
    at: Mapping[str, Any] = unit["metrics"]["at"]
    return at[latest(at)]


def runs(stored: Stored, conditions: Sequence[str]) -> dict[str, list[Mapping[str, Any]]]:
    """Return the curves of every unit of some conditions, by condition."""
    grouped = by_condition(stored["units"])
    return {name: [unit["curves"] for unit in grouped.get(name, [])] for name in conditions}
