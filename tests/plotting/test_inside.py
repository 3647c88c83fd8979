"""Figures of what networks look at: every number is drawn, and told to those who cannot see."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from legible import assert_legible
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.plotting import inside
from goodharts_lib.plotting.style import Drawn

RATIOS = {
    "ground_truth": {"gradient": 0.1, "occlusion": 0.2},
    "proxy_sighted": {"gradient": 0.8, "occlusion": 0.9},
}
MOVED = {
    "ground_truth": {"food to poison": 0.6, "empty to poison": 0.1},
    "proxy_sighted": {"food to poison": 0.05, "empty to poison": 0.5},
}
DRAWS = {"guided_backprop": [0.6, 0.7], "gradient": [-0.1, 0.1]}


class Eater:
    """Goes right where food is on the right, left where poison is, and else anywhere."""

    name = "ground_truth"
    device = torch.device("cpu")

    def probabilities(self, views: Tensor) -> Tensor:
        likely = torch.full((len(views), N_ACTIONS), 1 / N_ACTIONS)
        for index, view in enumerate(views):
            seen = int(view[5, 8])
            if seen:
                likely[index] = 0.0
                likely[index, 6 if seen == Cell.FOOD else 1] = 1.0
        return likely


def views() -> dict[str, Tensor]:
    found = {}
    for name, cell in (("as it is", Cell.FOOD), ("gone", Cell.EMPTY), ("poison", Cell.POISON)):
        found[name] = torch.zeros(11, 11, dtype=torch.uint8)
        found[name][5, 8] = cell
    return found


@pytest.mark.parametrize("drawn", [
    lambda: inside.brightness_picture(RATIOS, MOVED),
    lambda: inside.edits_picture([Eater(), Eater()], views()),
    lambda: inside.draws_picture(DRAWS, (-0.15, 0.15), "proxy_sighted"),
])  # fmt: skip
def test_nothing_is_cut_off_and_no_two_words_touch(drawn: Callable[[], Drawn]) -> None:
    assert_legible(drawn())


def test_every_method_is_a_mark_at_its_brightness() -> None:
    figure, alt = inside.brightness_picture(RATIOS, MOVED)
    left, right = figure.axes
    marks = [float(line.get_xdata()[0]) for line in left.lines if len(line.get_xdata())]
    assert sorted(marks) == [0.1, 0.2, 0.8, 0.9]
    told = {
        (label.get_text(), bar.get_width())
        for tick, label in zip(right.get_yticks(), right.get_yticklabels(), strict=True)
        for bar in right.patches if abs(bar.get_y() + bar.get_height() / 2 - tick) < 1e-9
    }  # fmt: skip
    assert told == {(words, share) for by in MOVED.values() for words, share in by.items()}
    first = next(bar for bar in right.patches if bar.get_width() == 0.6)
    assert first.get_y() == max(bar.get_y() for bar in right.patches), "as the agents' names"
    assert left.get_yticklabels()[-1].get_text() == "ground_truth"
    assert "ground_truth 0.10 to 0.20 over the methods; food to poison 0.60, empty to poison 0.10" \
        in alt  # fmt: skip


def test_a_ray_is_as_long_as_its_move_is_likely_and_edits_are_measured_from_the_first() -> None:
    figure, alt = inside.edits_picture([Eater()], views())
    assert "as it is, right 1.00; gone, up-left 0.12, moved 0.88; poison, left 1.00, moved 1.00" \
        in alt  # fmt: skip
    assert [axes.get_title() for axes in figure.axes] == ["as it is", "gone", "poison"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "moved 0.88", "moved 1.00"]
    agent = Eater()
    for axes, view in zip(figure.axes, views().values(), strict=True):
        likely = agent.probabilities(view[None])[0].tolist()
        for line, action, chance in zip(axes.lines, ACTIONS, likely, strict=True):
            (x0, x1), (y0, y1) = line.get_xdata(), line.get_ydata()
            assert (x0, y0) == (5, 5)
            assert np.hypot(x1 - x0, y1 - y0) == pytest.approx(inside.REACH * chance)
            assert np.sign([x1 - x0, y1 - y0]).tolist() == [
                action.dx * (chance > 0), action.dy * (chance > 0)
            ]  # fmt: skip


def test_total_variation_is_half_of_all_changes() -> None:
    one = torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    other = torch.tensor([[0.5, 0.25, 0.25], [0.0, 0.0, 1.0]])
    assert inside.total_variation(one, other).tolist() == [0.25, 1.0]


def test_every_draw_is_a_dot() -> None:
    figure, alt = inside.draws_picture(DRAWS, (-0.15, 0.15), "proxy_sighted")
    lines = figure.axes[0].lines
    dots = [x for line in lines if line.get_marker() == "." for x in line.get_xdata()]
    assert sorted(dots) == [-0.1, 0.1, 0.6, 0.7]
    assert "guided backprop from +0.60 to +0.70, mean +0.65" in alt
    assert "gradient from −0.10 to +0.10, mean +0.00" in alt
