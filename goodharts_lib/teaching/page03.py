"""Exercises of page 3, *Copying the expert*."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.evaluation import Policy
from goodharts_lib.teaching.check import Check

AGREES = 0.982  # the share of moves in 3.1
SIDE = 100  # cells of the field's side in 3.3
STEPS = 40  # of a round in 3.2
FEW = 4  # worlds in 3.2

Path = NDArray[np.int64]  # (T + 1, 2) x, y
Samples = Sequence[tuple[Tensor, Tensor]]


def departed(answer: Any) -> str | None:
    """3.1: the first step by which a departure is likelier than not, at 98.2 % agreement."""
    try:
        steps = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number of steps."
    if steps == 39:
        return None
    known = {
        28: "that adds up 1.8 % a step. Two departures would be counted twice: multiply instead.",
        38: "after 38 steps it is still a little likelier that there was none. One more.",
        56: "that is how many steps pass on average from one departure to the next.",
        35: "98 % is rounded: take 98.2 %.",
        36: "98 % is rounded, and after 35 steps of it one departure would be likelier than not.",
    }
    for wrong, fault in known.items():
        if abs(steps - wrong) < 0.6:
            return fault
    if not math.isfinite(steps) or steps < 0:
        return "the answer is a number of steps."
    chance = 1 - AGREES**steps
    return f"after {steps:g} steps the chance of at least one departure is {chance:.2f}."


def dagger_round(answer: Callable[..., Any]) -> str | None:
    """3.2: a round of DAgger: whose walk it is, and whose moves are learned."""
    found = answer(*_cast(), STEPS)
    if not isinstance(found, Sequence) or len(found) != STEPS:
        return f"a round of {STEPS} steps returns a list of {STEPS} pairs of views and moves."
    samples = [(torch.as_tensor(views), torch.as_tensor(moves)) for views, moves in found]
    if any(views.shape[:1] != (FEW,) or moves.shape != (FEW,) for views, moves in samples):
        return "a pair holds the views of all worlds, and a move for each of them."
    right = _round("expert", "clone")
    if _same(samples, _round("clone", "clone")):
        return "it learns from what the clone did itself. Whose moves does it want to know?"
    if _same(samples, _round("expert", "expert")):
        return "here the expert walks, to places that it knows anyway. The clone should walk."
    views_right, moves_right = (
        all(torch.equal(one[part], two[part]) for one, two in zip(samples, right, strict=True))
        for part in (0, 1)
    )
    return {
        (True, True): None,
        (False, True): "the moves are right, but belong to other views than they stand beside.",
        (True, False): "the views are right, the moves are not what the expert would have done.",
        (False, False): "the views are not those that the clone comes to by its own moves.",
    }[views_right, moves_right]


def _cast() -> tuple[Policy, Policy, VecEnv]:
    """Return a clone, an expert that often would do something else, and a few worlds."""
    config = load_config()
    env = VecEnv(config, FEW, generator=torch.Generator().manual_seed(3))
    return ScriptedAgent("eat_everything", config), ScriptedAgent("food_only", config), env


def _round(adviser: str, walker: str) -> Samples:
    """Return what a round gives if one of the two names the moves and one of them walks."""
    clone, expert, env = _cast()
    who = {"clone": clone, "expert": expert}
    samples, views = [], env.views()
    for _ in range(STEPS):
        samples.append((views, who[adviser].act(views, env.generator)))
        views = env.step(who[walker].act(views, env.generator)).views
    return samples


def _same(one: Samples, other: Samples) -> bool:
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True)
               for a, b in zip(x, y, strict=True))  # fmt: skip


def pacing(answer: Callable[[Path], Any]) -> str | None:
    """3.3: the share of steps that take back the step before them, from positions on a torus."""
    found = {name: answer(path.copy()) for name, path in _paths().items()}
    if any(share is None for share in found.values()):
        return "it returned nothing. Return a share, between 0 and 1."
    backs = {name: (path[2:] == path[:-2]).all(1) for name, path in _paths().items()}
    wrong = [name for name, back in backs.items() if abs(float(found[name]) - back.mean()) > 1e-6]
    if not wrong:
        return None
    name = wrong[0]
    said = f"on {name} it is {float(found[name]):.3f}, not {backs[name].mean():.3f}."
    for more in (1, 2):  # steps, or positions, instead of steps that have one before them
        if all(abs(float(found[n]) - b.sum() / (len(b) + more)) < 1e-6 for n, b in backs.items()):
            return f"{said} Divide by the number of steps that have a step before them."
    return said


def _paths() -> Mapping[str, Path]:
    """Return ways on the torus, simple ones first."""
    right, up = np.array([1, 0]), np.array([0, -1])
    to_and_fro = [right, -right] * 10
    rng = np.random.default_rng(0)
    moves = np.array([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if x or y])
    steps = {
        "a straight way": ((40, 40), [right] * 20),
        "a way to and fro": ((40, 40), to_and_fro),
        "a way round the corners of a square": ((40, 40), [right, up, -right, -up] * 5),
        "a straight way over the field's edge": ((95, 3), [right + up] * 20),
        "a way to and fro over the field's edge": ((99, 40), to_and_fro),
        "a random walk": ((2, 97), list(moves[rng.integers(8, size=400)])),
    }
    return {name: np.cumsum([start, *ways], axis=0) % SIDE for name, (start, ways) in steps.items()}


CHECKS: Mapping[str, Check] = {"3.1": departed, "3.2": dagger_round, "3.3": pacing}
