"""How each prediction is decided: from stored results to a sentence and a verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from goodharts_lib import contrasts, fits, stats
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.analysis import (
    HARMS,
    MIN_SEEDS,
    TooFewError,
    learning_times,
    phase_columns,
    phase_line,
    seeds,
)
from goodharts_lib.experiments.verdicts import Outcome, below, enough, inside, minus, worst
from goodharts_lib.modes import MODES

Stored = Mapping[str, Any]
EARLY, LATE = (f"at.{steps}.immortal" for steps in (analysis.EARLY, analysis.LATE))


def proxy_earns_more(stored: Stored) -> Outcome:
    """P1a: the proxy agent's proxy score minus the ground-truth agent's."""
    score = f"{LATE}.proxy_score"
    more = stats.difference_interval(
        seeds(stored, "proxy", score), seeds(stored, "ground_truth", score)
    )
    return below(minus(more), 0)._replace(measured=f"difference {more}")


def proxy_below_random(stored: Stored) -> Outcome:
    """P1b: the proxy agent's true energy minus the random walk's."""
    energy = f"{LATE}.true_energy"
    difference = stats.difference_interval(
        seeds(stored, "proxy", energy), seeds(stored, "random", energy)
    )
    return below(difference, 0, "difference ")


def sight_does_not_help(stored: Stored) -> Outcome:
    """P5a: true energy of proxy_sighted minus proxy."""
    energy = f"{LATE}.true_energy"
    difference = stats.difference_interval(
        seeds(stored, "proxy_sighted", energy), seeds(stored, "proxy", energy)
    )
    return inside(difference, -150, 150, "difference ")


def main_effects(stored: Stored, when: str) -> tuple[float, float, np.ndarray]:
    """Return the main effects of wages and eyes on true energy, and the bootstrap of their ratio.

    Wages: energy minus interestingness. Eyes: types minus glow. Seeds are resampled within cells.
    """
    modes = ("ground_truth", "proxy_jammed", "proxy_sighted", "proxy")  # as contrasts has them
    cells = [np.array(seeds(stored, mode, f"{when}.true_energy")) for mode in modes]
    rng = np.random.default_rng(0)
    means = [
        np.append(cell[rng.integers(len(cell), size=(10_000, len(cell)))].mean(1), cell.mean())
        for cell in cells
    ]  # the bootstrap's, and last the cell's own
    wages, eyes = (np.dot(weights, means) for weights in (contrasts.FIRST, contrasts.SECOND))
    return float(wages[-1]), float(eyes[-1]), eyes[:-1] / wages[:-1]


def eyes_matter_early(stored: Stored) -> Outcome:
    """P5b: the eyes' main effect as a share of the wages'."""
    shares = []
    for when in (EARLY, LATE):
        wages, eyes, ratios = main_effects(stored, when)
        low, high = np.quantile(ratios, [0.025, 0.975])
        shares.append(stats.Interval(eyes / wages, low, high, 0.95, "bootstrap", len(ratios)))
    early, late = shares
    words = "; ".join(
        f"{s.estimate:.2f} [{s.low:.2f}, {s.high:.2f}] at {when}"
        for s, when in zip(shares, ("300,000", "1 M"), strict=True)
    )
    if early.low > 0.25 and late.high < 0.25:
        return Outcome(words, "confirmed")
    if early.high < 0.25 or late.low > 0.25:
        return Outcome(words, "refuted")
    return Outcome(words, "undecided")


def learns_the_gap(stored: Stored) -> Outcome:
    """P3: on how many seeds it learned, at gap 0.1 and at gap 0."""
    learned = {}
    for gap in ("gap 0.1", "gap 0"):
        units = [unit for unit in stored["units"] if unit["condition"] == gap]
        if len(units) < MIN_SEEDS:
            raise TooFewError(f"{len(units)} seeds of {gap}; the claim needs {MIN_SEEDS}.")
        learned[gap] = sum(unit["metrics"]["learned_at"] is not None for unit in units)
    words = ", ".join(f"{count} seeds at {gap}" for gap, count in learned.items())
    held = learned["gap 0.1"] >= 4 and learned["gap 0"] == 0
    return Outcome(words, "confirmed" if held else "refuted")


def blind_eats_alike(stored: Stored) -> Outcome:
    """P3b: poison's share of meals at gap 0 minus that of an agent that eats everything."""
    share = "at.end.immortal.food_share"
    difference = stats.difference_interval(
        seeds(stored, "eat_everything", share), seeds(stored, "gap 0", share)
    )
    return inside(difference, -0.05, 0.05, "difference ")


