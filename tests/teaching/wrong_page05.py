"""Plausible wrong answers to the exercises of page 5."""

from __future__ import annotations

from typing import Any

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


WRONG: dict[str, dict[str, Any]] = {
    "5.1": {
        "not averaged": RIGHT | {"wages": 4250},
        "halved": RIGHT | {"interaction": 185},
        "the wrong way round": RIGHT | {"eyes": -225},
        "one pair only": RIGHT | {"eyes": 410},
        "a guess": RIGHT | {"wages": 1000},
        "two of three": {"wages": 2125, "eyes": 225},
    },
    "5.2": {
        "any instead of all": _first_of_any,
        "the update": _update,
        "nothing": lambda runs: None,  # noqa: ARG005
    },
    "5.3": {
        "everyone": lambda food, poison: True,  # noqa: ARG005
        "who eats much": lambda food, poison: food + poison > 100,
        "the share alone": lambda food, poison: poison / (food + poison + 1e-9) > 0.2,
    },
}
