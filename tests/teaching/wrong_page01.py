"""Plausible wrong answers to the exercises of page 1."""

from __future__ import annotations

from typing import Any

import numpy as np

RIGHT = {
    "fund": "regressional",
    "books": "causal",
    "fibre": "extremal",
    "essay": "adversarial",
    "scout": "regressional",
    "hull": "extremal",
}

NUMBERS = {"1.1", "1.3"}  # exercises whose answer is no function

WRONG: dict[str, dict[str, Any]] = {
    "1.1": {
        "the score": 50,
        "the ratio of standard deviations": 50 * 12 / 21,
        "the correlation": 50 * 0.8,
        "the luck": 50 * 81 / 225,
        "a guess": 25,
        "not a number": "two thirds",
    },
    "1.2": {
        "normal errors": lambda rng, n: rng.normal(size=n) / 2,
        "the heavy tail of the live cell": lambda rng, n: rng.standard_t(3, size=n) / 3**0.5,
        "a heavy tail made small": lambda rng, n: rng.standard_t(5, size=n) / 3,
        "the same error for all": lambda rng, n: np.full(n, 0.4),  # noqa: ARG005
        "one number": lambda rng, n: 0.3,  # noqa: ARG005
        "a division by nothing": lambda rng, n: np.full(n, np.inf),  # noqa: ARG005
        "a few measured too low": lambda rng, n: -3.4 * (rng.random(n) < 0.02),
    },
    "1.3": {
        "the pupils are the cause": RIGHT | {"books": "regressional"},
        "luck taken for a plot": RIGHT | {"scout": "adversarial"},
        "a cause taken for a companion": RIGHT | {"fibre": "causal"},
        "a step outside taken for luck": RIGHT | {"hull": "regressional"},
        "all adversarial": dict.fromkeys(RIGHT, "adversarial"),
        "a face that is none": RIGHT | {"fund": "random"},
        "one left out": {case: face for case, face in RIGHT.items() if case != "essay"},
        "a list": list(RIGHT.values()),
    },
}
