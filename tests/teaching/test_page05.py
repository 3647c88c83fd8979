"""Page 5: a right answer is right in any form, and each fault names what went wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from wrong_page05 import RIGHT, WRONG

from goodharts_lib.teaching import fault_of, page05

SAYS = {  # of a wrong answer, what its fault must name
    ("5.1", "a guess"): "the effect of the wages is not 1000",
    ("5.1", "not averaged"): "average over the two pairs",
    ("5.1", "wages halved twice"): "halve it once only",
    ("5.1", "halved"): "a difference of differences",
    ("5.1", "a tuple"): "is a dictionary",
    ("5.1", "two of three"): "is a dictionary",
    ("5.2", "any instead of all"): "the first of the runs",
    ("5.2", "below on average"): "their mean",
    ("5.2", "the latest of their own"): "may have risen again",
    ("5.2", "the update"): "number of the update",
    ("5.2", "the update, by numpy"): "number of the update",
    ("5.3", "in words"): "return True or False",
}


@pytest.mark.parametrize("key", SAYS, ids=lambda key: f"{key[0]} {key[1]}")
def test_a_fault_names_what_went_wrong(key: tuple[str, str]) -> None:
    exercise, name = key
    assert SAYS[key] in str(fault_of(exercise, WRONG[exercise][name]))


def test_who_halves_the_wages_is_not_told_of_the_interaction() -> None:
    assert "differences" not in str(fault_of("5.1", RIGHT | {"wages": RIGHT["wages"] / 2}))


def all_below(runs: Sequence[Mapping[str, Any]]) -> np.int64:
    worst = np.max([run["true_energy"] for run in runs], axis=0)
    return np.array(runs[0]["total_steps"])[worst < -300][0]


def by_numbers(food: float, poison: float) -> int:
    return int(food + poison > 20 and poison > 0.2 * (food + poison))


@pytest.mark.parametrize(("exercise", "answer"), [("5.2", all_below), ("5.3", by_numbers)])
def test_a_right_answer_is_right_in_any_form(exercise: str, answer: Any) -> None:
    assert fault_of(exercise, answer) is None


def test_every_misreading_comes_out_differently_in_the_made_up_runs() -> None:
    found = page05._crossings(page05._curves(*page05.WAVERING))
    assert found == {"any": 200, "latest": 300, "mean": 400, "all": 600}
