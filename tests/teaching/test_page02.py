"""Page 2: right answers in more than one form, and a rule is told what is the matter with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from wrong_page02 import seek

from goodharts_lib.teaching import fault_of


def by_rounding(channels: torch.Tensor) -> torch.Tensor:
    """Cell types as floating-point numbers, from the glow alone."""
    found = (10 * channels[2]).round()
    return 2.0 * (found == 10) + 3.0 * (found == 9) + channels[1]


@pytest.mark.parametrize(
    ("exercise", "answer"), [("2.1", 0.375), ("2.1", "0.375"), ("2.2", by_rounding)]
)
def test_a_right_answer_is_right_in_any_form(exercise: str, answer: Any) -> None:
    assert fault_of(exercise, answer) is None


def test_a_rule_that_hesitates_long_enough_before_poison_is_right() -> None:
    assert fault_of("2.3", lambda view: seek(view, 8)) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (0.25, "at a poison share of 0.25 a meal changes energy by +4.0 on average"),
        (25, "a share lies between 0 and 1, and 25 does not."),
        (0.6, "the ratio of the two prices, 12 : 20"),
        (0.625, "the share of food"),
    ],
)
def test_a_wrong_share_is_told_what_it_is(answer: float, words: str) -> None:
    assert words in str(fault_of("2.1", answer))


def test_a_type_that_does_not_occur_is_no_error_of_ours() -> None:
    fault = fault_of("2.2", lambda channels: torch.full((11, 11), 7))  # noqa: ARG005
    assert fault == "types are 0 to 3, and it says 7 somewhere."


def right(view: np.ndarray) -> int:  # noqa: ARG001
    return 6


@pytest.mark.parametrize(
    ("rule", "words", "never"),
    [
        (right, "It hardly eats.", "of its meals"),
        (lambda view: seek(view, 0.5), "Poison is 0.2", "hardly eats"),
        (lambda view: seek(view, 0.5), "the line is at 0.25", "hardly eats"),
        (lambda view: seek(view, 0), "What does it eat?", "better than"),
    ],
)
def test_a_rule_is_told_what_keeps_it_below_zero(
    rule: Callable[[np.ndarray], int], words: str, never: str
) -> None:
    fault = str(fault_of("2.3", rule))
    assert words in fault
    assert never not in fault
