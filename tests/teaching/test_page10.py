"""Page 10: right answers in more than one form, and faults that name the case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats as scipy_stats  # type: ignore[import-untyped, unused-ignore]
from wrong_page10 import WRONG, agents, two_stages

from goodharts_lib.teaching import fault_of
from goodharts_lib.teaching.page10 import CASES, exact_p

SAYS = {  # of a wrong answer, what its fault must name
    ("10.1", "the normal quantile"): "normal distribution",
    ("10.1", "divided by n"): "n − 1",
    ("10.1", "of single runs"): "√5",
    ("10.1", "one-sided"): "on one side",
    ("10.1", "about another middle"): "its middle is 1210",
    ("10.2", "as it was"): "still draws episodes",
    ("10.2", "episodes within agents"): "still draws episodes",
    ("10.2", "one agent at a time"): "not where their mean does",
    ("10.2", "without replacement"): "with replacement",
    ("10.2", "Student's"): "that is the t interval, a good one",
    ("10.2", "a generator of its own"): "rng you are given",
    ("10.3", "ties left out"): "exactly as much counts",
    ("10.3", "one direction"): "both directions",
    ("10.3", "those that differ less"): "not those that differ less",
    ("10.3", "a count"): "is a share",
    ("10.3", "sums instead of means"): "the groups differ in size",
}


@pytest.mark.parametrize(("exercise", "name"), SAYS)
def test_a_fault_names_what_is_wrong(exercise: str, name: str) -> None:
    assert SAYS[exercise, name] in str(fault_of(exercise, WRONG[exercise][name]))


@pytest.mark.parametrize("half", [27.76, 27.764])
def test_rounded_tables_are_good_enough_by_hand(half: float) -> None:
    assert fault_of("10.1", {"low": 1200 - half, "high": 1200 + half}) is None


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("right", [agents, two_stages])
def test_drawing_agents_is_right_with_and_without_their_episodes(right: object, seed: int) -> None:
    def other_luck(episodes: np.ndarray, rng: np.random.Generator) -> object:
        return right(episodes, np.random.default_rng([seed, int(rng.integers(1000))]))  # type: ignore[operator]

    assert fault_of("10.2", other_luck) is None


def test_limits_may_come_in_an_array_or_a_list() -> None:
    for kind in (np.array, list):
        assert (
            fault_of("10.2", lambda episodes, rng, kind=kind: kind(agents(episodes, rng))) is None
        )


@pytest.mark.parametrize("name", CASES)
def test_the_exact_p_value_is_scipys(name: str) -> None:
    def gap(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
        return np.abs(a.mean(axis) - b.mean(axis))

    result = scipy_stats.permutation_test(
        CASES[name], gap, alternative="greater", n_resamples=np.inf, vectorized=True
    )
    assert exact_p(*CASES[name]) == pytest.approx(result.pvalue)


def test_scipys_own_test_is_a_right_answer() -> None:
    def scipys(one: Sequence[float], other: Sequence[float]) -> float:
        result = scipy_stats.permutation_test(
            (one, other), lambda a, b: abs(np.mean(a) - np.mean(b)), alternative="greater",
            n_resamples=np.inf, vectorized=False,
        )  # fmt: skip
        return float(result.pvalue)

    assert fault_of("10.3", scipys) is None


def test_separate_groups_of_five_are_two_splits_of_252() -> None:
    assert exact_p([6, 7, 8, 9, 10], [1, 2, 3, 4, 5]) == pytest.approx(2 / 252)
