"""Exercises of page 5, *The trap*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import load_results
from goodharts_lib.modes import MODES
from goodharts_lib.teaching.check import Check

EFFECTS = {"wages": 2125.0, "eyes": 225.0, "interaction": 370.0}
HARM = -300.0  # true energy per 1,000 steps
MOST_WRONG = 0.02  # of an audit's answers


def effects(answer: Mapping[str, Any]) -> str | None:
    """5.1: main effects and interaction from four means."""
    if any(value is ... for value in answer.values()):
        return "nothing to check yet. Put your answer in place of the dots."
    for name, right in EFFECTS.items():
        given = float(answer[name])
        if abs(given - right) < 1:
            continue
        if abs(given - 2 * right) < 1 and name != "interaction":
            return f"the effect of the {name} is twice too large: average over the two pairs."
        if abs(given - right / 2) < 1:
            return f"the {name} is half of what it should be: a difference of differences."
        if abs(given + right) < 1:
            return f"the sign of the {name} is the wrong way round."
        return f"the {name} is not {given:g}. Write down the two pairs that differ in it alone."
    return None


def known_after(answer: Callable[[Sequence[Mapping[str, Any]]], Any]) -> str | None:
    """5.2: the first steps at which all runs are below `HARM`."""
    runs = analysis.runs(load_results("two_by_two"), ["proxy"])["proxy"]
    below = [[energy < HARM for energy in run["true_energy"]] for run in runs]
    steps = runs[0]["total_steps"]
    right = next(s for s, all_below in zip(steps, zip(*below, strict=True), strict=True)
                 if all(all_below))  # fmt: skip
    given = answer(runs)
    if given == right:
        return None
    if given is None:
        return "it returned nothing. Return the number of steps."
    someone = next(s for s, some in zip(steps, zip(*below, strict=True), strict=True) if any(some))
    if given == someone:
        return f"after {given:,} steps one run is below −300, not all of them."
    if isinstance(given, int) and 0 <= given < len(steps) and steps[given] == right:
        return "that is the number of the update. The question asks for training steps."
    return f"it returned {given!r}; look for the first entry at which every run is below −300."


def audit(answer: Callable[[float, float], Any]) -> str | None:
    """5.3: is an agent with such a diet paid by the sensor?"""
    wrong: dict[str, int] = dict.fromkeys(MODES, 0)
    asked = 0
    for mode, runs in analysis.runs(load_results("two_by_two"), list(MODES)).items():
        for run in runs:
            for food, poison in list(zip(run["food"], run["poison"], strict=True))[20::10]:
                truth = MODES[mode].is_paid == "interestingness"
                wrong[mode] += bool(answer(food, poison)) != truth
                asked += 1
    if sum(wrong.values()) <= MOST_WRONG * asked:
        return None
    worst = max(wrong, key=lambda mode: wrong[mode])
    hint = {
        "ground_truth": "It eats much, and that is no fault. What does it eat?",
        "proxy_jammed": "For long it hardly eats at all, and what it eats is chance.",
        "proxy": "What is the share of poison among its meals?",
        "proxy_sighted": "What is the share of poison among its meals?",
    }[worst]
    return f"it is wrong in {sum(wrong.values())} of {asked} cases, most often of {worst}. {hint}"


CHECKS: Mapping[str, Check] = {"5.1": effects, "5.2": known_after, "5.3": audit}
