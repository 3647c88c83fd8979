"""Figures of page 3: every clone is drawn, and what stands there is what was stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import made
import numpy as np
import pytest
import torch
from legible import assert_legible
from matplotlib.axes import Axes

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.experiments.cloning import SAMPLES
from goodharts_lib.plotting import cloning
from goodharts_lib.plotting.style import Drawn

SEEKER = "omniscient_seeker 10000"
BEST = {"food_only": 1700.0, "omniscient_seeker": 340.0}  # true energy of experts
PLAIN = {1_000: 1360.0, 3_000: 1530.0, 10_000: 1615.0, 30_000: 1666.0}  # 20, 10, 5, 2 percent less
WON = {"": 0.0, " longer": 40.0, " DAgger": 30.0, " synthetic": -500.0}


def lives(energy: float, shake: float) -> dict[str, Any]:
    """Sampled in worlds of either kind, and greedy, which is 100 less."""
    found = {"immortal": energy, "mortal": energy - 1, "greedy": energy - 100}
    return {"end": {life: {"true_energy": level + shake} for life, level in found.items()}}


def a_clone(condition: str, index: int, energy: float, accuracy: float) -> dict[str, Any]:
    shake = made.SHAKE[index]
    exam = {"accuracy": accuracy + shake / 1000, "ceiling": 0.25 + shake / 100}
    curves = {
        "accuracy": [exam["ceiling"] * part for part in (0.4, 0.8, 1.0)],
        "true_energy_sampled": [-100.0, 200.0, 250.0 + shake],
        "true_energy_greedy": [-100.0, 300.0 + shake, -40.0],
    }
    metrics = {"at": lives(energy, shake), "last_epoch": exam}
    return made.unit(condition, index, metrics, curves=curves)


def stored() -> dict[str, Any]:
    units = []
    for index, shake in enumerate(made.SHAKE):
        for size, energy in PLAIN.items():
            for ending, more in WON.items():
                name = f"food_only {size}{ending}"
                units.append(a_clone(name, index, energy + more, 1 - 50 / size))
        for ending, more in WON.items():
            units.append(a_clone(SEEKER + ending, index, 260 + more / 10, 0.25))
        for expert, energy in BEST.items():
            units.append(made.unit(f"{expert} itself", index, {"at": lives(energy, shake)}))
    return made.stored(units)


def views() -> torch.Tensor:
    many = torch.zeros(3, 11, 11, dtype=torch.uint8)
    many[0, 2, 2], many[1, 5, 8] = Cell.FOOD, Cell.POISON
    return many


DRAWN: dict[str, Callable[[], Drawn]] = {
    "advice": lambda: cloning.advice_picture(views(), torch.arange(24).reshape(8, 3) % 8),
    "shortfall": lambda: cloning.shortfall_picture(stored()),
    "remedies": lambda: cloning.remedies_picture(stored()),
    "epochs": lambda: cloning.epochs_picture(stored()),
    "reasons": lambda: cloning.reasons_picture(stored()),
    "one run": lambda: cloning.course_picture([stored()["units"][0]["curves"]], [0.25], 340.0),
}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    assert_legible(DRAWN[name]())


def dots(axes: Axes) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() == "."]


def test_an_arrow_points_where_the_expert_goes() -> None:
    moves = torch.tensor([[0, 6, 3], [0, 6, 4], [0, 1, 3], [0, 6, 3]])
    figure, alt = cloning.advice_picture(views(), moves)
    drawn = [[arrow.arrow_patch for arrow in axes.texts] for axes in figure.axes]
    assert [len(arrows) for arrows in drawn] == [1, 2, 2]
    assert "from left to right: 1, 2, 2." in alt
    for axes, expected in zip(figure.axes, ({0}, {1, 6}, {3, 4}), strict=True):
        ways = [np.sign(np.subtract(arrow.xy, arrow.xyann)) for arrow in axes.texts]
        pointed = {(int(x), int(y)) for x, y in ways}
        assert pointed == {(ACTIONS[k].dx, ACTIONS[k].dy) for k in expected}
    rare, usual = sorted(arrow.get_alpha() for arrow in drawn[1])
    assert (rare, usual) == (0.5, 1.0)


def test_what_is_missing_is_told_in_percent_of_the_expert() -> None:
    figure, alt = cloning.shortfall_picture(stored())
    both = dots(figure.axes[0])
    assert [len(line.get_xdata()) for line in both] == [5] * 2 * len(SAMPLES)
    energy, moves = both[:4], both[4:]
    for line, lacks in zip(energy, (0.2, 0.1, 0.05, 0.02), strict=True):
        assert line.get_ydata() == pytest.approx([lacks - s / 1700 for s in made.SHAKE])
    for line, size in zip(moves, SAMPLES, strict=True):
        assert np.mean(line.get_ydata()) == pytest.approx(50 / size)
    assert "true energy 20.0% from 1,000, 10.0% from 3,000, 5.0% from 10,000, 2.0% from" in alt
    assert "moves 5.0% from 1,000" in alt


def test_each_remedy_has_its_place_and_all_its_seeds() -> None:
    figure, alt = cloning.remedies_picture(stored())
    for axes, size in zip(figure.axes, (1_000, 10_000), strict=True):
        names = [label.get_text() for label in axes.get_xticklabels()]
        assert names == ["plain", "more steps", "DAgger"]
        for line, ending in zip(dots(axes), ("", " longer", " DAgger"), strict=True):
            assert line.get_ydata() == pytest.approx([PLAIN[size] + WON[ending] + s
                                                      for s in made.SHAKE])  # fmt: skip
    assert figure.axes[0].get_ylim() == figure.axes[1].get_ylim()
    assert "10,000 demonstrations: plain 1,615 [" in alt
    assert "The expert makes 1,700." in alt


def test_accuracy_is_a_share_of_each_clone_s_own_ceiling() -> None:
    figure, alt = cloning.epochs_picture(stored())
    left, right = figure.axes
    for line in left.lines[:6]:
        assert line.get_ydata() == pytest.approx([0.4, 0.8, 1.0])
    assert len([line for line in right.lines if len(line.get_xdata()) == 3]) == 2 * (5 + 1)
    assert "from 40% to 100% of what is possible" in alt
    assert "greedy -100 at first, 300 at most after epoch 2, -40 in the end" in alt
    assert "the expert has 339." in alt


def test_a_single_run_is_one_line() -> None:
    figure, alt = DRAWN["one run"]()
    assert len([line for line in figure.axes[0].lines if len(line.get_xdata()) == 3]) == 1
    assert "one run" in alt


def test_each_reason_is_shown_with_and_without_every_seed_sampled_and_greedy() -> None:
    figure, alt = cloning.reasons_picture(stored())
    for axes, down in zip(figure.axes, (1, 100), strict=True):
        rows = dots(axes)
        assert len(rows) == 2 * 6
        assert {len(line.get_xdata()) for line in rows} == {5}
        before, after = rows[2], rows[3]  # food_only 1000, without and with made-up samples
        assert np.mean(before.get_xdata()) == pytest.approx(1360 - down)
        assert np.mean(after.get_xdata()) == pytest.approx(860 - down)
        assert before.get_ydata()[0] > after.get_ydata()[0]
    assert "no negative examples, food_only, 1,000: sampled -500 [" in alt


def test_reasons_and_rows_are_written_over_what_they_name() -> None:
    left = cloning.reasons_picture(stored())[0].axes[0]
    written = [(text.get_text(), text.xy[1]) for text in left.texts if text.get_text()]
    heads = ("no negative examples", "distribution shift", "copying is not surviving")
    assert [text for text, _ in written if text in heads] == list(heads)
    rows = [(text, place) for text, place in written if text not in heads]
    assert [text for text, _ in rows] == [
        "omniscient_seeker, 10,000", "food_only, 1,000", "omniscient_seeker, 10,000",
        "food_only, 10,000", "food_only, 1,000", "omniscient_seeker → food_only, 10,000",
    ]  # fmt: skip
    befores = [line.get_ydata()[0] for line in dots(left)[::2]]
    for (_, place), before, following in zip(rows, befores, [*rows[1:], ("", -99)], strict=True):
        assert place > before > following[1]
