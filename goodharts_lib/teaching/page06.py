"""Exercises of page 6, *Proxy up, truth down*."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.catalog import load_results
from goodharts_lib.plotting.choice import Floats, best_of
from goodharts_lib.plotting.optimisation import worth
from goodharts_lib.teaching.check import Check

ALPHA, BETA = 1.5, 0.5
SUMMITS = {"best of n": ALPHA / (2 * BETA), "RL": math.exp(ALPHA / BETA - 1)}
SAMPLES = 400
TOLERANCE = 0.03  # of values that spread over 1: drawing groups at random is good enough
VALUES: tuple[Callable[[Floats], Floats], ...] = (  # what a sample is worth by its score
    lambda score: score**4,
    lambda score: (1 - score) ** 2,
)
GOOD, HARMLESS = 1300.0, -200.0  # true energy per 1,000 steps


def summits(answer: Mapping[str, Any]) -> str | None:
    """6.1: the summits of d (α − β d) and d (α − β log d)."""
    if any(value is ... for value in answer.values()):
        return "nothing to check yet. Put your answer in place of the dots."
    for name, right in SUMMITS.items():
        given = float(answer[name])
        if abs(given - right) < 0.01 * right:
            continue
        zero = ALPHA / BETA if name == "best of n" else math.exp(ALPHA / BETA)
        if abs(given - zero) < 0.01 * zero:
            return f"at {given:g} the form for {name} is back at zero; the summit comes before."
        if abs(given - right**2) < 0.01 * right**2:
            return f"{given:g} is the divergence; the distance for {name} is its square root."
        return f"{given:g} is not where the slope of the form for {name} is zero."
    return None


def best_of_n(answer: Callable[[int, list[float], list[float]], Any]) -> str | None:
    """6.2: the mean value of the one with the highest score among n drawn samples."""
    scores = np.random.default_rng(6).permutation(SAMPLES) / SAMPLES
    even = [float(score) for score in scores]
    for n in (1, 2, 5, 20):
        given, right = float(answer(n, even, even)), best_of(n, even, even)
        if abs(given - right) < TOLERANCE:
            continue
        top = float(np.sort(scores)[::-1][: SAMPLES // n].mean())
        if n > 1 and abs(given - top) < 0.005:
            return (
                f"with n = {n} it returns {given:.2f}, the mean of the top {SAMPLES // n}. The "
                f"best of {n} is {right:.2f} on average: often all {n} are poor."
            )
        if abs(given - 1) < 0.005:
            return f"with n = {n} it returns the best of all samples, whatever n is."
        return f"with n = {n} it returns {given:.2f} instead of {right:.2f}."
    faults = (_chosen_well(answer, 5, scores, value) for value in VALUES)
    return next((fault for fault in faults if fault), None)


def _chosen_well(
    answer: Callable[[int, list[float], list[float]], Any],
    n: int,
    scores: Floats,
    value: Callable[[Floats], Floats],
) -> str | None:
    """Return what is wrong where value and score differ."""
    values = value(scores)
    given, right = float(answer(n, scores.tolist(), values.tolist())), best_of(n, scores, values)
    if abs(given - right) < TOLERANCE:
        return None
    if abs(given - best_of(n, values, values)) < TOLERANCE:
        return "it chooses by value. Choose by score, and return the value of the chosen."
    if abs(given - float(value(np.array(n / (n + 1))))) < TOLERANCE / 3:
        return (
            f"with n = {n} it returns {given:.2f}, the value at the usual place of the best. That "
            f"place varies, and the value with it: {right:.2f} on average."
        )
    return (
        f"it is right when value and score are the same, but not when they differ: with n = {n} "
        f"it returns {given:.2f} instead of {right:.2f}."
    )


def ship(answer: Callable[[Sequence[float], Sequence[float]], Any]) -> str | None:
    """6.3: which checkpoint to ship, seeing proxy score and divergence only."""
    runs = analysis.runs(load_results("two_by_two"), ["ground_truth", "proxy"])
    means = {}
    for mode, many in runs.items():
        energies = []
        for run in many:
            length = len(run["proxy_score"])
            index = answer(list(run["proxy_score"]), list(run["kl_to_initial"]))
            if not isinstance(index, int | np.integer) or not -length <= index < length:
                return f"it returned {index!r}; return an integer from 0 to {length - 1}."
            energies.append(worth(run, int(index) % length))
        means[mode] = float(np.mean(energies))
    good, bad = means["ground_truth"], means["proxy"]
    told = f"it ships {good:+,.0f} from `ground_truth` and {bad:+,.0f} from `proxy`"
    if good > GOOD and bad > HARMLESS:
        return None
    if good > GOOD:
        return (
            f"{told}. It follows the score up in both records. Which of the two scores is higher "
            "than food alone can explain?"
        )
    if bad > HARMLESS:
        return (
            f"{told}. It does no harm, and throws away what `ground_truth` has learned. "
            "Single updates of it exceed what food alone can explain, by luck."
        )
    return f"{told}: stopping early spoils the one and does not save the other."


CHECKS: Mapping[str, Check] = {"6.1": summits, "6.2": best_of_n, "6.3": ship}
