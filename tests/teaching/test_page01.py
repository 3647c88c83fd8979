"""Page 1: right answers in more than one form, and faults that name what is missing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from wrong_page01 import RIGHT

from goodharts_lib.teaching import fault_of


def swindle(rng: np.random.Generator, n: int) -> np.ndarray:
    """Right for nearly all, far too high for one in a hundred."""
    return np.where(rng.random(n) < 0.01, 4.5, 0.0)


@pytest.mark.parametrize(
    ("exercise", "answer"),
    [("1.1", 32), ("1.1", "32"), ("1.2", swindle), ("1.3", RIGHT)],
)
def test_a_right_answer_is_right_in_any_form(exercise: str, answer: Any) -> None:
    assert fault_of(exercise, answer) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (RIGHT | {"essay": ..., "hull": ...}, "no face yet for: essay, hull."),
        (RIGHT | {"scout": "adversarial"}, "5 of 6 are right. The case 'scout' is not adversarial"),
        (RIGHT | {"scout": "adversarial"}, "people who know that they are judged"),
        (RIGHT | {"hull": "causal"}, "goes along with the goal without bringing it about"),
        (RIGHT | {"fibre": "causal"}, "somebody who moves it by hand"),
    ],
)
def test_a_wrong_face_is_told_which_argument_is_missing(answer: Any, words: str) -> None:
    assert words in str(fault_of("1.3", answer))


def test_errors_of_exactly_the_allowed_size_are_told_what_is_wrong_at_the_top() -> None:
    fault = str(fault_of("1.2", lambda rng, n: 0.5 * rng.normal(size=n)))
    assert "the best tenth by your measure has a truth of 1.5" in fault
    assert "choosing harder still pays" in fault
