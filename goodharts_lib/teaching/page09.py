"""Exercises of page 9, *Looking inside*."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import N_ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.pretrained import load_pretrained
from goodharts_lib.teaching.check import Check
from goodharts_lib.training.saliency import explain
from goodharts_lib.training.swap_effect import sample_views

BEFORE, AFTER = (0.6, 0.3, 0.1, 0.0), (0.2, 0.2, 0.3, 0.3)  # exercise 9.1
PLACES = ((5, 8), (2, 9), (0, 3))  # exercise 9.2: rows and columns
FOOD, POISON = (0.6, 0.3, 0.1, 0.0), (0.2, 0.1, 0.3, 0.4)  # 0.6 moves, 0.4 at most to one move
N_VIEWS = 20  # exercise 9.3
DRAW = 3  # the seed of the new weights: a middling draw, see `draws` on the page
ZEROS = "It is 0 on every empty cell, before and after. Does your measure take that for likeness?"
FORGOTTEN = ("network.policy", "network.fc")

Maps = NDArray[np.float32]  # (N, V, V)


def variation(answer: Any) -> str | None:
    """9.1: the total variation between two distributions over four moves."""
    try:
        given = float(answer)
    except (TypeError, ValueError):
        return "the answer is a number from 0 to 1."
    changes = np.subtract(AFTER, BEFORE)
    right = float(abs(changes).sum() / 2)
    if abs(given - right) < 0.005:
        return None
    for wrong, fault in (
        (2 * right, "what leaves one move arrives at another, so you have counted it twice."),
        (abs(changes).max(), "that is the largest change of a single move. How much moved in all?"),
        (float(np.hypot.reduce(changes)), "no squares here: add up the sizes of the changes."),
        (0.0, "with their signs the changes always cancel. Add up their sizes."),
    ):
        if abs(given - wrong) < 0.005:
            return fault
    return f"it is not {given:g}. How much probability must be carried from one list to the other?"


class _Taster:
    """Prefers other moves where the cell at a place is food, poison, or something else."""

    def __init__(self, row: int, column: int) -> None:
        self.place = (row, column)
        self.chances = torch.full((len(Cell), N_ACTIONS), 1 / N_ACTIONS)
        for cell, chances in ((Cell.FOOD, FOOD), (Cell.POISON, POISON)):
            self.chances[cell] = torch.tensor([*chances, *[0.0] * (N_ACTIONS - len(chances))])

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        """Return (n, 8) for views, (n, V, V)."""
        return self.chances[views[:, self.place[0], self.place[1]].long()]


def mended(answer: Callable[[Any, Tensor, int, int], Any]) -> str | None:
    """9.2: the total variation when the food at a place of a view becomes poison."""
    for row, column in PLACES:
        view = torch.zeros(11, 11, dtype=torch.uint8)
        view[row, column] = Cell.FOOD
        before = view.clone()
        given = answer(_Taster(row, column), view, row, column)
        if given is None:
            return "it returned nothing."
        fault = _fault_of_swap(float(given), intact=torch.equal(view, before))
        if fault is not None:
            return fault
    return None


def _fault_of_swap(given: float, *, intact: bool) -> str | None:
    """Return what is wrong with a number that should be 0.6, or with what was done to the view."""
    if given < 0.005:
        if intact:
            return "it returns 0 for a policy that minds. Is the cell in that row and column?"
        return (
            "it still returns 0, for a policy that minds: when the policy looks, both views are "
            "the same one. Where did the one with food go?"
        )
    if not intact:
        return "the number may be right, but the view that you were given is changed for ever."
    if abs(given - 1.2) < 0.005:
        return "it returns 1.2, and a share of all probability is at most 1. What is missing?"
    if abs(given - 0.4) < 0.005:
        return "it returns 0.4, the largest change of a single move. How much moved in all?"
    return None if abs(given - 0.6) < 0.005 else f"it returns {given:.2f} where 0.60 has moved."


class Case(NamedTuple):
    """Maps of a method before and after the network forgot, and what to say of them."""

    name: str
    before: Maps
    after: Maps
    passes: bool
    hint: str


def sanity(answer: Callable[[Maps, Maps], Any]) -> str | None:
    """9.3: whether a method's maps change when the network forgets."""
    cases = _cases()
    verdicts = [answer(case.before.copy(), case.after.copy()) for case in cases]
    if any(given is None for given in verdicts):
        return "it returned nothing. Return True or False."
    pairs = zip(cases, verdicts, strict=True)
    wrong = [case for case, given in pairs if bool(given) != case.passes]
    if not wrong:
        return None
    told = "passes" if wrong[0].passes else "fails"
    return (
        f"it is wrong about {len(wrong)} of {len(cases)} methods. One of them, {wrong[0].name}, "
        f"{told}. {wrong[0].hint}"
    )


def _cases() -> Sequence[Case]:
    views = sample_views(
        load_config(), N_VIEWS, torch.Generator().manual_seed(9), (Cell.FOOD, Cell.POISON)
    )
    found = []
    for mode in ("ground_truth", "proxy_jammed"):
        for method, passes, hint in (
            ("gradient", True, "Its two maps have hardly anything in common."),
            ("guided_backprop", False, "Its two maps are not equal, only much alike."),
            ("integrated_gradients", True, ZEROS),
        ):  # fmt: skip
            before, after = _forgetting(load_pretrained(mode, device="cpu"), views, method)
            found.append(Case(f"{method} of {mode}", before, after, passes, hint))
    edges = _edges(views)
    rng = np.random.default_rng(0)
    noise, other = (rng.normal(size=edges.shape).astype(np.float32) for _ in range(2))
    return [
        *found,
        Case("an edge detector", edges, edges, False, "Its map never changes."),
        Case("an edge detector, ten times as strong after", edges, 10 * edges, False,
             "It is the same picture on another scale."),
        Case("noise", noise, other, True, "Nothing stays, so this check has no objection to it."),
    ]  # fmt: skip


def _forgetting(policy: LearnedPolicy, views: Tensor, method: str) -> tuple[Maps, Maps]:
    """Return a method's maps, (N, V, V), with trained weights and with a new head."""
    model = copy.deepcopy(policy.model)
    fresh = copy.deepcopy(model)
    fresh.initialise(runtime.make_generators(DRAW, policy.device)["init"])
    for name in FORGOTTEN:
        model.get_submodule(name).load_state_dict(fresh.get_submodule(name).state_dict())
    forgot = LearnedPolicy(model, policy.mode, policy.config)
    before = explain(policy, views, method)
    after = explain(forgot, views, method, actions=before.actions)
    return before.summed.numpy(), after.summed.numpy()


def _edges(views: Tensor) -> Maps:
    """Return where anything begins or ends: it knows the view, and no network."""
    full = np.pad((views != Cell.EMPTY).numpy().astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    right, down = np.abs(np.diff(full, axis=2))[:, 1:-1, :-1], np.abs(np.diff(full, axis=1))
    edges: Maps = right + down[:, :-1, 1:-1]
    return edges


CHECKS: Mapping[str, Check] = {"9.1": variation, "9.2": mended, "9.3": sanity}
