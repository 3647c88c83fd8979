"""From stored results to the numbers that pages and figures state, over training seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from goodharts_lib.config import load_config
from goodharts_lib.contrasts import FIRST, SECOND, Effects, effects_2x2, ratio_interval
from goodharts_lib.experiments.results import Stored, by_condition, latest, values
from goodharts_lib.stats import FloatArray, Interval

EARLY, LATE = 300_000, 1_000_000  # training steps at which the headline is judged
HARMS = (0.3, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0)  # h/g of the phase diagram
MIN_SEEDS = 5  # training seeds: fewer carry no claim

Scores = Mapping[str, float]  # as `evaluation.Scores` is stored
Column = tuple[Sequence[Scores], Sequence[Scores]]  # of agents, and of random walks


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
    both, first, second, neither = _four_cells(stored, f"at.{step}.immortal.{key}")
    return effects_2x2(both, first, second, neither)


def eyes_over_wages(stored: Stored, step: int) -> Interval:
    """Return the main effect of the eyes on true energy as a share of that of the wages."""
    cells = _four_cells(stored, f"at.{step}.immortal.true_energy")
    return ratio_interval(cells, top=SECOND, bottom=FIRST)


def _four_cells(stored: Stored, path: str) -> list[list[float]]:
    """Return a metric of the four modes: wages and eyes right, wages, eyes, neither."""
    modes = ("ground_truth", "proxy_jammed", "proxy_sighted", "proxy")  # as contrasts has them
    return [seeds(stored, mode, path) for mode in modes]


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


def meals_share(scores: Scores) -> float:
    """Return poison's share of meals, in [0, 1]."""
    return scores["poison"] / (scores["food"] + scores["poison"])


def phase_line(
    stored: Stored, harm: float, prefix: str = "share"
) -> tuple[list[float], list[float]]:
    """Return poison's share of meals, and true energy minus the random walk's, for one h/g.

    One entry per unit. The share is held at its mean over a condition's seeds. That is
    conservative: a seed that eats more poison has less energy as well, so that where the share of
    each seed stood, the points of all seeds would lie closer to one line, and its crossing with
    zero would be known better.
    """
    share: list[float] = []
    gain: list[float] = []
    for meals, walked in phase_columns(stored, prefix).values():
        share += [float(np.mean([meals_share(m) for m in meals]))] * len(meals)
        gain += (worth(meals, harm) - worth(walked, harm).mean()).tolist()
    return share, gain


def worth(scores: Sequence[Scores], harm: ArrayLike) -> FloatArray:
    """Return what meals bring per 1,000 steps, g food − h poison at the shipped g.

    Immortal training never sees energy, so one agent serves every h; moves cost all agents alike.

    Args:
        scores: food and poison per 1,000 steps, one for each agent.
        harm: h/g, one or many, (...).

    Returns:
        (..., n_scores).
    """
    food, poison = (np.array([score[key] for score in scores]) for key in ("food", "poison"))
    return load_config().items.food_energy * (food - np.multiply.outer(harm, poison))


def phase_columns(stored: Stored, prefix: str = "share") -> dict[float, Column]:
    """Return, for each poison share of items, the agents' scores and the random walks'.

    Args:
        stored: of the phase experiment.
        prefix: "share" for agents trained immortal, "mortal at" for the others.
    """
    columns: dict[float, Column] = {}
    walks = phase_units(stored, "random at")
    for share, units in phase_units(stored, prefix).items():
        if share in walks:
            meals, walked = (
                [last(unit)["immortal"] for unit in both] for both in (units, walks[share])
            )
            columns[share] = (meals, walked)
    return columns


def phase_units(stored: Stored, prefix: str) -> dict[float, list[Mapping[str, Any]]]:
    """Return the units of all conditions called ``PREFIX SHARE``, by the share of their names."""
    found = {
        float(name.removeprefix(prefix)): units
        for name, units in by_condition(stored["units"]).items()
        if name.startswith(prefix)
    }
    return dict(sorted(found.items()))


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
