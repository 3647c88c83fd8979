"""The source on a page is the library's own."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import IPython.display
import pytest
import torch

import goodharts_lib
from goodharts_lib.errors import UserError
from goodharts_lib.teaching.source import COLUMNS, reflowed, show_source, source_of
from goodharts_lib.training.ppo import algorithms
from goodharts_lib.training.reward_shaping import RewardShaping

REAL = [algorithms.compute_gae, algorithms.ppo_loss, RewardShaping.step, RewardShaping.potential]


@pytest.mark.parametrize("function", REAL, ids=lambda function: function.__name__)
def test_only_the_docstring_is_missing(function: Callable[..., Any]) -> None:
    whole = textwrap.dedent(inspect.getsource(function)).rstrip().splitlines()
    left = source_of(function).splitlines()
    missing = len(whole) - len(left)
    start = next(i for i, (one, other) in enumerate(zip(whole, left, strict=False)) if one != other)
    assert whole[:start] + whole[start + missing :] == left
    gone = "\n".join(whole[start : start + missing])
    assert gone.split() == f'"""{function.__doc__}"""'.split()


def test_what_is_shown_runs_and_computes_the_same() -> None:
    names = dict(vars(algorithms))
    exec(reflowed(source_of(algorithms.compute_gae)), names)  # noqa: S102 - our own source
    end = torch.tensor([[False], [True], [False]])
    numbers = (torch.tensor([[1.0], [2.0], [4.0]]), torch.ones(3, 1), torch.ones(3, 1))
    shown = names["compute_gae"](*numbers, end, ~end, 0.9, 0.8)
    real = algorithms.compute_gae(*numbers, end, ~end, 0.9, 0.8)
    for one, other in zip(shown, real, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("function", REAL, ids=lambda function: function.__name__)
def test_what_is_shown_is_no_wider_than_a_page(function: Callable[..., Any]) -> None:
    lines = reflowed(source_of(function)).splitlines()
    wide = [line for line in lines if len(line) > COLUMNS]
    assert all("raise ValueError(f" in line for line in wide), "a string has no place to break"


def test_lines_are_broken_where_they_are_loosest() -> None:
    text = """
def step(self, before: Tensor, result: Result) -> tuple[Tensor, Tensor]:
    bonus = gamma * after.fill(ends, 0.0) - before * 2  # (n,)
    low = (value - old).clamp(-train.eps, train.eps)
    values[0] = both(one, two, three, four, five, six)  # too long for its last line, is it not
    if len(every) != 1 or every[0].dim() != number(two):
        raise ValueError(f"this has no place to break at all.")
    for name, (first, second) in zip(names, pairs, strict=True):
        yield (
            name, first, second, first + second, first * two, 7
        )
    return "short"  # as it is
"""
    narrow = """
def step(
    self, before: Tensor, result: Result
) -> tuple[Tensor, Tensor]:
    bonus = (
        gamma * after.fill(ends, 0.0)
        - before * 2
    )  # (n,)
    low = (value - old).clamp(
        -train.eps, train.eps
    )
    # too long for its last line, is it not
    values[0] = both(
        one, two, three, four, five, six
    )
    if len(every) != 1 or every[0].dim() != number(two):
        raise ValueError(f"this has no place to break at all.")
    for name, (first, second) in zip(
        names, pairs, strict=True
    ):
        yield (
            name, first, second,
            first + second, first * two, 7
        )
    return "short"  # as it is
"""
    assert reflowed(text, 44) == narrow


def test_breaking_lines_never_changes_what_they_mean() -> None:
    """Every file of the library, narrower than it was written for."""
    package = Path(goodharts_lib.__file__).parent
    broken = 0
    for path in sorted(package.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        narrow = reflowed(text, 44)
        assert ast.dump(ast.parse(narrow)) == ast.dump(ast.parse(text)), path
        assert reflowed(text, max(map(len, text.split("\n")))) == text
        broken += narrow != text
    assert broken > 50


def plain(number: int) -> int:
    text = """not a docstring"""
    return number + len(text)


def silent() -> None:
    """Only this."""


def test_without_a_docstring_nothing_is_missing() -> None:
    assert source_of(plain) == inspect.getsource(plain).rstrip()
    assert '"""Only this."""' in source_of(silent)  # a function needs a body


def test_several_are_shown_one_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[dict[str, str]] = []
    monkeypatch.setattr(IPython.display, "display", lambda data, **_: shown.append(data))
    show_source(plain, silent)
    text = f"{source_of(plain)}\n\n{source_of(silent)}"
    assert shown == [{"text/plain": text, "text/markdown": f"```python\n{text}\n```"}]


@pytest.mark.parametrize("thing", [len, 3, RewardShaping, lambda: 0])
def test_what_has_no_source_is_one_sentence(thing: Any) -> None:
    with pytest.raises(UserError, match=r"^\S+ (is not a function|has no Python source).*\.$"):
        source_of(thing)
