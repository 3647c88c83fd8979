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
        axes.annotate(f"{gap:g}", (0.2, -row), color="#EEEEEE", ha="right", va="center")
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

    The steepness from one gap to the next stands at the middle of its piece of line.

    Args:
        gaps: largest first.
        times: learner to its steps, (n_seeds, n_gaps).
    """
    figure, (axes,) = panels(1, 3.8)
    middles = {name: np.median(found, axis=0) for name, found in times.items()}
    highest = np.argmax([_between(middle) for middle in middles.values()], axis=0)  # (n_gaps - 1,)
    described = []
    for index, ((name, found), color) in enumerate(zip(times.items(), COLORS, strict=False)):
        middle = middles[name]
        axes.plot(gaps, found.T, color=color, linestyle="", marker=".", alpha=0.6)
        axes.plot(gaps, middle, color=color, linewidth=2)
        steep = steepness(gaps, middle)
        above = highest == index  # then its numbers stand above its line
        for gap, time, slope, over in zip(
            _between(gaps), _between(middle), steep, above, strict=True
        ):
            side = 1 if over else -1
            axes.annotate(f"{slope:.1f}", (gap, time), xytext=(3 * side, 3 * side),
                          ha="left" if over else "right", va="bottom" if over else "top",
                          textcoords="offset points", fontsize="small", color=color)  # fmt: skip
        axes.annotate(name, (gaps[0], middle[0]), xytext=(12, 0), va="center",
                      textcoords="offset points", color=color, annotation_clip=False)  # fmt: skip
        described.append(f"{name} {', '.join(f'{slope:.1f}' for slope in steep)}")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(gaps, [f"{gap:g}" for gap in gaps])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.set_xlabel("gap between the two inputs")
    axes.set_ylabel("steps until it is learned")
    return figure, (
        "Steps that a unit with two weights takes to learn, over the gap, both logarithmic. "
        "Steepness from each gap to the next smaller one: " + "; ".join(described) + "."
    )


def _between(places: Sequence[float] | FloatArray) -> FloatArray:
    """Return the middles between neighbours on a logarithmic axis: (n,) to (n - 1,)."""
    found = np.asarray(places, dtype=float)
    return np.sqrt(found[1:] * found[:-1])


def steepness(gaps: Sequence[float], times: Sequence[float] | FloatArray) -> FloatArray:
    """Return minus the log-log slope between neighbours: (n,) to (n - 1,)."""
    return np.asarray(-np.diff(np.log(times)) / np.diff(np.log(gaps)))


def fear_picture(runs: Mapping[float, FloatArray]) -> Drawn:
    """Draw how often a toy eats food and poison while it learns from what it has eaten.

    Args:
        runs: gap to the probabilities of eating (food, poison) before each step of learning and
            after the last, (n_steps + 1, 2).
    """
    figure, each = panels(len(runs), 3.2, sharex=True)
    described = []
    for axes, (gap, eats) in zip(each, runs.items(), strict=True):
        last = len(eats) - 1
        for what, color, column in (("food", FOOD_COLOR, 0), ("poison", POISON_COLOR, 1)):
            # Where both are equal the dashed line lies on a wider one and both are seen.
            axes.plot(np.arange(1, len(eats) + 1), eats[:, column], color=color,
                      linestyle=("-", "--")[column], linewidth=(3.5, 1.8)[column])  # fmt: skip
            axes.annotate(what, (last + 1, (eats[-1, 0], 0)[column]), xytext=(0, (4, -4)[column]),
                          textcoords="offset points", color=color, ha="right",
                          va=("bottom", "top")[column], annotation_clip=False)  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(-0.13, 1.1)
        axes.set_yticks((0, 0.5, 1))
        axes.set_xlabel("steps of learning")
        axes.set_title(f"gap {gap:g}: {last:,} steps", fontsize="medium", loc="left")
        described.append(
            f"at gap {gap:g} it eats food with {eats[0, 0]:.2f} at first, {eats[:, 0].min():.2g} "
            f"at the lowest and {eats[-1, 0]:.2f} after {last:,} steps, and then poison with "
            f"{eats[-1, 1]:.2f}"
        )
    each[0].set_ylabel("probability of eating")
    return figure, (
        "Probabilities of eating food and poison over steps of learning, on a logarithmic axis: "
        + "; ".join(described) + "."
    )  # fmt: skip
