"""Cloning: demonstrations are what happened, and its numbers are right where they are known."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
import torch
from slow_reference import drawn_view
from torch import Tensor
from training.tiny import tiny

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS, action_index
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.observe import Encoder
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.evaluation import Policy
from goodharts_lib.modes import MODES
from goodharts_lib.training.cloning import (
    ceiling,
    imitation,
    pacing,
    poison_adjacent,
    shift,
    state_kinds,
    visit,
)
from goodharts_lib.training.collect import Demonstrations, Walk, collect, walk
from goodharts_lib.training.dataset import (
    concatenate,
    in_view,
    minibatches,
    neighbours,
    sample_weights,
    stepped_on,
    synthetic_avoidance,
)
from goodharts_lib.training.train import Cloner

CLONE: dict[str, Any] = {  # a clone that is made in no time
    "cloning.samples": 120,
    "cloning.held_out_samples": 60,
    "cloning.epochs": 2,
    "cloning.batch_size": 32,
    "cloning.evaluation_envs": 2,
}
OMNISCIENT = "omniscient_seeker"  # random where it sees no food: drawing twice gives two actions


def streams(seed: int = 0) -> dict[str, torch.Generator]:
    return runtime.make_generators(seed, torch.device("cpu"))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def expert(name: str, config: Config) -> ScriptedAgent:
    return ScriptedAgent(name, config)


def drawn(*drawings: str) -> Tensor:
    """Views as drawn, (N, V, V)."""
    return torch.cat([drawn_view(drawing) for drawing in drawings])


def random_views(n: int, seed: int = 0) -> Tensor:
    """Views with many items, never one under the agent, (n, 5, 5)."""
    views = torch.randint(len(Cell), (n, 5, 5), generator=seeded(seed), dtype=torch.uint8)
    views = views * (torch.rand(n, 5, 5, generator=seeded(seed + 1)) < 0.3)
    views[:, 2, 2] = Cell.EMPTY
    return views


# --- Demonstrations ---------------------------------------------------------


def replayed(config: Config, actions: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """The views and meals that these actions, (T, n), lead to in the worlds of a seed."""
    env = VecEnv(config, actions.shape[1], generator=streams(seed)["world"])
    seen, eaten = [], []
    for step in actions:
        seen.append(env.views())
        eaten.append(env.step(step).events.eaten)
    return torch.stack(seen), torch.stack(eaten)


@pytest.mark.parametrize("name", [OMNISCIENT, "random", "food_only"])
def test_the_actions_of_a_walk_lead_to_what_it_saw(name: str) -> None:
    config = tiny()
    walked = walk(expert(name, config), config, 7, streams(3))
    views, eaten = replayed(config, walked.actions, 3)
    assert walked.views.shape == (20, 7, 5, 5)
    assert torch.equal(walked.views, views)
    assert torch.equal(walked.eaten, eaten)
    assert len(walked.actions.unique()) == N_ACTIONS


def test_demonstrations_are_the_expert_s_steps_world_by_world() -> None:
    config = tiny()
    agent = expert(OMNISCIENT, config)
    demonstrations = collect(agent, config, 90, streams(3))
    walked = walk(agent, config, 5, streams(3))  # 90 samples need five episodes of 20 steps
    assert len(demonstrations) == 90
    for i in range(90):
        world, step = divmod(i, 20)
        assert torch.equal(demonstrations.views[i], walked.views[step, world])
        assert demonstrations.actions[i] == walked.actions[step, world]


def test_what_an_action_steps_on_is_what_it_ate() -> None:
    config = tiny({"training.steps_per_episode": 200})
    demonstrations = collect(expert("random", config), config, 4000, streams())
    _, eaten = replayed(config, demonstrations.actions.view(20, 200).T, 0)
    assert torch.equal(stepped_on(demonstrations), eaten.T.flatten())
    assert set(eaten.unique().tolist()) == {Cell.EMPTY, Cell.FOOD, Cell.POISON}


def test_the_next_walk_with_the_same_generators_leads_through_other_worlds() -> None:
    config, generators = tiny(), streams()
    agent = expert("food_only", config)
    one, other = (collect(agent, config, 60, generators) for _ in range(2))
    assert not torch.equal(one.views, other.views)
    assert torch.equal(collect(agent, config, 60, streams()).views, one.views)


def test_with_a_driver_the_states_are_the_driver_s_and_the_actions_the_expert_s() -> None:
    config = tiny()
    driver, agent = expert("random", config), expert("food_only", config)
    advice = collect(agent, config, 60, streams(), driver)
    assert torch.equal(advice.views, collect(driver, config, 60, streams()).views)
    assert torch.equal(advice.actions, agent.act(advice.views, seeded()))
    assert not torch.equal(advice.actions, collect(driver, config, 60, streams()).actions)


def test_a_clone_cannot_walk_where_the_window_is_another() -> None:
    small = Cloner(tiny(CLONE), 0).policy
    with pytest.raises(UserError, match="view_range 2, but these worlds have 1"):
        walk(small, tiny({"agent.view_range": 1}), 1, streams())


# --- What is learned from ---------------------------------------------------


def test_joined_demonstrations_keep_their_order() -> None:
    one = Demonstrations(random_views(3), torch.tensor([1, 2, 3]))
    other = Demonstrations(random_views(2, seed=5), torch.tensor([4, 5]))
    both = concatenate(one, other)
    assert both.actions.tolist() == [1, 2, 3, 4, 5]
    assert torch.equal(both.views, torch.cat([one.views, other.views]))


def test_neighbours_lie_where_the_moves_lead() -> None:
    views = random_views(50)
    found = neighbours(views)
    for i, view in enumerate(views):
        for index, action in enumerate(ACTIONS):
            assert found[i, index] == view[2 + action.dy, 2 + action.dx]


LEFT, RIGHT = action_index(-1, 0), action_index(1, 0)


def weighted(overrides: dict[str, Any]) -> list[float]:
    """Weights of: eats food; leaves food alone; flees poison; sees nothing."""
    views = drawn("...\n.@o\n...", "...\n.@o\n...", "...\n.@x\n...", "...\n.@.\n...")
    actions = torch.tensor([RIGHT, LEFT, LEFT, RIGHT])
    config = load_config(overrides={"agent.view_range": 1} | overrides)
    return sample_weights(Demonstrations(views, actions), config).tolist()


def test_weights_multiply_and_their_mean_is_one() -> None:
    assert weighted({}) == [1, 1, 1, 1]
    reward = {"cloning.reward_weight": 5.0}
    visibility = {"cloning.visibility_weight": 3.0}
    assert weighted(reward) == pytest.approx([5 / 2, 1 / 2, 1 / 2, 1 / 2])
    assert weighted(visibility) == pytest.approx([1.2, 1.2, 1.2, 0.4])
    both = [15, 3, 3, 1]
    assert weighted(reward | visibility) == pytest.approx([w * 4 / sum(both) for w in both])


@pytest.mark.parametrize("mode", MODES)
def test_made_up_samples_fit_every_mode(mode: str) -> None:
    config = tiny()
    samples = synthetic_avoidance(10, config, seeded())
    real = collect(expert(OMNISCIENT, config), config, 10, streams())
    encoder = Encoder(MODES[mode], config)
    assert samples.views.dtype == real.views.dtype
    assert samples.actions.dtype == real.actions.dtype
    assert encoder(samples.views).shape == encoder(real.views).shape
    assert len(concatenate(samples, real)) == 20


def test_made_up_samples_step_away_from_poison_in_all_eight_directions() -> None:
    config = tiny({"training.min_food": 0, "training.max_food": 0,
                   "training.min_poison": 0, "training.max_poison": 0})  # fmt: skip
    samples = synthetic_avoidance(800, config, seeded())
    assert ((samples.views > Cell.EMPTY).flatten(1).sum(1) == 1).all()
    grids = torch.zeros(800, 12, 12, dtype=torch.uint8)
    grids[:, 4:9, 4:9] = samples.views  # row, column: the agent stands at (6, 6)
    env = VecEnv(config, 800, generator=seeded())
    assert torch.equal(env.load(grids, torch.full((800, 2), 6)), samples.views)
    assert (env.step(samples.actions).events.eaten == Cell.EMPTY).all()
    y, x = (env.grids() == Cell.POISON).nonzero()[:, 1:].unbind(1)
    gap = env.agents() - torch.stack([x, y], 1)
    assert (gap.abs().amax(1) == 2).all()  # it was 1
    counts = Counter(map(tuple, gap.tolist()))
    assert len(counts) == N_ACTIONS
    assert min(counts.values()) > 60  # 100 expected of each direction


def test_minibatches_take_every_row_once() -> None:
    batches = list(minibatches(10, 4, seeded(1)))
    assert [len(rows) for rows in batches] == [4, 4, 2]
    order = torch.cat(batches).tolist()
    assert sorted(order) == list(range(10))
    assert order != list(range(10))
    assert order == torch.cat(list(minibatches(10, 4, seeded(1)))).tolist()


# --- The numbers ------------------------------------------------------------


CEILINGS = {
    "...\n.@.\n...": 1 / 8,
    "x.x\n.@.\nx.x": 1 / 4,
    "xxx\nx@.\nxx.": 1 / 2,
    "...\n.@o\n...": 1.0,
}


@pytest.mark.parametrize("drawing", CEILINGS)
def test_the_ceiling_is_the_share_of_the_expert_s_likeliest_action(drawing: str) -> None:
    config = tiny({"agent.view_range": 1})
    views = drawn(drawing).expand(3000, -1, -1)
    found = ceiling(expert(OMNISCIENT, config), views, seeded())
    assert found.shape == (3000,)
    assert found.mean().item() == pytest.approx(CEILINGS[drawing], abs=0.006)


class Tabled:
    """A clone whose logits are given, one row per state."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def evaluate(self, views: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:  # noqa: ARG002
        rows, self.logits = self.logits.split([len(views), len(self.logits) - len(views)])
        return rows, torch.zeros(len(views))


