"""How each prediction is decided: from stored results to a sentence and a verdict."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

import numpy as np

from goodharts_lib import contrasts, fits, stats
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.analysis import (
    HARMS,
    MIN_SEEDS,
    TooFewError,
    eyes_over_wages,
    learning_times,
    phase_columns,
    phase_line,
    seeds,
)
from goodharts_lib.experiments.results import Stored
from goodharts_lib.experiments.verdicts import Outcome, Verdict, enough, inside, worst
from goodharts_lib.modes import MODES
from goodharts_lib.stats import Interval

EARLY, LATE = (f"at.{steps}.immortal" for steps in (analysis.EARLY, analysis.LATE))
LAST = "at.last.immortal"


def proxy_earns_more(stored: Stored) -> Outcome:
    """P1a: the proxy agent's proxy score minus the ground-truth agent's."""
    more = _more(stored, "proxy", "ground_truth", f"{LATE}.proxy_score")
    return inside(more, 0, math.inf, "difference ")


def proxy_below_random(stored: Stored) -> Outcome:
    """P1b: the proxy agent's true energy minus the random walk's."""
    more = _more(stored, "proxy", "random", f"{LATE}.true_energy")
    return inside(more, -math.inf, 0, "difference ")


def break_points(stored: Stored) -> Outcome:
    """P2: where the proxy's true energy crosses the random walk's, for each h/g."""
    words, verdicts, beyond = [], [], []
    enough({share: len(meals) for share, (meals, _) in phase_columns(stored).items()})
    for harm in HARMS:
        share, gain = phase_line(stored, harm)
        critical = 1 / (1 + harm)
        if not min(share) < critical < max(share):
            beyond.append(f"{harm:g}")
            continue
        crossing = fits.zero_crossing(share, gain, np.random.default_rng(0))
        shown = ["open" if x is None else f"{x:.3f}" for x in crossing[:3]]
        words.append(f"h/g {harm:g}: {shown[0]} [{shown[1]}, {shown[2]}] against {critical:.3f}")
        verdicts.append(inside(_open(crossing), critical - 0.05, critical + 0.05).verdict)
    if beyond:
        words.append(f"h/g {' and '.join(beyond)}: p* lies beyond the shares measured")
    return Outcome("; ".join(words), worst(verdicts))


def _open(crossing: fits.Crossing) -> Interval:
    """Return a crossing's interval; where a side is open it goes on for ever."""
    low, high = (
        limit if bound is None else bound
        for bound, limit in ((crossing.low, -math.inf), (crossing.high, math.inf))
    )
    estimate = math.nan if crossing.estimate is None else crossing.estimate
    return Interval(estimate, low, high, crossing.level, "zero crossing", crossing.n)


def learns_the_gap(stored: Stored) -> Outcome:
    """P3: on how many seeds it learned: at least four fifths at gap 0.1, none at gap 0."""
    learned, words = {}, []
    for gap in ("gap 0.1", "gap 0"):
        units = [unit for unit in stored["units"] if unit["condition"] == gap]
        if len(units) < MIN_SEEDS:
            raise TooFewError(f"{len(units)} seeds of {gap}; the claim needs {MIN_SEEDS}.")
        count = sum(unit["metrics"]["learned_at"] is not None for unit in units)
        learned[gap] = count / len(units)
        words.append(f"{count} of {len(units)} seeds at {gap}")
    held = learned["gap 0.1"] >= 0.8 and learned["gap 0"] == 0
    return Outcome(", ".join(words), "confirmed" if held else "refuted")


def blind_eats_alike(stored: Stored) -> Outcome:
    """P3b: poison's share of meals at gap 0 minus that of an agent that eats everything."""
    food = _more(stored, "eat_everything", "gap 0", "at.end.immortal.food_share")
    return inside(food, -0.05, 0.05, "difference ")


def gap_slope(stored: Stored) -> Outcome:
    """P4: the slope of log learning time on log gap, unlearned runs censored."""
    gaps, times, seen = learning_times(stored)
    enough(Counter(gaps))
    fit = fits.censored_loglog_slope(gaps, times, seen)
    words = f"slope, {sum(seen)} learned and {len(seen) - sum(seen)} censored: "
    return inside(fit.slope, -2.5, -1.0, words)


def sight_does_not_help(stored: Stored) -> Outcome:
    """P5a: true energy of proxy_sighted minus proxy."""
    more = _more(stored, "proxy_sighted", "proxy", f"{LATE}.true_energy")
    return inside(more, -150, 150, "difference ")


def eyes_matter_early(stored: Stored) -> Outcome:
    """P5b: the eyes' main effect as a share of the wages'."""
    early, late = (eyes_over_wages(stored, step) for step in (analysis.EARLY, analysis.LATE))
    verdicts = [inside(early, 0.25, math.inf).verdict, inside(late, -math.inf, 0.25).verdict]
    return Outcome(f"share {early} at 300,000; {late} at 1 M", worst(verdicts))


def copies_fall_short(stored: Stored) -> Outcome:
    """P7a: accuracy of the clones of food_only, and how much less they make than their expert."""
    accuracy = stats.t_interval(seeds(stored, "food_only 10000", "last_epoch.accuracy"))
    energy = "at.end.immortal.true_energy"
    short = _more(stored, "food_only itself", "food_only 10000", energy)
    verdicts = [inside(accuracy, 0.95, math.inf).verdict, inside(short, 100, math.inf).verdict]
    return Outcome(f"accuracy {accuracy}; shortfall {short}", worst(verdicts))


