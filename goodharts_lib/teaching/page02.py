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
from goodharts_lib.evaluation import EVALUATION_SEED, Scores, evaluate
from goodharts_lib.modes import MODES
from goodharts_lib.teaching.check import Check

GAIN, HARM = 12, 20  # exercise 2.1: energy that food gives and that poison takes
WORLDS = 16  # for a rule: enough to tell a good one from a bad one
HARDLY = 3  # who eats less than so many times what the random walk eats hardly eats


def break_even(answer: Any) -> str | None:
    """2.1: the poison share of meals above which eating loses energy, at +12 and −20."""
    try:
        share = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number between 0 and 1."
    if not 0 <= share <= 1:
        return f"a share lies between 0 and 1, and {share:g} does not."
    right = GAIN / (GAIN + HARM)
    if abs(share - right) < 0.005:
        return None
    if abs(share - (1 - right)) < 0.005:
        return "that is the share of food. The question asks for the share of poison."
    if abs(share - GAIN / HARM) < 0.01:
        return (
            f"that is the ratio of the two prices, {GAIN} : {HARM}. Out of n meals, p n are poison "
            "and (1 − p) n are food. When do they cancel?"
        )
    gain = GAIN * (1 - share) - HARM * share
    change = f"{gain:+.1f}".replace("-", "−")
    return f"at a poison share of {share:g} a meal changes energy by {change} on average, not 0."


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
        other = types[~torch.isin(types.double(), kinds.double())]
        if len(other):
            return f"types are 0 to 3, and it says {other[0].item():g} somewhere."
        for cell in (Cell.EMPTY, Cell.WALL, Cell.FOOD, Cell.POISON):
            wrong = types[view == cell] != cell
            if bool(wrong.any()):
                took = Cell(int(types[view == cell][wrong][0])).name.lower()
                return f"it takes {cell.name.lower()} for {took} somewhere."
    return None


def rule(answer: Callable[[np.ndarray], int]) -> str | None:
    """2.3: a rule from a view, (11, 11) cell types, to a move, with true energy above zero."""
    config = load_config(overrides={"evaluation.n_envs": WORLDS})
    move = answer(_empty_view())
    if not isinstance(move, int | np.integer) or not 0 <= move < N_ACTIONS:
        return f"a rule returns a move, an integer from 0 to {N_ACTIONS - 1}, not {move!r}."
    ours = evaluate(_Rule(answer), config, EVALUATION_SEED, immortal=True)
    if ours.true_energy > 0:
        return None
    theirs, walk = (
        evaluate(ScriptedAgent(name, config), config, EVALUATION_SEED, immortal=True)
        for name in ("eat_everything", "random")
    )
    made = f"your rule makes {_written(ours)} of true energy per 1,000 steps"
    if ours.true_energy <= theirs.true_energy:
        return f"{made}, eat_everything {_written(theirs)}. What does it eat?"
    made += f": better than eat_everything ({_written(theirs)}), but not above zero."
    meals = ours.food + ours.poison
    if meals < HARDLY * (walk.food + walk.poison):
        return f"{made} It hardly eats. Look for food."
    items = config.items
    line = items.food_energy / (items.food_energy - items.poison_energy)
    return (
        f"{made} Poison is {ours.poison / meals:.2f} of its meals; the line is at {line:.2f}, and "
        "steps cost energy too."
    )


def _written(scores: Scores) -> str:
    return f"{scores.true_energy:+,.0f}".replace("-", "−")


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
