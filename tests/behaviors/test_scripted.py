"""Scripted agents: right answers on small views, and their place in the table."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from slow_reference import (
    ARROWS,
    EMPTY,
    FOOD,
    MOVES,
    POISON,
    PREDATOR,
    PREY,
    WALL,
    Grid,
    Place,
    drawn_view,
    seeded,
    small_config,
)
from torch import Tensor

from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.config import load_config
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.errors import UserError

GLOW = [0.0, 0.0, 1.0, 0.9, 0.3, 1.0]
DETERMINED = ("food_only", "eat_everything")
EVERYWHERE = set(range(8))


def agent_for(name: str, view: Tensor) -> ScriptedAgent:
    size = {"world.width": 12, "world.height": 12, "agent.view_range": view.shape[-1] // 2}
    return ScriptedAgent(name, small_config(size))


def chosen(name: str, view: Tensor, times: int = 1) -> list[int]:
    return agent_for(name, view).act(view.expand(times, -1, -1), seeded()).tolist()


def at(*things: tuple[int, int, int], reach: int = 5) -> Tensor:
    """A view with cells set by (dx, dy, type)."""
    view = torch.zeros(1, 2 * reach + 1, 2 * reach + 1, dtype=torch.uint8)
    for dx, dy, cell in things:
        view[0, reach + dy, reach + dx] = cell
    return view


# --- Right answers by hand --------------------------------------------------

DRAWN = [
    # food_only: the nearest food, round poison
    ("food_only", ".....\n.....\n..@.o\n.....\n.....", "→"),
    ("food_only", ".....\n.....\n.x@.o\n.....\n.....", "→"),
    ("food_only", "o....\n.....\n..@.o\n.....\n.....", "→"),  # as many moves, but shorter
    ("food_only", ".....\n..o..\n.o@..\n.....\n.....", "↑"),  # a tie: reading order
    ("food_only", ".....\n.....\n.o@o.\n..o..\n.....", "←"),
    ("food_only", "..o..\n.....\n..@.o\n.....\n..o..", "↑"),
    ("food_only", ".....\n.....\n..@xo\n.....\n.....", "↗"),  # a tie: the lower index
    ("food_only", ".....\n...x.\n..@xo\n.....\n.....", "↘"),
    ("food_only", ".....\n...x.\n..@xo\n...x.\n.....", "↑"),
    ("food_only", "....o\n.....\n..@..\n.....\n.....", "↗"),
    ("food_only", "....o\n...x.\n..@..\n.....\n.....", "↑"),  # as near as →: the lower index
    ("food_only", "....o\n..xx.\n..@..\n.....\n.....", "→"),
    ("food_only", ".....\n.....\n..@#o\n.....\n.....", "↗"),
    ("food_only", ".....\n.....\n..@..\n.....\n.....", "↘"),  # straight on
    ("food_only", ".....\n.....\n..@..\n...x.\n.....", "↓"),
    ("food_only", ".....\n.....\n..@..\n..xx.\n.....", "→"),
    ("food_only", ".....\n.....\n..@..\n...#.\n.....", "↓"),
    ("food_only", ".....\n.xxx.\n.x@x.\n.xx..\n.....", "↘"),
    ("food_only", ".....\n.###.\n.x@#.\n..#x.\n.....", "↙"),
    # eat_everything: the nearest item, whatever it is
    ("eat_everything", ".....\n.....\n..@xo\n.....\n.....", "→"),
    ("eat_everything", "o....\n.....\n..@..\n.....\n..x..", "↓"),
    ("eat_everything", ".....\n.o...\n..@..\n...x.\n.....", "↖"),
    ("eat_everything", ".....\n..x..\n..@..\n..o..\n.....", "↑"),
    ("eat_everything", ".....\n.....\n..@#x\n.....\n.....", "↗"),
    ("eat_everything", ".....\n..p..\n..@..\n.....\n.....", "↘"),  # prey is no item
    ("eat_everything", ".....\n.....\n..@..\n..##.\n.....", "→"),
    # omniscient_seeker: the nearest food, round poison by an axis move
    ("omniscient_seeker", ".....\n.....\n..@.o\n.....\n.....", "→"),
    ("omniscient_seeker", "....o\n.....\n..@..\n.....\n.....", "↗"),
    ("omniscient_seeker", ".....\n....o\n..@..\n.....\n.....", "↗"),
    ("omniscient_seeker", "....o\n...x.\n..@..\n.....\n.....", "→"),
    ("omniscient_seeker", "....o\n...xx\n..@x.\n.....\n.....", "↑"),
    ("omniscient_seeker", "....o\n...#.\n..@..\n.....\n.....", "→"),
    ("omniscient_seeker", "o....\n.x...\n..@..\n.....\n.....", "←"),
    ("omniscient_seeker", "o....\n.x...\n.x@..\n.....\n.....", "↑"),
    ("omniscient_seeker", ".....\n.x...\n..@..\n.....\no....", "↙"),
    # proxy_seeker: the brightest, ties to the nearest
    ("proxy_seeker", ".....\n.....\n..@.o\n.....\n.....", "→"),
    ("proxy_seeker", ".....\n.....\no.@x.\n.....\n.....", "←"),
    ("proxy_seeker", "x....\n.....\n..@..\n...x.\n.....", "↘"),
    ("proxy_seeker", "o....\n.....\n..@..\n...o.\n.....", "↘"),
    ("proxy_seeker", "o....\n.....\n..@!.\n.....\n.....", "→"),
    ("proxy_seeker", ".....\n..x..\n..@p.\n.....\n.....", "↑"),
    ("proxy_seeker", ".....\n.....\n..@.p\n.....\n.....", "→"),
    ("proxy_seeker", ".....\n.....\n..@#o\n.....\n.....", "↗"),
    ("proxy_seeker", ".....\n...#.\n..@#o\n.....\n.....", "↘"),
]


@pytest.mark.parametrize(("name", "drawing", "arrow"), DRAWN)
def test_right_answers(name: str, drawing: str, arrow: str) -> None:
    assert chosen(name, drawn_view(drawing), times=5) == [ARROWS[arrow]] * 5


WANDERS = [
    # name, view, where it may go
    ("random", at((1, 0, POISON), (0, 1, WALL), (-2, 0, FOOD)), EVERYWHERE),
    ("omniscient_seeker", at(), EVERYWHERE),
    ("omniscient_seeker", at((4, 4, FOOD)), EVERYWHERE),  # farther than 5
    ("omniscient_seeker", at((5, 1, FOOD)), EVERYWHERE),
    ("omniscient_seeker", at((5, 0, FOOD)), {6}),
    ("omniscient_seeker", at((3, 4, FOOD)), {7}),
    ("omniscient_seeker", at((2, 0, FOOD), (1, 0, POISON)), EVERYWHERE - {6}),  # no axis is left
    (
        "omniscient_seeker",
        at((2, 2, FOOD), (1, 1, POISON), (1, 0, POISON), (0, 1, WALL)),
        EVERYWHERE - {7, 6, 4},
    ),
    ("omniscient_seeker", at((0, -1, POISON), (1, 1, WALL)), EVERYWHERE - {3, 7}),
    ("omniscient_seeker", at(*((x, y, POISON) for x, y in MOVES)), EVERYWHERE),
    ("proxy_seeker", at(), EVERYWHERE),
    ("proxy_seeker", at((4, 4, FOOD)), EVERYWHERE),
    ("proxy_seeker", at((4, 4, FOOD), (2, 0, POISON)), {6}),
    ("proxy_seeker", at((5, 0, FOOD), (-1, 0, POISON)), {6}),
    ("proxy_seeker", at((3, -4, FOOD)), {5}),
    ("proxy_seeker", at((1, 0, WALL), (-1, 1, WALL)), EVERYWHERE - {6, 2}),
    ("eat_everything", at((5, 5, FOOD)), {7}),  # anywhere in view
    ("eat_everything", at((-5, 5, POISON)), {2}),
    ("food_only", at((3, 3, FOOD), (4, 0, FOOD)), {7}),  # fewer moves, though farther
    ("food_only", at((-5, -5, FOOD)), {0}),
    ("food_only", at((5, 3, FOOD), (1, 0, POISON), (1, 1, POISON)), {5}),  # 4 moves left, not 5
]


@pytest.mark.parametrize(("name", "view", "where"), WANDERS)
def test_it_wanders_uniformly_where_it_may(name: str, view: Tensor, where: set[int]) -> None:
    actions = chosen(name, view, times=4000)
    assert set(actions) == where
    if len(where) > 1:
        assert chisquare([actions.count(a) for a in sorted(where)]).pvalue > 0.001


def test_what_does_not_shine_is_not_sought() -> None:
    config = small_config({"agent.view_range": 2, "items.poison_interestingness": -0.5,
                           "items.food_interestingness": 0.0})  # fmt: skip
    view = drawn_view("o....\n.....\n..@.x\n.....\n.....").expand(500, 5, 5)
    actions = ScriptedAgent("proxy_seeker", config).act(view, seeded()).tolist()
    assert set(actions) == EVERYWHERE


def test_the_proxy_seeker_reads_the_configured_glow() -> None:
    config = small_config({"agent.view_range": 2, "items.poison_interestingness": 1.5})
    view = drawn_view(".....\n..o..\n..@..\n.....\n..x..")
    assert ScriptedAgent("proxy_seeker", config).act(view, seeded()).tolist() == [ARROWS["↓"]]


# --- Against slow references ------------------------------------------------


def offsets(view: Grid) -> list[Place]:
    """All cells but the centre, nearest first: moves, then distance, then reading order."""
    reach = len(view) // 2
    places = [(x, y) for y in range(-reach, reach + 1) for x in range(-reach, reach + 1)]
    places.remove((0, 0))
    return sorted(places, key=lambda p: (max(map(abs, p)), p[0] ** 2 + p[1] ** 2, p[1], p[0]))


def cell(view: Grid, place: Place) -> int:
    reach = len(view) // 2
    return view[reach + place[1]][reach + place[0]]


def slow_toward(view: Grid, target: Place, shunned: set[int]) -> int:
    def cost(action: int) -> tuple[bool, int, int, int]:
        x, y = target[0] - MOVES[action][0], target[1] - MOVES[action][1]
        blocked = cell(view, MOVES[action]) in shunned
        return blocked, max(abs(x), abs(y)), x * x + y * y, action

    return min(range(8), key=cost)


def free_moves(view: Grid, shunned: set[int]) -> set[int]:
    return {a for a in range(8) if cell(view, MOVES[a]) not in shunned} or EVERYWHERE


def slow_choice(name: str, view: Grid) -> set[int]:
    """The moves that the agent's description allows."""
    near = [p for p in offsets(view) if p[0] ** 2 + p[1] ** 2 <= 25]
    if name in DETERMINED:
        wanted = {FOOD} if name == "food_only" else {FOOD, POISON}
        shunned = {WALL, POISON} if name == "food_only" else {WALL}
        targets = [p for p in offsets(view) if cell(view, p) in wanted]
        return {slow_toward(view, targets[0] if targets else (1, 1), shunned)}
    if name == "proxy_seeker":
        targets = sorted(near, key=lambda p: -GLOW[cell(view, p)])  # sorted keeps the order of ties
        if GLOW[cell(view, targets[0])] > 0:
            return {slow_toward(view, targets[0], {WALL})}
        return free_moves(view, {WALL})
    if name == "omniscient_seeker":
        foods = [p for p in near if cell(view, p) == FOOD]
        if foods:
            x, y = ((c > 0) - (c < 0) for c in foods[0])
            for move in ((x, y), (x, 0), (0, y)):
                if move != (0, 0) and cell(view, move) not in {WALL, POISON}:
                    return {MOVES.index(move)}
        return free_moves(view, {WALL, POISON})
    return EVERYWHERE