def gap_slope(stored: Stored) -> Outcome:
    """P4: the slope of log learning time on log gap, unlearned runs censored."""
    gaps, times, seen = learning_times(stored)
    enough(Counter(gaps))
    fit = fits.censored_loglog_slope(gaps, times, seen)
    words = f"slope, {sum(seen)} learned and {len(seen) - sum(seen)} censored: "
    return inside(fit.slope, -2.5, -1.0, words)


def break_points(stored: Stored) -> Outcome:
    """P2: where the proxy's true energy crosses the random walk's, for each h/g."""
    words, verdicts = [], []
    enough({share: len(meals) for share, (meals, _) in phase_columns(stored).items()})
    for harm in HARMS:
        share, gain = phase_line(stored, harm)
        crossing = fits.zero_crossing(share, gain, np.random.default_rng(0))
        critical = 1 / (1 + harm)
        if not min(share) < critical < max(share):
            continue
        low, high = crossing.low, crossing.high
        shown = ["open" if x is None else f"{x:.3f}" for x in (crossing.estimate, low, high)]
        words.append(f"h/g {harm:g}: {shown[0]} [{shown[1]}, {shown[2]}] against {critical:.3f}")
        near = (critical - 0.05, critical + 0.05)
        if low is None or high is None:
            verdicts.append("undecided")
        elif high < near[0] or low > near[1]:
            verdicts.append("refuted")
        else:
            verdicts.append("confirmed" if near[0] <= low and high <= near[1] else "undecided")
    return Outcome("; ".join(words), worst(verdicts))


def copies_fall_short(stored: Stored) -> Outcome:
    """P7a: accuracy of the clones of food_only, and how much less they make than their expert."""
    accuracy = stats.t_interval(seeds(stored, "food_only 10000", "last_epoch.accuracy"))
    energy = "at.end.immortal.true_energy"
    short = stats.difference_interval(
        seeds(stored, "food_only itself", energy), seeds(stored, "food_only 10000", energy)
    )
    verdicts = [below(minus(accuracy), -0.95).verdict, below(minus(short), -100).verdict]
    return Outcome(f"accuracy {accuracy}; shortfall {short}", worst(verdicts))


def dagger_helps(stored: Stored) -> Outcome:
    """P7b: the share of the shortfall that DAgger closes, by a bootstrap over seeds."""
    energy = "at.end.immortal.true_energy"
    expert, plain, mended = (
        np.array(seeds(stored, f"food_only {name}", energy))
        for name in ("itself", "10000", "10000 DAgger")
    )
    rng = np.random.default_rng(0)

    def means(values: Any) -> Any:
        return values[rng.integers(len(values), size=(10_000, len(values)))].mean(1)

    best, low_end = means(expert), means(plain)
    ratios = (means(mended) - low_end) / (best - low_end)
    share = (mended.mean() - plain.mean()) / (expert.mean() - plain.mean())
    low, high = np.quantile(ratios, [0.025, 0.975])
    interval = stats.Interval(float(share), float(low), float(high), 0.95, "bootstrap", len(plain))
    return below(minus(interval), -0.5)._replace(measured=f"share {interval}")


