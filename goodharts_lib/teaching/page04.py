"""Exercises of page 4, *Learning from consequences*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from goodharts_lib.config import load_config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.modes import MODES
from goodharts_lib.teaching.check import Check
from goodharts_lib.training.ppo.algorithms import compute_gae
from goodharts_lib.training.reward_shaping import RewardShaping

GOES_ON, DIES, CUT = "goes on", "ends in death", "ends at the time limit"
SMALL = {  # worlds in which a random walk finds food, dies, and is cut off, all within 60 steps
    "world.width": 6,
    "world.height": 6,
    "agent.view_range": 2,
    "agent.mortal": True,
    "agent.energy_start": 30.5,
    "training.min_food": 1,
    "training.max_food": 3,
    "training.min_poison": 1,
    "training.max_poison": 3,
    "training.steps_per_episode": 17,
    "evaluation.food": 1,
    "evaluation.poison": 1,
}


def by_hand(answer: Any) -> str | None:
    """4.1: the advantage of the first of three steps, gamma 0.5, lambda 0.8, a time limit."""
    try:
        found = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number."
    if abs(found - 0.48) < 0.005:
        return None
    for wrong, fault in (
        (0.16, "that takes the time limit for a death. The value of the final state, 4, counts."),
        (0.4, "that is the first δ alone: λ = 0. The two that follow count too, by γλ and (γλ)²."),
        (0.65, "that weighs later δ by γ. They are weighed by γλ."),
        (1.52, "that weighs later δ by λ. They are weighed by γλ."),
        (2.4, "that adds the three δ as they are. Later ones are weighed by γλ and (γλ)²."),
        (0.2, "that is the advantage of the second step. The question asks for the first."),
        (1.08, "that is advantage plus value: the return. Take the value of the first state off."),
    ):  # fmt: skip
        if abs(found - wrong) < 0.005:
            return fault
    return f"{found:g} it is not. The three δ are 0.4, −1 and 3: which of them did you find?"


def mended(answer: Callable[..., Any]) -> str | None:
    """4.2: advantages as `compute_gae` has them, from a function that leaked at the time limit."""
    train = load_config().training
    generator = torch.Generator().manual_seed(0)
    for kinds in ((), (DIES,), (CUT,), (DIES, CUT)):
        for _ in range(5):
            rewards, values, following = torch.randn(3, 12, 4, generator=generator) * 2
            drawn = torch.randint(5, (12, 4), generator=generator)  # two of five may end something
            died, cut = (drawn == 0) & (DIES in kinds), (drawn == 1) & (CUT in kinds)
            goes_on = ~(died | cut)[:-1]  # there the next state is the one of the next row
            following[:-1] = torch.where(goes_on, values[1:], following[:-1])
            given = (rewards, values, following, died, cut, train.gamma, train.gae_lambda)
            true, _ = compute_gae(*given)
            found = answer(*(x.clone() if isinstance(x, Tensor) else x for x in given))
            if isinstance(found, tuple):
                return "return the advantages only, not a pair."
            if not isinstance(found, Tensor) or found.shape != true.shape:
                return "the result must be a tensor of the shape of rewards, (steps, worlds)."
            if not torch.allclose(found, true, atol=1e-4):
                discount = train.gamma * train.gae_lambda
                later = torch.cat([found[1:], torch.zeros_like(found[:1])]) * discount
                return _gae_fault(found - true, later, following * train.gamma, died, cut)
    return None


def _gae_fault(off: Tensor, later: Tensor, bootstrap: Tensor, died: Tensor, cut: Tensor) -> str:
    """Say at which kind of step advantages are wrong.

    Args:
        off: by how much they are, (T, n).
        later: what the answer would carry over from the step after, (T, n).
        bootstrap: the discounted value of what follows, (T, n).
        died: (T, n) bool.
        cut: (T, n) bool.
    """
    none = torch.zeros_like(off)
    at_cut = "at a step that the time limit cuts off the advantage is wrong"
    at_death = "at a step that ends in death the advantage is wrong"
    known = (  # where, an error that explains itself, what to say
        (cut, later, f"{at_cut}: it takes in the step after, which belongs to another episode."),
        (cut, -bootstrap, f"{at_cut}: the value of the final state is missing. It is no death."),
        (died, later, f"{at_death}: it takes in the step after, which belongs to another episode."),
        (died, bootstrap, f"{at_death}: it counts a value where there is nothing to gain."),
    )
    for where, error, said in known:
        wrong = not torch.allclose(off[where], none[where], atol=1e-4)
        if wrong and torch.allclose(off[where], error[where], atol=1e-3):
            return said
    for where, said in ((cut, at_cut), (died, at_death)):
        if not torch.allclose(off[where], none[where], atol=1e-4):
            return f"{said}. What may count after it, and what may not?"
    if bool((died | cut).any()):
        return "at a step before an end the advantage is wrong, though at the end it is right."
    return "where nothing ends the advantage is wrong. Is what comes later weighed by γλ?"


def shaping_term(answer: Callable[..., Any]) -> str | None:
    """4.3: the bonus of one step, from the potentials of both its views and how it ended."""
    gamma = load_config().training.gamma
    walks = list(_walks())
    for kind in (GOES_ON, DIES, CUT):
        for phi, end in walks:
            if kind not in (end, GOES_ON):
                continue
            last = len(phi) - 2 if kind == GOES_ON else len(phi) - 1  # the step that ends it is out
            total = 0.0
            for t in range(last):
                ends = t == len(phi) - 2
                died, cut = ends and end == DIES, ends and end == CUT
                bonus = answer(phi[t], phi[t + 1], gamma, died, cut)
                if bonus is None:
                    return "the bonus of a step is a number, and nothing is returned."
                total += gamma**t * float(bonus)
            expected = gamma**last * (0.0 if kind == DIES else phi[last]) - phi[0]
            if abs(total - expected) > 1e-4:
                return _sum_fault(kind, last, total, expected)
    return None


def _sum_fault(kind: str, steps: int, total: float, expected: float) -> str:
    """Say which kind of walk's bonuses do not add up."""
    ending, rule = {
        GOES_ON: (
            "while an episode goes on",
            "γ^T Φ(s_T) − Φ(s_0), so that coming and leaving cancel",
        ),
        DIES: ("in an episode that ends in death", "−Φ(s_0), for the potential of death is 0"),
        CUT: (
            "in an episode that ends at the time limit",
            "γ^T Φ(s_T) − Φ(s_0), for the final view keeps its potential",
        ),
    }[kind]
    said = f"the discounted bonuses of {steps} steps add up to {total:.3f}, not to {expected:.3f}"
    return f"{ending} {said}. They should come to {rule}.".replace(" -", " −")


def _walks() -> list[tuple[list[float], str]]:
    """Return random walks as the potentials of all their views, and how each ended."""
    config = load_config(overrides=SMALL)
    generator = torch.Generator().manual_seed(1)
    env = VecEnv(config, 12, generator=generator)
    potential = RewardShaping(MODES["ground_truth"], config).potential
    running = [[phi] for phi in potential(env.views()).tolist()]
    ended = []
    for _ in range(60):
        result = env.step(torch.randint(8, (12,), generator=generator))
        final, fresh = (potential(v).tolist() for v in (result.final_views, result.views))
        for i, walk in enumerate(running):
            walk.append(final[i])
            if bool(result.terminated[i] | result.truncated[i]):
                ended.append((walk, DIES if result.terminated[i] else CUT))
                running[i] = [fresh[i]]
    return ended


CHECKS: Mapping[str, Check] = {"4.1": by_hand, "4.2": mended, "4.3": shaping_term}
