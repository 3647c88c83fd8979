"""Exercises of page 1, *A law with four faces*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from goodharts_lib.teaching.check import Check

SPREADS = (12.0, 9.0)  # exercise 1.1: standard deviations of ability and of error
SCORE = 50.0
PEOPLE = 200_000  # exercise 1.2
LARGEST_ERROR = 0.5  # its largest standard deviation

NEEDS = {  # what a story must hold for a face
    "regressional": "somebody who chooses the best of many by a measure that is partly luck",
    "extremal": "a range in which the measure was found good, and a step out of that range",
    "causal": "a measure that goes along with the goal without bringing it about, and somebody who "
    "moves it by hand",
    "adversarial": "people who know that they are judged by the measure, and who have aims of "
    "their own",
}
FACES = {
    "fund": "regressional",
    "books": "causal",
    "fibre": "extremal",
    "essay": "adversarial",
    "scout": "regressional",
    "hull": "extremal",
}


def shrink(answer: Any) -> str | None:
    """1.1: the expected ability of someone who scores 50 above the mean, in points above it."""
    try:
        points = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number of points."
    ability, error = SPREADS
    share = ability**2 / (ability**2 + error**2)
    if abs(points - SCORE * share) < 0.1:
        return None
    for wrong, fault in (
        (1.0, "that is the score itself. Part of a high score is luck."),
        (ability / (ability + error), "standard deviations do not add up, variances do."),
        (share**0.5, "that is the score times the correlation. Here both are in points."),
        (1 - share, "that is the part of the score which you expect to be luck."),
    ):  # fmt: skip
        if abs(points - SCORE * wrong) < 0.1:
            return fault
    return f"that is {points / SCORE:.2f} of the score. Which share of the variance is ability?"


def glitch(answer: Callable[[np.random.Generator, int], Any]) -> str | None:
    """1.2: errors of a standard deviation of at most 0.5 that spoil the top of the measure."""
    rng = np.random.default_rng(12)
    truth = rng.normal(size=PEOPLE)
    errors = np.asarray(answer(rng, PEOPLE), dtype=float)
    if errors.shape != truth.shape:
        return f"the result has shape {errors.shape}, not ({PEOPLE},)."
    if not np.isfinite(errors).all():
        return "some of your errors are infinite or not a number."
    spread = float(errors.std())
    if spread > LARGEST_ERROR + 0.005:  # a sample of exactly 0.5 may come out a little larger
        return f"the standard deviation of your errors is {spread:.2f}; at most 0.5 is allowed."
    if spread < 1e-9:
        return "all your errors are alike, so your measure ranks everybody as they are."
    order = np.argsort(-(truth + errors))
    tenth, hundredth = (float(truth[order[: PEOPLE // k]].mean()) for k in (10, 100))
    if hundredth < tenth:
        return None
    return (
        f"the best tenth by your measure has a truth of {tenth:.2f}, the best hundredth "
        f"{hundredth:.2f}: choosing harder still pays. Who would have to fill the very top?"
    )


def classify(answer: Any) -> str | None:
    """1.3: a dictionary from six cases to their faces."""
    if not isinstance(answer, Mapping):
        return "the answer is a dictionary from the name of a case to the name of a face."
    missing = [case for case in FACES if answer.get(case, ...) is ...]
    if len(missing) == len(FACES):
        return "nothing to check yet. Put the name of a face in place of the dots."
    if missing:
        return f"no face yet for: {', '.join(missing)}."
    right = sum(answer[case] == face for case, face in FACES.items())
    for case, face in FACES.items():
        given = answer[case]
        if given not in NEEDS:
            return f"'{given}' is not a face: choose from {', '.join(NEEDS)}."
        if given != face:
            return (
                f"{right} of {len(FACES)} are right. The case '{case}' is not {given}: that needs "
                f"{NEEDS[given]}. Where is that in the story?"
            )
    return None


CHECKS: Mapping[str, Check] = {"1.1": shrink, "1.2": glitch, "1.3": classify}
