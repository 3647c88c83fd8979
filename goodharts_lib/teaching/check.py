"""How an answer to an exercise is checked."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Callable, Mapping
from typing import Any

from goodharts_lib.errors import UserError, one_of

LINE = 75  # characters that a page of the book can show without cutting them off

Check = Callable[[Any], str | None]  # from an answer to what is wrong with it, or None


def check(exercise: str, answer: Any) -> None:
    """Print whether an answer is right, and if it is not, what is wrong with it.

    Args:
        exercise: page and number, such as ``"2.1"``.
        answer: what the exercise asks for: a number, a text, or a function.

    Raises:
        UserError: there is no such exercise.
    """
    fault = fault_of(exercise, answer)
    print(textwrap.fill(f"Exercise {exercise}: {fault or 'right.'}", LINE))


def fault_of(exercise: str, answer: Any) -> str | None:
    """Return what is wrong with an answer, in a sentence or two, or None if it is right.

    Whatever the answer raises is a fault of the answer.
    """
    checks = _checks(exercise.partition(".")[0])
    judge = checks[one_of("exercise", exercise, checks)]
    if answer is ...:
        return "nothing to check yet. Put your answer in place of the dots."
    try:
        return judge(answer)
    except NotImplementedError:
        return "nothing to check yet. Write your own lines in place of the last one."
    except Exception as error:  # noqa: BLE001 - it is the reader's code that fails here
        return f"your answer raised {type(error).__name__}: {str(error).rstrip('.')}."


def _checks(page: str) -> Mapping[str, Check]:
    """Return the checks of a page."""
    if not page.isdecimal():
        raise UserError(f"an exercise is named like '2.1', not '{page}'.")
    try:
        module = importlib.import_module(f"goodharts_lib.teaching.page{int(page):02d}")
    except ModuleNotFoundError as error:
        raise UserError(f"page {page} has no exercises.") from error
    checks: Mapping[str, Check] = module.CHECKS
    return checks
