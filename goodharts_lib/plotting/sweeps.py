"""Figures of the sweeps: over the gap, its noise, and the interestingness of poison."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from goodharts_lib import fits
from goodharts_lib.colors import AGENT_COLORS, MODE_COLORS
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import Stored, by_condition
from goodharts_lib.plotting.style import (
    Drawn,
    in_steps,
    panels,
    seeds_and_mean,
    short,
    spread,
    steps_axis,
)
from goodharts_lib.stats import FloatArray

JAMMED = MODE_COLORS["proxy_jammed"]
RESCALED = "#0072B2"
NOISY_GAP = 0.1  # at which the sensor's noise was varied
SHADES = (  # of `proxy_jammed` at smaller and smaller gaps
    ("#9CCBEE", "-"), (JAMMED, "-"), ("#0072B2", "-"), ("#3A5FA0", (0, (4, 1.5))),
    ("#0B2545", (0, (1, 1))),
)  # fmt: skip


def gap_picture(stored: Stored) -> Drawn:
    """Draw the time to learn over the gap: every seed, the medians, and one fitted power law.

    Runs that had not learned are hollow triangles at the step where they were given up.
    """
    figure, (axes,) = panels(1, 4.0)
    gaps, times, seen = analysis.learning_times(stored)
    _times(axes, gaps, times, seen, JAMMED)
    medians = typical_times(stored)
    known = [(gap, time) for gap, time in medians.items() if math.isfinite(time)]
    axes.plot(*zip(*known, strict=True), color=JAMMED, linewidth=2)
    fit = fits.censored_loglog_slope(gaps, times, seen)
    line = np.array([min(gaps), max(gaps)])
    axes.plot(line, np.exp(fit.intercept + fit.slope.estimate * np.log(line)), "k--", linewidth=1)
    axes.annotate(f"one straight line: slope {short(fit.slope, 2)}".replace("-", "−"),
                  (0.98, 0.93), xycoords="axes fraction", ha="right", fontsize="small")  # fmt: skip
    axes.annotate("△ not learned when it was stopped", (0.02, 0.04), xycoords="axes fraction",
                  fontsize="small", color=JAMMED)  # fmt: skip
    said = [_scaled(axes, gap, units) for gap, units in _seen_as(stored).items()]
    axes.set_xlabel("gap between food and poison")
    axes.set_ylabel("training steps until it is learned")
    axes.set_xlim(min(gaps) / 1.8, max(gaps) * 1.3)
    axes.set_ylim(min(times) * 0.6, max(times) * 1.6)
    steps = (100_000, 200_000, 500_000, 1_000_000, 2_000_000)
    axes.set_yticks(steps, [in_steps(step) for step in steps])
    words = ", ".join(
        f"{gap:g} {f'{time:,.0f}' if math.isfinite(time) else 'not within the time given'}"
        for gap, time in medians.items()
    )
    return figure, (
        f"Training steps until it is learned over the gap, both logarithmic, a mark per seed: "
        f"{fit.events} runs learned and {fit.censored} did not. Medians at gap {words}. One "
        f"straight line has a slope of {short(fit.slope, 2)}. {' '.join(said)}"
    )


def typical_times(stored: Stored) -> dict[float, float]:
    """Return, for each gap from the largest, the median learning time; infinite if it is unknown.

    A run that has not learned counts as slower than every one that has.
    """
    found: dict[float, list[tuple[float, bool]]] = {}
    for gap, time, seen in zip(*analysis.learning_times(stored), strict=True):
        found.setdefault(gap, []).append((time, seen))
    return {gap: _median(found[gap]) for gap in sorted(found, reverse=True)}


def noise_picture(stored: Stored) -> Drawn:
    """Draw the time to learn over the sensor's noise at one gap: every seed, and the medians.

    Runs that had not learned are hollow triangles at the step where they were given up.
    """
    figure, (axes,) = panels(1, 3.4)
    noisy = learning_times_by_noise(stored)
    times = [(noise, *run) for noise, runs in noisy.items() for run in runs]
    places, steps, seen = zip(*times, strict=True)
    _times(axes, places, steps, seen, JAMMED)
    medians = {noise: _median(runs) for noise, runs in noisy.items()}
    known = [(noise, time) for noise, time in medians.items() if math.isfinite(time)]
    axes.plot(*zip(*known, strict=True), color=JAMMED, linewidth=2)
    still = typical_times(stored)[NOISY_GAP]
    axes.axhline(still, color="#777777", linewidth=1, linestyle="--", zorder=0)
    axes.annotate("median without noise", (0.98, still), xycoords=("axes fraction", "data"),
                  xytext=(0, -3), textcoords="offset points", ha="right", va="top",
                  fontsize="small")  # fmt: skip
    axes.annotate("△ not learned when it was stopped", (0.02, 0.04), xycoords="axes fraction",
                  fontsize="small", color=JAMMED)  # fmt: skip
    axes.set_xlabel(f"spread of the sensor's noise, at a gap of {NOISY_GAP:g}")
    axes.set_ylabel("training steps until it is learned")
    ticks = (300_000, 500_000, 1_000_000, 2_000_000)
    axes.set_yticks(ticks, [in_steps(step) for step in ticks])
    axes.set_ylim(0.6 * min(still, *steps), 1.3 * max(steps))
    said = [
        f"at {noise:g} {sum(learned for _, learned in runs)} of {len(runs)}, median "
        + (f"{medians[noise]:,.0f}" if math.isfinite(medians[noise]) else "not within the time")
        for noise, runs in noisy.items()
    ]
    return figure, (
        f"Training steps until it is learned over the sensor's noise, both logarithmic, a mark per "
        f"seed, at a gap of {NOISY_GAP:g}. Learned: {'; '.join(said)}. Median without noise "
        f"{still:,.0f}."
    )


def learning_times_by_noise(stored: Stored) -> dict[float, list[tuple[int, bool]]]:
    """Return, for each spread of noise from the smallest, the learning times of its runs.

    Each is the training steps at which a run ended, and whether it had learned by then.
    """
    start = f"gap {NOISY_GAP:g} noise "
    found = {
        float(name.removeprefix(start)): [
            (unit["metrics"]["total_steps"], unit["metrics"]["learned_at"] is not None)
            for unit in units
        ]
        for name, units in by_condition(stored["units"]).items()
        if name.startswith(start)
    }
    return dict(sorted(found.items()))


def _median(runs: Sequence[tuple[float, bool]]) -> float:
    """Return the median learning time; infinite if the middle one has not learned."""
    return float(np.median([time if learned else math.inf for time, learned in runs]))


def meals_picture(stored: Stored, gaps: Sequence[float]) -> Drawn:
    """Draw how much is eaten over training at some gaps, a line per seed, smoothed.

    Args:
        stored: results of gap.
        gaps: at most five of them, largest first.
    """
    figure, (axes,) = panels(1, 4.0)
    labels, described = [], []
    for gap, (color, style) in zip(gaps, SHADES, strict=False):
        runs = analysis.runs(stored, [f"gap {gap:g}"])[f"gap {gap:g}"]
        eaten = [smoothed(np.add(run["food"], run["poison"])) for run in runs]
        for run, meals in zip(runs, eaten, strict=True):
            axes.plot(run["total_steps"], meals, color=color, linewidth=1.3, linestyle=style)
        ends, lows = [float(meals[-1]) for meals in eaten], [float(m.min()) for m in eaten]
        # Runs that have learned are far above the others, and a gap is named where they end.
        height = max(ends) if max(ends) > 10 else float(np.exp(np.mean(np.log(ends))))
        labels.append((f"gap {gap:g}", color, height, max(r["total_steps"][-1] for r in runs)))
        described.append(f"gap {gap:g} at the lowest {min(lows):.1f} to {max(lows):.1f}, in the "
                         f"end {min(ends):.1f} to {max(ends):.1f}")  # fmt: skip
    last = max(steps for *_, steps in labels)
    for name, words in (("random", "random walk"), ("eat_everything", "eats everything")):
        level = float(np.mean([meals_of(u) for u in by_condition(stored["units"])[name]]))
        axes.axhline(level, color=AGENT_COLORS[name], linewidth=1, linestyle="--", zorder=0)
        labels.append((words, AGENT_COLORS[name], level, last))
        described.append(f"{words} {level:.1f}")
    _name_meals(axes, labels, last)
    axes.set_yscale("log")
    axes.set_yticks((1, 3, 10, 30, 100, 300), ("1", "3", "10", "30", "100", "300"))
    axes.minorticks_off()
    axes.set_ylabel("meals per 1,000 steps")
    steps_axis(axes)
    return figure, (
        "Meals per 1,000 steps over training on a logarithmic axis, a line per seed: "
        f"{'; '.join(described)}."
    )


def _name_meals(axes: Axes, labels: Sequence[tuple[str, str, float, float]], last: float) -> None:
    """Write names (words, colour, height, where it ends): at the edge, or where its lines end."""
    at_edge = [label for label in labels if label[3] > 0.9 * last]
    heights = spread([math.log10(height) for _, _, height, _ in at_edge], 0.14)
    for (words, color, _, _), height in zip(at_edge, heights, strict=True):
        axes.annotate(words, (1, 10**height), xycoords=("axes fraction", "data"), xytext=(5, 0),
                      textcoords="offset points", va="center", color=color,
                      annotation_clip=False)  # fmt: skip
    for words, color, height, end in labels:
        if end <= 0.9 * last:
            axes.annotate(words, (end, height), xytext=(0, 4), textcoords="offset points",
                          ha="center", va="bottom", color=color)  # fmt: skip


def meals_of(unit: Mapping[str, Any]) -> float:
    """Return what a unit ate in the end, food and poison per 1,000 steps."""
    scores = analysis.last(unit)["immortal"]
    return float(scores["food"] + scores["poison"])


def smoothed(values: ArrayLike, width: int = 9) -> FloatArray:
    """Return running means over up to `width` neighbours, itself in the middle: (n,) to (n,)."""
    found, half = np.asarray(values, dtype=float), width // 2
    near = [found[max(i - half, 0) : i + half + 1] for i in range(len(found))]
    return np.array([part.mean() for part in near])


def _times(
    axes: Axes, places: Sequence[float], times: Sequence[float], seen: Sequence[bool], color: str
) -> None:
    """Draw learning times on logarithmic axes; a triangle is a run that has not learned."""
    there = sorted(set(places))
    for place in there:
        mine = [(t, s) for p, t, s in zip(places, times, seen, strict=True) if p == place]
        beside = place * np.geomspace(0.91, 1.10, len(mine))
        for learned, marker in ((True, "o"), (False, "^")):
            picked = [(x, t) for x, (t, s) in zip(beside, mine, strict=True) if s == learned]
            x, y = np.array(picked).reshape(-1, 2).T
            axes.scatter(x, y, s=18, marker=marker, color=color if learned else "white",
                         edgecolors=color, linewidths=1, zorder=3)  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(there, [f"{place:g}" for place in there])
    axes.minorticks_off()


def _seen_as(stored: Stored) -> dict[float, Sequence[Mapping[str, Any]]]:
    """Return the units that see their gap ten times as large, by gap."""
    grouped = by_condition(stored["units"])
    return {float(name.split()[1]): units for name, units in grouped.items() if "seen as" in name}


def _scaled(axes: Axes, gap: float, units: Sequence[Mapping[str, Any]]) -> str:
    """Draw the runs that see the gap ten times as large; say what came out."""
    metrics = [unit["metrics"] for unit in units]
    times = [m["learned_at"] or m["total_steps"] for m in metrics]
    seen = [m["learned_at"] is not None for m in metrics]
    for learned, marker in ((True, "s"), (False, "^")):
        picked = [t for t, s in zip(times, seen, strict=True) if s == learned]
        axes.scatter([gap] * len(picked), picked, s=22, marker=marker, zorder=4,
                     color=RESCALED if learned else "white", edgecolors=RESCALED)  # fmt: skip
    middle = float(np.median(times))
    axes.annotate(
        f"{gap:g} seen as {10 * gap:g}", (gap, min(times)), xytext=(0, -9), ha="center",
        textcoords="offset points", color=RESCALED, fontsize="small", va="top",
    )  # fmt: skip
    return (
        f"Gap {gap:g} seen as {10 * gap:g}: {sum(seen)} of {len(seen)} learned, median "
        f"{middle:,.0f} steps."
    )


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
