"""Exercises of page 2, *A world you can check by hand*."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.modes import MODES
from goodharts_lib.teaching.check import Check

WORLDS = 16  # for a rule: enough to tell a good one from a bad one


def break_even(answer: Any) -> str | None:
    """2.1: the poison share of meals above which eating everything loses energy, +10 and −30."""
    try:
        share = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number between 0 and 1."
    if abs(share - 0.25) < 0.005:
        return None
    if abs(share - 0.75) < 0.005:
        return "that is the share of food. The question asks for the share of poison."
    if abs(share - 1 / 3) < 0.01:
        return (
            "that is the ratio of the two prices, 10 : 30. Out of n meals, p n are poison and "
            "(1 − p) n are food. When do they cancel?"
        )
    gain = 10 * (1 - share) - 30 * share
    return f"at a poison share of {share:g} a meal changes energy by {gain:+.1f} on average, not 0."


def decode(answer: Callable[[Tensor], Tensor]) -> str | None:
    """2.2: from what glow eyes read, (6, 11, 11), back to cell types, (11, 11)."""
    config = load_config()
    read = Encoder(MODES["proxy"], config)
    generator = torch.Generator().manual_seed(0)
    kinds = torch.tensor([Cell.EMPTY, Cell.WALL, Cell.FOOD, Cell.POISON], dtype=torch.uint8)
    for _ in range(20):
        view = kinds[torch.randint(4, (11, 11), generator=generator)]
        types = torch.as_tensor(answer(read(view[None])[0]))
        if types.shape != view.shape:
            return f"the result has shape {tuple(types.shape)}, not (11, 11)."
        for cell in (Cell.EMPTY, Cell.WALL, Cell.FOOD, Cell.POISON):
            wrong = types[view == cell] != cell
            if bool(wrong.any()):
                took = Cell(int(types[view == cell][wrong][0])).name.lower()
                return f"it takes {cell.name.lower()} for {took} somewhere."
    return None


def rule(answer: Callable[[np.ndarray], int]) -> str | None:
    """2.3: a rule from a view, (11, 11) cell types, to a move, that beats eating everything."""
    config = load_config(overrides={"evaluation.n_envs": WORLDS})
    move = answer(_empty_view())
    if not isinstance(move, int | np.integer) or not 0 <= move < N_ACTIONS:
        return f"a rule returns a move, an integer from 0 to {N_ACTIONS - 1}, not {move!r}."
    ours = evaluate(_Rule(answer), config, EVALUATION_SEED, immortal=True)
    other = ScriptedAgent("eat_everything", config)
    theirs = evaluate(other, config, EVALUATION_SEED, immortal=True)
    walk = evaluate(ScriptedAgent("random", config), config, EVALUATION_SEED, immortal=True)
    made = f"your rule makes {ours.true_energy:+,.0f} of true energy per 1,000 steps"
    if ours.true_energy <= theirs.true_energy:
        return f"{made}, eat_everything {theirs.true_energy:+,.0f}. What does it eat?"
    if ours.true_energy <= max(walk.true_energy, 0):
        return f"{made}: better than eat_everything, but it hardly eats. Look for food."
    return None


class _Rule:
    """A reader's rule for one view as a policy for many."""

    name = "your rule"
    device = torch.device("cpu")

    def __init__(self, decide: Callable[[np.ndarray], int]) -> None:
        self.decide = decide

    def act(self, views: Tensor, generator: torch.Generator) -> Tensor:  # noqa: ARG002
        return torch.tensor([int(self.decide(view)) for view in views.numpy()])


def _empty_view() -> np.ndarray:
    return np.zeros((11, 11), dtype=np.uint8)


CHECKS: Mapping[str, Check] = {"2.1": break_even, "2.2": decode, "2.3": rule}
