"""Page 9: faults that name the mistake."""

from __future__ import annotations

import pytest
from wrong_page09 import WRONG

from goodharts_lib.teaching import fault_of

SAYS = {  # of a wrong answer, what its fault must name
    ("9.2", "copied, not halved"): "at most 1",
    ("9.2", "the largest change"): "the largest change of a single move",
    ("9.3", "nothing"): "Return True or False",
}


@pytest.mark.parametrize(("exercise", "name"), SAYS)
def test_a_fault_names_what_is_wrong(exercise: str, name: str) -> None:
    assert SAYS[exercise, name] in str(fault_of(exercise, WRONG[exercise][name]))
