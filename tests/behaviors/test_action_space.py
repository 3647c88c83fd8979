"""One action table, and everybody uses it."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path

import pytest
import torch
from slow_reference import SEED_TABLE, drawn_view, seeded, small_config

import goodharts_lib
from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS, action_index
from goodharts_lib.behaviors.scripted import ScriptedAgent
from goodharts_lib.environments.vec_env import VecEnv

ARROWS = set("↖←↙↑↓↗→↘")
LIBRARY = Path(goodharts_lib.__file__).parent


def test_the_table_is_the_seeds() -> None:
    table = [(i, (a.dx, a.dy), a.arrow, a.name) for i, a in enumerate(ACTIONS)]
    assert table == list(SEED_TABLE)
    assert N_ACTIONS == 8


def test_the_inverse_map_undoes_the_table() -> None:
    for index, (dx, dy), _, _ in SEED_TABLE:
        assert action_index(dx, dy) == index


@pytest.mark.parametrize("move", [(0, 0), (2, 0), (0, -2), (1, 2), (-3, -3)])
def test_what_is_not_a_move_is_an_error(move: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="is not a move"):
        action_index(*move)


@pytest.mark.parametrize(("index", "move", "arrow", "name"), SEED_TABLE)
def test_every_consumer_means_the_same_move(
    index: int, move: tuple[int, int], arrow: str, name: str
) -> None:
    assert (ACTIONS[index].arrow, ACTIONS[index].name) == (arrow, name)
    config = small_config()
    env = VecEnv.from_map(config, ".....\n.....\n..@..\n.....\n.....", generator=seeded())
    env.step(torch.tensor([index]))
    assert env.agents().tolist() == [[2 + move[0], 2 + move[1]]]

    agent = ScriptedAgent("food_only", config)
    target = torch.tensor([(1 + move[1]) * 3 + 1 + move[0]])  # in a 3x3 view
    assert agent.toward(target, torch.zeros(1, 8, dtype=torch.bool)).tolist() == [index]

    view = drawn_view("...\n.@.\n...")
    view[0, 1 + move[1], 1 + move[0]] = 2
    for forager in ("food_only", "eat_everything", "omniscient_seeker", "proxy_seeker"):
        chosen = ScriptedAgent(forager, config).act(view, seeded())
        assert chosen.tolist() == [index], forager


def literals(tree: ast.AST) -> list[tuple[int, ...]]:
    """All tuples and lists of -1, 0 and 1."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Tuple | ast.List):
            with contextlib.suppress(ValueError):  # it holds more than numbers
                found.append(tuple(ast.literal_eval(node)))
    return [n for n in found if all(type(i) is int and abs(i) <= 1 for i in n)]


def tables_in(source: str) -> list[str]:
    """What looks like another table of the eight moves in Python source."""
    tree = ast.parse(source)
    words = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    arrows = [ARROWS & set(word) for word in words if isinstance(word, str)] + [ARROWS & words]
    numbers = literals(tree)
    pairs = {pair for pair in numbers if len(pair) == 2 and pair != (0, 0)}
    suspects = [sorted(a) for a in arrows if len(a) >= 3]
    suspects += [n for n in numbers if len(n) >= 8 and set(n) == {-1, 0, 1}]
    return [str(s) for s in suspects + [sorted(pairs)] * (len(pairs) >= 6)]


def test_no_other_file_spells_the_table() -> None:
    files = [path for path in LIBRARY.rglob("*.py") if path.name != "action_space.py"]
    assert len(files) > 10
    spelt = {str(path): tables_in(path.read_text(encoding="utf-8")) for path in files}
    assert {path: found for path, found in spelt.items() if found} == {}


@pytest.mark.parametrize(
    "source",
    [
        "MOVES = [(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)]",
        "MOVES = {(-1, -1): 0, (0, -1): 1, (1, -1): 2, (-1, 0): 3, (1, 0): 4, (-1, 1): 5}",
        "DX = [-1, -1, -1, 0, 0, 1, 1, 1]",
        "LABELS = '↑↓←→'",
        "LABELS = ['↖', '↑', '↗', '←', '→', '↙', '↓', '↘']",
        (LIBRARY / "behaviors" / "action_space.py").read_text(encoding="utf-8"),
    ],
)
def test_a_second_table_would_be_found(source: str) -> None:
    assert tables_in(source)