def guided_fails(stored: Stored) -> Outcome:
    """P8: rank correlation with the trained map, policy and hidden layer drawn anew."""
    words, verdicts = [], []
    for method in ("guided_backprop", "gradient", "integrated_gradients"):
        found = [
            stats.t_interval(seeds(stored, mode, f"cascade.{method}.network_fc")) for mode in MODES
        ]
        guided = method == "guided_backprop"
        judged = [minus(i) for i in found] if guided else found
        verdicts += [
            (below(i, -0.3) if guided else inside(i, -0.15, 0.15)).verdict for i in judged
        ]
        words.append(f"{method} " + ", ".join(f"{i.estimate:+.2f} [{i.low:.2f}, {i.high:.2f}]"
                                              for i in found))  # fmt: skip
    return Outcome(f"{'; '.join(words)} ({', '.join(MODES)})", worst(verdicts))


def death_lowers_poison(stored: Stored) -> Outcome:
    """P11a: poison of the mortal proxy agent at 2 M steps minus at 300,000."""
    late = seeds(stored, "proxy", "at.2000000.immortal.poison")
    early = seeds(stored, "proxy", "at.300000.immortal.poison")
    change = stats.t_interval([b - a for a, b in zip(early, late, strict=True)])
    return below(change, 0, "change within a run ")


def death_teaches(stored: Stored) -> Outcome:
    """P11b: true energy of the mortal proxy agent at 2 M steps minus the random walk's."""
    path = "at.2000000.immortal.true_energy"
    more = stats.difference_interval(seeds(stored, "proxy", path), seeds(stored, "random", path))
    return below(minus(more), 0)._replace(measured=f"difference {more}")


def nearly_right_is_not_enough(stored: Stored) -> Outcome:
    """P12: poison's share of meals at 0.6 and at 0.2 interestingness, against that at 1."""

    def share(lure: float) -> list[float]:
        return [1 - x for x in seeds(stored, f"poison at {lure:g}",
                                     "at.500000.immortal.food_share")]  # fmt: skip

    high = contrasts.contrast_interval([share(0.6), share(1.0)], [1, -0.75])
    low = contrasts.contrast_interval([share(0.2), share(1.0)], [1, -0.5])
    told = ", ".join(f"{np.mean(share(lure)):.3f} at {lure:g}" for lure in (0.2, 0.6, 1.0))
    words = f"shares {told}; 0.6 less 3/4 of 1: {high}; 0.2 less 1/2 of 1: {low}"
    return Outcome(words, worst([below(minus(high), 0).verdict,
                                              below(low, 0).verdict]))  # fmt: skip


def shaping_is_not_the_cause(stored: Stored) -> Outcome:
    """P13: true energy without shaping."""
    found = _energies(stored, LATE)
    verdicts = [below(minus(found["ground_truth"]), -1000).verdict]
    verdicts += [below(found[mode], -300).verdict for mode in ("proxy", "proxy_sighted")]
    return Outcome(_each(found), worst(verdicts))


def eyes_help_the_mortal(stored: Stored) -> Outcome:
    """P11c: mortal agents at 1 M steps, true energy of proxy_sighted minus that of proxy."""
    energy = f"{LATE}.true_energy"
    more = stats.difference_interval(
        seeds(stored, "proxy_sighted", energy), seeds(stored, "proxy", energy)
    )
    return below(minus(more), 0)._replace(measured=f"difference {more}")


def networks_agree(stored: Stored) -> Outcome:
    """P14: true energy of the default network's four agents at 300,000 steps."""
    found = _energies(stored, EARLY)
    verdicts = [
        below(minus(found["ground_truth"]), -1000).verdict,
        *(below(found[mode], -400).verdict for mode in ("proxy", "proxy_sighted")),
        inside(found["proxy_jammed"], -300, 300).verdict,
    ]
    return Outcome(_each(found), worst(verdicts))


def _energies(stored: Stored, when: str) -> dict[str, stats.Interval]:
    return {mode: stats.t_interval(seeds(stored, mode, f"{when}.true_energy")) for mode in MODES}


def _each(found: Mapping[str, stats.Interval]) -> str:
    return ", ".join(f"{m} {i.estimate:,.0f} [{i.low:,.0f}, {i.high:,.0f}]"
                     for m, i in found.items())  # fmt: skip
