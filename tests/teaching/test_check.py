"""Checks tell a wrong answer its fault; stubs are told that nothing is there yet."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest

from goodharts_lib import teaching
from goodharts_lib.errors import UserError
from goodharts_lib.teaching import check, fault_of

WRONG: dict[str, dict[str, Any]] = {}  # exercise: name: a wrong answer
NUMBERS: set[str] = set()  # exercises whose answer is no function
for file in sorted(Path(__file__).parent.glob("wrong_page*.py")):
    WRONG |= importlib.import_module(file.stem).WRONG
    NUMBERS |= importlib.import_module(file.stem).NUMBERS

PAGES = sorted(Path(teaching.__file__).parent.glob("page*.py"))
CHECKS = {
    key: judge
    for page in PAGES
    for key, judge in importlib.import_module(f"goodharts_lib.teaching.{page.stem}").CHECKS.items()
}


@pytest.mark.parametrize(
    ("exercise", "name"), [(key, name) for key, answers in WRONG.items() for name in answers]
)
def test_a_wrong_answer_is_told_its_fault(exercise: str, name: str) -> None:
    fault = fault_of(exercise, WRONG[exercise][name])
    assert fault
    assert fault.endswith((".", "?"))
    assert "nothing to check yet" not in fault


@pytest.mark.parametrize("exercise", CHECKS)
def test_every_exercise_has_two_wrong_answers_with_faults_of_their_own(exercise: str) -> None:
    faults = {fault_of(exercise, answer) for answer in WRONG[exercise].values()}
    assert len(faults - {None}) >= 2


def test_pages_check_their_own_exercises_only() -> None:
    for page in PAGES:
        number = int(re.sub(r"\D", "", page.stem))
        module = importlib.import_module(f"goodharts_lib.teaching.{page.stem}")
        assert [key.split(".")[0] for key in module.CHECKS] == [str(number)] * 3


def test_a_stub_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    def stub(*_: object) -> None:
        raise NotImplementedError

    for exercise in CHECKS:
        for nothing in (..., stub):
            if nothing is ... or exercise not in NUMBERS:
                assert "nothing to check yet" in str(fault_of(exercise, nothing))
    check("2.1", ...)
    check("2.1", 0.375)
    assert capsys.readouterr().out.splitlines()[1] == "Exercise 2.1: right."


def test_a_long_fault_is_wrapped_to_what_a_page_shows(capsys: pytest.CaptureFixture[str]) -> None:
    def stub(*_: object) -> None:
        raise NotImplementedError

    check("2.3", stub)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 75
    assert " ".join(lines) == f"Exercise 2.3: {fault_of('2.3', stub)}"



@pytest.mark.parametrize(
    ("exercise", "words"),
    [("2.9", "unknown exercise '2.9' (nearest valid: "), ("77.1", "page 77 has no exercises"),
     ("two", "an exercise is named like '2.1'")],
)  # fmt: skip
def test_an_exercise_that_does_not_exist_is_one_sentence(exercise: str, words: str) -> None:
    with pytest.raises(UserError) as caught:
        fault_of(exercise, 1)
    assert words in str(caught.value)
