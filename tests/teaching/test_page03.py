"""Page 3: a hint is given to those only whom it fits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wrong_page03 import WRONG

from goodharts_lib.teaching import fault_of


def by_steps(path: Any) -> float:
    """Right as well: two opposite steps, the field's edge allowed for."""
    steps = (np.diff(path, axis=0) + 50) % 100 - 50
    return float(np.mean((steps[1:] == -steps[:-1]).all(1)))


def one_by_one(path: Any) -> float:
    pairs = list(zip(path[:-2].tolist(), path[2:].tolist(), strict=True))
    return sum(one == other for one, other in pairs) / len(pairs)


@pytest.mark.parametrize("answer", [by_steps, one_by_one])
def test_a_share_may_be_counted_in_any_way(answer: Any) -> None:
    assert fault_of("3.3", answer) is None


def test_only_who_divides_by_too_many_is_told_so() -> None:
    hint = "Divide by the number of steps that have a step before them."
    told = {name for name, answer in WRONG["3.3"].items() if hint in str(fault_of("3.3", answer))}
    assert told == {"of all", "of all steps"}
    assert fault_of("3.3", WRONG["3.3"]["not new"]) == "on a way to and fro it is 0.905, not 1.000."
