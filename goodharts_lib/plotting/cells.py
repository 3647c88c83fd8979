"""Figures of the two-by-two experiment: what agents see against what they are paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from goodharts_lib.colors import AGENT_COLORS, MODE_COLORS
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import Stored, values
from goodharts_lib.modes import MODES
from goodharts_lib.plotting.style import (
    Drawn,
    label_ends,
    panels,
    seeds_and_mean,
    short,
    steps_axis,
)
from goodharts_lib.plotting.training import training_curves

BESIDE = ("random", "eat_everything", "food_only")  # scripted agents to compare with
EFFECTS = {  # what an effect is, and its colour
    "wages": ("what it is paid", "#0072B2"),
    "eyes": ("what it sees", "#E69F00"),
    "interaction": ("interaction", "#332288"),
}


def headline_curves(stored: Stored) -> Drawn:
    """Draw proxy score and true energy of all four modes over training, every seed."""
    last = max(analysis.judged(stored, "random"))
    random = {
        key: float(np.mean(values(stored, "random", f"at.{last}.immortal.{key}")))
        for key in ("proxy_score", "true_energy")
    }
    return training_curves(analysis.runs(stored, list(MODES)), random)


def four_cells(stored: Stored, step: int) -> Drawn:
    """Draw proxy score and true energy of every trained and some scripted agents, every seed.

    Args:
        stored: results of two_by_two.
        step: training steps at which the agents were judged.
    """
    scores = {
        name: {
            key: values(stored, name, f"at.{step}.immortal.{key}")
            for key in ("proxy_score", "true_energy")
        }
        for name in (*MODES, *BESIDE)
    }
    figure, alt = agents_picture(scores, "seed")
    return figure, f"After {step:,} training steps. {alt}"


def agents_picture(scores: Mapping[str, Mapping[str, Sequence[float]]], dot: str) -> Drawn:
    """Draw proxy score and true energy per 1,000 steps of some agents, and their means.

    Args:
        scores: agent to ``proxy_score`` and ``true_energy``, each one number per dot.
        dot: what a dot stands for, such as ``"seed"``.
    """
    figure, both = panels(2, 0.45 + 0.45 * len(scores))
    names = list(scores)[::-1]
    described = []
    for axes, key, title in zip(
        both, ("proxy_score", "true_energy"), ("Proxy score", "True energy"), strict=True
    ):
        said = []
        for place, name in enumerate(names):
            color = AGENT_COLORS.get(name, "#332288")
            interval = seeds_and_mean(axes, place, scores[name][key], color, horizontal=True)
            if interval is not None:
                said.append(f"{name} {short(interval)}")
        axes.axvline(0, color="#BBBBBB", linewidth=1, zorder=0)
        axes.set_yticks(range(len(names)), names if axes is both[0] else [])
        axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))  # more would touch
        axes.set_xlabel("per 1,000 steps")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_title(title, fontsize="medium")
        described.append(f"{title}: " + ", ".join(reversed(said)))
    for label in both[0].get_yticklabels():
        label.set_color(AGENT_COLORS.get(label.get_text(), "#332288"))
    return figure, (
        f"A dot for every {dot}, and means with 95 % intervals. {'. '.join(described)}."
    )


def eyes_and_wages(stored: Stored) -> Drawn:
    """Draw the main effects on true energy and their interaction over training."""
    figure, (axes,) = panels(1, 3.4)
    steps = [s for s in analysis.judged(stored, "proxy") if s >= 50_000]
    over = [analysis.effects(stored, step) for step in steps]
    early = int(np.argmin([abs(step - analysis.EARLY) for step in steps]))
    ends, described = {}, []
    for index, (name, color) in enumerate(EFFECTS.values()):
        found = [effect[index] for effect in over]
        axes.fill_between(
            steps, [i.low for i in found], [i.high for i in found], color=color, alpha=0.2,
            linewidth=0,
        )  # fmt: skip
        axes.plot(steps, [i.estimate for i in found], color=color, linewidth=2, marker=".")
        ends[name] = (found[-1].estimate, color)
        described.append(f"{name}: {short(found[0])} at first, {short(found[early])} after "
                         f"{steps[early]:,} steps, {short(found[-1])} in the end")  # fmt: skip
    axes.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    axes.set_ylabel("true energy per 1,000 steps")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_title("How much true energy depends on each", fontsize="medium", loc="left")
    steps_axis(axes)
    label_ends(axes, ends)
    return figure, (
        "Lines with 95 % bands over training steps: how much true energy changes with what an "
        f"agent is paid and with what it sees. {'; '.join(described)}."
    )


def goodhart_curve(stored: Stored) -> Drawn:
    """Draw true energy against proxy score, and against the distance from the first policy."""
    figure, (left, right) = panels(2, 3.6)
    ends: dict[str, tuple[float, str]] = {}
    described = []
    for mode, curves in analysis.runs(stored, list(MODES)).items():
        color = MODE_COLORS[mode]
        columns = {
            key: np.mean([run[key] for run in curves], axis=0)
            for key in ("proxy_score", "true_energy")
        }
        distance = np.mean([np.sqrt(run["kl_to_initial"]) for run in curves], axis=0)
        for run in curves:
            left.plot(run["proxy_score"], run["true_energy"], color=color, lw=0.5, alpha=0.3)
            right.plot(
                np.sqrt(run["kl_to_initial"]), run["true_energy"], color=color, lw=0.5, alpha=0.3
            )
        left.plot(columns["proxy_score"], columns["true_energy"], color=color, linewidth=2)
        right.plot(distance, columns["true_energy"], color=color, linewidth=2)
        ends[mode] = (float(columns["true_energy"][-1]), color)
        described.append(
            f"{mode} ends at a proxy score of {columns['proxy_score'][-1]:,.0f} and a true energy "
            f"of {columns['true_energy'][-1]:,.0f}"
        )
    left.set_xlabel("proxy score per 1,000 steps")
    left.set_ylabel("true energy per 1,000 steps")
    for axes in (left, right):
        axes.yaxis.set_major_formatter("{x:,.0f}")
    right.set_xlabel("distance from the first policy, √KL")
    label_ends(right, ends)
    return figure, (
        "Two charts of true energy, against proxy score and against the square root of the KL "
        f"divergence from the first policy; a line per seed. {'; '.join(described)}."
    )


def swap_growth(stored: Stored) -> Drawn:
    """Draw how much an agent's choice depends on food being food, over training."""
    figure, (axes,) = panels(1, 3.4)
    ends, described = {}, []
    for mode in MODES:
        steps, found = analysis.over_steps(stored, mode, "swap.tv")
        color = MODE_COLORS[mode]
        axes.plot(steps, found.T, color=color, linewidth=0.7, alpha=0.5)
        axes.plot(steps, found.mean(0), color=color, linewidth=2, marker=".")
        ends[mode] = (float(found[:, -1].mean()), color)
        described.append(f"{mode} {found[:, 0].mean():.2f} to {found[:, -1].mean():.2f}")
    axes.set_ylim(0, None)
    axes.set_ylabel("probability moved")
    axes.set_title(
        "Swap the nearest food for poison: how much of the policy moves", fontsize="medium",
        loc="left",
    )  # fmt: skip
    steps_axis(axes)
    label_ends(axes, ends)
    return figure, (
        "Lines over training steps, one per seed: the probability over actions that moves when "
        f"the nearest food becomes poison. {'; '.join(described)}."
    )


