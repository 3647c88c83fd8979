"""The world: told stories, exact energies, uniform draws, repeatable runs."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from scipy.stats import chi2_contingency, chisquare
from slow_reference import (
    ARROWS,
    EMPTY,
    FOOD,
    GOES_ON,
    MOVES,
    NO_ITEMS,
    POISON,
    POISONED,
    PREY,
    SEED_TABLE,
    STARVED,
    TIME_LIMIT,
    WALL,
    arrows,
    drawn_view,
    picture,
    seeded,
    small_config,
)
from torch import Tensor
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.vec_env import StepResult, VecEnv
from goodharts_lib.errors import UserError
from goodharts_lib.modes import MODES, pay_table, proxy_table
from goodharts_lib.training.reward_shaping import RewardShaping

P_LOWEST = 0.001  # of a chi-square test, at a fixed seed


def act(*actions: int) -> Tensor:
    return torch.tensor(actions)


def drawing(env: VecEnv) -> list[str]:
    return picture(env.grids()[0].tolist(), [(x, y) for x, y in env.agents().tolist()])


# --- Told stories -----------------------------------------------------------


@dataclass
class Story:
    """A drawn map, moves, and what comes of them. Energies are changes, move cost included."""

    tale: str
    before: str
    moves: str
    after: str
    score: float
    energy: float
    causes: dict[int, int] = field(default_factory=dict)  # step, from 1, to cause
    world: dict[str, Any] = field(default_factory=dict)


MORTAL = {"agent.mortal": True}
WALLED = {"world.loop": False}

STORIES = [
    Story("food", "... / @o. / ...", "→", "... / .@. / ...", 1.0, 9.9),
    Story("poison", "... / @x. / ...", "→", "... / .@. / ...", 0.9, -30.1),
    Story(
        "food, then poison",
        "..... / @ox.. / .....", "→ →", "..... / ..@.. / .....", 1.9, -20.2,
    ),
    Story(
        "poison, then food",
        "..... / ..xo@ / .....", "← ←", "..... / ..@.. / .....", 1.9, -20.2,
    ),
    Story(
        "an eaten item is gone",
        ".... / @o.. / ....", "→ ← →", ".... / .@.. / ....", 1.0, 9.7,
    ),
    Story(
        "three foods pay for one poison, less the walk",
        "...... / @ooox. / ......", "→ → → →", "...... / ....@. / ......", 3.9, -0.4,
    ),
    Story(
        "passing by eats nothing",
        "ooooo / @.... / xxxxx", "→ → →", "ooooo / ...@. / xxxxx", 0.0, -0.3,
    ),
    Story(
        "once round and back",
        "..... / ..@.. / ..... / .....",
        "↘ ↙ ↖ ↗", "..... / ..@.. / ..... / .....", 0.0, -0.4,
    ),
    Story(
        "the four straight moves go round too",
        "..... / ..@.. / ..... / .....",
        "→ ↓ ← ↑", "..... / ..@.. / ..... / .....", 0.0, -0.4,
    ),
    Story("a wall is paid for", "..... / @#o.. / .....", "→", "..... / @#o.. / .....", 0.0, -0.1),
    Story(
        "a wall again and again, then round it",
        "..... / @#o.. / .....",
        "→ → ↗ ↘", "..... / .#@.. / .....", 1.0, 9.6,
    ),
    Story(
        "a diagonal step slips between two walls",
        "..... / @#... / #o...", "↘", "..... / .#... / #@...", 1.0, 9.9,
    ),
    Story(
        "the edge of a walled world is paid for and holds",
        "@.o / ... / x..", "↖ ← ↙ ↑ ↗", "@.o / ... / x..", 0.0, -0.5, world=WALLED,
    ),
    Story(
        "along the edge of a walled world",
        "... / ... / x.@", "↘ → ↗ ↓ ← ←", "... / ... / @..", 0.9, -30.6, world=WALLED,
    ),
    Story(
        "starved",
        "..... / @.... / .....", "→ → →", "", 0.0, -0.3, {3: STARVED},
        MORTAL | {"agent.energy_start": 0.3},
    ),
    Story(
        "food on the last legs",
        "..... / @.o.. / .....", "→ → →", "..... / ...@. / .....", 1.0, 9.7, {},
        MORTAL | {"agent.energy_start": 0.2},
    ),
    Story(
        "food comes a step too late",
        "..... / @.o.. / .....", "→", "", 0.0, -0.1, {1: STARVED},
        MORTAL | {"agent.energy_start": 0.1},
    ),
    Story(
        "poison takes the last of it",
        "..... / @x... / .....", "→", "", 0.9, -30.1, {1: POISONED},
        MORTAL | {"agent.energy_start": 30.1},
    ),
    Story(
        "poison leaves one step",
        "..... / @x... / .....", "→ →", "", 0.9, -30.2, {2: STARVED},
        MORTAL | {"agent.energy_start": 30.2},
    ),
    Story(
        "the second poison kills",
        "..... / @xx.. / .....", "→ →", "", 1.8, -60.2, {2: POISONED}, MORTAL,
    ),
    Story(
        "an immortal eats poison and walks on",
        "..... / @xxx. / .....", "→ → → →", "..... / ....@ / .....", 2.7, -90.4,
    ),
    Story(
        "time is up",
        "..... / @o... / .....", "→ → →", "", 1.0, 9.7, {3: TIME_LIMIT},
        MORTAL | {"training.steps_per_episode": 3},
    ),
    Story(
        "time is up for an immortal below zero, and nothing else happens to it",
        "..... / @xx.. / .....", "→ → →", "", 1.8, -60.3, {3: TIME_LIMIT},
        {"training.steps_per_episode": 3},
    ),
    Story(
        "zero on the last step is death",
        "..... / @.... / .....", "→ → →", "", 0.0, -0.3, {3: STARVED},
        MORTAL | {"training.steps_per_episode": 3, "agent.energy_start": 0.3},
    ),
    Story(
        "poison on the last step, survived",
        "..... / @.x.. / .....", "→ →", "", 0.9, -30.2, {2: TIME_LIMIT},
        MORTAL | {"training.steps_per_episode": 2, "agent.energy_start": 30.3},
    ),
    Story(
        "poison on the last step, to exactly zero",
        "..... / @.x.. / .....", "→ →", "", 0.9, -30.2, {2: POISONED},
        MORTAL | {"training.steps_per_episode": 2, "agent.energy_start": 30.2},
    ),
]  # fmt: skip

WRAPS = [
    Story(f"off the {name}", before, arrow, after, 1.0, 9.9)
    for name, before, arrow, after in [
        ("left edge", "..... / @...o / .....", "←", "..... / ....@ / ....."),
        ("right edge", "..... / o...@ / .....", "→", "..... / @.... / ....."),
        ("top edge", "..@.. / ..... / ..o..", "↑", "..... / ..... / ..@.."),
        ("bottom edge", "..o.. / ..... / ..@..", "↓", "..@.. / ..... / ....."),
        ("top left corner", "@.... / ..... / ....o", "↖", "..... / ..... / ....@"),
        ("top right corner", "....@ / ..... / o....", "↗", "..... / ..... / @...."),
        ("bottom left corner", "....o / ..... / @....", "↙", "....@ / ..... / ....."),
        ("bottom right corner", "o.... / ..... / ....@", "↘", "@.... / ..... / ....."),
        ("left edge, upwards", "....o / @.... / .....", "↖", "....@ / ..... / ....."),
        ("top edge, to the right", "..@.. / ..... / ...o.", "↗", "..... / ..... / ...@."),
    ]
]


def tell(story: Story, **kwargs: Any) -> tuple[VecEnv, list[StepResult], list[int]]:
    """Play a story; returns the world, the steps, and the change of energy in tenths at each."""
    before = story.before.replace(" / ", "\n")
    env = VecEnv.from_map(small_config(story.world), before, generator=seeded(), **kwargs)
    config = env.config
    prices = {
        EMPTY: -config.agent.energy_move_cost,
        FOOD: config.items.food_energy - config.agent.energy_move_cost,
        POISON: config.items.poison_energy - config.agent.energy_move_cost,
    }
    results, changes = [], []
    for actions in arrows(story.moves):
        result = env.step(actions.expand(env.n_envs))
        results.append(result)
        changes.append(round(10 * prices[int(result.events.eaten[0])]))
    return env, results, changes


@pytest.mark.parametrize("story", STORIES + WRAPS, ids=lambda story: story.tale)
def test_story(story: Story) -> None:
    env, results, changes = tell(story)
    score = proxy_table(env.config)
    assert sum(score[int(r.events.eaten[0])] for r in results) == pytest.approx(story.score)
    assert sum(changes) == round(10 * story.energy)
    causes = {t: int(r.events.cause[0]) for t, r in enumerate(results, 1) if r.events.cause[0]}
    assert causes == story.causes
    for t, result in enumerate(results, 1):
        cause = story.causes.get(t, GOES_ON)
        assert result.terminated.tolist() == [cause in {STARVED, POISONED}]
        assert result.truncated.tolist() == [cause == TIME_LIMIT]
    if not story.causes:
        assert drawing(env) == story.after.split(" / ")
        assert env.energy.item() == round(10 * (env.config.agent.energy_start + story.energy))


@pytest.mark.parametrize("story", STORIES + WRAPS, ids=lambda story: story.tale)
def test_every_mode_is_paid_its_own_side_of_the_story(story: Story) -> None:
    env, results, _ = tell(story)
    for mode in MODES.values():
        pay = pay_table(mode, env.config)
        earned = sum(pay[int(r.events.eaten[0])] for r in results)
        expected = story.energy * 0.1 if mode.is_paid == "energy" else story.score
        assert earned == pytest.approx(expected), mode.name


@pytest.mark.parametrize("story", [s for s in STORIES if s.causes], ids=lambda story: story.tale)
def test_an_ended_story_is_counted(story: Story) -> None:
    _, results, _ = tell(story)
    eaten = [int(r.events.eaten[0]) for r in results]
    for result in results[:-1]:
        assert result.episodes is None
    episodes = results[-1].episodes
    assert episodes is not None
    assert episodes.ended.tolist() == [True]
    assert episodes.length.tolist() == [len(eaten)]
    assert episodes.food.tolist() == [eaten.count(FOOD)]
    assert episodes.poison.tolist() == [eaten.count(POISON)]


def test_copies_of_a_map_tell_the_same_story() -> None:
    env, results, _ = tell(STORIES[2], n_envs=3)
    assert env.views().shape == (3, 3, 3)
    assert [r.events.eaten.tolist() for r in results] == [[FOOD] * 3, [POISON] * 3]
    assert env.energy.tolist() == [500 - 202] * 3


@pytest.mark.parametrize(("index", "move", "arrow", "name"), SEED_TABLE)
def test_each_action_moves_the_agent_as_the_table_says(
    index: int, move: tuple[int, int], arrow: str, name: str
) -> None:
    del arrow, name
    env = VecEnv.from_map(small_config(), ".....\n.....\n..@..\n.....\n.....", generator=seeded())
    env.step(act(index))
    assert env.agents().tolist() == [[2 + move[0], 2 + move[1]]]


def test_the_item_comes_back_on_another_empty_cell() -> None:
    before = "#####\n#@o##\n#x###\n#####"
    config = small_config(WALLED | {"items.respawn": True})
    env = VecEnv.from_map(config, before, generator=seeded())
    env.step(act(ARROWS["→"]))  # the cell just left is the only empty one
    assert drawing(env) == ["#####", "#o@##", "#x###", "#####"]
    env.step(act(ARROWS["←"]))
    assert drawing(env) == ["#####", "#@o##", "#x###", "#####"]
    env.step(act(ARROWS["↓"]))
    assert drawing(env) == ["#####", "#xo##", "#@###", "#####"]


# --- What the agent sees ----------------------------------------------------

MAP = """
    @.o..
    ..x..
    .....
    #...o
    x....
