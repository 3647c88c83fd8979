"""Figures of behaviour cloning: accuracy is not survival, and why a copy fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.experiments import cloning_story, results
from goodharts_lib.plotting.style import Drawn, label_ends, panels, seeds_and_mean, short
from goodharts_lib.stats import Interval

Stored = Mapping[str, Any]

DECODINGS = {"sampled": "#0072B2", "greedy": "#D55E00"}  # how an action is chosen
STAY = "#BBBBBB"


def epochs_picture(stored: Stored, condition: str = "omniscient_seeker 10000") -> Drawn:
    """Draw accuracy, and true energy sampled and greedy, over the epochs of every clone."""
    figure, (left, right) = panels(2, 3.4)
    units = results.by_condition(stored["units"])[condition]
    right_answers = np.array([unit["curves"]["accuracy"] for unit in units])  # (n_seeds, n_epochs)
    epochs = range(1, right_answers.shape[1] + 1)
    left.plot(epochs, right_answers.T, color="#7F7F7F", linewidth=0.7, alpha=0.6)
    left.plot(epochs, right_answers.mean(0), color="black", linewidth=2)
    ceiling = float(np.mean(results.values(stored, condition, "last_epoch.ceiling")))
    left.axhline(ceiling, color=STAY, linestyle="--", linewidth=1)
    left.set_title("Accuracy: agrees with the expert", fontsize="medium", loc="left")
    label_ends(left, {"accuracy": (float(right_answers[:, -1].mean()), "black"),
                      "all it can": (ceiling, "#7F7F7F")})  # fmt: skip
    ends, said = {}, []
    for decoding, color in DECODINGS.items():
        energy = np.array([unit["curves"][f"true_energy_{decoding}"] for unit in units])
        right.plot(epochs, energy.T, color=color, linewidth=0.7, alpha=0.5)
        right.plot(epochs, energy.mean(0), color=color, linewidth=2)
        ends[decoding] = (float(energy[:, -1].mean()), color)
        said.append(f"{decoding} {energy[:, 0].mean():,.0f} to {energy[:, -1].mean():,.0f}")
    right.axhline(0, color=STAY, linewidth=1, zorder=0)
    right.set_title("True energy per 1,000 steps", fontsize="medium", loc="left")
    label_ends(right, ends)
    for axes in (left, right):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure, (
        f"Two charts over epochs, a line per seed. Accuracy: {right_answers[:, 0].mean():.3f}"
        f" to {right_answers[:, -1].mean():.3f}, and {ceiling:.3f} is all it can be; true "
        f"energy {', '.join(said)}."
    )


def sizes_picture(stored: Stored) -> Drawn:
    """Draw accuracy and true energy over the number of demonstrations, with and without DAgger."""
    figure, (left, right) = panels(2, 3.6)
    kinds = (("food_only", "", "food_only"), ("food_only", " DAgger", "eat_everything"),
             ("omniscient_seeker", "", "omniscient_seeker"))  # fmt: skip
    grouped = results.by_condition(stored["units"])
    ends: dict[str, tuple[float, str]] = {}
    sizes = sorted({int(name.split()[1]) for name in grouped if name.split()[1].isdigit()})
    said = []
    for expert, more, key in kinds:
        color, found = AGENT_COLORS[key], {}
        for place, size in enumerate(sizes):
            condition = f"{expert} {size}{more}"
            right_answers = results.values(stored, condition, "last_epoch.accuracy")
            energy = results.values(stored, condition, "at.end.immortal.true_energy")
            seeds_and_mean(left, place, right_answers, color)
            found[size] = seeds_and_mean(right, place, energy, color)
        last = found[sizes[-1]]
        first = found[sizes[0]]
        name = f"{expert}{more}"
        if first is not None and last is not None:
            ends[name] = (last.estimate, color)
            said.append(f"{name} {short(first)} to {short(last)}")
    for expert in ("food_only", "omniscient_seeker"):
        itself = float(np.mean(results.values(stored, f"{expert} itself",
                                              "at.end.immortal.true_energy")))  # fmt: skip
        right.axhline(itself, color=AGENT_COLORS[expert], linestyle="--", linewidth=1)
        said.append(f"{expert} itself makes {itself:,.0f}")
    for axes, title in ((left, "Accuracy"), (right, "True energy per 1,000 steps, sampled")):
        axes.set_xticks(range(len(sizes)), [f"{size:,}" for size in sizes])
        axes.set_xlabel("demonstrations")
        axes.set_title(title, fontsize="medium", loc="left")
        axes.set_ylim(0, None)
    label_ends(right, ends, size="small")
    return figure, (
        "Accuracy and true energy of clones over the number of demonstrations, a dot per seed. "
        f"True energy from {sizes[0]:,} to {sizes[-1]:,} demonstrations: {'; '.join(said)}."
    )


def reasons_picture(stored: Stored) -> Drawn:
    """Draw how much true energy is won by taking away each reason why a clone may starve."""
    figure, (axes,) = panels(1, 4.2)
    rows: list[tuple[str, Interval, str]] = []
    for effect in cloning_story.interventions(stored):
        name = f"{effect.reason}\n{_change(effect.base, effect.mended)}"
        rows.append((name, effect.mortal, DECODINGS["sampled"]))
        rows.append((name, effect.greedy, DECODINGS["greedy"]))
    for condition in ("omniscient_seeker 10000", "food_only 10000"):
        found = cloning_story.evidence(stored, condition).greedy_decoding.sampling_instead
        rows.append((f"greedy decoding\n{condition} → sampled", found, "black"))
    names = list(dict.fromkeys(name for name, _, _ in rows))
    for name, interval, color in rows:
        place = -names.index(name) + {DECODINGS["sampled"]: 0.12, DECODINGS["greedy"]: -0.12}.get(
            color, 0.0
        )
        axes.plot([interval.low, interval.high], [place, place], color=color, linewidth=2)
        axes.plot(interval.estimate, place, "o", color=color, markersize=5)
    axes.axvline(0, color=STAY, linewidth=1, zorder=0)
    axes.set_yticks([-number for number in range(len(names))], names, fontsize="x-small")
    axes.set_xlabel("true energy won per 1,000 steps, mortal worlds")
    for place, (decoding, color) in enumerate(DECODINGS.items()):
        axes.annotate(f"● {decoding}", (0.98, 0.95 - 0.06 * place), xycoords="axes fraction",
                      color=color, ha="right", fontsize="small")  # fmt: skip
    said = [f"{name.replace(chr(10), ', ')} {short(interval)}" for name, interval, _ in rows]
    return figure, (
        "Change of true energy with its 95 % interval when a reason is taken away, sampled and "
        f"greedy in turn: {'; '.join(said)}."
    )


def _change(base: str, mended: str) -> str:
    """Return two conditions' names, what they share said once."""
    (expert, *before), (other, *after) = base.split(), mended.split()
    if expert != other:
        return f"{base} → {mended}"
    return f"{expert} {before[0]}: {' '.join(before[1:]) or 'plain'} → {' '.join(after[1:])}"