def dagger_helps(stored: Stored) -> Outcome:
    """P7b: the share of the shortfall that DAgger closes, and what as many steps do without it."""
    mended, control = (_closed(stored, f"food_only 10000 {how}") for how in ("DAgger", "longer"))
    return Outcome(
        f"share {mended}; as many steps without DAgger close {control.estimate:.2f}",
        inside(mended, 0.5, math.inf).verdict,
    )


def _closed(stored: Stored, mended: str) -> Interval:
    """Return the share of a plain clone's shortfall that another clone does not have."""
    names = (mended, "food_only 10000", "food_only itself")
    cells = [seeds(stored, name, "at.end.immortal.true_energy") for name in names]
    return contrasts.ratio_interval(cells, top=(1, -1, 0), bottom=(0, -1, 1))


def guided_fails(stored: Stored) -> Outcome:
    """P8: rank correlation with the trained map, policy and hidden layer drawn anew.

    The new weights are one draw, the same for every training seed, so the intervals are over
    agents and not over draws.
    """
    words, verdicts = [], []
    limits = {
        "guided_backprop": (0.3, math.inf),
        "gradient": (-0.15, 0.15),
        "integrated_gradients": (-0.15, 0.15),
    }
    for method, between in limits.items():
        path = f"cascade.{method}.network_fc"
        found = [stats.t_interval(seeds(stored, mode, path)) for mode in MODES]
        verdicts += [inside(interval, *between).verdict for interval in found]
        words.append(f"{method} " + ", ".join(f"{i.estimate:+.2f} [{i.low:.2f}, {i.high:.2f}]"
                                              for i in found))  # fmt: skip
    return Outcome(
        f"{'; '.join(words)} ({', '.join(MODES)}; one draw of new weights for all seeds)",
        worst(verdicts),
    )


def death_lowers_poison(stored: Stored) -> Outcome:
    """P11a: poison of the mortal proxy agent at 2 M steps minus at 300,000.

    Both are of the same agents, but go together so little that Welch's interval serves.
    """
    late, early = (seeds(stored, "proxy", f"{when}.poison") for when in (LAST, EARLY))
    return inside(stats.difference_interval(late, early), -math.inf, 0, "change ")


def death_teaches(stored: Stored) -> Outcome:
    """P11b: true energy of the mortal proxy agent at 2 M steps minus the random walk's."""
    more = _more(stored, "proxy", "random", f"{LAST}.true_energy")
    return inside(more, 0, math.inf, "difference ")


def eyes_help_the_mortal(stored: Stored) -> Outcome:
    """P11c: mortal agents at 1 M steps, true energy of proxy_sighted minus that of proxy."""
    more = _more(stored, "proxy_sighted", "proxy", f"{LATE}.true_energy")
    return inside(more, 0, math.inf, "difference ")


def nearly_right_is_not_enough(stored: Stored) -> Outcome:
    """P12: poison's share of meals at 0.6 and at 0.2 interestingness, against that at 1."""

    def share(lure: float) -> list[float]:
        return [1 - x for x in seeds(stored, f"poison at {lure:g}", f"{LAST}.food_share")]

    high = contrasts.contrast_interval([share(0.6), share(1.0)], [1, -0.75])
    low = contrasts.contrast_interval([share(0.2), share(1.0)], [1, -0.5])
    told = ", ".join(f"{np.mean(share(lure)):.3f} at {lure:g}" for lure in (0.2, 0.6, 1.0))
    words = f"shares {told}; 0.6 less 3/4 of 1: {high}; 0.2 less 1/2 of 1: {low}"
    verdicts = [inside(high, 0, math.inf).verdict, inside(low, -math.inf, 0).verdict]
    return Outcome(words, worst(verdicts))


def shaping_is_not_the_cause(stored: Stored) -> Outcome:
    """P13: true energy without shaping."""
    limits = dict.fromkeys(("proxy", "proxy_sighted"), (-math.inf, -300.0))
    return _energies(stored, LATE, {"ground_truth": (1000.0, math.inf)} | limits)


def networks_agree(stored: Stored) -> Outcome:
    """P14: true energy of the default network's four agents at 300,000 steps."""
    limits = dict.fromkeys(("proxy", "proxy_sighted"), (-math.inf, -400.0))
    limits |= {"ground_truth": (1000.0, math.inf), "proxy_jammed": (-300.0, 300.0)}
    return _energies(stored, EARLY, limits)


def _more(stored: Stored, one: str, other: str, path: str) -> Interval:
    """Return how much more of a metric one condition has than another."""
    return stats.difference_interval(seeds(stored, one, path), seeds(stored, other, path))


def _energies(stored: Stored, when: str, limits: Mapping[str, tuple[float, float]]) -> Outcome:
    """Judge the claim that true energy lies between limits, for each mode that has any."""
    found = {mode: stats.t_interval(seeds(stored, mode, f"{when}.true_energy")) for mode in MODES}
    words = ", ".join(f"{mode} {i.estimate:,.0f} [{i.low:,.0f}, {i.high:,.0f}]"
                      for mode, i in found.items())  # fmt: skip
    verdicts: list[Verdict] = [inside(found[m], *between).verdict for m, between in limits.items()]
    return Outcome(words, worst(verdicts))