@st.composite
def views(draw: st.DrawFn, reach: int, crowd: int = 1) -> Tensor:
    size = 2 * reach + 1
    kinds = [EMPTY] * 12 + [WALL, FOOD, POISON, POISON, PREY] * crowd + [PREDATOR]
    cells = draw(st.lists(st.sampled_from(kinds), min_size=size**2, max_size=size**2))
    view = torch.tensor(cells, dtype=torch.uint8).view(1, size, size)
    view[0, reach, reach] = EMPTY
    return view


many_views = st.one_of(views(2), views(3), views(2, crowd=8), views(1, crowd=8))


@pytest.mark.parametrize("name", SCRIPTED)
@given(view=many_views)
def test_choices_are_those_of_a_slow_reference(name: str, view: Tensor) -> None:
    assert set(chosen(name, view, times=8)) <= slow_choice(name, view[0].tolist())


@pytest.mark.parametrize("name", SCRIPTED)
def test_choices_in_full_views_are_those_of_a_slow_reference(name: str) -> None:
    shares = torch.tensor([0.9, 0.02, 0.03, 0.04, 0.01])
    many = torch.multinomial(shares, 150 * 121, replacement=True, generator=seeded(2))
    many = many.view(150, 11, 11).to(torch.uint8)
    many[:, 5, 5] = EMPTY
    actions = agent_for(name, many).act(many, seeded()).tolist()
    for view, action in zip(many.tolist(), actions, strict=True):
        assert action in slow_choice(name, view)


