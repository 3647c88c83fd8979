"""Figures of small differences: an eye test, and the learning times of a toy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.patches import Circle

from goodharts_lib.colors import FOOD_COLOR, POISON_COLOR
from goodharts_lib.plotting.style import Drawn, panels
from goodharts_lib.stats import FloatArray

DISCS = 10  # in a row
DARK = "#101418"
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7")


def eye_test(gaps: Sequence[float], rng: np.random.Generator) -> tuple[Drawn, list[list[int]]]:
    """Draw a row of discs for each gap, three of them dimmer by it; also return which.

    Args:
        gaps: differences in brightness, as parts of the full one.
        rng: decides which discs are dimmer.

    Returns:
        The figure, and for each row the places of the dim discs, from 1.
    """
    dim = [sorted(rng.choice(DISCS, 3, replace=False) + 1) for _ in gaps]
    figure, (axes,) = panels(1, 0.55 * len(gaps))
    figure.set_facecolor(DARK)
    for row, (gap, places) in enumerate(zip(gaps, dim, strict=True)):
        axes.annotate(f"{gap:g}", (0.2, -row), color="#BBBBBB", ha="right", va="center")
        for place in range(1, DISCS + 1):
            glow = 1 - gap if place in places else 1.0
            axes.add_patch(Circle((place, -row), 0.36, color=(glow, glow, glow), linewidth=0))
    axes.set_xlim(-0.5, DISCS + 0.6)
    axes.set_ylim(-len(gaps) + 0.4, 0.6)
    axes.set_aspect("equal")
    axes.axis("off")
    listed = ", ".join(f"{gap:g}" for gap in gaps)
    alt = (
        f"Rows of {DISCS} white discs on black, three dimmer than the rest by {listed} of the "
        "full brightness; in the lowest rows hardly anyone sees which."
    )
    return (figure, alt), [[int(place) for place in places] for places in dim]


def toy_picture(gaps: Sequence[float], times: Mapping[str, FloatArray]) -> Drawn:
    """Draw the learning times of several learners over the gap, on logarithmic axes.

    Args:
        gaps: largest first.
        times: learner to its steps, (n_seeds, n_gaps).
    """
    figure, (axes,) = panels(1, 3.8)
    described = []
    for (name, found), color in zip(times.items(), COLORS, strict=False):
        middle = np.median(found, axis=0)
        axes.plot(gaps, found.T, color=color, linestyle="", marker=".", alpha=0.6)
        axes.plot(gaps, middle, color=color, linewidth=2)
        steep = steepness(gaps, middle)
        for gap, time, slope in zip(gaps[1:], middle[1:], steep, strict=True):
            axes.annotate(f"{slope:.1f}", (gap, time), xytext=(5, 6), fontsize="small",
                          textcoords="offset points", color=color)  # fmt: skip
        axes.annotate(name, (gaps[-1], middle[-1]), xytext=(-8, 0), ha="right", va="center",
                      textcoords="offset points", color=color)  # fmt: skip
        described.append(f"{name} {', '.join(f'{slope:.1f}' for slope in steep)}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(min(gaps) / 6, max(gaps) * 1.3)
    axes.set_xticks(gaps, [f"{gap:g}" for gap in gaps])
    axes.minorticks_off()
    axes.set_xlabel("gap between the two inputs")
    axes.set_ylabel("steps until it is learned")
    return figure, (
        "Steps that a unit with two weights takes to learn, over the gap, both logarithmic. "
        "Steepness from each gap to the next smaller one: " + "; ".join(described) + "."
    )


def steepness(gaps: Sequence[float], times: Sequence[float] | FloatArray) -> FloatArray:
    """Return minus the log-log slope between neighbours: (n,) to (n - 1,)."""
    return np.asarray(-np.diff(np.log(times)) / np.diff(np.log(gaps)))


def fear_picture(runs: Mapping[float, FloatArray]) -> Drawn:
    """Draw how often a toy eats food and poison while it learns from what it has eaten.

    Args:
        runs: gap to the probabilities of eating (food, poison) at every step, (n_steps, 2).
    """
    figure, each = panels(len(runs), 3.2)
    described = []
    for axes, (gap, eats) in zip(each, runs.items(), strict=True):
        for what, color, column in (("food", FOOD_COLOR, 0), ("poison", POISON_COLOR, 1)):
            axes.plot(np.arange(1, len(eats) + 1), eats[:, column], color=color,
                      linestyle="-" if column == 0 else "--", linewidth=2)  # fmt: skip
            axes.annotate(what, (len(eats), eats[-1, column]), xytext=(3, 4 - 8 * column),
                          textcoords="offset points", color=color,
                          va="bottom" if column == 0 else "top",
                          annotation_clip=False)  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(1, len(eats) * 3)
        axes.set_ylim(-0.12, 1.1)
        axes.set_yticks((0, 0.5, 1))
        axes.set_xlabel("steps of learning")
        axes.set_title(f"gap {gap:g}", fontsize="medium", loc="left")
        described.append(f"at gap {gap:g} it ends at {eats[-1, 0]:.2f} and {eats[-1, 1]:.2f}")
    each[0].set_ylabel("probability of eating")
    return figure, (
        "Probabilities of eating food and poison over steps of learning, on a logarithmic axis: "
        + "; ".join(described) + "."
    )  # fmt: skip
