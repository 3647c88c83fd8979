"""Page 7: each fault names what went wrong, in numbers that can be read."""

from __future__ import annotations

import pytest
from wrong_page07 import WRONG

from goodharts_lib.teaching import fault_of

SAYS = {  # of a wrong answer, what its fault must name
    ("7.2", "dropped"): "it still asks only those who have learned",
    ("7.2", "as if learned at the end"): "it says 1,507,328, but",
    ("7.2", "the lower of two"): "it says 1,449,984, the lower of the two in the middle",
    ("7.2", "the upper of two"): "it says 1,466,368, the upper of the two in the middle",
    ("7.3", "never eats"): "it never eats, though here eating pays",
    ("7.3", "shares swapped"): "the share of poison for that of food",
    ("7.3", "tells apart"): "it cannot tell them apart",
}


@pytest.mark.parametrize("key", SAYS, ids=lambda key: f"{key[0]} {key[1]}")
def test_a_fault_names_what_went_wrong(key: tuple[str, str]) -> None:
    exercise, name = key
    assert SAYS[key] in str(fault_of(exercise, WRONG[exercise][name]))
