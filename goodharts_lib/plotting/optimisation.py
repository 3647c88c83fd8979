"""Figures of pressure and its price: what training records show, and which checkpoint is shipped.

A checkpoint is known by what its update lived through, which is noisy. So it is *chosen* by its
own numbers and *judged* by those of its neighbours in the record (`worth`): otherwise whoever looks
for the best number would be given back the luck that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from goodharts_lib import stats
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import load_config
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import Stored
from goodharts_lib.plotting.style import (
    Drawn,
    label_ends,
    panels,
    seeds_and_mean,
    short,
    steps_axis,
)

Record = Mapping[str, Sequence[float]]  # the curves of one run, an entry per update

UNTRAINED, BLOCK, BLOCKS = 2, 4, 6  # updates
NEIGHBOURS = 4  # updates on each side
KL_BUDGET = 0.1  # nats per action
SHIP = ("ground_truth", "proxy")  # as records A and B
LINE = "#BBBBBB"


def worth(record: Record, index: int) -> float:
    """Return the mean true energy of a checkpoint's neighbours, itself left out.

    Up to `NEIGHBOURS` updates on each side; fewer at the ends of the record.
    """
    energy = record["true_energy"]
    near = range(max(0, index - NEIGHBOURS), min(len(energy), index + NEIGHBOURS + 1))
    return float(np.mean([energy[i] for i in near if i != index]))


def _within_budget(record: Record) -> int:
    near = np.array(record["kl_to_initial"]) <= KL_BUDGET
    return int(np.where(near, record["proxy_score"], -np.inf).argmax())


def _half_way(record: Record) -> int:
    score = np.array(record["proxy_score"])
    return int((score >= score.max() / 2).argmax())


RULES: Mapping[str, Callable[[Record], int]] = {
    "the first": lambda record: 0,  # noqa: ARG005
    f"best proxy score within {KL_BUDGET} nats": _within_budget,
    "first at half the best proxy score": _half_way,
    "best proxy score": lambda record: int(np.argmax(record["proxy_score"])),
    "the last": lambda record: len(record["proxy_score"]) - 1,
    "best true energy": lambda record: int(np.argmax(record["true_energy"])),
}


def shipped(stored: Stored, mode: str, rule: str) -> list[float]:
    """Return what the checkpoint that a rule picks is worth, one number per training seed."""
    runs = analysis.runs(stored, [mode])[mode]
    return [worth(run, RULES[rule](run)) for run in runs]


def early_blocks(stored: Stored, mode: str) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Return the first training steps in blocks of updates, after those of the untrained agent.

    Returns:
        The middle of each block in steps; the change of true energy since the untrained agent; and
        poison's share of meals: both (n_seeds, n_blocks).
    """
    columns: dict[str, np.ndarray] = {}
    runs = analysis.runs(stored, [mode])[mode]
    for key in ("true_energy", "food", "poison", "total_steps"):
        table = np.array([run[key] for run in runs], dtype=float)  # (n_seeds, n_updates)
        kept = table[:, UNTRAINED : UNTRAINED + BLOCK * BLOCKS]
        columns[key] = kept.reshape(len(runs), -1, BLOCK).mean(2)
        if key == "true_energy":
            columns["before"] = table[:, :UNTRAINED].mean(1, keepdims=True)
    share = columns["poison"] / (columns["food"] + columns["poison"])
    steps = [round(step) for step in columns["total_steps"][0]]
    return steps, columns["true_energy"] - columns["before"], share


def records_picture(stored: Stored) -> Drawn:
    """Draw the proxy scores of two agents over training, every seed, without their names."""
    figure, both = panels(2, 2.9)
    described = []
    highest = 0.0
    for axes, letter, mode in zip(both, "AB", SHIP, strict=True):
        runs = analysis.runs(stored, [mode])[mode]
        score = np.array([run["proxy_score"] for run in runs])  # (n_seeds, n_updates)
        axes.plot(runs[0]["total_steps"], score.T, color="black", linewidth=0.6, alpha=0.4)
        axes.plot(runs[0]["total_steps"], score.mean(0), color="black", linewidth=2)
        axes.set_title(f"Record {letter}: proxy score", fontsize="medium", loc="left")
        steps_axis(axes)
        highest = max(highest, float(score.max()))
        described.append(f"record {letter} goes from {score[:, 0].mean():.0f} to "
                         f"{score[:, -1].mean():.0f}")  # fmt: skip
    for axes in both:
        axes.set_ylim(0, highest * 1.05)
    both[0].set_ylabel("per 1,000 steps")
    return figure, (
        "Two charts of the proxy score over training steps, a line per seed. Both rise steeply at "
        f"first and then level off: {'; '.join(described)}."
    )


