"""What holds in every small world, at every step, against slow references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st
from slow_reference import (
    EMPTY,
    FOOD,
    GOES_ON,
    POISON,
    POISONED,
    STARVED,
    TIME_LIMIT,
    WALL,
    Grid,
    Place,
    SlowWorld,
    seeded,
    slow_view,
    small_config,
)
from torch import Tensor

from goodharts_lib.environments.vec_env import StepResult, VecEnv

STEPS = 16


@dataclass
class Small:
    """A small world, drawn by hypothesis."""

    overrides: dict[str, Any]
    n: int
    shared: bool
    seed: int
    walls: bool  # start on grids with walls inside

    def build(self) -> VecEnv:
        config = small_config(self.overrides)
        env = VecEnv(config, self.n, generator=seeded(self.seed), shared_grid=self.shared)
        if self.walls:
            draw = seeded(self.seed + 1)
            shares = torch.tensor([0.6, 0.1, 0.15, 0.15])
            grids = torch.multinomial(
                shares, env.grids().numel(), replacement=True, generator=draw
            ).view(env.grids().shape)
            agents = env.agents()
            for i, (x, y) in enumerate(agents.tolist()):
                grids[0 if self.shared else i, y, x] = EMPTY
            env.load(grids.to(torch.uint8), agents)
        return env


@st.composite
def worlds(
    draw: st.DrawFn,
    respawn: bool | None = None,
    mortal: bool | None = None,
    shared: bool | None = None,
) -> Small:
    reach = draw(st.integers(1, 2))
    sizes = st.integers(5, 12)
    food, poison = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    overrides = {
        "agent.view_range": reach,
        "world.width": draw(sizes),
        "world.height": draw(sizes),
        "world.loop": draw(st.booleans()),
        "items.respawn": draw(st.booleans()) if respawn is None else respawn,
        "agent.mortal": draw(st.booleans()) if mortal is None else mortal,
        "agent.energy_start": draw(st.sampled_from([0.4, 1.1, 30.5, 50.0])),
        "agent.energy_move_cost": draw(st.sampled_from([0.0, 0.1, 0.3])),
        "training.min_food": food,
        "training.max_food": food + draw(st.integers(0, 3)),
        "training.min_poison": poison,
        "training.max_poison": poison + draw(st.integers(0, 3)),
        "training.steps_per_episode": draw(st.integers(3, 20)),
    }
    n, seed, walls = draw(st.integers(1, 4)), draw(st.integers(0, 2**31)), draw(st.booleans())
    return Small(overrides, n, draw(st.booleans()) if shared is None else shared, seed, walls)


@dataclass
class Moment:
    """All that can be known of the worlds between two steps."""

    grids: list[Grid]
    agents: list[Place]
    energy: list[int]
    age: list[int]

    @classmethod
    def of(cls, env: VecEnv) -> Moment:
        agents = [(x, y) for x, y in env.agents().tolist()]
        return cls(env.grids().tolist(), agents, env.energy.tolist(), env.age.tolist())


def walk(env: VecEnv, small: Small) -> Iterator[tuple[Moment, list[int], StepResult, Moment]]:
    """Take random steps; what was, the actions, the result, what is."""
    draw = seeded(small.seed + 2)
    was = Moment.of(env)
    for _ in range(STEPS):
        actions = torch.randint(8, (env.n_envs,), generator=draw)
        result = env.step(actions)
        now = Moment.of(env)
        yield was, actions.tolist(), result, now
        was = now


def home(env: VecEnv, i: int) -> int:
    """The grid that agent i lives in."""
    return 0 if env.shared_grid else i


def ended(result: StepResult) -> list[bool]:
    return [cause != GOES_ON for cause in result.events.cause.tolist()]


def redrawn(env: VecEnv, result: StepResult, world: int) -> bool:
    """Whether a world was drawn anew in this step. A shared one never is."""
    return not env.shared_grid and ended(result)[world]


def items(grid: Grid) -> Counter[int]:
    return Counter(cell for row in grid for cell in row if cell in {FOOD, POISON})


def meals(env: VecEnv, result: StepResult, world: int) -> Counter[int]:
    """What was eaten in one world."""
    eaten = result.events.eaten.tolist()
    return Counter(kind for i, kind in enumerate(eaten) if kind and home(env, i) == world)


@given(worlds(respawn=True))
def test_with_respawn_the_items_of_a_world_stay_as_many(small: Small) -> None:
    env = small.build()
    for was, _, result, now in walk(env, small):
        for world, grid in enumerate(now.grids):
            if not redrawn(env, result, world):
                assert items(grid) == items(was.grids[world])


@given(worlds(respawn=False))
def test_without_respawn_each_meal_is_one_item_less(small: Small) -> None:
    env = small.build()
    for was, _, result, now in walk(env, small):
        for world, grid in enumerate(now.grids):
            if not redrawn(env, result, world):
                assert items(grid) == items(was.grids[world]) - meals(env, result, world)


@given(worlds(respawn=True))
def test_a_meal_comes_back_on_a_cell_that_was_empty_and_unoccupied(small: Small) -> None:
    env = small.build()
    for was, _, result, now in walk(env, small):
        eaters = [i for i, kind in enumerate(result.events.eaten.tolist()) if kind]
        for world, grid in enumerate(now.grids):
            if redrawn(env, result, world) or (env.shared_grid and any(ended(result))):
                continue
            old = was.grids[world]
            left = {now.agents[i] for i in eaters if home(env, i) == world}
            changed = {
                (x, y)
                for y, row in enumerate(grid)
                for x, cell in enumerate(row)
                if cell != old[y][x]
            }
            new = changed - left
            assert left <= changed
            assert len(new) == len(left)
            assert all(old[y][x] == EMPTY for x, y in new)
            assert Counter(grid[y][x] for x, y in new) == meals(env, result, world)
            assert not new & {at for i, at in enumerate(now.agents) if home(env, i) == world}


@given(worlds())
def test_energy_is_the_start_and_the_priced_events_in_exact_tenths(small: Small) -> None:
    env = small.build()
    start = round(10 * small.overrides["agent.energy_start"])
    move = round(10 * small.overrides["agent.energy_move_cost"])
    expected = [start] * env.n_envs
    assert env.energy.dtype == torch.int64
    for _, _, result, now in walk(env, small):
        for i, kind in enumerate(result.events.eaten.tolist()):
            expected[i] += {FOOD: 100, POISON: -300}.get(kind, 0) - move
            if ended(result)[i]:
                expected[i] = start
        assert now.energy == expected


@given(worlds())
def test_age_counts_the_steps_of_the_episode(small: Small) -> None:
    env = small.build()
    age = [0] * env.n_envs
    for _, _, result, now in walk(env, small):
        age = [0 if end else steps + 1 for steps, end in zip(age, ended(result), strict=True)]
        assert now.age == age


def reference_views(env: VecEnv, moment: Moment) -> list[Grid]:
    config = env.config
    views = []
    for i, at in enumerate(moment.agents):
        others = [other for j, other in enumerate(moment.agents) if j != i]
        view = slow_view(
            moment.grids[home(env, i)],
            at,
            config.agent.view_range,
            loop=config.world.loop,
            others=others if env.shared_grid else (),
        )
        views.append(view)
    return views


@given(worlds())
def test_views_equal_a_cell_by_cell_reference(small: Small) -> None:
    env = small.build()
    assert env.views().tolist() == reference_views(env, Moment.of(env))
    for _, _, result, now in walk(env, small):
        assert result.views.tolist() == env.views().tolist() == reference_views(env, now)


@given(worlds())
def test_reset_returns_the_views_of_fresh_worlds(small: Small) -> None:
    env = small.build()
    for _ in walk(env, small):
        pass
    views = env.reset()
    now = Moment.of(env)
    assert views.tolist() == reference_views(env, now)
    assert set(now.energy) == {round(10 * small.overrides["agent.energy_start"])}
    assert set(now.age) == {0}
    low, high = (Counter({k: small.overrides[f"training.{m}_{name}"]
                          for k, name in ((FOOD, "food"), (POISON, "poison"))})
                 for m in ("min", "max"))  # fmt: skip
    for grid in now.grids:
        assert low <= items(grid) <= high
        assert not any(WALL in row for row in grid)


@given(worlds())
def test_the_centre_of_every_view_reads_empty(small: Small) -> None:
    env = small.build()
    reach = small.overrides["agent.view_range"]
    for _, _, result, _ in walk(env, small):
        for views in (result.views, result.final_views):
            assert set(views[:, reach, reach].tolist()) == {EMPTY}


@given(worlds())
def test_agents_are_always_on_empty_cells(small: Small) -> None:
    env = small.build()
    for was, _, _, now in walk(env, small):
        for moment in (was, now):
            for i, (x, y) in enumerate(moment.agents):
                assert moment.grids[home(env, i)][y][x] == EMPTY


@given(worlds())
def test_an_episode_ends_in_one_way_at_most(small: Small) -> None:
    env = small.build()
    limit = small.overrides["training.steps_per_episode"]
    for was, _, result, _ in walk(env, small):
        died, cut = result.terminated.tolist(), result.truncated.tolist()
        causes = result.events.cause.tolist()
        for i, cause in enumerate(causes):
            assert not (died[i] and cut[i])
            assert died[i] == (cause in {STARVED, POISONED})
            assert cut[i] == (cause == TIME_LIMIT)
            assert (was.age[i] + 1 == limit) == (cut[i] or (died[i] and was.age[i] + 1 == limit))
            if died[i]:
                assert small.overrides["agent.mortal"]
                assert (cause == POISONED) == (result.events.eaten[i] == POISON)


@given(worlds())
def test_without_an_end_the_final_views_are_the_views(small: Small) -> None:
    env = small.build()
    for _, _, result, _ in walk(env, small):
        assert (result.final_views is result.views) == (not any(ended(result)))
        assert (result.episodes is None) == (not any(ended(result)))


@given(worlds())
def test_ended_episodes_report_their_steps_and_meals(small: Small) -> None:
    env = small.build()
    counted = [Counter() for _ in range(env.n_envs)]
    for _, _, result, _ in walk(env, small):
        for counter, kind in zip(counted, result.events.eaten.tolist(), strict=True):
            counter.update(["steps", kind])
        if result.episodes is None:
            continue
        assert result.episodes.ended.tolist() == ended(result)
        for i, end in enumerate(ended(result)):
            if end:
                said = [int(column[i]) for column in result.episodes]
                assert said == [1, *(counted[i][key] for key in ("steps", FOOD, POISON))]
                counted[i].clear()


def true_empties(grid: Tensor, width: int) -> list[int]:
    return [
        y * (width + 1) + x
        for y, row in enumerate(grid.tolist())
        for x, cell in enumerate(row)
        if cell == EMPTY
    ]


@given(worlds())
def test_the_list_of_empty_cells_is_true_at_all_times(small: Small) -> None:
    env = small.build()
    width = small.overrides["world.width"]
    steps = walk(env, small)
    while True:
        for world, grid in enumerate(env.grids()):
            n = int(env.ground.n_empty[world])
            assert sorted(env.ground.empties[world, :n].tolist()) == true_empties(grid, width)
        if next(steps, None) is None:
            return


@given(worlds(respawn=False))
def test_a_slow_world_plays_the_same_up_to_its_first_end(small: Small) -> None:
    env = small.build()
    start = Moment.of(env)
    homes = range(len(start.grids))
    slow = {
        world: SlowWorld(
            start.grids[world],
            [at for i, at in enumerate(start.agents) if home(env, i) == world],
            env.config,
        )
        for world in homes
    }
    for _, actions, result, now in walk(env, small):
        for world in list(slow):
            who = [i for i in range(env.n_envs) if home(env, i) == world]
            eaten, causes = slow[world].step([actions[i] for i in who])
            assert [int(result.events.eaten[i]) for i in who] == eaten
            assert [int(result.events.cause[i]) for i in who] == causes
            assert [result.final_views[i].tolist() for i in who] == slow[world].views()
            if any(causes):
                del slow[world]  # what follows is drawn at random
            else:
                assert now.grids[world] == slow[world].grid
                assert [now.agents[i] for i in who] == slow[world].agents
                assert [now.energy[i] for i in who] == slow[world].energy


@given(worlds(respawn=False))
def test_final_views_are_those_of_the_world_before_it_was_drawn_anew(small: Small) -> None:
    env = small.build()
    for was, actions, result, _ in walk(env, small):
        for world, grid in enumerate(was.grids):
            who = [i for i in range(env.n_envs) if home(env, i) == world]
            slow = SlowWorld(grid, [was.agents[i] for i in who], env.config)
            slow.step([actions[i] for i in who])
            assert [result.final_views[i].tolist() for i in who] == slow.views()


@given(worlds(respawn=False, mortal=True, shared=True))
def test_in_a_shared_grid_only_those_whose_episode_ended_are_moved(small: Small) -> None:
    env = small.build()
    start = round(10 * small.overrides["agent.energy_start"])
    for was, actions, result, now in walk(env, small):
        slow = SlowWorld(was.grids[0], was.agents, env.config)
        slow.step(actions)
        assert now.grids[0] == slow.grid
        for i, end in enumerate(ended(result)):
            if end:
                assert (now.energy[i], now.age[i]) == (start, 0)
            else:
                assert now.agents[i] == slow.agents[i]
                assert now.age[i] == was.age[i] + 1


def test_the_properties_meet_deaths_time_limits_meals_and_walls() -> None:
    seen: Counter[str] = Counter()

    @given(worlds())
    def look(small: Small) -> None:
        env = small.build()
        for was, _, result, now in walk(env, small):
            seen.update(f"cause {cause}" for cause in result.events.cause.tolist())
            seen.update(f"eaten {kind}" for kind in result.events.eaten.tolist())
            seen["blocked"] += was.agents[0] == now.agents[0]
            seen["met"] += env.shared_grid and len(set(now.agents)) < env.n_envs

    look()
    for what in ("cause 1", "cause 2", "cause 3", "eaten 2", "eaten 3", "blocked", "met"):
        assert seen[what] >= 5, what