def test_imitation_of_known_logits() -> None:
    probabilities = torch.full((4, N_ACTIONS), 0.05)
    for row, likeliest in enumerate((0, 1, 2, 3)):
        probabilities[row, likeliest] = 0.65
    views = drawn("...\n.@o\n...", "...\n.@o\n...", "...\n.@x\n...", "...\n.@.\n...")
    states = Demonstrations(views, torch.tensor([0, 7, 2, 7]))
    ceilings = torch.tensor([1.0, 0.5, 0.25, 0.25])
    found = imitation(Tabled(probabilities.log()), states, ceilings, seeded())  # type: ignore[arg-type]
    assert (found.accuracy, found.ceiling) == (0.5, 0.5)
    assert (found.accuracy_food_in_view, found.ceiling_food_in_view) == (0.5, 0.75)
    expected = -(2 * math.log(0.65) + 2 * math.log(0.05)) / 4
    assert found.cross_entropy == pytest.approx(expected, rel=1e-5)


def test_without_food_in_view_there_is_no_accuracy_with_it() -> None:
    states = Demonstrations(drawn("...\n.@x\n..."), torch.tensor([0]))
    found = imitation(Tabled(torch.zeros(1, 8)), states, torch.ones(1), seeded())  # type: ignore[arg-type]
    assert found.accuracy_food_in_view is found.ceiling_food_in_view is None


