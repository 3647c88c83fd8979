"""Page 6: groups drawn at random are good enough, and each fault names what went wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wrong_page06 import WRONG

from goodharts_lib.teaching import fault_of

SAYS = {  # of a wrong answer, what its fault must name
    ("6.2", "as it was given"): "the mean of the top 200",
    ("6.2", "chosen by value"): "it chooses by value",
    ("6.2", "the usual place of the best"): "0.47, the value at the usual place of the best",
    ("6.3", "once too good"): "by luck",
    ("6.3", "the best score"): "follows the score up in both records",
}


@pytest.mark.parametrize("key", SAYS, ids=lambda key: f"{key[0]} {key[1]}")
def test_a_fault_names_what_went_wrong(key: tuple[str, str]) -> None:
    exercise, name = key
    assert SAYS[key] in str(fault_of(exercise, WRONG[exercise][name]))


@pytest.mark.parametrize("seed", range(5))
def test_a_thousand_groups_drawn_at_random_are_right(seed: int) -> None:
    rng = np.random.default_rng(seed)

    def drawn(n: int, scores: Any, values: Any) -> float:
        groups = np.array([rng.choice(len(scores), n, replace=False) for _ in range(1000)])
        best = groups[np.arange(1000), np.array(scores)[groups].argmax(1)]
        return float(np.array(values)[best].mean())

    assert fault_of("6.2", drawn) is None
