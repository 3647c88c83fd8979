"""The phase diagram: where a proxy that looks good enough turns harmful."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm

from goodharts_lib import fits
from goodharts_lib.experiments import analysis
from goodharts_lib.plotting.style import Drawn, panels

Stored = Mapping[str, Any]

MOST = 1500.0  # per 1,000 steps: beyond it all colours are alike
POINTS = {"+10 / −30 (ours)": 3.0, "+15 / −10": 10 / 15}  # h/g of two sets of prices
BOX = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
OURS = 60 / 185  # poison's share of items in the world of evaluation


def phase_picture(stored: Stored) -> Drawn:
    """Draw true energy of `proxy` minus that of the random walk, over poison share and h/g.

    The line p* = g / (g + h) is drawn from the prices alone; dots are where the measured gain
    changes sign, with their 95 % intervals.
    """
    figure, (axes,) = panels(1, 4.6)
    columns = analysis.phase_columns(stored)
    harms = np.geomspace(0.25, 12, 80)
    place = np.array(
        [np.mean([analysis.meals_share(m) for m in meals]) for meals, _ in columns.values()]
    )
    gain = np.array([_gains(meals, walked, harms) for meals, walked in columns.values()])
    middle = (place[1:] + place[:-1]) / 2
    edges = np.concatenate([[2 * place[0] - middle[0]], middle, [2 * place[-1] - middle[-1]]])
    half = np.sqrt(harms[1] / harms[0])
    mesh = axes.pcolormesh(
        edges, np.append(harms / half, harms[-1] * half), gain.T, cmap="PuOr",
        norm=TwoSlopeNorm(0, -MOST, MOST),
    )  # fmt: skip
    bar = figure.colorbar(mesh, ax=axes, extend="both", pad=0.02)
    bar.set_label("true energy minus random walk's, per 1,000 steps")
    axes.plot(1 / (1 + harms), harms, color="black", linewidth=2)
    axes.annotate(
        "p* = g / (g + h), drawn before any data", (1 / 1.9, 0.9), xytext=(-60, -70),
        textcoords="offset points", fontsize="small", ha="center", bbox=BOX,
        arrowprops={"arrowstyle": "-"},
    )  # fmt: skip
    said = []
    for harm in analysis.HARMS:
        crossing = fits.zero_crossing(*analysis.phase_line(stored, harm), np.random.default_rng(0))
        if crossing.estimate is None:
            continue
        low = crossing.estimate if crossing.low is None else crossing.low
        high = crossing.estimate if crossing.high is None else crossing.high
        axes.plot([low, high], [harm, harm], color="white", linewidth=4, solid_capstyle="butt")
        axes.plot([low, high], [harm, harm], color="black", linewidth=1.5)
        axes.plot(crossing.estimate, harm, "o", color="black", markersize=5)
        said.append(f"h/g {harm:g}: {crossing.estimate:.2f} against {1 / (1 + harm):.2f}")
    ours = float(np.interp(OURS, list(columns), place))
    for name, harm in POINTS.items():
        axes.plot(ours, harm, "*", color="black", markersize=11, markeredgecolor="white")
        axes.annotate(name, (ours, harm), xytext=(10, 0), textcoords="offset points",
                      fontsize="small", va="center", bbox=BOX)  # fmt: skip
    axes.set_yscale("log")
    axes.set_yticks(analysis.HARMS, [f"{harm:g}" for harm in analysis.HARMS])
    axes.minorticks_off()
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(harms[0], harms[-1])
    axes.set_xlabel("poison's share of meals")
    axes.set_ylabel("harm of poison over energy of food, h/g")
    return figure, (
        "A map of true energy gained by the proxy agent over the random walk, over poison's share "
        "of meals and the harm of poison: positive below the line p* = g / (g + h), negative above "
        f"it. Measured change of sign, against the line: {'; '.join(said)}."
    )


def _gains(
    meals: list[Mapping[str, float]], walked: list[Mapping[str, float]], harms: np.ndarray
) -> np.ndarray:
    """Return the mean gain in true energy for each h/g: (n_harms,)."""
    ours, theirs = (
        np.mean([[s["food"], s["poison"]] for s in scores], axis=0) for scores in (meals, walked)
    )
    food, poison = ours - theirs
    return np.asarray(10 * (food - harms * poison))