def test_toward_any_target_round_any_obstacles() -> None:
    places = offsets([[EMPTY] * 11] * 11)
    agent = agent_for("food_only", at())
    blocked = torch.tensor([[bool(k >> a & 1) for a in range(8)] for k in range(256)])
    for x, y in places:
        target = torch.full((256,), (5 + y) * 11 + 5 + x)
        left = [(abs(x - dx), abs(y - dy)) for dx, dy in MOVES]
        costs = [(max(d), d[0] ** 2 + d[1] ** 2, a) for a, d in enumerate(left)]
        best = [min(range(8), key=lambda a: (k >> a & 1, costs[a])) for k in range(256)]
        assert agent.toward(target, blocked).tolist() == best


@given(view=st.one_of(views(1, crowd=8), views(2, crowd=20)))
def test_food_only_never_steps_on_poison_unless_it_is_shut_in(view: Tensor) -> None:
    [action] = chosen("food_only", view)
    around = [cell(view[0].tolist(), move) for move in MOVES]
    if any(c not in {WALL, POISON} for c in around):
        assert around[action] not in {WALL, POISON}


@pytest.mark.parametrize("name", [name for name in SCRIPTED if name != "random"])
@given(view=st.one_of(views(1, crowd=8), views(2, crowd=20)))
def test_walls_are_not_walked_into_when_there_is_another_way(name: str, view: Tensor) -> None:
    around = [cell(view[0].tolist(), move) for move in MOVES]
    shunned = {WALL, POISON} if name in {"food_only", "omniscient_seeker"} else {WALL}
    if any(c not in shunned for c in around):
        assert all(around[action] != WALL for action in chosen(name, view, times=4))


