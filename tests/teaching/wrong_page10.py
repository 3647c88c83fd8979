"""Plausible wrong answers to the exercises of page 10."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

NUMBERS = {"10.1"}  # exercises whose answer is no function


def about(half: float, middle: float = 1200) -> dict[str, float]:
    return {"low": middle - half, "high": middle + half}


def _limits(means: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _episodes(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """As the exercise gives it."""
    pooled = episodes.ravel()
    drawn = rng.integers(len(pooled), size=(1_000, len(pooled)))
    return _limits(pooled[drawn].mean(1))


def _within(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Draws episodes anew within each agent, and keeps the agents."""
    n_agents, n = episodes.shape
    drawn = rng.integers(n, size=(1_000, n_agents, n))
    return _limits(episodes[np.arange(n_agents)[:, None], drawn].mean((1, 2)))


def _students(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:  # noqa: ARG001
    """Over agents, and a good interval, but no bootstrap."""
    means = episodes.mean(1)
    half = 2.364624 * means.std(ddof=1) / np.sqrt(len(means))
    return float(means.mean() - half), float(means.mean() + half)


def _one_agent(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    return _limits(episodes.mean(1)[rng.integers(len(episodes), size=1_000)])


def _shuffled(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    drawn = [rng.permutation(len(episodes)) for _ in range(100)]
    return _limits(np.round(episodes.mean(1)[drawn].mean(1), 6))


def agents(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Right."""
    drawn = rng.integers(len(episodes), size=(4_000, len(episodes)))
    return _limits(episodes.mean(1)[drawn].mean(1))


def two_stages(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """Right, too: agents, then episodes of each."""
    n_agents, n = episodes.shape
    means = []
    for _ in range(2_000):
        rows = episodes[rng.integers(n_agents, size=n_agents)]
        means.append(rows[np.arange(n_agents)[:, None], rng.integers(n, size=(n_agents, n))].mean())
    return _limits(np.array(means))


def _own_generator(episodes: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:  # noqa: ARG001
    return agents(episodes, np.random.default_rng(3))


def _splits(one: Sequence[float], other: Sequence[float]) -> tuple[np.ndarray, float]:
    pooled = np.array([*one, *other], dtype=float)
    found = []
    for chosen in combinations(range(len(pooled)), len(one)):
        rest = [i for i in range(len(pooled)) if i not in chosen]
        found.append(pooled[list(chosen)].mean() - pooled[rest].mean())
    return np.array(found), float(np.mean(one) - np.mean(other))


def _strict(one: Sequence[float], other: Sequence[float]) -> float:
    found, seen = _splits(one, other)
    return float(np.mean(abs(found) > abs(seen) + 1e-9))


def _one_sided(one: Sequence[float], other: Sequence[float]) -> float:
    found, seen = _splits(one, other)
    return float(np.mean(found >= seen - 1e-9))


def _doubled(one: Sequence[float], other: Sequence[float]) -> float:
    return 2 * _one_sided(one, other)


def _less(one: Sequence[float], other: Sequence[float]) -> float:
    found, seen = _splits(one, other)
    return float(np.mean(abs(found) < abs(seen) - 1e-9))


def _count(one: Sequence[float], other: Sequence[float]) -> int:
    found, seen = _splits(one, other)
    return int(np.sum(abs(found) >= abs(seen) - 1e-9))


def _of_equal_size(one: Sequence[float], other: Sequence[float]) -> float:
    """Compares sums, which is right only for groups of equal size."""
    pooled = np.array([*one, *other], dtype=float)
    sums = [2 * pooled[list(c)].sum() - pooled.sum() for c in combinations(range(len(pooled)),
                                                                          len(one))]  # fmt: skip
    return float(np.mean(np.abs(sums) >= abs(sum(one) - sum(other)) - 1e-9))


def _signs(one: Sequence[float], other: Sequence[float]) -> float:
    """Flips signs, as if the numbers were paired."""
    apart = np.array(one)[: len(other)] - np.array(other)[: len(one)]
    flips = np.array(np.meshgrid(*[[1, -1]] * len(apart))).reshape(len(apart), -1)
    return float(np.mean(abs(apart @ flips) >= abs(apart.sum())))


WRONG: dict[str, dict[str, Any]] = {
    "10.1": {
        "the normal quantile": about(19.6),
        "divided by n": about(24.83),
        "of single runs": about(62.08),
        "a standard deviation": about(22.36),
        "a standard error": about(10),
        "one-sided": about(21.32),
        "five degrees of freedom": about(25.71),
        "the range": about(30),
        "about another middle": about(27.76, 1210),
        "upside down": about(-27.76),
        "a guess": about(40),
        "one of two": {"low": 1172.24},
    },
    "10.2": {
        "as it was": _episodes,
        "episodes within agents": _within,
        "one agent at a time": _one_agent,
        "without replacement": _shuffled,
        "a generator of its own": _own_generator,
        "Student's": _students,
        "upside down": lambda episodes, rng: agents(episodes, rng)[::-1],
        "one limit": lambda episodes, rng: agents(episodes, rng)[0],
        "nothing": lambda *_: None,
        "not finite": lambda *_: (float("nan"), 1.0),
        "moved": lambda episodes, rng: tuple(x + 60 for x in agents(episodes, rng)),
    },
    "10.3": {
        "ties left out": _strict,
        "one direction": _one_sided,
        "one direction, doubled": _doubled,
        "those that differ less": _less,
        "a count": _count,
        "sums instead of means": _of_equal_size,
        "as if paired": _signs,
        "nothing": lambda *_: None,
    },
}