"""


def test_a_torus_is_seen_across_its_edges() -> None:
    env = VecEnv.from_map(small_config({"agent.view_range": 2}), MAP, generator=seeded())
    seen = """
        .o#..
        ..x..
        ..@.o
        ....x
        .....
    """
    assert env.views().tolist() == drawn_view(seen).tolist()


def test_outside_a_walled_world_is_wall() -> None:
    config = small_config({"agent.view_range": 2} | WALLED)
    env = VecEnv.from_map(config, MAP, generator=seeded())
    seen = """
        #####
        #####
        ##@.o
        ##..x
        ##...
    """
    assert env.views().tolist() == drawn_view(seen).tolist()


def test_a_view_may_be_larger_than_a_walled_world() -> None:
    config = small_config({"agent.view_range": 3} | WALLED)
    env = VecEnv.from_map(config, "@o\n.x", generator=seeded())
    seen = """
        #######
        #######
        #######
        ###@o##
        ###.x##
        #######
        #######
    """
    assert env.views().tolist() == drawn_view(seen).tolist()


def test_views_are_small_integers_and_kept_apart_from_later_steps() -> None:
    env = VecEnv.from_map(small_config(), "...\n@oo\n...", generator=seeded())
    first = env.step(act(ARROWS["→"]))
    kept = [first.views.clone(), first.events.eaten.clone(), first.events.cause.clone()]
    assert first.views.dtype == first.events.eaten.dtype == torch.uint8
    env.step(act(ARROWS["→"]))
    env.reset()
    for then, now in zip(kept, [first.views, *first.events], strict=True):
        assert torch.equal(then, now)


@pytest.mark.parametrize("mortal", [False, True])
def test_no_two_results_share_their_memory(mortal: bool) -> None:
    """Whoever keeps or overwrites a result changes neither another one nor the world."""
    config = small_config(FULL | {"agent.mortal": mortal, "training.steps_per_episode": 3})
    env, untouched = (VecEnv(config, 2, generator=seeded()) for _ in range(2))
    for _ in range(7):
        result, expected = (e.step(act(0, 7)) for e in (env, untouched))
        for one, other in ((result[i], expected[i]) for i in (0, 2, 3, 4)):
            assert torch.equal(one, other)
        for one, other in zip(result.events, expected.events, strict=True):
            assert torch.equal(one, other)
        counts = result.episodes or ()
        for tensor in (*result.events, *counts, result.terminated, result.truncated, result.views):
            tensor.fill_(1)
    assert torch.equal(env.grids(), untouched.grids())
    assert torch.equal(env.energy, untouched.energy)


# --- Agents in one grid -----------------------------------------------------


def shared(drawn: str, overrides: dict[str, Any] | None = None) -> VecEnv:
    return VecEnv.from_map(small_config(overrides), drawn, generator=seeded())


def test_several_agents_on_a_map_share_one_grid() -> None:
    env = shared(".....\n.@.@.\n.....")
    assert env.shared_grid
    assert env.grids().shape == (1, 3, 5)
    assert env.agents().tolist() == [[1, 1], [3, 1]]


def test_agents_see_each_other_as_prey_but_not_themselves() -> None:
    env = shared(".....\n.@@..\no....")
    assert env.views().tolist() == [
        drawn_view("...\n.@p\no..").tolist()[0],
        drawn_view("...\np@.\n...").tolist()[0],
    ]
    assert PREY not in env.grids()


def test_of_two_on_one_item_the_lower_index_eats() -> None:
    for kind, gain, score in (("o", 99, FOOD), ("x", -301, POISON)):
        env = shared(f".....\n.@{kind}@.\n.....")
        result = env.step(act(ARROWS["→"], ARROWS["←"]))
        assert result.events.eaten.tolist() == [score, EMPTY]
        assert env.energy.tolist() == [500 + gain, 500 - 1]
        assert env.agents().tolist() == [[2, 1], [2, 1]]  # and they share the cell
        assert result.views[:, 1, 1].tolist() == [EMPTY, EMPTY]
        assert not (result.views == PREY).any()


def test_a_meal_between_agents_is_counted_for_the_eater_only() -> None:
    env = shared(".....\n.@o@.\n.....", {"training.steps_per_episode": 1})
    episodes = env.step(act(ARROWS["→"], ARROWS["←"])).episodes
    assert episodes is not None
    assert episodes.food.tolist() == [1, 0]
    assert episodes.ended.tolist() == [True, True]


def test_an_agent_is_neither_eaten_nor_paid_for() -> None:
    env = shared(".....\n.@@..\n.....")
    result = env.step(act(ARROWS["→"], ARROWS["→"]))
    assert result.events.eaten.tolist() == [EMPTY, EMPTY]
    assert env.energy.tolist() == [499, 499]
    assert env.agents().tolist() == [[2, 1], [3, 1]]


def test_agents_pass_through_each_other() -> None:
    env = shared(".....\n.@@..\n.....")
    env.step(act(ARROWS["→"], ARROWS["←"]))
    assert env.agents().tolist() == [[2, 1], [1, 1]]


def test_two_meals_in_one_step_both_come_back() -> None:
    env = shared(".....\n@o.x@\n.....", {"items.respawn": True})
    result = env.step(act(ARROWS["→"], ARROWS["←"]))
    assert result.events.eaten.tolist() == [FOOD, POISON]
    cells = Counter(env.grids().flatten().tolist())
    assert cells == {EMPTY: 13, FOOD: 1, POISON: 1}
    for x, y in env.agents().tolist():
        assert env.grids()[0, y, x] == EMPTY


def test_the_dead_start_again_on_an_empty_cell_of_the_same_world() -> None:
    drawn = "oxoxo\nx@x@x\noxoxo\n....."
    for seed in range(20):
        config = small_config(MORTAL | {"agent.energy_start": 30.1})
        env = VecEnv.from_map(config, drawn, generator=seeded(seed))
        before = env.grids().clone()
        result = env.step(act(ARROWS["→"], ARROWS["↓"]))  # poison and poison, at once
        assert result.events.cause.tolist() == [POISONED, POISONED]
        before[0, 1, 2] = before[0, 2, 3] = EMPTY
        assert torch.equal(env.grids(), before)
        assert env.energy.tolist() == [301, 301]
        assert env.age.tolist() == [0, 0]
        (x0, y0), (x1, y1) = env.agents().tolist()
        assert env.grids()[0, y0, x0] == env.grids()[0, y1, x1] == EMPTY
        assert (x0, y0) != (x1, y1)


def test_the_living_go_on_when_another_dies() -> None:
    env = shared(".....\n.@.@x\n.....", MORTAL | {"agent.energy_start": 30.1})
    result = env.step(act(ARROWS["↓"], ARROWS["→"]))
    assert result.events.cause.tolist() == [GOES_ON, POISONED]
    assert result.episodes is not None
    assert result.episodes.ended.tolist() == [False, True]
    assert env.agents()[0].tolist() == [1, 2]
    assert env.energy.tolist() == [300, 301]
    assert env.age.tolist() == [1, 0]


# --- Life and death, at full length -----------------------------------------


def live(overrides: dict[str, Any], steps: int, action: int = 6) -> list[StepResult]:
    """Walk through an empty 11x11 torus with the shipped energies and time limit."""
    size = {"world.width": 11, "world.height": 11}
    env = VecEnv(load_config(overrides=size | NO_ITEMS | overrides), 1, generator=seeded())
    return [env.step(act(action)) for _ in range(steps)]


def test_who_never_eats_is_dead_at_step_500() -> None:
    steps = live(MORTAL, 500)
    assert [int(s.events.cause) for s in steps] == [GOES_ON] * 499 + [STARVED]
    assert steps[-1].terminated.item()
    assert not steps[-1].truncated.item()


def test_one_tenth_more_and_time_is_up_first() -> None:
    size = {"world.width": 11, "world.height": 11, "agent.energy_start": 50.1}
    env = VecEnv(load_config(overrides=size | NO_ITEMS | MORTAL), 1, generator=seeded())
    for step in range(1, 500):
        assert int(env.step(act(6)).events.cause) == GOES_ON
        assert env.energy.item() == 501 - step
    last = env.step(act(6))
    assert int(last.events.cause) == TIME_LIMIT
    assert last.truncated.item()
    assert not last.terminated.item()
    assert env.energy.item() == 501  # and the next life has begun


def test_an_immortal_falls_below_zero_and_ends_by_time_only() -> None:
    steps = live({"agent.energy_start": 20.0}, 1000)
    causes = [int(s.events.cause) for s in steps]
    assert causes == ([GOES_ON] * 499 + [TIME_LIMIT]) * 2
    assert not any(s.terminated.item() for s in steps)


def test_the_energy_of_an_immortal_is_tracked_below_zero() -> None:
    env = VecEnv(small_config({"agent.energy_start": 0.1}), 1, generator=seeded())
    energies = []
    for _ in range(4):
        env.step(act(0))
        energies.append(env.energy.item())
    assert energies == [0, -1, -2, -3]


@pytest.mark.parametrize("mortal", [False, True])
def test_an_empty_world_pays_no_proxy_score(mortal: bool) -> None:
    overrides = {
        "training.steps_per_episode": 20,
        "agent.mortal": mortal,
        "agent.energy_start": 1.3,
        "world.loop": False,
    }
    config = small_config(overrides)
    env = VecEnv(config, 4, generator=seeded())
    env.energy[:2] = 10_000  # two live on to the time limit
    shaping = {name: RewardShaping(mode, config) for name, mode in MODES.items()}
    potential = {name: s.potential(env.views()) for name, s in shaping.items()}
    score = torch.tensor(proxy_table(config))
    scored, paid = 0.0, dict.fromkeys(MODES, 0.0)
    causes: Counter[int] = Counter()
    for _ in range(60):
        result = env.step(torch.randint(8, (4,), generator=env.generator))
        causes.update(result.events.cause.tolist())
        scored += float(score[result.events.eaten.long()].abs().sum())
        for name, mode in MODES.items():
            pay = torch.tensor(pay_table(mode, config), dtype=torch.float64)
            bonus, potential[name] = shaping[name].step(potential[name], result)
            paid[name] += float((pay[result.events.eaten.long()] + bonus).sum())
    assert causes[STARVED] > 0 or not mortal
    assert causes[TIME_LIMIT] > 0
    assert scored == paid["proxy"] == paid["proxy_sighted"] == 0.0
    assert paid["ground_truth"] == paid["proxy_jammed"] == pytest.approx(-0.01 * 240)


# --- Every draw is uniform --------------------------------------------------

COUNTS = {
    "training.min_food": 2,
    "training.max_food": 6,
    "training.min_poison": 1,
    "training.max_poison": 3,
}
ENDS = {
    "time limit": {"training.steps_per_episode": 1},
    "death": MORTAL | {"agent.energy_start": 0.1, "items.food_energy": 0.0},
}


def redrawn(config: Config) -> Iterator[VecEnv]:
    """Yield 64 worlds 60 times, each time freshly drawn."""
    env = VecEnv(config, 64, generator=seeded(7))
    for _ in range(60):
        result = env.step(torch.zeros(64, dtype=torch.int64))
        assert (result.terminated | result.truncated).all()
        yield env


def uniform_p(counter: Counter[Any], outcomes: list[Any]) -> float:
    """The p-value of 'all outcomes are equally likely'; others must not occur at all."""
    assert set(counter) <= set(outcomes)
    return chisquare([counter[outcome] for outcome in outcomes]).pvalue


@pytest.mark.parametrize("end", ENDS)
def test_counts_are_redrawn_each_episode_for_each_world(end: str) -> None:
    config = small_config({"world.width": 6, "world.height": 6} | COUNTS | ENDS[end])
    drawn = []
    for env in redrawn(config):
        kinds = env.grids().flatten(1)
        counts = (kinds == FOOD).sum(1).tolist(), (kinds == POISON).sum(1).tolist()
        drawn.append(list(zip(*counts, strict=True)))
    together = Counter(c for row in drawn for c in row)
    food, poison = list(range(2, 7)), list(range(1, 4))
    pairs = [(f, p) for f in food for p in poison]
    assert uniform_p(Counter(f for f, _ in together.elements()), food) > P_LOWEST
    assert uniform_p(Counter(p for _, p in together.elements()), poison) > P_LOWEST
    assert uniform_p(together, pairs) > P_LOWEST
    # Neither the world's last episode nor its neighbour says anything of this one.
    last = Counter(
        (a[0], b[0])
        for was, now in itertools.pairwise(drawn)
        for a, b in zip(was, now, strict=True)
    )
    beside = Counter(
        (a[0], b[0]) for row in drawn for a, b in zip(row[::2], row[1::2], strict=True)
    )
    for table in (last, beside):
        assert chi2_contingency([[table[a, b] for a in food] for b in food]).pvalue > P_LOWEST


ONE_OF_EACH = {
    "training.min_food": 1,
    "training.max_food": 1,
    "training.min_poison": 1,
    "training.max_poison": 1,
}


@pytest.mark.parametrize("end", ENDS)
def test_every_arrangement_is_equally_likely(end: str) -> None:
    tiny = {"world.width": 2, "world.height": 2} | WALLED | ONE_OF_EACH
    seen: Counter[Any] = Counter()
    for env in redrawn(small_config(tiny | ENDS[end])):
        kinds = env.grids().flatten(1)
        columns = (kinds == FOOD).int().argmax(1), (kinds == POISON).int().argmax(1)
        start = env.agents() @ act(1, 2)
        seen.update(zip(*(c.tolist() for c in (*columns, start)), strict=True))
    cells = range(4)
    orders = [(f, p, a) for f in cells for p in cells for a in cells if len({f, p, a}) == 3]
    assert uniform_p(seen, orders) > P_LOWEST


def test_places_are_uniform_over_a_larger_world() -> None:
    overrides = {"world.width": 6} | ONE_OF_EACH | ENDS["time limit"]
    food, poison, start = Counter(), Counter(), Counter()
    for env in redrawn(small_config(overrides)):
        kinds = env.grids().flatten(1)
        food.update((kinds == FOOD).int().argmax(1).tolist())
        poison.update((kinds == POISON).int().argmax(1).tolist())
        start.update((env.agents() @ act(1, 6)).tolist())
    for counter in (food, poison, start):
        assert uniform_p(counter, list(range(30))) > P_LOWEST


def test_a_meal_comes_back_uniformly_over_the_empty_cells() -> None:
    drawn = "..#..\nx....\n.@o..\n.o...\n#...."
    config = small_config({"items.respawn": True, "world.height": 5})
    env = VecEnv.from_map(config, drawn, generator=seeded(), n_envs=4000)
    empty = {(x, y) for y in range(5) for x in range(5) if env.grids()[0, y, x] == EMPTY}
    was = env.grids().clone()
    env.step(torch.full((4000,), ARROWS["→"]))
    came_back = ((env.grids() == FOOD) & (was != FOOD)).nonzero()
    assert len(came_back) == 4000
    counter = Counter((x, y) for _, y, x in came_back.tolist())
    assert uniform_p(counter, sorted(empty)) > P_LOWEST  # the cell just left is one of them


def test_later_meals_come_back_uniformly_too() -> None:
    counts = COUNTS | {"training.min_food": 6, "items.respawn": True}
    env = VecEnv(small_config(counts | {"training.min_poison": 3}), 128, generator=seeded(3))
    ranks: Counter[int] = Counter()
    n_empty = 25 - 6 - 3
    for _ in range(60):
        was = env.grids().clone()
        result = env.step(torch.randint(8, (128,), generator=env.generator))
        for i in (result.events.eaten > 0).nonzero().flatten().tolist():
            free = (was[i].flatten() == EMPTY).nonzero().flatten().tolist()
            new = ((env.grids()[i] > WALL) & (was[i] == EMPTY)).flatten().nonzero().item()
            assert len(free) == n_empty
            ranks[free.index(new)] += 1
    assert sum(ranks.values()) > 1500
    assert uniform_p(ranks, list(range(n_empty))) > P_LOWEST


def test_in_a_shared_grid_a_meal_comes_back_where_nobody_stands() -> None:
    drawn = "..#..\nx@...\n.@o..\n.o..@\n....."
    counter: Counter[Any] = Counter()
    env = VecEnv.from_map(small_config({"items.respawn": True}), drawn, generator=seeded(5))
    grid, agents = env.grids().clone(), env.agents()
    for _ in range(2000):
        env.load(grid, agents)
        env.step(act(ARROWS["←"], ARROWS["→"], ARROWS["↑"]))  # poison and food are eaten
        new = ((env.grids() > WALL) & (grid == EMPTY))[0].nonzero().tolist()
        assert len(new) == 2
        counter.update((x, y) for y, x in new)
    stood = {tuple(place) for place in env.agents().tolist()}
    free = [(x, y) for y in range(5) for x in range(5) if grid[0, y, x] == EMPTY]
    assert uniform_p(counter, [place for place in free if place not in stood]) > P_LOWEST


def test_the_dead_of_a_shared_grid_start_uniformly_over_the_free_cells() -> None:
    config = small_config(MORTAL | {"agent.energy_start": 0.2})
    env = VecEnv.from_map(config, "..#..\nx@...\n.....\n.o..@\n.....", generator=seeded(6))
    env.energy[1] = 10_000  # the second agent lives on, here and there
    counter: Counter[Any] = Counter()
    chances: Counter[Any] = Counter()
    empty = [(x, y) for y in range(5) for x in range(5) if env.grids()[0, y, x] == EMPTY]
    grid, agents = env.grids().clone(), env.agents()
    for k in range(2000):
        env.load(grid, agents)
        env.energy[0], env.energy[1] = 1, 10_000
        env.step(act(ARROWS["→"], (0, 1, 3, 5, 6)[k % 5]))
        first, second = (tuple(place) for place in env.agents().tolist())
        counter[first] += 1
        for place in empty:
            chances[place] += (place != second) / (len(empty) - 1)
    assert set(counter) <= set(empty)
    observed, expected = zip(*((counter[c], chances[c]) for c in empty), strict=True)
    assert chisquare(observed, expected).pvalue > P_LOWEST


@pytest.mark.parametrize("again", ["new", "reset", "time limit"])
def test_agents_of_a_shared_grid_start_uniformly_over_the_empty_cells(again: str) -> None:
    config = small_config({"training.steps_per_episode": 1})
    env = VecEnv(config, 3, generator=seeded(8), shared_grid=True)
    counter: Counter[Any] = Counter()
    for _ in range(1500):
        if again == "new":
            env = VecEnv(config, 3, generator=env.generator, shared_grid=True)
        elif again == "reset":
            env.reset()
        else:
            env.step(act(1, 1, 1))
        places = [tuple(place) for place in env.agents().tolist()]
        assert len(set(places)) == 3
        counter.update(places)
    assert uniform_p(counter, [(x, y) for x in range(5) for y in range(5)]) > P_LOWEST


# --- The same again ---------------------------------------------------------

FULL = COUNTS | {"items.respawn": True, "training.steps_per_episode": 9, "agent.energy_start": 25.0}


def run(env: VecEnv, steps: int, seed: int = 0) -> list[Any]:
    """Everything that can be seen of some random steps, as plain numbers."""
    draw = seeded(seed)
    seen = []
    for _ in range(steps):
        result = env.step(torch.randint(8, (env.n_envs,), generator=draw))
        state = {name: value.tolist() for name, value in env.state().items()}
        ends = result.terminated.tolist(), result.truncated.tolist()
        views = result.views.tolist(), result.final_views.tolist()
        episodes = result.episodes and [column.tolist() for column in result.episodes]
        seen.append((state, views, [e.tolist() for e in result.events], ends, episodes))
    return seen


WORLDS = pytest.mark.parametrize(
    ("mortal", "is_shared"), [(False, False), (True, False), (False, True), (True, True)]
)


@WORLDS
def test_the_same_seed_gives_the_same_bits(mortal: bool, is_shared: bool) -> None:
    config = small_config(FULL | {"agent.mortal": mortal})
    envs = [VecEnv(config, 3, generator=seeded(s), shared_grid=is_shared) for s in (1, 1, 2)]
    one, same, other = (run(env, 25) for env in envs)
    assert one == same
    assert one != other


def test_a_world_draws_from_its_own_generator_only() -> None:
    runs = []
    for noise in (0, 1):
        torch.manual_seed(noise)
        runs.append(run(VecEnv(small_config(FULL), 2, generator=seeded()), 20))
        torch.rand(5)
    assert runs[0] == runs[1]


@WORLDS
def test_a_stored_state_continues_as_if_nothing_had_happened(mortal: bool, is_shared: bool) -> None:
    config = small_config(FULL | {"agent.mortal": mortal})
    env = VecEnv(config, 3, generator=seeded(1), shared_grid=is_shared)
    run(env, 5)
    state, random = env.state(), env.generator.get_state()
    original = run(env, 25, seed=4)
    for _ in range(2):  # a stored state can be used more than once
        other = VecEnv(config, 3, generator=seeded(99), shared_grid=is_shared)
        other.load_state(state)
        other.generator.set_state(random)
        assert run(other, 25, seed=4) == original


@pytest.mark.parametrize("loop", [True, False])
def test_a_batch_behaves_like_single_worlds(loop: bool) -> None:
    overrides = {
        "world.width": 7,
        "world.height": 6,
        "world.loop": loop,
        "agent.mortal": True,
        "agent.energy_start": 80.0,
        "agent.view_range": 2,
        "training.steps_per_episode": 40,
    }
    config = small_config(overrides)
    n = 12
    draw = seeded(11)
    grids = torch.multinomial(
        torch.tensor([0.6, 0.1, 0.15, 0.15]), n * 42, replacement=True, generator=draw
    ).view(n, 6, 7)
    grids[:, 2, 3] = EMPTY
    agents = torch.tensor([[3, 2]] * n)
    batch = VecEnv(config, n, generator=seeded())
    singles = [VecEnv(config, 1, generator=seeded()) for _ in range(n)]
    views = batch.load(grids.to(torch.uint8), agents)
    for i, single in enumerate(singles):
        alone = single.load(grids[i : i + 1].to(torch.uint8), agents[i : i + 1])
        assert torch.equal(alone[0], views[i])
    alive = set(range(n))
    ends: Counter[int] = Counter()
    for _ in range(40):
        actions = torch.randint(8, (n,), generator=draw)
        result = batch.step(actions)
        for i in sorted(alive):
            alone = singles[i].step(actions[i : i + 1])
            for mine, theirs in zip(alone.events, result.events, strict=True):
                assert mine[0] == theirs[i]
            assert torch.equal(alone.final_views[0], result.final_views[i])
            assert alone.terminated[0] == result.terminated[i]
            assert alone.truncated[0] == result.truncated[i]
            if result.events.cause[i]:
                assert alone.episodes is not None
                assert result.episodes is not None
                for mine, theirs in zip(alone.episodes, result.episodes, strict=True):
                    assert mine[0] == theirs[i]
                ends[int(result.events.cause[i])] += 1
                alive.remove(i)  # what follows is drawn at random
            else:
                assert torch.equal(alone.views[0], result.views[i])
                assert singles[i].energy[0] == batch.energy[i]
    assert not alive
    assert ends[TIME_LIMIT] > 0
    assert ends[POISONED] > 0


# --- The host is never kept waiting -----------------------------------------


class Unchecked(VecEnv):
    """As on a GPU, where the range of the actions is not looked at."""

    def _check(self, actions: Tensor) -> None:
        del actions


@pytest.mark.parametrize("respawn", [True, False])
@pytest.mark.parametrize("loop", [True, False])
def test_an_immortal_world_never_waits_for_the_device(respawn: bool, loop: bool) -> None:
    config = small_config(FULL | {"items.respawn": respawn, "world.loop": loop})
    with FakeTensorMode():  # tensors without contents: whoever looks at one gets an exception
        env = Unchecked(config, 4, generator=seeded())
        ended = [env.step(torch.zeros(4).long()).episodes is not None for _ in range(20)]
    assert ended == ([False] * 8 + [True]) * 2 + [False] * 2  # drawing new worlds does not wait


def test_the_watch_for_waiting_is_awake() -> None:
    with FakeTensorMode():
        mortal = Unchecked(small_config(FULL | MORTAL), 4, generator=seeded())
        with pytest.raises(DataDependentOutputException):
            mortal.step(torch.zeros(4).long())
        checked = VecEnv(small_config(FULL), 4, generator=seeded())
        with pytest.raises(DataDependentOutputException):
            checked.step(torch.zeros(4).long())  # on a CPU the actions are looked at


# --- What is refused --------------------------------------------------------


@pytest.mark.parametrize(
    "actions",
    [
        torch.tensor([0, 8]),
        torch.tensor([-1, 0]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([0]),
        torch.tensor([[0, 1]]),
        torch.tensor(3),
    ],
    ids=["too high", "negative", "not whole", "too few", "wrong shape", "a single number"],
)
def test_impossible_actions_are_refused_and_change_nothing(actions: Tensor) -> None:
    env = VecEnv(small_config(FULL), 2, generator=seeded())
    before = env.state()
    with pytest.raises(ValueError, match="actions must"):
        env.step(actions)
    for name, value in env.state().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_any_integer_type_of_action_will_do(dtype: torch.dtype) -> None:
    env = VecEnv.from_map(small_config(), "...\n.@.\n...", generator=seeded())
    env.step(torch.tensor([7], dtype=dtype))
    assert env.agents().tolist() == [[2, 2]]


def _of(config: Config, n: int, **kwargs: Any) -> Callable[[], VecEnv]:
    return lambda: VecEnv(config, n, generator=seeded(), **kwargs)


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (_of(small_config(), 0), "at least 1, not 0"),
        (_of(small_config(), -2), "at least 1, not -2"),
        (_of(small_config(), 13, shared_grid=True), "13 agents do not fit"),
        (lambda: VecEnv.from_map(small_config(), "...", generator=seeded()), "at least one agent"),
        (lambda: VecEnv.from_map(small_config(), "@..", generator=seeded()), "torus of at least"),
    ],
)
def test_impossible_worlds_are_refused(build: Callable[[], VecEnv], complaint: str) -> None:
    with pytest.raises(UserError, match=complaint):
        build()


def test_moves_of_the_reference_are_eight_and_distinct() -> None:
    assert len(set(MOVES)) == 8
