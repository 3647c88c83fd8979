"""Plausible wrong answers to the exercises of page 7."""

from __future__ import annotations

import math
import statistics
from typing import Any

NUMBERS = {"7.1"}  # exercises whose answer is no function


def _dropped(times: Any) -> Any:
    seen = [t for t in times if t is not None]
    return statistics.median(seen) if seen else float("inf")


def _at_the_limit(times: Any) -> Any:
    return statistics.median([1_507_328 if t is None else t for t in times])


def _lower(times: Any) -> Any:
    return statistics.median_low([math.inf if t is None else t for t in times])


def _upper(times: Any) -> Any:
    return statistics.median_high([math.inf if t is None else t for t in times])


def _at_zero(times: Any) -> Any:
    return statistics.median([t or 0 for t in times])


WRONG: dict[str, dict[str, Any]] = {
    "7.1": {
        "one noisy reading": 0.9772,
        "deviations added": 0.8413,
        "how often wrong": 0.0786,
        "the distance": 1.414,
        "a coin": 0.5,
        "a word": "often",
    },
    "7.2": {
        "dropped": _dropped,
        "as if learned at the end": _at_the_limit,
        "the lower of two": _lower,
        "the upper of two": _upper,
        "as if learned at once": _at_zero,
        "the mean": lambda times: statistics.mean([t or 1_507_328 for t in times]),
        "nothing": lambda times: None,  # noqa: ARG005
    },
    "7.3": {
        "eats always": lambda share, gain, harm: (1 - share) * gain - share * harm,
        "tells apart": lambda share, gain, harm: (1 - share) * gain,  # noqa: ARG005
        "never eats": lambda share, gain, harm: 0.0,  # noqa: ARG005
        "shares swapped": lambda share, gain, harm: max(share * gain - (1 - share) * harm, 0),
        "shares forgotten": lambda share, gain, harm: max(gain - harm, 0),  # noqa: ARG005
    },
}
