"""Figures of the sweeps: over the gap, its noise, and the interestingness of poison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from goodharts_lib import fits
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import by_condition
from goodharts_lib.plotting.style import Drawn, panels, seeds_and_mean, short

Stored = Mapping[str, Any]

JAMMED = MODE_COLORS["proxy_jammed"]
RESCALED = "#0072B2"


def gap_picture(stored: Stored) -> Drawn:
    """Draw the time to learn over the gap, with the fitted power law, and over noise.

    Runs that had not learned are triangles at the step where they were given up.
    """
    figure, (left, right) = panels(2, 3.6)
    gaps, times, seen = analysis.learning_times(stored)
    _times(left, gaps, times, seen, JAMMED)
    fit = fits.censored_loglog_slope(gaps, times, seen)
    line = np.geomspace(min(gaps), max(gaps), 50)
    fitted = np.exp(fit.intercept + fit.slope.estimate * np.log(line))
    left.plot(line, np.where(fitted < max(times), fitted, np.nan), color="black", linewidth=1)
    left.annotate(
        f"slope {fit.slope.estimate:.2f} [{fit.slope.low:.2f}, {fit.slope.high:.2f}]",
        (0.97, 0.93), xycoords="axes fraction", ha="right", fontsize="small",
    )  # fmt: skip
    scaled = {
        float(name.split()[1]): units
        for name, units in by_condition(stored["units"]).items()
        if "seen as" in name
    }
    said = [_scaled(left, gap, units) for gap, units in scaled.items()]
    left.set_xlabel("gap between food and poison")
    left.set_ylabel("training steps until it is learned")
    noisy = _noise(right, stored)
    right.set_xlabel("sensor noise (std) at gap 0.1")
    for axes in (left, right):
        axes.set_ylim(3e4, 2.2e6)
    right.annotate(
        "△ not learned by then", (0.03, 0.03), xycoords="axes fraction", fontsize="small",
        color=JAMMED,
    )  # fmt: skip
    alt = (
        "Two charts of learning time. Left, on logarithmic axes, over the gap: a fitted slope of "
        f"{short(fit.slope, 2)}, {fit.events} runs that learned and {fit.censored} that did not. "
        f"{' '.join(said)} Right, over noise at gap 0.1: {noisy}."
    )
    return figure, alt


def _times(
    axes: Axes, places: Sequence[float], times: Sequence[float], seen: Sequence[bool], color: str
) -> None:
    """Draw learning times on logarithmic axes; a triangle is a run that has not learned."""
    there = sorted(set(places))
    for place in there:
        mine = [(t, s) for p, t, s in zip(places, times, seen, strict=True) if p == place]
        beside = place * np.geomspace(0.93, 1.07, len(mine))
        for learned, marker in ((True, "o"), (False, "^")):
            picked = [(x, t) for x, (t, s) in zip(beside, mine, strict=True) if s == learned]
            x, y = np.array(picked).reshape(-1, 2).T
            axes.scatter(x, y, s=18, marker=marker, color=color if learned else "white",
                         edgecolors=color, linewidths=1, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(there, [f"{place:g}" for place in there])
    axes.minorticks_off()


def _scaled(axes: Axes, gap: float, units: Sequence[Mapping[str, Any]]) -> str:
    """Draw the runs that see the gap ten times as large; say what came out."""
    metrics = [unit["metrics"] for unit in units]
    times = [m["learned_at"] or m["total_steps"] for m in metrics]
    seen = [m["learned_at"] is not None for m in metrics]
    place = gap * 1.25
    for learned, marker in ((True, "s"), (False, "^")):
        picked = [t for t, s in zip(times, seen, strict=True) if s == learned]
        axes.scatter([place] * len(picked), picked, s=18, marker=marker, zorder=4,
                     color=RESCALED if learned else "white", edgecolors=RESCALED)  # fmt: skip
    middle = float(np.median(times))
    axes.annotate(
        "seen ten times\nas large", (place, middle), xytext=(6, 0), textcoords="offset points",
        color=RESCALED, fontsize="x-small", va="center",
    )  # fmt: skip
    return (
        f"Gap {gap:g} seen as {10 * gap:g}: {sum(seen)} of {len(seen)} learned, median "
        f"{middle:,.0f} steps."
    )


def _noise(axes: Axes, stored: Stored) -> str:
    """Draw learning times over sensor noise; say how many learned."""
    places, times, seen, said = [], [], [], []
    for name, units in by_condition(stored["units"]).items():
        if not name.startswith("gap 0.1 noise"):
            continue
        noise = float(name.split()[-1])
        metrics = [unit["metrics"] for unit in units]
        places += [noise] * len(units)
        times += [m["learned_at"] or m["total_steps"] for m in metrics]
        seen += [m["learned_at"] is not None for m in metrics]
        learned = sum(m["learned_at"] is not None for m in metrics)
        said.append((noise, f"{learned} of {len(metrics)} learned at {noise:g}"))
    _times(axes, places, times, seen, JAMMED)
    return ", ".join(words for _, words in sorted(said))


def lure_picture(stored: Stored) -> Drawn:
    """Draw what `proxy` eats and how it fares over the interestingness of poison."""
    figure, (left, right) = panels(2, 3.4)
    color, described = MODE_COLORS["proxy"], []
    grouped = sorted(
        (float(name.split()[-1]), units) for name, units in by_condition(stored["units"]).items()
    )
    for place, (lure, units) in enumerate(grouped):
        scores = [analysis.last(unit)["immortal"] for unit in units]
        share = seeds_and_mean(left, place, [analysis.meals_share(s) for s in scores], color)
        energy = seeds_and_mean(right, place, [s["true_energy"] for s in scores], color)
        if share is not None and energy is not None:
            described.append(f"at {lure:g} {short(share, 2)} and {short(energy)}")
    titles = ("Poison's share of meals", "True energy per 1,000 steps")
    for axes, title in zip((left, right), titles, strict=True):
        axes.set_xticks(range(len(grouped)), [f"{lure:g}" for lure, _ in grouped])
        axes.set_xlabel("interestingness of poison (food is 1)")
        axes.set_title(title, fontsize="medium", loc="left")
    left.set_ylim(0, None)
    right.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    return figure, (
        "Poison's share of meals and true energy over the interestingness of poison, a dot per "
        "seed: " + ", ".join(described) + "."
    )
