"""The swap effect: policies whose answer is known, and views that hold what was asked for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from training.tiny import tiny

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES
from goodharts_lib.runtime import make_generators
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.swap_effect import (
    SwapEffect,
    nearest_food,
    sample_views,
    swap_effect,
    swap_table,
)

REACH = 2
SIZE = 2 * REACH + 1


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def views_and_cells(n: int = 40) -> tuple[Tensor, Tensor]:
    views = sample_views(tiny(), n, generator())
    return views, nearest_food(views, tiny())


def effect_of(policy: object) -> SwapEffect:
    return swap_effect(policy, *views_and_cells(), generator())  # type: ignore[arg-type]


class Blind:
    """Sees whether a cell is occupied, not by what."""

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        weights = torch.randn(SIZE * SIZE, N_ACTIONS, generator=torch.Generator())
        return ((views.flatten(1) > 0).float() @ weights).softmax(-1)


class Scripted:
    """Does for certain what a scripted agent that draws nothing does."""

    def __init__(self, name: str) -> None:
        self.agent = ScriptedAgent(name, tiny())

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:
        assert generator is not None
        actions = self.agent.act(views, generator)
        return torch.nn.functional.one_hot(actions, N_ACTIONS).float()


class Taste:
    """Likes each move by the items it comes nearer to: food 3, poison -1. Knows no direction."""

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        liking = torch.tensor([0.0, 0.0, 3.0, -1.0])[views.long()]  # (n, V, V)
        logits = torch.zeros(len(views), N_ACTIONS)
        for index, action in enumerate(ACTIONS):
            for y in range(SIZE):
                for x in range(SIZE):
                    here = max(abs(x - REACH), abs(y - REACH))
                    there = max(abs(x - REACH - action.dx), abs(y - REACH - action.dy))
                    logits[:, index] += liking[:, y, x] * (here - there)
        return logits.softmax(-1)


class Fixed:
    """The chosen distribution if the cell right of the centre is food, and if it is poison."""

    def __init__(self, food: dict[str, float], poison: dict[str, float]) -> None:
        names = [action.name for action in ACTIONS]
        self.table = torch.zeros(4, N_ACTIONS)
        for cell, chosen in ((Cell.FOOD, food), (Cell.POISON, poison)):
            for name, probability in chosen.items():
                self.table[cell, names.index(name)] = probability

    def probabilities(self, views: Tensor, generator: torch.Generator | None = None) -> Tensor:  # noqa: ARG002
        return self.table[views[:, REACH, REACH + 1].long()]


def test_who_ignores_the_type_shows_no_effect() -> None:
    for policy in (Blind(), Scripted("eat_everything")):
        effect = effect_of(policy)
        assert effect.tv.abs().max() == 0
        assert effect.closer.abs().max() == 0


def test_who_flips_fully_shows_the_largest_effect() -> None:
    view = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    cells = torch.tensor([REACH * SIZE + REACH + 1])
    effect = swap_effect(Fixed({"right": 1.0}, {"left": 1.0}), view, cells, generator())
    assert effect.means() == {"tv": 1.0, "closer": -1.0}
    back = swap_effect(Fixed({"left": 1.0}, {"right": 1.0}), view, cells, generator())
    assert back.means() == {"tv": 1.0, "closer": 1.0}


def test_both_numbers_by_hand() -> None:
    # From one cell away only the step onto the item comes closer: up-right stays as near.
    policy = Fixed({"right": 0.7, "up-right": 0.3}, {"right": 0.2, "up-right": 0.3, "down": 0.5})
    view = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    effect = swap_effect(policy, view, torch.tensor([REACH * SIZE + REACH + 1]), generator())
    assert effect.tv.item() == pytest.approx(0.5)
    assert effect.closer.item() == pytest.approx(-0.5)
    assert effect.distances.tolist() == [1]


def test_from_two_cells_away_three_moves_come_closer() -> None:
    chosen = {"right": 0.2, "up-right": 0.3, "down-right": 0.1, "up": 0.4}
    policy = Fixed(chosen, {"left": 1.0})
    policy.probabilities = lambda views, _=None: policy.table[views[:, REACH, -1].long()]  # type: ignore[method-assign]
    view = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    effect = swap_effect(policy, view, torch.tensor([REACH * SIZE + SIZE - 1]), generator())
    assert effect.closer.item() == pytest.approx(-0.6)
    assert effect.tv.item() == pytest.approx(1.0)
    assert effect.distances.tolist() == [2]


def test_who_seeks_food_and_avoids_poison_has_a_negative_sign() -> None:
    effect = effect_of(Scripted("food_only"))
    assert effect.means()["closer"] < -0.3
    assert (effect.closer <= 0).all()


def test_it_does_not_matter_what_lies_in_the_cell() -> None:
    views, cells = views_and_cells()
    emptied = views.flatten(1).scatter(1, cells[:, None], int(Cell.EMPTY)).view_as(views)
    kept = views.clone()
    usual = swap_effect(Taste(), views, cells, generator())
    assert torch.equal(usual.tv, swap_effect(Taste(), emptied, cells, generator()).tv)
    assert torch.equal(views, kept)


def test_who_takes_poison_for_nothing_minds_the_swap_and_not_the_poison() -> None:
    view = torch.zeros(1, SIZE, SIZE, dtype=torch.uint8)
    cells = torch.tensor([REACH * SIZE + REACH + 1])
    policy = Fixed({"right": 1.0}, {"left": 1.0})
    policy.table[Cell.EMPTY] = policy.table[Cell.POISON]
    kinds = ((Cell.FOOD, Cell.POISON), (Cell.FOOD, Cell.EMPTY), (Cell.EMPTY, Cell.POISON))
    found = [swap_effect(policy, view, cells, generator(), pair).means() for pair in kinds]
    assert [each["tv"] for each in found] == [1.0, 1.0, 0.0]
    assert [each["closer"] for each in found] == [-1.0, -1.0, 0.0]


def test_a_turned_world_shows_the_same_effect() -> None:
    views, cells = views_and_cells()
    marks = torch.nn.functional.one_hot(cells, SIZE * SIZE).view_as(views)
    turned = torch.rot90(views, 1, (1, 2)), torch.rot90(marks, 1, (1, 2)).flatten(1).argmax(1)
    usual, after = (swap_effect(Taste(), *given, generator()) for given in ((views, cells), turned))
    assert not torch.equal(cells, turned[1])
    assert usual.closer.abs().mean() > 0.3
    torch.testing.assert_close(usual.tv, after.tv)
    torch.testing.assert_close(usual.closer, after.closer)
    assert torch.equal(usual.distances, after.distances)


def test_tv_bounds_the_change_of_any_event() -> None:
    for policy in (Taste(), Scripted("food_only"), PPOTrainer(tiny(), 0).policy()):
        effect = effect_of(policy)
        assert (effect.closer.abs() <= effect.tv + 1e-6).all()
        assert (effect.tv <= 1 + 1e-6).all()


def test_both_views_are_read_with_the_same_noise() -> None:
    # Without a gap food and poison look alike, so that only different noise could tell them apart.
    noisy = {"training.mode": "proxy", "observation.noise_std": 0.5, "observation.gap_scale": 0.0}
    policy = PPOTrainer(tiny(noisy), 0).policy()
    assert effect_of(policy).tv.max() == 0
    seen = PPOTrainer(tiny(noisy | {"observation.gap_scale": 1.0}), 0).policy()
    assert effect_of(seen).tv.min() > 0


def test_distances_are_split_and_add_up() -> None:
    distances = torch.tensor([2, 1, 2, 5])
    effect = SwapEffect(torch.tensor([0.1, 0.2, 0.3, 0.4]), -torch.ones(4), distances)
    split = effect.by_distance()
    assert list(split) == [1, 2, 5]
    assert [split[d]["tv"] for d in split] == pytest.approx([0.2, 0.2, 0.4])
    assert effect.means() == pytest.approx({"tv": 0.25, "closer": -1.0})


def test_the_nearest_food_is_found_by_a_slow_search() -> None:
    views, cells = views_and_cells()
    for view, cell in zip(views.tolist(), cells.tolist(), strict=True):
        candidates = [
            (max(abs(x - REACH), abs(y - REACH)), (x - REACH) ** 2 + (y - REACH) ** 2, y * SIZE + x)
            for y in range(SIZE)
            for x in range(SIZE)
            if view[y][x] == Cell.FOOD
        ]
        assert cell == min(candidates)[-1]


def test_views_hold_what_is_wanted_and_come_again_with_the_seed() -> None:
    wanted = (Cell.FOOD, Cell.POISON)
    views = sample_views(tiny(), 30, generator(4), wanted)
    assert views.shape == (30, SIZE, SIZE)
    assert views.dtype == torch.uint8
    for cell in wanted:
        assert (views == cell).flatten(1).any(1).all()
    assert (views[:, REACH, REACH] == Cell.EMPTY).all()
    assert torch.equal(views, sample_views(tiny(), 30, generator(4), wanted))
    assert not torch.equal(views, sample_views(tiny(), 30, generator(5), wanted))
    assert len(views.flatten(1).unique(dim=0)) == 30


def test_views_are_those_of_evaluation_worlds() -> None:
    only_food = tiny({"evaluation.poison": 0, "evaluation.food": 40})
    views = sample_views(only_food, 50, generator())
    assert not (views == Cell.POISON).any()
    assert (views == Cell.FOOD).float().mean() > 0.2  # 40 of 144 cells


def test_views_that_do_not_exist_are_refused() -> None:
    with pytest.raises(UserError, match="hardly any view in these worlds holds food and poison"):
        sample_views(tiny({"evaluation.poison": 0}), 1, generator(), (Cell.FOOD, Cell.POISON))


def test_the_table_shows_every_policy_on_the_same_views() -> None:
    policies = [PPOTrainer(tiny({"training.mode": mode}), 0).policy() for mode in MODES]
    lines = swap_table(policies, tiny(), 7).splitlines()
    assert lines[0] == "Swap effect: the nearest food becomes poison, in 500 views."
    views = sample_views(tiny(), 500, make_generators(7, torch.device("cpu"))["world"])
    for policy, line in zip(policies, lines[2:], strict=True):
        effect = swap_effect(policy, views, nearest_food(views, tiny()), generator())
        tv, closer = effect.means().values()
        assert line.split()[:3] == [policy.name, f"{tv:.3f}", f"{closer:+.3f}"]
        assert [word for word in line.split() if word.endswith(":")] == ["1:", "2:"]