def path(*moves: tuple[int, int], eaten: tuple[int, ...] = ()) -> Walk:
    """The walk of one agent; `eaten` numbers the steps that ate food."""
    actions = torch.tensor([[action_index(*move)] for move in moves])
    meals = torch.tensor([[Cell.FOOD if i in eaten else Cell.EMPTY] for i in range(len(moves))])
    return Walk(torch.zeros(len(moves), 1, 5, 5), actions, meals.to(torch.uint8))


def test_pacing_counts_steps_that_take_back_the_last() -> None:
    assert pacing(path((1, 0), (-1, 0), (1, 0), (-1, 0))) == 1
    assert pacing(path((1, -1), (-1, 1), (-1, 1), (0, 1), (0, -1))) == 0.5
    assert pacing(path((1, 0), (0, 1), (-1, 0), (0, -1))) == 0  # round and round is not to and fro
    assert pacing(path((1, 0), (1, 0), (1, 0))) == 0
    assert pacing(path((1, 0), (-1, 0), (1, 0), eaten=(0,))) == 0.5
    assert pacing(path((1, 0), (-1, 0), (1, 0), eaten=(1,))) == 0


def slow_kind(view: Tensor) -> int:
    """Distance of the nearest food, 0 without, and 3 more with poison one step away."""
    food, near = [], False
    for y in range(5):
        for x in range(5):
            distance = max(abs(y - 2), abs(x - 2))
            food += [distance] if view[y, x] == Cell.FOOD else []
            near |= bool(view[y, x] == Cell.POISON) and distance == 1
    return min(food, default=0) + 3 * near


def test_kinds_of_states_equal_a_slow_count() -> None:
    views = random_views(400)
    kinds = [slow_kind(view) for view in views]
    assert state_kinds(views).tolist() == kinds
    assert set(kinds) == set(range(6))
    assert poison_adjacent(views) == pytest.approx(sum(kind >= 3 for kind in kinds) / 400)
    assert in_view(views, Cell.FOOD).tolist() == [kind % 3 > 0 for kind in kinds]


def test_shift_is_a_distance_between_shares_of_kinds() -> None:
    food, poison, nothing = drawn("...\n.@o\n...", "...\n.@x\n...", "...\n.@.\n...").split(1)
    assert shift(torch.cat([food, nothing]), torch.cat([nothing, food, food, nothing])) == 0
    assert shift(food, poison) == 1
    mixed = torch.cat([food, food, poison, nothing])
    assert shift(mixed, nothing) == shift(nothing, mixed) == 0.75



def test_a_visit_judges_the_clone_where_it_goes_itself() -> None:
    config = tiny(CLONE | {"cloning.expert": "food_only", "training.min_poison": 10})
    cloner = Cloner(config, 0)
    network = cloner.policy.model.network
    with torch.no_grad():  # a clone that only ever steps to the right
        network.policy.weight.zero_()
        network.policy.bias.zero_()
        network.policy.bias[RIGHT] = 9.0
    straight: Policy = cloner.policy.decoded(greedy=True)
    usual = cloner.held_out.views
    found = visit(straight, cloner.expert, usual, 6, streams(4))  # type: ignore[arg-type]
    walked = walk(straight, config, 6, streams(4))
    views = walked.views.flatten(0, 1)
    assert (walked.actions == RIGHT).all()
    assert found.pacing == 0
    assert found.poison_adjacent == poison_adjacent(views) > 0
    assert found.shift == shift(views, usual) > 0
    advice = cloner.expert.act(views, seeded())
    assert found.imitation.accuracy == pytest.approx((advice == RIGHT).float().mean().item())
    assert found.imitation.ceiling == 1  # food_only is never random
