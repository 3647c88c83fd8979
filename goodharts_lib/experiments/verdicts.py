"""How a claim is judged by an interval: confirmed, refuted or left open.

A claim that something lies between two limits, of which one may be infinite, is confirmed if the
whole 95 % interval over training seeds lies there, refuted if all of it lies on one side, and
undecided otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from goodharts_lib import stats
from goodharts_lib.experiments.analysis import MIN_SEEDS, TooFewError

Verdict = Literal["confirmed", "refuted", "undecided"]


class Outcome(NamedTuple):
    """What was measured, in words, and whether the prediction held."""

    measured: str
    verdict: Verdict


def inside(interval: stats.Interval, low: float, high: float, words: str = "") -> Outcome:
    """Judge the claim that a quantity lies between two limits, either of which may be infinite."""
    verdict: Verdict = "undecided"
    if low < interval.low and interval.high < high:
        verdict = "confirmed"
    elif interval.high < low or interval.low > high:
        verdict = "refuted"
    return Outcome(f"{words}{interval}", verdict)


def worst(verdicts: Sequence[str]) -> Verdict:
    """Return the verdict on a claim of several parts, all of which must hold."""
    if "refuted" in verdicts:
        return "refuted"
    return "undecided" if "undecided" in verdicts or not verdicts else "confirmed"


def enough(seeds_of: Mapping[float, int]) -> None:
    """Refuse a sweep that is too short, or has too few training seeds at some place.

    Raises:
        TooFewError: fewer than four places, or than `MIN_SEEDS` at one of them.
    """
    if len(seeds_of) < 4:
        raise TooFewError("the sweep is not complete.")
    place = min(seeds_of, key=lambda place: seeds_of[place])
    if seeds_of[place] < MIN_SEEDS:
        raise TooFewError(f"{seeds_of[place]} seeds at {place:g}; a claim needs {MIN_SEEDS}.")
