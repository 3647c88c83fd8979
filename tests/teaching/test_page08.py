"""Page 8: faults that name the mistake."""

from __future__ import annotations

import pytest
from wrong_page08 import WRONG

from goodharts_lib.teaching import fault_of

SAYS = {  # of a wrong answer, what its fault must name
    ("8.1", "per cent"): "a share lies between 0 and 1",
    ("8.3", "no move on a step with a meal"): "the step on which it eats costs a move",
}


@pytest.mark.parametrize(("exercise", "name"), SAYS)
def test_a_fault_names_what_is_wrong(exercise: str, name: str) -> None:
    assert SAYS[exercise, name] in str(fault_of(exercise, WRONG[exercise][name])).lower()