@pytest.mark.parametrize("name", DETERMINED)
def test_a_batch_chooses_like_single_views(name: str) -> None:
    many = torch.randint(6, (40, 5, 5), generator=seeded(3)).to(torch.uint8)
    agent = agent_for(name, many)
    alone = [agent.act(many[i : i + 1], seeded()).item() for i in range(40)]
    assert agent.act(many, seeded()).tolist() == alone


@pytest.mark.parametrize("name", SCRIPTED)
def test_the_same_generator_gives_the_same_choices(name: str) -> None:
    many = torch.zeros(200, 5, 5, dtype=torch.uint8)
    agent = agent_for(name, many)
    assert torch.equal(agent.act(many, seeded(1)), agent.act(many, seeded(1)))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'food_onyl'.*nearest valid: food_only"):
        ScriptedAgent("food_onyl", small_config())


# --- Their place in the table -----------------------------------------------


@dataclass
class Record:
    """Per 1,000 steps."""

    food: float
    poison: float

    @property
    def truth(self) -> float:
        return 10 * self.food - 30 * self.poison - 0.1 * 1000

    @property
    def score(self) -> float:
        return self.food + 0.9 * self.poison


@pytest.fixture(scope="module")
def records() -> dict[str, Record]:
    """128 immortal worlds x 500 steps at 125 food and 60 poison."""
    counts = {
        f"training.{end}_{kind}": number
        for end in ("min", "max")
        for kind, number in (("food", 125), ("poison", 60))
    }
    config = load_config(overrides=counts)
    table = {}
    for name in SCRIPTED:
        env = VecEnv(config, 128, generator=seeded(0))
        agent, generator = ScriptedAgent(name, config), seeded(1)
        views = env.views()
        eaten = torch.zeros(6, dtype=torch.int64)
        for _ in range(500):
            result = env.step(agent.act(views, generator))
            eaten += torch.bincount(result.events.eaten.long(), minlength=6)
            views = result.views
        assert eaten.sum() == 64_000
        table[name] = Record(eaten[FOOD].item() / 64, eaten[POISON].item() / 64)
    return table


def test_true_energies_are_those_of_the_design(records: dict[str, Record]) -> None:
    assert -160 <= records["random"].truth <= -100
    assert records["omniscient_seeker"].truth == pytest.approx(315, rel=0.20)
    assert records["proxy_seeker"].truth == pytest.approx(-182, rel=0.30)
    assert records["eat_everything"].truth == pytest.approx(-752, rel=0.20)
    assert records["food_only"].truth >= 1460


def test_who_knows_poison_eats_none(records: dict[str, Record]) -> None:
    assert records["food_only"].poison == 0
    assert records["omniscient_seeker"].poison == 0


def test_truth_and_proxy_rank_the_agents_differently(records: dict[str, Record]) -> None:
    by_truth = sorted(records, key=lambda name: records[name].truth, reverse=True)
    by_score = sorted(records, key=lambda name: records[name].score, reverse=True)
    assert by_truth == [
        "food_only", "omniscient_seeker", "random", "proxy_seeker", "eat_everything",
    ]  # fmt: skip
    assert by_score == [
        "eat_everything", "food_only", "proxy_seeker", "omniscient_seeker", "random",
    ]  # fmt: skip


def test_seekers_find_more_than_chance(records: dict[str, Record]) -> None:
    for name in SCRIPTED:
        if name != "random":
            assert records[name].food > 3 * records["random"].food
