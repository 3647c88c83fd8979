"""Figures of page 10: how much a finding depends on the training seeds behind it."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from goodharts_lib import stats
from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.contrasts import contrast_interval
from goodharts_lib.experiments import predictions
from goodharts_lib.experiments.analysis import EARLY, LATE
from goodharts_lib.experiments.results import Stored, values
from goodharts_lib.experiments.verdicts import inside
from goodharts_lib.modes import MODES
from goodharts_lib.plotting.compared import beside
from goodharts_lib.plotting.style import WIDTH, Drawn, label_ends, panels

Shares = Mapping[str, float]  # of each verdict

VERDICTS = {  # a verdict to its colour
    "confirmed": "#0072B2",
    "undecided": "#D0D0D0",
    "refuted": "#E69F00",
}
WRAPPED = 'style="white-space: normal; text-align: left"'  # as not every theme has it
RIGHT, WRONG = VERDICTS["confirmed"], VERDICTS["refuted"]


@dataclass(frozen=True)
class Claim:
    """That the true energy of one agent, minus that of another, lies between two limits.

    Attributes:
        words: the claim, short enough for a title.
        one: a condition of two_by_two.
        other: another.
        step: training steps at which they were judged.
        low, high: limits of the difference per 1,000 steps; may be infinite.
    """

    words: str
    one: str
    other: str
    step: int
    low: float
    high: float


CLAIMS = (
    Claim("proxy below the random walk", "proxy", "random", LATE, -math.inf, 0),
    Claim("proxy_sighted within 150 of proxy", "proxy_sighted", "proxy", LATE, -150, 150),
    Claim("proxy_sighted above proxy", "proxy_sighted", "proxy", LATE, 0, math.inf),
    Claim("proxy_jammed above the walk at 300k", "proxy_jammed", "random", EARLY, 0, math.inf),
)


def halves_picture(stored: Stored, step: int) -> Drawn:
    """Draw the first half of the training seeds of every mode beside the other half.

    Args:
        stored: results of two_by_two.
        step: training steps at which the agents were judged.
    """
    path = f"at.{step}.immortal.true_energy"
    found = {mode: values(stored, mode, path) for mode in MODES}
    half = min(map(len, found.values())) // 2
    groups = {
        f"first {half}": {mode: v[:half] for mode, v in found.items()},
        f"next {half}": {mode: v[half : 2 * half] for mode, v in found.items()},
    }
    return beside(groups, f"True energy after {step:,} steps, the seeds in two halves")


def verdicts(stored: Stored, claim: Claim) -> dict[int, Shares]:
    """Return, for each number of training seeds, how often each verdict comes out.

    Every set of so many seeds is judged, each by its own 95 % interval. One seed has no interval:
    its number is taken at its word.
    """
    path = f"at.{claim.step}.immortal.true_energy"
    one, other = (np.array(values(stored, name, path)) for name in (claim.one, claim.other))
    count = min(len(one), len(other))
    shares: dict[int, Shares] = {}
    for size in range(1, count + 1):
        found = [
            _verdict(one[list(chosen)], other[list(chosen)], claim)
            for chosen in combinations(range(count), size)
        ]
        shares[size] = {verdict: found.count(verdict) / len(found) for verdict in VERDICTS}
    return shares


def _verdict(one: np.ndarray, other: np.ndarray, claim: Claim) -> str:
    """Judge a claim from some seeds of both agents."""
    if len(one) == 1:
        return "confirmed" if claim.low < float(one[0] - other[0]) < claim.high else "refuted"
    interval = contrast_interval([one, other], [1, -1])
    return inside(interval, claim.low, claim.high).verdict


def lottery_picture(stored: Stored, claims: Sequence[Claim] = CLAIMS) -> Drawn:
    """Draw what four claims would have come to with fewer training seeds, over all sets of them."""
    figure = Figure(figsize=(WIDTH, 4.8), layout="constrained")
    described = []
    for axes, claim in zip(figure.subplots(2, 2, sharex=True, sharey=True).flat, claims,
                           strict=True):  # fmt: skip
        shares = verdicts(stored, claim)
        sizes, bottom = list(shares), np.zeros(len(shares))
        for verdict, color in VERDICTS.items():
            height = np.array([100 * shares[size][verdict] for size in sizes])
            bars = axes.bar(sizes, height, 0.8, bottom, color=color, linewidth=0)
            bars[0].set_hatch("///")
            bars[0].set_edgecolor("white")
            bottom += height
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_title(claim.words, fontsize="small", loc="left")
        axes.set_xticks(sizes)
        said = [
            f"{size} seed{'s' * (size > 1)} {_percent(shares[size])}"
            for size in sizes if size in {1, 3, 5, sizes[-1]}
        ]  # fmt: skip
        described.append(f"{claim.words}: {'; '.join(said)}")
    figure.supxlabel("training seeds of each agent", fontsize="medium")
    figure.supylabel("sets of seeds, %", fontsize="medium")
    handles = [Patch(color=color, label=verdict) for verdict, color in VERDICTS.items()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3, frameon=False)
    return figure, (
        "Four bar charts over the number of training seeds: how many per cent of all sets of so "
        f"many seeds find a claim confirmed, undecided or refuted. {'. '.join(described)}."
    )


def _percent(shares: Shares) -> str:
    """Write the shares of the verdicts that occur, in per cent."""
    return ", ".join(f"{100 * share:.0f} % {name}" for name, share in shares.items() if share)


def alarms_picture(rates: Mapping[str, Mapping[int, tuple[float, float]]]) -> Drawn:
    """Draw how often two groups of the same agents are found to differ.

    Args:
        rates: mode to test episodes of each agent to two shares of false alarms, in [0, 1]: with
            the episode as the unit, and with the agent.
    """
    figure, (axes,) = panels(1, 3.4)
    ends, described = {}, []
    beside = np.geomspace(0.8, 1.25, len(rates))  # so that no dot hides another
    for (mode, found), aside in zip(rates.items(), beside, strict=True):
        color, episodes = AGENT_COLORS[mode], np.array(list(found))
        wrong, right = (np.array([100 * pair[i] for pair in found.values()]) for i in (0, 1))
        axes.plot(episodes, wrong, color=color, linewidth=2, marker=".")
        axes.plot(episodes * aside, right, color=color, linestyle="", marker="o", markersize=4.5,
                  mfc="white")  # fmt: skip
        ends[mode] = (float(wrong[-1]), color)
        described.append(
            f"{mode} {wrong[0]:.0f} % to {wrong[-1]:.0f} %, by agents at most {max(right):.0f} %"
        )
    axes.axhline(5, color="black", linewidth=1, linestyle=":")
    axes.annotate("what 5 % promises", (1, 5), xytext=(0, -8), textcoords="offset points",
                  fontsize="small", va="top")  # fmt: skip
    axes.set_xscale("log")
    shown = list(next(iter(rates.values())))
    axes.set_xticks(shown, [f"{count:,}" for count in shown])
    axes.minorticks_off()
    axes.set_ylim(-7, 100)
    axes.set_yticks(range(0, 101, 25))
    axes.set_xlabel("test episodes of each agent")
    axes.set_title("“Significant” differences between an agent and itself, %",
                   fontsize="medium", loc="left")  # fmt: skip
    label_ends(axes, ends)
    return figure, (
        "Lines over the number of test episodes of each agent: how often a test over episodes "
        f"finds a difference where there is none. From {shown[0]:,} to {shown[-1]:,} episodes: "
        f"{'; '.join(described)}."
    )


def coverage_picture(
    examples: Sequence[stats.Interval], covered: Mapping[str, Mapping[int, float]], truth: float
) -> Drawn:
    """Draw some intervals beside the truth, and how often intervals of some methods hold it.

    Args:
        examples: of one method and one number of seeds.
        covered: method to number of seeds to the share of intervals that hold the truth.
        truth: the mean that all samples were drawn from.
    """
    figure, (left, right) = panels(2, 3.6)
    missed = 0
    for place, (_, low, high, *_) in enumerate(examples):
        holds = low <= truth <= high
        missed += not holds
        left.plot([low, high], [place, place], color="#999999" if holds else WRONG, linewidth=1.8)
    left.axvline(truth, color="black", linewidth=1)
    left.set_yticks([])
    left.spines["left"].set_visible(False)
    left.set_xlabel("true energy per 1,000 steps")
    first = examples[0]
    left.set_title(f"{len(examples)} intervals, {first.n} seeds each", fontsize="small", loc="left")
    styles = zip(covered.items(), (RIGHT, "#444444", "#999999"), strict=False)
    ends, described = {}, []
    for (method, found), color in styles:
        right.plot(range(len(found)), [100 * c for c in found.values()], color=color, linewidth=2,
                   marker=".")  # fmt: skip
        ends[method] = (100 * list(found.values())[-1], color)
        said = ", ".join(f"{100 * share:.0f} % of {n}" for n, share in found.items())
        described.append(f"{method} {said}")
    sizes = list(next(iter(covered.values())))
    right.axhline(95, color="black", linewidth=1, linestyle=":")
    right.set_xticks(range(len(sizes)), [str(size) for size in sizes])
    right.set_ylim(60, 100)
    right.set_xlabel("training seeds")
    right.set_title("hold the truth, %", fontsize="small", loc="left")
    label_ends(right, ends, size="small")
    return figure, (
        f"Left, {len(examples)} {first.method} intervals at {100 * first.level:g} % of {first.n} "
        f"seeds each, of which {missed} miss the truth. Right, how many intervals hold it, by "
        f"number of seeds: {'; '.join(described)}."
    )


def slopes_picture(found: Mapping[str, Sequence[stats.Interval]], truth: float) -> Drawn:
    """Draw slopes that were fitted to the same made-up experiments in several ways.

    Args:
        found: way to one interval per experiment.
        truth: the slope that the experiments were made with.
    """
    figure, (axes,) = panels(1, 0.9 + 0.6 * len(found))
    described = []
    for place, (way, intervals) in enumerate(reversed(list(found.items()))):
        held = float(np.mean([i.low <= truth <= i.high for i in intervals]))
        estimates = [interval.estimate for interval in intervals]
        color = RIGHT if held > 0.85 else WRONG
        along = place + np.linspace(-0.22, 0.22, len(estimates))
        axes.plot(estimates, along, linestyle="", marker=".", color=color, alpha=0.5,
                  markeredgewidth=0)  # fmt: skip
        axes.plot([np.mean(estimates)] * 2, [place - 0.3, place + 0.3], color=color, linewidth=2)
        axes.annotate(
            f"{100 * held:.0f} % hold it", (1, place), xycoords=("axes fraction", "data"),
            xytext=(5, 0), textcoords="offset points", va="center", fontsize="small",
            annotation_clip=False,
        )  # fmt: skip
        described.append(f"{way} mean {np.mean(estimates):.2f}, {100 * held:.0f} % of intervals")
    axes.axvline(truth, color="black", linewidth=1)
    axes.set_yticks(range(len(found)), list(found)[::-1])
    axes.set_ylim(-0.5, len(found) - 0.5)
    axes.set_xlabel("slope of log learning time on log gap")
    return figure, (
        "Fitted slopes of made-up experiments, a dot for each, and how many of their 95 % "
        f"intervals hold the true slope of {truth:g}: {'; '.join(reversed(described))}."
    )


def outcomes_table(told: Mapping[str, str]) -> str:
    """Return all predictions and what came of them, as a table in HTML.

    Args:
        told: number of a prediction to its outcome.
    """
    rows = [
        f"<tr><td>{p.key}</td><td {WRAPPED}>{_with_code(p.claim)}</td>"
        f"<td><strong>{html.escape(told[p.key])}</strong></td></tr>"
        for p in predictions.PREDICTIONS
    ]
    head = f"<tr><th>no.</th><th {WRAPPED}>predicted</th><th>outcome</th></tr>"
    body = f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody>"
    return f'<table class="table" style="width: 100%">{body}</table>'


def _with_code(text: str) -> str:
    """Return Markdown without markup but backticks as HTML."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text))
