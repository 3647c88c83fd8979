"""Figures that put two experiments beside each other: peers, networks, shaping, mortality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes

from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.results import Stored, values
from goodharts_lib.modes import MODES
from goodharts_lib.plotting.style import Drawn, in_steps, panels, seeds_and_mean, short, steps_axis

Groups = Mapping[str, Mapping[str, Sequence[float]]]  # name: mode: a number per seed

DEATH_TELLS = (  # of an agent: in words, and where it is stored
    ("true energy per 1,000 steps", "immortal.true_energy"),
    ("poison's share of meals", None),
    ("probability moved by a swap", "swap.tv"),
)


def beside(groups: Groups, title: str) -> Drawn:
    """Draw true energy by mode, for two or more ways of getting it side by side, every seed."""
    figure, (axes,) = panels(1, 3.2)
    described, ticks = [], []
    for place, mode in enumerate(MODES):
        said = []
        for index, (name, by_mode) in enumerate(groups.items()):
            here = place * (len(groups) + 0.6) + index
            found = by_mode[mode]
            interval = seeds_and_mean(axes, here, found, MODE_COLORS[mode])
            words = name.replace("\n", " at ")
            said.append(f"{words} {short(interval)}" if interval else words)
            ticks.append((here, name))
        axes.annotate(
            mode, (place * (len(groups) + 0.6) + (len(groups) - 1) / 2, 1.02), ha="center",
            xycoords=("data", "axes fraction"), color=MODE_COLORS[mode], weight="bold",
        )  # fmt: skip
        described.append(f"{mode}: {', '.join(said)}")
    axes.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    axes.set_xticks([here for here, _ in ticks], [name for _, name in ticks], fontsize="small")
    axes.set_ylabel("true energy per 1,000 steps")
    return figure, f"{title}, a dot per training seed. {'; '.join(described)}."


def replication_picture(stored: Stored) -> Drawn:
    """Draw our PPO beside stable-baselines3's."""
    path = f"at.{analysis.EARLY}.immortal.true_energy"
    groups = {
        name: {mode: values(stored, f"{key} {mode}", path) for mode in MODES}
        for name, key in (("ours", "ours"), ("SB3", "sb3"))
    }
    return beside(
        groups, f"True energy after {analysis.EARLY:,} steps of two implementations of PPO"
    )


def pair_picture(one: Stored, other: Stored, names: tuple[str, str], step: int) -> Drawn:
    """Draw two experiments with the four modes beside each other, after some training steps."""
    path = f"at.{step}.immortal.true_energy"
    groups = {
        name: {mode: values(stored, mode, path) for mode in MODES}
        for name, stored in zip(names, (one, other), strict=True)
    }
    return beside(groups, f"True energy after {step:,} steps, {' and '.join(names)}")


def shaping_picture(shaped: Stored, plain: Stored, steps: Sequence[int]) -> Drawn:
    """Draw agents trained with shaping beside those without, after some training steps."""
    groups = {
        f"{name}\n{in_steps(step)}": {
            mode: values(stored, mode, f"at.{step}.immortal.true_energy") for mode in MODES
        }
        for step in steps
        for name, stored in (("shaped", shaped), ("plain", plain))
    }
    return beside(groups, "True energy with and without shaping")


def death_picture(mortal: Stored, immortal: Stored, mode: str = "proxy") -> Drawn:
    """Draw how an agent that dies in training and one that does not come to differ.

    Both are judged alike, in immortal worlds: true energy, poison's share of meals, and how much of
    the policy moves when the nearest food becomes poison. Every seed.
    """
    figure, said = _taught(
        mortal, (("dies", mortal, mode, "-"), ("cannot die", immortal, mode, "--"))
    )
    return figure, (
        f"Three charts over training steps of {mode} that dies in training, full lines, and {mode} "
        f"that cannot, dashed, a line per seed. {said}."
    )


def eyes_for_death_picture(mortal: Stored) -> Drawn:
    """Draw what death teaches those that are paid by the sensor, by what they see. Every seed."""
    figure, said = _taught(
        mortal,
        (("sees types", mortal, "proxy_sighted", "-"), ("sees glow", mortal, "proxy", "-")),
    )
    return figure, (
        "Three charts over training steps of two agents that die in training and are paid by the "
        f"sensor, proxy_sighted, which sees types, and proxy, a line per seed. {said}."
    )


def _taught(mortal: Stored, courses: Sequence[tuple[str, Stored, str, str]]) -> Drawn:
    """Draw what death teaches, over training: each course a label, results, a mode and a style."""
    figure, every = panels(3, 3.2)
    described = []
    for axes, (title, path) in zip(every, DEATH_TELLS, strict=True):
        said = [_course(axes, *course, path) for course in courses]
        axes.set_title(title, fontsize="small", loc="left")
        steps_axis(axes)
        described.append(f"{title}: {', '.join(said)}")
        if axes is not every[0]:
            axes.set_ylim(0, None)
            continue
        random = float(np.mean(_walk(mortal)))
        axes.axhline(random, color=MODE_COLORS["random"], linestyle="--", linewidth=1)
        axes.annotate("random walk", (0.02, random), xycoords=("axes fraction", "data"),
                      xytext=(0, 2), textcoords="offset points", va="bottom", fontsize="small",
                      color=MODE_COLORS["random"])  # fmt: skip
        described[-1] += f", random walk {random:,.0f}"
    return figure, "; ".join(described)


def _course(axes: Axes, name: str, stored: Stored, mode: str, style: str, path: str | None) -> str:
    """Draw a metric, or poison's share of meals, over training; say where it begins and ends."""
    if path is None:
        steps, food = analysis.over_steps(stored, mode, "immortal.food")
        poison = analysis.over_steps(stored, mode, "immortal.poison")[1]
        found = poison / (food + poison)  # (n_seeds, n_steps)
    else:
        steps, found = analysis.over_steps(stored, mode, path)
    color, mean = MODE_COLORS[mode], found.mean(0)
    axes.plot(steps, found.T, color=color, linewidth=0.6, alpha=0.5, linestyle=style)
    axes.plot(steps, mean, color=color, linewidth=2, marker=".", linestyle=style)
    axes.annotate(name, (steps[-1], mean[-1]), xytext=(5, 0), textcoords="offset points",
                  va="center", color=color, fontsize="small", annotation_clip=False)  # fmt: skip
    digits = 0 if abs(found).max() > 10 else 2
    return f"{name} {mean[0]:,.{digits}f} to {mean[-1]:,.{digits}f} at {steps[-1]:,} steps"


def _walk(stored: Stored) -> list[float]:
    """Return the random walk's true energy, one number per set of worlds."""
    last = analysis.judged(stored, "random")[-1]
    return values(stored, "random", f"at.{last}.immortal.true_energy")
