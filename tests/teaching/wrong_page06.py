"""Plausible wrong answers to the exercises of page 6."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

RIGHT = {"best of n": 1.5, "RL": math.exp(2)}

NUMBERS = {"6.1"}  # exercises whose answer is no function


def _top_fraction(n: int, scores: Any, values: Any) -> Any:
    best_first = np.argsort(scores)[::-1]
    return np.mean(np.array(values)[best_first[: max(len(scores) // n, 1)]])


def _counted(n: int, scores: Any, values: Any) -> float:
    total = 0.0
    for i, index in enumerate(np.argsort(scores)):
        total += values[index] * math.comb(i, n - 1) / math.comb(len(scores), n)
    return total


def _usual_place(n: int, scores: Any, values: Any) -> float:
    """The value at the quantile n / (n + 1): right for even values, and only for them."""
    return float(np.array(values)[np.argsort(scores)][round(len(scores) * n / (n + 1)) - 1])


def _once_too_good(proxy_score: Any, kl: Any) -> int:  # noqa: ARG001
    return 0 if max(proxy_score) > 186 else int(np.argmax(proxy_score))


def _half_way(proxy_score: Any, kl: Any) -> int:  # noqa: ARG001
    return int((np.array(proxy_score) >= max(proxy_score) / 2).argmax())


WRONG: dict[str, dict[str, Any]] = {
    "6.1": {
        "where best of n is zero": RIGHT | {"best of n": 3},
        "where RL is zero": RIGHT | {"RL": math.exp(3)},
        "a divergence": RIGHT | {"best of n": 2.25},
        "RL's divergence": RIGHT | {"RL": math.exp(4)},
        "one form for both": RIGHT | {"RL": 1.5},
    },
    "6.2": {
        "as it was given": _top_fraction,
        "the best of all": lambda n, scores, values: values[int(np.argmax(scores))],  # noqa: ARG005
        "the mean": lambda n, scores, values: np.mean(values),  # noqa: ARG005
        "chosen by value": lambda n, scores, values: _counted(n, values, values),  # noqa: ARG005
        "the score of the chosen": lambda n, scores, values: _counted(n, scores, scores),  # noqa: ARG005
        "the usual place of the best": _usual_place,
        "one too many": lambda n, scores, values: _counted(n + 1, scores, values),
    },
    "6.3": {
        "the best score": lambda proxy_score, kl: int(np.argmax(proxy_score)),  # noqa: ARG005
        "the last": lambda proxy_score, kl: len(kl) - 1,  # noqa: ARG005
        "the first": lambda proxy_score, kl: 0,  # noqa: ARG005
        "half way": _half_way,
        "once too good": _once_too_good,
        "a budget": lambda proxy_score, kl: int(np.searchsorted(kl, 0.5)),  # noqa: ARG005
        "a score": lambda proxy_score, kl: max(proxy_score),  # noqa: ARG005
        "out of range": lambda proxy_score, kl: len(kl),  # noqa: ARG005
    },
}
