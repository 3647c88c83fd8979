"""Figures of the four faces: they draw who is chosen, and alt texts tell the means."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from legible import assert_legible
from matplotlib.colors import to_rgba

from goodharts_lib.colors import AGENT_COLORS, QUANTITY_COLORS
from goodharts_lib.plotting import choice, faces
from goodharts_lib.plotting.style import Drawn

PROXY = np.array([0.0, 1.0, 2.0, 3.0])
TRUTH = np.array([2.0, 0.0, 3.0, 1.0])
FOUND = {
    ("thin", 1.0): [[0.0, 1.0, 2.0], [0.0, 1.2, 2.2]],
    ("thin", 2.0): [[0.0, 0.5, 0.9]],
    ("heavy", 1.0): [[0.0, 1.0, 0.2]],
}


def hump(pressure: float) -> tuple[np.ndarray, np.ndarray]:
    """Proxy rises with pressure; truth rises to 2 at 2, and falls."""
    return PROXY - PROXY.mean() + pressure, TRUTH - TRUTH.mean() + 2 - abs(2 - pressure)


def one_in(count: float) -> tuple[np.ndarray, np.ndarray]:
    return np.full(3, np.log10(count)), np.zeros(3)


DRAWN: dict[str, Callable[[], Drawn]] = {
    "choice": lambda: faces.choice_picture(PROXY, TRUTH, 2),
    "hump": lambda: faces.face_picture(hump, (0, 1, 2, 3, 4), "push", ("before", "after")),
    "one in": lambda: faces.face_picture(one_in, (1, 10, 1000), "one in", ("all", "best")),
    "tails": lambda: faces.tails_picture(FOUND, (1, 10, 1000)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_nothing_is_cut_off_and_no_two_words_touch(name: str) -> None:
    assert_legible(DRAWN[name]())


def test_the_chosen_are_the_highest_by_proxy_and_the_ringed_the_highest_by_truth() -> None:
    figure, alt = faces.choice_picture(PROXY, TRUTH, 2)
    _, chosen, ringed = (c.get_offsets().tolist() for c in figure.axes[0].collections)
    assert sorted(chosen) == [[2.0, 3.0], [3.0, 1.0]]
    assert sorted(ringed) == [[0.0, 2.0], [2.0, 3.0]]
    assert figure.axes[0].texts[0].get_text() == "ring: the 2 ablest"
    assert "Of the 2 dots with the highest proxy 1 are among the 2 with the highest truth" in alt


def test_a_face_is_drawn_at_least_and_at_greatest_pressure_and_its_means_in_between() -> None:
    figure, alt = DRAWN["hump"]()
    left, right = figure.axes
    before, after = (np.asarray(c.get_offsets()) for c in left.collections)
    np.testing.assert_allclose(before.mean(0), (0, 0), atol=1e-12)
    np.testing.assert_allclose(after.mean(0), (4, 0), atol=1e-12)
    proxy, truth = (line for line in right.lines if line.get_marker() == ".")
    assert proxy.get_ydata().tolist() == [0, 1, 2, 3, 4]
    assert truth.get_ydata().tolist() == [0, 1, 2, 1, 0]
    assert proxy.get_color() == faces.PROXY
    assert [text.get_text() for text in right.texts] == ["proxy", "truth"]
    assert "the proxy goes from 0.0 to 4.0, the truth from 0.0 to 0.0, at most 2.0" in alt


def test_every_face_has_the_same_axes_and_only_one_in_many_is_logarithmic() -> None:
    hump_axes, one_in_axes = (DRAWN[name]()[0].axes for name in ("hump", "one in"))
    for hump_panel, one_in_panel in zip(hump_axes, one_in_axes, strict=True):
        assert hump_panel.get_ylim() == one_in_panel.get_ylim()
    assert hump_axes[0].get_xlim() == one_in_axes[0].get_xlim()
    assert [axes[1].get_xscale() for axes in (hump_axes, one_in_axes)] == ["linear", "log"]


def test_a_crowd_that_is_pushed_by_four_stays_on_the_page() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=20_000)
    noise = rng.normal(size=20_000)
    figure, _ = faces.face_picture(
        lambda push: (truth + noise + push, truth), (0, 4), "push", ("before", "after")
    )
    for crowd in figure.axes[0].collections:
        dots = np.asarray(crowd.get_offsets())
        for values, (low, high) in zip(dots.T, faces.CLOUD, strict=True):
            assert (values <= high).all()
            assert np.mean(values < low) < 0.002


def test_what_is_measured_and_what_is_wanted_have_one_pair_of_colours_and_no_agent_s() -> None:
    assert not set(QUANTITY_COLORS.values()) & set(AGENT_COLORS.values())
    pair = (QUANTITY_COLORS["proxy"], QUANTITY_COLORS["truth"])
    assert (faces.PROXY, faces.TRUTH) == (choice.PROXY, choice.TRUTH) == pair
    assert not set(pair) & {faces.ALL, faces.CHOSEN, *faces.SHADES}


def test_no_more_dots_than_can_be_told_apart_and_from_the_whole_crowd() -> None:
    def crowd(pressure: float) -> tuple[np.ndarray, np.ndarray]:
        return np.linspace(-1, 1, 50_000) + pressure, np.zeros(50_000)

    figure, _ = faces.face_picture(crowd, (0, 1), "push", ("before", "after"))
    drawn = np.asarray(figure.axes[0].collections[0].get_offsets())
    assert len(drawn) == faces.DOTS
    assert abs(drawn[:, 0].mean()) < 0.01


def test_every_round_is_a_line_in_the_panel_of_its_tail() -> None:
    figure, alt = DRAWN["tails"]()
    thin, heavy = figure.axes
    assert [axes.get_title("left") for axes in (thin, heavy)] == ["thin", "heavy"]
    assert [len(axes.lines) for axes in (thin, heavy)] == [2 + 1 + 1 + 1, 1 + 1]
    mean = thin.lines[2]
    np.testing.assert_allclose(mean.get_ydata(), [0, 1.1, 2.1])
    assert [text.get_text() for text in thin.texts] == ["1", "2"]
    assert to_rgba(thin.lines[0].get_color()) == to_rgba(heavy.lines[0].get_color())
    assert "heavy: noise 1 at most 1.0, in the end 0.2" in alt
