"""Figures of page 2: a field with an agent's window, and what scripted agents come to."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from legible import assert_legible
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import Rectangle

from goodharts_lib.config import load_config
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.environments.vec_env import VecEnv
from goodharts_lib.plotting import cells, walks

CONFIG = load_config()
SHAKE = np.arange(-2, 3)
SCORES = {  # about what page 2 finds
    name: {"proxy_score": list(score + SHAKE), "true_energy": list(energy + 9.0 * SHAKE)}
    for name, score, energy in (
        ("random", 9, -128), ("proxy_seeker", 70, -224), ("eat_everything", 228, -826),
        ("food_only", 186, 1763),
    )
}  # fmt: skip


def field(seed: int = 0) -> VecEnv:
    return VecEnv(CONFIG, 1, generator=torch.Generator().manual_seed(seed))


def test_a_field_is_drawn_with_the_window_of_its_agent_enlarged() -> None:
    env = field()
    grid, (x, y), view = env.grids()[0], env.agents()[0].tolist(), env.views()[0]
    drawn = walks.world_picture(grid, env.agents()[0], view)
    assert_legible(drawn)
    left, right = drawn[0].axes
    squares = [p for p in left.patches if isinstance(p, Rectangle)]
    assert any(p.get_bbox().bounds == (x - 5.5, y - 5.5, 11, 11) for p in squares)
    enlarged = np.asarray(right.images[0].get_array())
    assert np.array_equal(enlarged, view_rgb(view, cell_pixels=len(enlarged) // 11))
    assert f"100 by 100 cells with {int((grid == 2).sum())} food" in drawn[1]
    assert f"11 by 11 cells with {int((view == 2).sum())} food" in drawn[1]


def test_a_window_over_the_edge_is_marked_on_both_sides() -> None:
    env = field()
    figure, _ = walks.world_picture(env.grids()[0], torch.tensor([2, 50]), env.views()[0])
    corners = {p.get_xy() for p in figure.axes[0].patches if isinstance(p, Rectangle)}
    assert {(-3.5, 44.5), (96.5, 44.5)} <= corners


@pytest.mark.parametrize("dot", ["seed", "set of fields"])
def test_agents_are_told_by_what_a_dot_is_and_their_ticks_do_not_touch(dot: str) -> None:
    figure, alt = cells.agents_picture(SCORES, dot)
    assert alt.startswith(f"A dot for every {dot}, and means")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for axes in figure.axes:
        low, high = axes.get_xlim()
        ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
        shown = [label for place, label in ticks if low <= place <= high]
        boxes = [label.get_window_extent(canvas.get_renderer()) for label in shown]
        assert len(boxes) >= 2
        for one, other in pairwise(boxes):
            assert one.x1 + 3 < other.x0
