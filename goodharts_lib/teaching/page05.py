"""Exercises of page 5, *The trap*."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from numbers import Integral
from typing import Any

from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.catalog import load_results
from goodharts_lib.modes import MODES
from goodharts_lib.teaching.check import Check

EFFECTS = {"wages": 2125.0, "eyes": 225.0, "interaction": 370.0}
HARM = -300.0  # true energy per 1,000 steps
MOST_WRONG = 0.02  # of an audit's answers


def effects(answer: Any) -> str | None:
    """5.1: main effects and interaction from four means."""
    if isinstance(answer, Mapping) and any(value is ... for value in answer.values()):
        return "nothing to check yet. Put your answer in place of the dots."
    if not isinstance(answer, Mapping) or not set(EFFECTS) <= set(answer):
        return 'the answer is a dictionary with the keys "wages", "eyes" and "interaction".'
    faults = (_misjudged(name, float(answer[name]), right) for name, right in EFFECTS.items())
    return next((fault for fault in faults if fault), None)


def _misjudged(name: str, given: float, right: float) -> str | None:
    """Return what is wrong with one of the effects."""
    if abs(given - right) < 1:
        return None
    effect = "the interaction" if name == "interaction" else f"the effect of the {name}"
    if abs(given - 2 * right) < 1 and name != "interaction":
        return f"{effect} is twice too large: average over the two pairs."
    if abs(given - right / 2) < 1:
        hint = "a difference of differences" if name == "interaction" else "halve it once only"
        return f"{effect} is half of what it should be: {hint}."
    if abs(given + right) < 1:
        return f"the sign of {effect} is the wrong way round."
    return f"{effect} is not {given:g}. Write down the two pairs that differ in it alone."


def _curves(*energies: Sequence[float]) -> list[Mapping[str, Any]]:
    """Return made-up runs, by their true energy after 100, 200, ... steps."""
    steps = [100 * (number + 1) for number in range(len(energies[0]))]
    return [{"total_steps": steps, "true_energy": list(energy)} for energy in energies]


# One run falls below the line, rises above it, and falls again after the other has.
WAVERING = ((-100, -310, -200, -290, -295, -320, -320), (-100, -100, -310, -320, -350, -350, -350))


def _first(runs: Sequence[Mapping[str, Any]], below: Sequence[bool]) -> int:
    """Return the steps at the first update of those that are marked."""
    return next(s for s, here in zip(runs[0]["total_steps"], below, strict=True) if here)


def _crossings(runs: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return when the runs are below `HARM`: by the question, and by some ways to misread it."""
    energy = [run["true_energy"] for run in runs]
    together = list(zip(*energy, strict=True))
    return {
        "all": _first(runs, [max(now) < HARM for now in together]),
        "any": _first(runs, [min(now) < HARM for now in together]),
        "mean": _first(runs, [sum(now) / len(now) < HARM for now in together]),
        "latest": max(_first(runs, [here < HARM for here in one]) for one in energy),
    }


MISREAD = {
    "any": "that is when the first of the runs is below −300, not all of them.",
    "mean": "that is when their mean is below −300. Some runs are above it then.",
    "latest": "a run that has been below −300 may have risen again. Look at all at one moment.",
}


def known_after(answer: Callable[[Sequence[Mapping[str, Any]]], Any]) -> str | None:
    """5.2: the first steps at which all runs are below `HARM`."""
    groups = [analysis.runs(load_results("two_by_two"), ["proxy"])["proxy"], _curves(*WAVERING)]
    found = [_crossings(runs) for runs in groups]
    given = [answer(runs) for runs in groups]
    right = [crossing["all"] for crossing in found]
    if given == right:
        return None
    if any(one is None for one in given):
        return "it returned nothing. Return the number of steps."
    for slip, said in MISREAD.items():
        if given == [crossing[slip] for crossing in found]:
            return said
    steps = [runs[0]["total_steps"] for runs in groups]
    if all(isinstance(one, Integral) and 0 <= int(one) < len(these) and these[int(one)] == wanted
           for one, these, wanted in zip(given, steps, right, strict=True)):  # fmt: skip
        return "that is the number of the update. The question asks for training steps."
    wrong = next(one for one, wanted in zip(given, right, strict=True) if one != wanted)
    return f"it returned {wrong!r}; look for the first entry at which every run is below −300."


def audit(answer: Callable[[float, float], Any]) -> str | None:
    """5.3: is an agent with such a diet paid by the sensor?"""
    wrong: dict[str, int] = dict.fromkeys(MODES, 0)
    asked = 0
    for mode, runs in analysis.runs(load_results("two_by_two"), list(MODES)).items():
        for run in runs:
            for food, poison in list(zip(run["food"], run["poison"], strict=True))[20::10]:
                truth = MODES[mode].is_paid == "interestingness"
                said = answer(food, poison)
                if said not in (True, False):
                    return f"it returned {said!r}: return True or False."
                wrong[mode] += bool(said) != truth
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
