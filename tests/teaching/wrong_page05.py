"""Plausible wrong answers to the exercises of page 5."""

from __future__ import annotations

from typing import Any

import numpy as np

RIGHT = {"wages": 2125, "eyes": 225, "interaction": 370}

NUMBERS = {"5.1"}  # exercises whose answer is no function


def _first_of_any(runs: Any) -> Any:
    for index, steps in enumerate(runs[0]["total_steps"]):
        if any(run["true_energy"][index] < -300 for run in runs):
            return steps
    return None


def _update(runs: Any) -> Any:
    for index in range(len(runs[0]["total_steps"])):
        if all(run["true_energy"][index] < -300 for run in runs):
            return index
    return None


def _latest_of_own(runs: Any) -> Any:
    return max(
        next(s for s, e in zip(run["total_steps"], run["true_energy"], strict=True) if e < -300)
        for run in runs
    )


def _mean_below(runs: Any) -> Any:
    means = np.mean([run["true_energy"] for run in runs], axis=0)
    return runs[0]["total_steps"][int(np.argmax(means < -300))]


def _numpy_update(runs: Any) -> Any:
    energy = np.array([run["true_energy"] for run in runs])
    return np.argmax((energy < -300).all(axis=0))


def _in_words(food: float, poison: float) -> str:
    return "yes" if food + poison > 20 and poison / (food + poison) > 0.2 else "no"


WRONG: dict[str, dict[str, Any]] = {
    "5.1": {
        "not averaged": RIGHT | {"wages": 4250},
        "wages halved twice": RIGHT | {"wages": 1062.5},
        "a tuple": (2125, 225, 370),
        "halved": RIGHT | {"interaction": 185},
        "the wrong way round": RIGHT | {"eyes": -225},
        "one pair only": RIGHT | {"eyes": 410},
        "a guess": RIGHT | {"wages": 1000},
        "two of three": {"wages": 2125, "eyes": 225},
    },
    "5.2": {
        "any instead of all": _first_of_any,
        "the update": _update,
        "the latest of their own": _latest_of_own,
        "below on average": _mean_below,
        "the update, by numpy": _numpy_update,
        "nothing": lambda runs: None,  # noqa: ARG005
    },
    "5.3": {
        "everyone": lambda food, poison: True,  # noqa: ARG005
        "who eats much": lambda food, poison: food + poison > 100,
        "in words": _in_words,
        "the share alone": lambda food, poison: poison / (food + poison + 1e-9) > 0.2,
    },
}