def first_meals_picture(stored: Stored) -> Drawn:
    """Draw what the first training steps do to true energy, and poison's share of meals."""
    figure, (left, right) = panels(2, 3.4)
    ends: list[dict[str, tuple[float, str]]] = [{}, {}]
    described = []
    for shift, mode in ((-3000, "proxy"), (3000, "proxy_sighted")):
        color = MODE_COLORS[mode]
        steps, change, share = early_blocks(stored, mode)
        for number, (axes, found) in enumerate(((left, change), (right, share))):
            _intervals(axes, [step + shift for step in steps], found, color)
            ends[number][mode] = (float(found[:, -1].mean()), color)
        first = stats.t_interval(change[:, 0])
        described.append(f"{mode} {short(first)} in the first block, {change[:, -1].mean():,.0f} "
                         f"in the last, and a share of {share.mean():.2f}")  # fmt: skip
    items = load_config().items
    harmless = items.food_energy / (items.food_energy - items.poison_energy)  # p*
    run = analysis.runs(stored, ["proxy"])["proxy"][0]
    last = run["total_steps"][UNTRAINED + BLOCK * BLOCKS - 1]
    left.axhline(0, color=LINE, linewidth=1, zorder=0)
    left.set_title("True energy since it began", fontsize="medium", loc="left")
    left.set_ylabel("per 1,000 steps")
    right.axhline(harmless, color=LINE, linewidth=1, linestyle="--", zorder=0)
    right.set_ylim(0.2, 0.42)
    right.annotate(f"p* = {harmless:g}", (0.02, harmless), xycoords=("axes fraction", "data"),
                   xytext=(0, -11), textcoords="offset points", color="#7F7F7F",
                   fontsize="small")  # fmt: skip
    right.set_title("Poison's share of meals", fontsize="medium", loc="left")
    for axes, names in zip((left, right), ends, strict=True):
        steps_axis(axes)
        label_ends(axes, names, size="small")
    return figure, (
        f"Change of true energy and poison's share of meals over the first {last:,} training "
        f"steps, a dot per seed and 95 % intervals. {'; '.join(described)}."
    )


def _intervals(axes: Axes, places: Sequence[float], found: np.ndarray, color: str) -> None:
    """Draw dots, means and intervals of (n_seeds, n_places)."""
    axes.plot(places, found.T, linestyle="", marker=".", color=color, alpha=0.35,
              markeredgewidth=0, markersize=6)  # fmt: skip
    axes.plot(places, found.mean(0), color=color, linewidth=1, marker="o", markersize=4)
    for place, column in zip(places, found.T, strict=True):
        interval = stats.t_interval(column)
        axes.plot([place, place], [interval.low, interval.high], color=color, linewidth=2)


def shipped_picture(stored: Stored) -> Drawn:
    """Draw what the checkpoint that each rule ships is worth, every seed, for both records."""
    figure, both = panels(2, 3.3)
    rules = list(RULES)[::-1]
    described = []
    for axes, mode, letter in zip(both, SHIP, "AB", strict=True):
        said = []
        for place, rule in enumerate(rules):
            interval = seeds_and_mean(axes, place, shipped(stored, mode, rule), MODE_COLORS[mode],
                                      horizontal=True)  # fmt: skip
            if interval is not None:
                said.append(f"{rule} {short(interval)}")
        axes.axvline(0, color=LINE, linewidth=1, zorder=0)
        axes.set_yticks(range(len(rules)), rules if axes is both[0] else [])
        axes.set_xlabel("true energy per 1,000 steps")
        axes.locator_params(axis="x", nbins=4)
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title(f"{letter}: {mode}", fontsize="medium", color=MODE_COLORS[mode])
        described.append(f"{mode}: " + ", ".join(reversed(said)))
    return figure, (
        "True energy of the checkpoint that each of six rules picks, a dot per seed and means with "
        f"95 % intervals. {'. '.join(described)}."
    )


def survivors_picture(mortal: Stored) -> Drawn:
    """Draw the mortal proxy's true energy as its record has it, and as fixed fields judge it."""
    figure, (left, right) = panels(2, 3.3, sharex=True)
    runs = analysis.runs(mortal, ["proxy"])["proxy"]
    color, steps = MODE_COLORS["proxy"], np.array(runs[0]["total_steps"])
    score = np.array([run["proxy_score"] for run in runs])  # (n_seeds, n_updates)
    kept = np.array([run["true_energy"] for run in runs])
    left.plot(steps, score.T, color=color, linewidth=0.5, alpha=0.4)
    left.plot(steps, score.mean(0), color=color, linewidth=2)
    right.plot(steps, kept.T, color="#7F7F7F", linewidth=0.4, alpha=0.4)
    right.plot(steps, kept.mean(0), color="#7F7F7F", linewidth=2)
    at, judged = analysis.over_steps(mortal, "proxy", "immortal.true_energy")
    right.plot(at, judged.T, color=color, linewidth=0.6, alpha=0.5)
    right.plot(at, judged.mean(0), color=color, linewidth=2, marker="o", markersize=5)
    right.axhline(0, color=LINE, linewidth=1, zorder=0)
    left.set_ylim(0, None)
    left.set_ylabel("per 1,000 steps")
    for axes, title in ((left, "Proxy score, in the record"), (right, "True energy, twice")):
        axes.set_title(title, fontsize="medium", loc="left")
        steps_axis(axes)
    ends = {"in its record": (float(kept[:, -20:].mean()), "#7F7F7F"),
            "in fixed fields": (float(judged[:, -1].mean()), color)}  # fmt: skip
    label_ends(right, ends, size="small")
    return figure, (
        "The proxy agent that dies in training, a line per seed. Proxy score "
        f"{score[:, 0].mean():.0f} to {score[:, -1].mean():.0f}. True energy in its record "
        f"{kept[:, 0].mean():.0f} to {kept[:, -1].mean():.0f}; judged in fixed fields "
        f"{judged[:, 0].mean():.0f} after {at[0]:,} steps, {judged.mean(0).min():.0f} at its "
        f"lowest, {judged[:, -1].mean():.0f} after {at[-1]:,}."
    )


def recorded(mortal: Stored, step: int) -> list[float]:
    """Return the true energy that the record has about a training step, a number per seed."""
    runs = analysis.runs(mortal, ["proxy"])["proxy"]
    index = int(np.searchsorted(runs[0]["total_steps"], step))
    return [worth(run, min(index, len(run["true_energy"]) - 1)) for run in runs]
