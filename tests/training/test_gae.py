"""compute_gae against loops that look at one episode at a time."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from goodharts_lib.training.ppo.algorithms import compute_gae

GOES_ON, DIES, TIME_LIMIT = range(3)

GAMMA, LAMBDA = 0.9, 0.8


class Case(NamedTuple):
    """The arguments of compute_gae; tensors are (T, n)."""

    rewards: Tensor
    values: Tensor
    next_values: Tensor
    terminated: Tensor
    truncated: Tensor
    gamma: float
    gae_lambda: float


def case(
    rewards: list[list[float]],
    values: list[list[float]],
    next_values: list[list[float]],
    ends: list[list[int]],
    gamma: float = GAMMA,
    gae_lambda: float = LAMBDA,
) -> Case:
    numbers = (torch.tensor(t, dtype=torch.float64) for t in (rewards, values, next_values))
    how = torch.tensor(ends)
    return Case(*numbers, how == DIES, how == TIME_LIMIT, gamma, gae_lambda)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    length, worlds = draw(st.integers(1, 12)), draw(st.integers(1, 4))
    row = st.lists(st.sampled_from([GOES_ON, GOES_ON, DIES, TIME_LIMIT]), min_size=worlds,
                   max_size=worlds)  # fmt: skip
    ends = torch.tensor(draw(st.lists(row, min_size=length, max_size=length)))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**32)))
    numbers = torch.randn(3, length, worlds, generator=generator, dtype=torch.float64) * 10
    share = st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0])
    return Case(*numbers, ends == DIES, ends == TIME_LIMIT, draw(share), draw(share))


def one_episode(steps: list[tuple[float, float, float]], died: bool, c: Case) -> list[float]:
    """Advantages of the steps (reward, value, next value) of one episode, by the double sum."""
    advantages = []
    for start in range(len(steps)):
        total = 0.0
        for k, (reward, value, following) in enumerate(steps[start:]):
            last = start + k == len(steps) - 1
            bootstrap = 0.0 if last and died else following
            total += (c.gamma * c.gae_lambda) ** k * (reward + c.gamma * bootstrap - value)
        advantages.append(total)
    return advantages


def slow_gae(c: Case) -> list[list[float]]:
    """Cut each world's steps into episodes and treat each by itself: (n, T)."""
    result = []
    for world in range(c.rewards.shape[1]):
        advantages: list[float] = []
        episode: list[tuple[float, float, float]] = []
        for t in range(len(c.rewards)):
            episode.append(tuple(float(x[t, world]) for x in c[:3]))
            died, cut = bool(c.terminated[t, world]), bool(c.truncated[t, world])
            if died or cut or t == len(c.rewards) - 1:
                advantages += one_episode(episode, died, c)
                episode = []
        result.append(advantages)
    return result


@given(cases())
def test_equals_a_loop_over_each_episode_by_itself(c: Case) -> None:
    advantages, returns = compute_gae(*c)
    expected = torch.tensor(slow_gae(c), dtype=torch.float64).T
    torch.testing.assert_close(advantages, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(returns, expected + c.values, rtol=1e-5, atol=1e-5)


def test_three_steps_by_hand() -> None:
    c = case([[1.0], [2.0], [3.0]], [[10.0], [20.0], [30.0]], [[20.0], [30.0], [40.0]], [[0]] * 3)
    # deltas: 1 + .9*20 - 10 = 9; 2 + .9*30 - 20 = 9; 3 + .9*40 - 30 = 9; decay .72
    advantages, returns = compute_gae(*c)
    assert advantages.flatten().tolist() == pytest.approx([9 + 0.72 * (9 + 0.72 * 9),
                                                           9 + 0.72 * 9, 9])  # fmt: skip
    assert returns.flatten().tolist() == pytest.approx([30.1456, 35.48, 39])


@pytest.mark.parametrize(("end", "expected"), [(DIES, 5 - 7), (TIME_LIMIT, 5 + 0.9 * 11 - 7)])
def test_one_world_one_step(end: int, expected: float) -> None:
    advantages, returns = compute_gae(*case([[5.0]], [[7.0]], [[11.0]], [[end]]))
    assert advantages.tolist() == [[pytest.approx(expected)]]
    assert returns.tolist() == [[pytest.approx(expected + 7)]]


@pytest.mark.parametrize("end", [DIES, TIME_LIMIT])
def test_a_reward_of_the_next_episode_does_not_reach_the_one_before(end: int) -> None:
    # N1 of the research note: this gave 94.05 before the boundary, where nothing was earned.
    quiet = [[0.0]] * 4
    c = case([[0.0], [0.0], [100.0], [0.0]], quiet, quiet, [[GOES_ON], [end], [GOES_ON], [GOES_ON]])
    advantages, _ = compute_gae(*c)
    assert advantages.flatten().tolist() == [0.0, 0.0, 100.0, 0.0]


def test_the_value_of_the_next_start_does_not_reach_the_time_limit_before_it() -> None:
    # The next episode starts in a state worth 100; the one before ended in a state worth nothing.
    values = [[0.0], [0.0], [100.0], [100.0]]
    following = [[0.0], [0.0], [100.0], [100.0]]
    c = case([[0.0]] * 4, values, following, [[GOES_ON], [TIME_LIMIT], [GOES_ON], [GOES_ON]])
    advantages, _ = compute_gae(*c)
    assert advantages.flatten().tolist()[:2] == [0.0, 0.0]


def test_after_death_the_next_value_is_not_even_read() -> None:
    c = case([[1.0]], [[0.0]], [[float("nan")]], [[DIES]])
    assert compute_gae(*c)[0].tolist() == [[1.0]]


def test_a_batch_may_hold_both_kinds_of_end() -> None:
    c = case([[0.0, 0.0]], [[0.0, 0.0]], [[50.0, 50.0]], [[DIES, TIME_LIMIT]])
    assert compute_gae(*c)[0].tolist() == [[0.0, pytest.approx(45.0)]]


@given(cases())
def test_worlds_do_not_mix(c: Case) -> None:
    whole = torch.stack(compute_gae(*c))
    for world in range(c.rewards.shape[1]):
        alone = Case(*(t[:, world : world + 1] for t in c[:5]), c.gamma, c.gae_lambda)
        assert torch.equal(torch.stack(compute_gae(*alone)), whole[:, :, world : world + 1])


@given(cases())
def test_lambda_0_is_the_one_step_error(c: Case) -> None:
    advantages, _ = compute_gae(*c._replace(gae_lambda=0.0))
    following = c.next_values * ~c.terminated
    torch.testing.assert_close(advantages, c.rewards + c.gamma * following - c.values)


WRONG_SHAPES = {
    "values (T,) beside rewards (T, 1)": {"values": (3,)},
    "next_values of another length": {"next_values": (2, 1)},
    "a mask that would broadcast": {"truncated": (1, 1)},
    "more worlds in one argument": {"rewards": (3, 2)},
    "no axis for worlds": dict.fromkeys(
        ("rewards", "values", "next_values", "terminated", "truncated"), (3,)
    ),
}


@pytest.mark.parametrize("shapes", WRONG_SHAPES.values(), ids=WRONG_SHAPES)
def test_shapes_that_would_broadcast_are_refused(shapes: dict[str, tuple[int, ...]]) -> None:
    good = case([[1.0]] * 3, [[1.0]] * 3, [[1.0]] * 3, [[0]] * 3)
    wrong = {k: torch.zeros(shape, dtype=getattr(good, k).dtype) for k, shape in shapes.items()}
    with pytest.raises(ValueError, match=r"one shape \(T, n\)"):
        compute_gae(*good._replace(**wrong))