def cascade_picture(stored: Stored) -> Drawn:
    """Draw how like the trained saliency map each method's map stays as layers are drawn anew."""
    units = [unit for unit in stored["units"] if "cascade" in unit["metrics"]]
    methods = list(units[0]["metrics"]["cascade"])
    layers = list(units[0]["metrics"]["cascade"][methods[0]])
    figure, every = panels(len(methods), 2.9)
    described, ends = [], {}
    for axes, method in zip(every, methods, strict=True):
        left = []
        for mode in MODES:
            color = MODE_COLORS[mode]
            found = np.array(
                [values(stored, mode, f"cascade.{method}.{layer}") for layer in layers]
            )  # (n_layers, n_seeds)
            mean = found.mean(1)
            axes.plot(found, color=color, linewidth=0.5, alpha=0.4)
            axes.plot(mean, color=color, linewidth=2, marker=".")
            ends[mode] = (float(mean[-1]), color)
            left.append(mean[layers.index("network_fc")])
        axes.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
        axes.set_ylim(-0.5, 1.05)
        title = "Grad-CAM" if method == "grad_cam" else method.replace("_", "\n")
        axes.set_title(title, fontsize="medium")
        names = [layer.removeprefix("network_").replace("_", " ") for layer in layers]
        axes.set_xticks(range(len(layers)), names, rotation=90, fontsize="small")
        if axes is not every[0]:
            axes.set_yticklabels([])
        described.append(f"{method.replace('_', ' ')} {min(left):+.2f} to {max(left):+.2f}")
    every[0].set_ylabel("signed rank correlation")
    label_ends(every[-1], ends)
    return figure, (
        "For each saliency method, the rank correlation of its map with the trained agent's as "
        "more layers get random weights, from the output down; a line per seed. With policy and "
        f"hidden layer random, over the modes: {'; '.join(described)}."
    )
