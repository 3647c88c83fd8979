"""Figures of results: every seed is drawn, alt texts tell the numbers, labels do not touch."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import made
import numpy as np
import pytest
from legible import assert_legible
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.experiments import catalog, results
from goodharts_lib.modes import MODES
from goodharts_lib.plotting import book, cells, compared, phase, sweeps
from goodharts_lib.plotting.style import Drawn, label_ends, panels, seeds_and_mean, spread


def is_there(name: str) -> bool:
    """Whether all results of a figure ship with the package, every condition of them."""
    for experiment in book.FIGURES[name][0]:
        if not (results.shipped() / f"{experiment}.json").exists():
            return False
        stored = catalog.load_results(experiment)
        found = {unit["condition"] for unit in stored["units"]}
        if found < set(stored["definition"]["conditions"]):
            return False
    return True


DRAWN: dict[str, Callable[[], Drawn]] = {
    "headline": lambda: cells.headline_curves(made.two_by_two()),
    "four cells": lambda: cells.four_cells(made.two_by_two(), 1_000_000),
    "effects": lambda: cells.eyes_and_wages(made.two_by_two()),
    "goodhart curve": lambda: cells.goodhart_curve(made.two_by_two()),
    "swap": lambda: cells.swap_growth(made.two_by_two()),
    "cascade": lambda: cells.cascade_picture(made.two_by_two()),
    "gap": lambda: sweeps.gap_picture(made.gap()),
    "lures": lambda: sweeps.lure_picture(made.lures()),
    "phase": lambda: phase.phase_picture(made.phase()),
    "replication": lambda: compared.replication_picture(made.replication()),
    "pair": lambda: compared.pair_picture(
        made.two_by_two(), made.two_by_two(), ("immortal", "mortal"), 300_000
    ),
    "shaping": lambda: compared.shaping_picture(
        made.two_by_two(), made.two_by_two(), (300_000, 1_000_000)
    ),
    "death": lambda: compared.death_picture(
        made.two_by_two((50_000, 300_000, 2_000_000)), made.two_by_two()
    ),
}

DRAWN |= {f"book {name}": partial(book.draw, name) for name in book.FIGURES if is_there(name)}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    assert_legible(DRAWN[name]())


def dots(axes: Axes) -> int:
    """How many single seeds a panel shows."""
    return sum(len(line.get_xdata()) for line in axes.lines if line.get_marker() == ".")


def test_every_seed_of_every_agent_is_a_dot() -> None:
    figure, alt = cells.four_cells(made.two_by_two(), 1_000_000)
    for axes in figure.axes:
        assert dots(axes) == 5 * (len(MODES) + len(cells.BESIDE))
    # food 160 + 4 and poison 1 + 4 at the end of training, see `made.course`
    assert "ground_truth 1,390 [" in alt


def test_every_seed_is_a_line() -> None:
    figure, _ = cells.goodhart_curve(made.two_by_two())
    assert len(figure.axes[0].lines) == len(MODES) * (5 + 1)
    assert len(cells.swap_growth(made.two_by_two())[0].axes[0].lines) == len(MODES) * (5 + 1)


def test_the_effects_are_those_of_the_design() -> None:
    _, alt = cells.eyes_and_wages(made.two_by_two((50_000, 1_000_000)))
    energy = {}
    for mode in MODES:
        food, poison = (4 + end for end in made.ends(mode))
        energy[mode] = 10 * food - 30 * poison - 100
    wages = (energy["ground_truth"] + energy["proxy_jammed"]
             - energy["proxy"] - energy["proxy_sighted"]) / 2  # fmt: skip
    said = alt.split("what it is paid: ")[1].split(";")[0]
    assert f"{wages:,.0f} [" in said.split(" at first, ")[1]


def test_effects_are_told_at_first_early_and_in_the_end() -> None:
    alt = cells.eyes_and_wages(made.two_by_two())[1]
    for name, _ in cells.EFFECTS.values():
        said = alt.split(f"{name}: ")[1].split(";")[0]
        assert said.index("at first") < said.index("after 300,000 steps") < said.index("in the end")


def test_who_dies_and_who_cannot_are_told_apart_by_the_line_and_named_at_its_end() -> None:
    mortal, immortal = made.two_by_two((300_000, 2_000_000)), made.two_by_two()
    figure, alt = compared.death_picture(mortal, immortal)
    for axes in figure.axes:
        colors = {line.get_color() for line in axes.lines} - {MODE_COLORS["random"]}
        assert colors == {MODE_COLORS["proxy"]}
        ends = {text.get_text(): text.xy[0] for text in axes.texts}
        assert (ends["dies"], ends["cannot die"]) == (2_000_000, 1_000_000)
    assert "random walk" in [text.get_text() for text in figure.axes[0].texts]
    assert "at 2,000,000 steps, cannot die" in alt
    assert "random walk -130" in alt


def test_what_death_teaches_is_drawn_by_what_is_seen() -> None:
    mortal = made.two_by_two((300_000, 2_000_000))
    figure, alt = compared.eyes_for_death_picture(mortal)
    for axes in figure.axes:
        named = {text.get_text(): text.get_color() for text in axes.texts}
        assert named["sees types"] == MODE_COLORS["proxy_sighted"]
        assert named["sees glow"] == MODE_COLORS["proxy"]
        assert len(axes.lines) >= 2 * (5 + 1), "every seed and the mean, of both"
    food, poison = (4 + end for end in made.ends("proxy_sighted"))
    assert f"to {10 * food - 30 * poison - 100:,.0f} at 2,000,000 steps" in alt


def test_a_run_that_has_not_learned_is_a_hollow_triangle() -> None:
    figure, alt = sweeps.noise_picture(made.gap())
    hollow = [c for c in figure.axes[0].collections if np.allclose(c.get_facecolor()[:, :3], 1)]
    assert sum(len(c.get_offsets()) for c in hollow if len(c.get_offsets())) == 5
    assert "at 0.02 5 of 5, median 300,000; at 0.1 5 of 5, median 1,100,000; at 0.2 0 of 5" in alt
    assert "Median without noise 100,000." in alt
    _, alt = sweeps.gap_picture(made.gap())
    assert "slope of -1.00" in alt  # ten thousand steps over the gap
    assert "Gap 0.01 seen as 0.1: 5 of 5 learned, median 100,000 steps." in alt


def test_the_phase_diagram_finds_the_line_it_was_made_with() -> None:
    _, alt = phase.phase_picture(made.phase())
    for harm, line in ((1, 0.50), (2, 0.33), (3, 0.25), (5, 0.17)):
        assert f"h/g {harm}: {line:.2f} against {line:.2f}" in alt


def test_the_map_is_positive_below_the_line_and_negative_above() -> None:
    figure, _ = phase.phase_picture(made.phase())
    mesh = figure.axes[0].collections[0]
    gain = mesh.get_array().reshape(-1, 7)  # (n_harms, n_shares)
    harms = np.geomspace(0.25, 12, 80)
    shares = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    line = 1 / (1 + harms[:, None])
    far = abs(shares - line) > 0.01
    assert np.array_equal((gain > 0)[far], (shares < line)[far])


@pytest.mark.parametrize(
    ("places", "gap", "expected"),
    [
        ([0, 10, 20], 5, [0, 10, 20]),
        ([10, 10], 4, [12, 8]),
        ([0, 1, 2], 3, [-2, 1, 4]),
        ([5, 0, 1, 100], 3, [5, -1, 2, 100]),
        ([], 3, []),
    ],
)
def test_labels_move_apart_and_no_further(
    places: list[float], gap: float, expected: list[float]
) -> None:
    assert sorted(spread(places, gap)) == pytest.approx(sorted(expected))
    order = np.argsort(places, kind="stable")
    assert list(np.array(spread(places, gap))[order]) == sorted(spread(places, gap))


def test_labels_at_the_edge_are_all_there() -> None:
    figure, (axes,) = panels(1, 3.0)
    axes.set_ylim(0, 1)
    label_ends(axes, {"a": (0.5, "red"), "b": (0.5, "blue")})
    heights = [text.xy[1] for text in axes.texts]
    assert abs(heights[0] - heights[1]) > 0.05
    assert isinstance(figure, Figure)


def test_one_seed_has_no_interval() -> None:
    _, (axes,) = panels(1, 3.0)
    assert seeds_and_mean(axes, 0, [3.0], "red") is None
    interval = seeds_and_mean(axes, 1, [1.0, 2.0, 3.0], "red")
    assert interval is not None
    assert interval.estimate == 2.0


def test_a_pair_of_experiments_is_drawn_seed_by_seed() -> None:
    one, other = made.two_by_two(), made.two_by_two((300_000,))  # the other ends where this begins
    figure, alt = compared.pair_picture(one, other, ("immortal", "mortal"), 300_000)
    assert dots(figure.axes[0]) == 5 * 2 * len(MODES)
    food, poison = (4 + end for end in made.ends("proxy"))
    assert f"mortal {10 * food - 30 * poison - 100:,.0f} [" in alt.split("; ")[1]
    assert alt.startswith("True energy after 300,000 steps, immortal and mortal")
