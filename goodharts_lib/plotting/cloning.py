"""Figures of behaviour cloning: what is copied, what agreeing is worth, and why a copy fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS, N_ACTIONS
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.experiments import cloning_story, results
from goodharts_lib.experiments.cloning import SAMPLES
from goodharts_lib.experiments.results import Stored
from goodharts_lib.plotting.style import WIDTH, Drawn, label_ends, panels, seeds_and_mean, short
from goodharts_lib.stats import t_interval

Columns = Mapping[str, Sequence[float]]  # over epochs, as in `unit["curves"]`

DECODINGS = {"sampled": "#AA7700", "greedy": "#332288"}  # how an action is chosen
LIVES = {"sampled": "mortal", "greedy": "greedy"}  # whose lives both are judged by
AGREES, STAY, BEFORE = "black", "#BBBBBB", "#8A8A8A"
ENERGY = "at.end.immortal.true_energy"


def advice_picture(views: Tensor, moves: Tensor) -> Drawn:
    """Draw views, and what an expert does there, as arrows: the likelier, the darker.

    Args:
        views: (n, V, V) uint8 cell types.
        moves: (k, n) int64, the answers of k askings.
    """
    size, reach, scale = 15, views.shape[-1] // 2, 2.6
    figure = Figure(figsize=(WIDTH, WIDTH / len(views) + 0.1), layout="constrained")
    every = figure.subplots(1, len(views), squeeze=False)[0]
    counted = []
    for axes, view, given in zip(every, views, moves.T, strict=True):
        axes.imshow(view_rgb(view, cell_pixels=size))
        centre = (reach + 0.5) * size - 0.5
        shares = np.bincount(given.numpy(), minlength=N_ACTIONS) / len(given)
        for action, share in zip(ACTIONS, shares, strict=True):
            if share:
                tip = (centre + scale * size * action.dx, centre + scale * size * action.dy)
                axes.annotate("", tip, (centre, centre), arrowprops={
                    "arrowstyle": "-|>", "linewidth": 2, "color": "black",
                    "alpha": min(1, 0.25 + share), "shrinkA": 0, "shrinkB": 0,
                })  # fmt: skip
        axes.set_xticks([])
        axes.set_yticks([])
        counted.append(str((shares > 0).sum()))
    return figure, (
        f"{len(views)} views of an expert with arrows where it goes; green discs are food, orange "
        f"diamonds poison. How many moves it takes there, from left to right: {', '.join(counted)}."
    )


def shortfall_picture(stored: Stored, expert: str = "food_only") -> Drawn:
    """Draw what plain clones lack over the number of demonstrations, in percent of the expert.

    Beside each other: moves that differ from the expert's, and true energy that is missing.
    """
    figure, (axes,) = panels(1, 3.2)
    best = float(np.mean(results.values(stored, f"{expert} itself", ENERGY)))
    ends, said = {}, []
    for name, color, aside in (
        ("true energy", DECODINGS["sampled"], -0.16),
        ("moves", AGREES, 0.16),
    ):
        path = ENERGY if "energy" in name else "last_epoch.accuracy"
        whole = best if "energy" in name else 1.0
        words = []
        for place, size in enumerate(SAMPLES):
            found = results.values(stored, f"{expert} {size}", path)
            lacks = [1 - value / whole for value in found]
            interval = seeds_and_mean(axes, place + aside, lacks, color)
            if interval is not None:
                words.append(f"{interval.estimate:.1%} from {size:,}")
                ends[name] = (interval.estimate, color)
        said.append(f"{name} {', '.join(words)} demonstrations")
    axes.set_ylim(0, None)
    axes.yaxis.set_major_formatter(PercentFormatter(1, 0))
    axes.set_xticks(range(len(SAMPLES)), [f"{size:,}" for size in SAMPLES])
    axes.set_xlabel("demonstrations")
    axes.set_title("True energy that is missing, and moves that differ, in percent",
                   fontsize="medium", loc="left")  # fmt: skip
    label_ends(axes, ends)
    return figure, (
        f"True energy that clones of {expert} lack, and moves that differ from its own, in "
        f"percent, a dot per seed, over the number of demonstrations: {'; '.join(said)}."
    )


def remedies_picture(stored: Stored, expert: str = "food_only") -> Drawn:
    """Draw true energy of clones: plain, with more steps of Adam, and with DAgger; every seed."""
    figure, both = panels(2, 3.2)
    itself = float(np.mean(results.values(stored, f"{expert} itself", ENERGY)))
    kinds = {"plain": "", "more steps": " longer", "DAgger": " DAgger"}
    said = []
    for axes, size in zip(both, (1_000, 10_000), strict=True):
        words = []
        for place, (name, ending) in enumerate(kinds.items()):
            found = results.values(stored, f"{expert} {size}{ending}", ENERGY)
            interval = seeds_and_mean(axes, place, found, DECODINGS["sampled"])
            if interval is not None:
                words.append(f"{name} {short(interval)}")
        axes.axhline(itself, color="black", linestyle="--", linewidth=1)
        axes.set_xticks(range(len(kinds)), kinds)
        axes.set_xlim(-0.5, len(kinds) - 0.5)
        axes.set_title(f"{size:,} demonstrations", fontsize="medium", loc="left")
        said.append(f"{size:,} demonstrations: {', '.join(words)}")
    for axes in both:
        axes.set_ylim(min(a.get_ylim()[0] for a in both), itself + 60)
    both[0].set_ylabel("true energy per 1,000 steps")
    label_ends(both[1], {"expert": (itself, "black")})
    return figure, (
        f"True energy of clones of {expert}, a dot per seed, with 95 % intervals. "
        f"{'; '.join(said)}. The expert makes {itself:,.0f}."
    )


def course_picture(runs: Sequence[Columns], ceilings: Sequence[float], expert: float) -> Drawn:
    """Draw accuracy, as a share of its ceiling, and true energy over the epochs of every clone.

    Args:
        runs: of each clone, columns over epochs, as from `training.cloning.curves`.
        ceilings: of each clone, the highest accuracy that it could be expected to have.
        expert: true energy per 1,000 steps of the one they imitate.
    """
    figure, (left, right) = panels(2, 3.3)
    found = np.array([run["accuracy"] for run in runs]) / np.array(ceilings)[:, None]
    epochs = range(1, found.shape[1] + 1)
    _lines(left, epochs, found, AGREES)
    left.axhline(1, color=AGREES, linestyle="--", linewidth=1)
    left.set_ylim(0, max(1.1, 1.03 * found.max()))
    left.yaxis.set_major_formatter(PercentFormatter(1, 0))
    left.set_title("Accuracy, of what is possible", fontsize="medium", loc="left")
    ends, said = {}, []
    for decoding, color in DECODINGS.items():
        energy = np.array([run[f"true_energy_{decoding}"] for run in runs])  # (n_runs, n_epochs)
        _lines(right, epochs, energy, color)
        ends[decoding] = (float(energy[:, -1].mean()), color)
        mean = energy.mean(0)
        said.append(f"{decoding} {mean[0]:,.0f} at first, {mean.max():,.0f} at most after epoch "
                    f"{mean.argmax() + 1}, {mean[-1]:,.0f} in the end")  # fmt: skip
    right.axhline(expert, color="black", linestyle="--", linewidth=1)
    right.axhline(0, color=STAY, linewidth=1, zorder=0)
    right.set_title("True energy per 1,000 steps", fontsize="medium", loc="left")
    label_ends(right, ends | {"expert": (expert, "black")})
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    lines = "a line per seed" if len(runs) > 1 else "one run"
    return figure, (
        f"Two charts over epochs, {lines}. Accuracy rises from {found[:, 0].mean():.0%} to "
        f"{found[:, -1].mean():.0%} of what is possible. True energy: {'; '.join(said)}; the "
        f"expert has {expert:,.0f}."
    )


def epochs_picture(stored: Stored, condition: str = "omniscient_seeker 10000") -> Drawn:
    """Draw the course of every stored clone of a condition."""
    units = results.by_condition(stored["units"])[condition]
    name = condition.split(maxsplit=1)[0]
    itself = results.values(stored, f"{name} itself", "at.end.mortal.true_energy")
    return course_picture(
        [unit["curves"] for unit in units],
        results.values(stored, condition, "last_epoch.ceiling"),
        float(np.mean(itself)),
    )


def reasons_picture(stored: Stored) -> Drawn:
    """Draw true energy with and without each reason why a clone may do badly, every seed."""
    figure = Figure(figsize=(WIDTH, 6.6), layout="constrained")
    both = figure.subplots(1, 2, sharey=True)
    place, said, last = 0.0, [], ""
    for effect in cloning_story.interventions(stored):
        reason, names = _names(effect)
        if reason != last:
            place, last = place - (0.95 if last else 0.25), reason
            _write(both[0], place, reason, weight="bold")
            place += 0.2  # its first row belongs to it
        _write(both[0], place - 0.65, names)
        place -= 1.2
        changes = []
        for axes, (decoding, color) in zip(both, DECODINGS.items(), strict=True):
            path = f"at.end.{LIVES[decoding]}.true_energy"
            pair = (effect.base, effect.mended)
            _before_after(axes, place, [results.values(stored, c, path) for c in pair], color)
            changes.append(f"{decoding} {short(getattr(effect, LIVES[decoding]))}")
        said.append(f"{reason}, {names}: {', '.join(changes)}")
    for axes, decoding in zip(both, DECODINGS, strict=True):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.axvline(0, color=STAY, linewidth=1, zorder=0)
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MultipleLocator(500))
        axes.set_ylim(place - 0.5, 0)
        axes.set_xlim(-150, 1850)
        axes.set_title(decoding, fontsize="medium", loc="left", color=DECODINGS[decoding])
        axes.set_xlabel("true energy per 1,000 steps")
    return figure, (
        "True energy of clones with a reason for failure, in grey, and without it, in colour, a "
        "dot per seed; sampled on the left, greedy on the right. "
        f"Change of the mean with its 95 % interval: {'; '.join(said)}."
    )


def _lines(axes: Axes, epochs: range, found: np.ndarray, color: str) -> None:
    """Draw a line per run, and their mean if there is more than one."""
    if len(found) > 1:
        axes.plot(epochs, found.T, color=color, linewidth=0.7, alpha=0.45)
    axes.plot(epochs, found.mean(0), color=color, linewidth=2)


def _before_after(axes: Axes, place: float, pair: Sequence[Sequence[float]], color: str) -> None:
    """Draw the seeds of two conditions on two lines, means as bars, and an arrow between them."""
    means = []
    for found, height, look in zip(pair, (0.17, -0.17), (BEFORE, color), strict=True):
        axes.plot(found, [place + height] * len(found), linestyle="", marker=".", color=look,
                  markersize=7, markeredgewidth=0, alpha=0.6)  # fmt: skip
        means.append(t_interval(found).estimate)
        axes.plot([means[-1]] * 2, [place + height - 0.16, place + height + 0.16], color=look, lw=2)
    if abs(means[1] - means[0]) > 60:  # shorter than an arrow's head
        axes.annotate("", (means[1], place), (means[0], place), arrowprops={
            "arrowstyle": "->", "color": color, "linewidth": 1, "shrinkA": 0, "shrinkB": 0,
        })  # fmt: skip


def _write(axes: Axes, place: float, words: str, weight: str = "normal") -> None:
    """Write above a row, from the left edge, where a narrow screen has room for it as well."""
    behind = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axes.annotate(words, (0, place), xycoords=("axes fraction", "data"), va="center",
                  weight=weight, bbox=behind)  # fmt: skip


def _names(effect: cloning_story.Effect) -> tuple[str, str]:
    """Return what the page calls a reason and the two conditions, what they share said once."""
    (expert, size, *_), (other, *_) = effect.base.split(), effect.mended.split()
    whom = expert if other == expert else f"{expert} → {other}"
    return effect.reason, f"{whom}, {int(size):,}"
