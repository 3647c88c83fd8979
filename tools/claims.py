"""What the book claims about training, each claim with its page, its experiment and its interval.

The pages' contracts assert what their prose says; this is the list of it in one place, measured
anew from the stored results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from goodharts_lib import fits, stats
from goodharts_lib.experiments import analysis, cloning_story
from goodharts_lib.experiments.analysis import EARLY, LATE, seeds
from goodharts_lib.experiments.results import Stored, by_condition
from goodharts_lib.plotting import optimisation, phase
from goodharts_lib.stats import Interval


class Claim(NamedTuple):
    """A claim about training.

    Attributes:
        page: number of the page that makes it.
        text: the claim, with what is measured.
        experiment: name of the experiment behind it.
        measure: from the experiment's stored results to an estimate with its interval.
        decimals: how many to show.
    """

    page: int
    text: str
    experiment: str
    measure: Callable[[Stored], Any]
    decimals: int = 0


END = f"at.{LATE}"
ENERGY = f"{END}.immortal.true_energy"
LAST = "at.last.immortal.true_energy"
CLONE = "at.end.immortal.true_energy"
GREEDY = "at.end.greedy.true_energy"


def _mean(condition: str, path: str = ENERGY) -> Callable[[Stored], Interval]:
    return lambda stored: stats.t_interval(seeds(stored, condition, path))


def _difference(more: str, less: str, path: str = ENERGY) -> Callable[[Stored], Interval]:
    return lambda stored: stats.difference_interval(
        seeds(stored, more, path), seeds(stored, less, path)
    )


def _eyes_over_wages(step: int) -> Callable[[Stored], Interval]:
    return lambda stored: analysis.eyes_over_wages(stored, step)


def _border(harm: float) -> Callable[[Stored], fits.Crossing]:
    return lambda stored: fits.zero_crossing(
        *analysis.phase_line(stored, harm), np.random.default_rng(0)
    )


def _recovery(stored: Stored) -> Interval:
    found = []
    for steps in analysis.recovery(stored):
        if steps is None:  # left out, it would make the others' recovery look like everybody's
            raise ValueError("a run never passed the random walk, so the mean time is unknown.")
        found.append(steps / 1e6)
    return stats.t_interval(found)


def _gap_slope(stored: Stored) -> Interval:
    return fits.censored_loglog_slope(*analysis.learning_times(stored)).slope


def _blind_share(stored: Stored) -> Interval:
    return stats.difference_interval(*(
        [analysis.meals_share(analysis.last(unit)["immortal"]) for unit in units]
        for units in (by_condition(stored["units"])[name] for name in ("gap 0", "eat_everything"))
    ))  # fmt: skip


def _first_block(stored: Stored) -> Interval:
    return stats.t_interval(optimisation.early_blocks(stored, "proxy")[1][:, 0])


def _recorded(stored: Stored) -> Interval:
    return stats.t_interval(optimisation.recorded(stored, EARLY))


def _taste(stored: Stored) -> Interval:
    tastes = np.array(list(phase.appetite(stored).values()))  # (n_shares, n_seeds)
    return stats.t_interval(tastes.mean(0))


def _sampling_instead(stored: Stored) -> Interval:
    seeker = cloning_story.evidence(stored, "omniscient_seeker 10000")
    return seeker.greedy_decoding.sampling_instead


CLAIMS = (
    Claim(3, "Clones of `food_only` from 10,000 samples agree with it so often",
          "cloning", _mean("food_only 10000", "last_epoch.accuracy"), 3),
    Claim(3, "and lack so much true energy",
          "cloning", _difference("food_only itself", "food_only 10000", CLONE)),
    Claim(3, "Practising longer wins so much less than DAgger, from 10,000 samples",
          "cloning", _difference("food_only 10000 DAgger", "food_only 10000 longer",
                                 CLONE)),
    Claim(3, "and from 1,000",
          "cloning", _difference("food_only 1000 DAgger", "food_only 1000 longer",
                                 CLONE)),
    Claim(3, "Clones of `omniscient_seeker` at the ceiling of accuracy have, greedy, true energy",
          "cloning", _mean("omniscient_seeker 10000", GREEDY)),
    Claim(3, "and gain by sampling instead", "cloning", _sampling_instead),
    Claim(4, "True energy of `ground_truth` that learned without shaping, after a million steps",
          "shaping_off", _mean("ground_truth")),
    Claim(4, "of `proxy` that learned without shaping", "shaping_off", _mean("proxy")),
    Claim(5, "True energy of `ground_truth` after a million steps", "two_by_two",
          _mean("ground_truth")),
    Claim(5, "of `proxy_jammed`", "two_by_two", _mean("proxy_jammed")),
    Claim(5, "of `proxy_sighted`", "two_by_two", _mean("proxy_sighted")),
    Claim(5, "of `proxy`", "two_by_two", _mean("proxy")),
    Claim(5, "`proxy` minus the random walk", "two_by_two", _difference("proxy", "random")),
    Claim(5, "What eyes are worth to who is paid by the sensor", "two_by_two",
          _difference("proxy_sighted", "proxy")),
    Claim(5, "The eyes' main effect as a share of the wages', after 300,000 steps", "two_by_two",
          _eyes_over_wages(EARLY), 2),
    Claim(5, "and after a million", "two_by_two", _eyes_over_wages(LATE), 2),
    Claim(5, "True energy of `proxy` that dies in training, after 300,000 steps", "mortality",
          _mean("proxy", f"at.{EARLY}.immortal.true_energy")),
    Claim(5, "and after two million", "mortality",
          _mean("proxy", LAST)),
    Claim(5, "It passes the random walk after so many million steps", "mortality", _recovery, 2),
    Claim(6, "True energy of `proxy` in its first four updates of learning, compared with before",
          "two_by_two", _first_block),
    Claim(6, "Proxy score of `proxy` minus that of `ground_truth` after a million steps",
          "two_by_two", _difference("proxy", "ground_truth", f"{END}.immortal.proxy_score"), 1),
    Claim(6, "True energy of the mortal `proxy` in its own record, after 300,000 steps",
          "mortality", _recorded),
    Claim(7, "Slope of log learning time over log gap, if there were only one", "gap",
          _gap_slope, 2),
    Claim(7, "At gap 0, poison's share of the meals of `proxy_jammed` minus that of one that eats "
             "everything", "gap", _blind_share, 3),
    Claim(8, "Border for poison that takes three times what food gives, share of meals", "phase",
          _border(3.0), 3),
    Claim(8, "for as much", "phase", _border(1.0), 3),
    Claim(8, "for ten times", "phase", _border(10.0), 3),
    Claim(8, "Share of items at which `proxy` lives shorter than the random walk, of 500 steps",
          "phase", lambda stored: phase.border(stored, "mortal.rmst"), 3),
    Claim(8, "Poisons that `proxy` eats for each that an eater without taste would", "phase",
          _taste, 3),
    Claim(8, "True energy that `proxy` has more if it could die in training, at 30 % of poison",
          "phase", _difference("mortal at 0.3", "share 0.3", LAST)),
    Claim(8, "Survival that it has more, at 20 %", "phase",
          _difference("mortal at 0.2", "share 0.2", "at.last.mortal.rmst")),
    Claim(8, "True energy of `proxy` where poison glows 0.4", "interestingness",
          _mean("poison at 0.4", LAST)),
    Claim(8, "and where it glows 0.6", "interestingness",
          _mean("poison at 0.6", LAST)),
    Claim(9, "Swap effect of `ground_truth` after a million steps", "two_by_two",
          _mean("ground_truth", f"{END}.swap.tv"), 2),
    Claim(9, "of `proxy_jammed`", "two_by_two", _mean("proxy_jammed", f"{END}.swap.tv"), 2),
    Claim(9, "of `proxy_sighted`", "two_by_two", _mean("proxy_sighted", f"{END}.swap.tv"), 2),
    Claim(9, "of `proxy`", "two_by_two", _mean("proxy", f"{END}.swap.tv"), 2),
    Claim(9, "Guided backprop's map of `proxy` keeps so much when two layers are drawn anew",
          "two_by_two", _mean("proxy", "cascade.guided_backprop.network_fc"), 2),
    Claim(9, "the gradient's", "two_by_two",
          _mean("proxy", "cascade.gradient.network_fc"), 2),
)  # fmt: skip


def claims_table(load: Callable[[str], Mapping[str, Any]]) -> str:
    """Return all claims as a Markdown table: page, claim, measured, experiment, training seeds.

    Args:
        load: from an experiment's name to its stored results.
    """
    lines = ["| page | claim | measured [95 % interval] | experiment | seeds |", "|---" * 5 + "|"]
    for claim in CLAIMS:
        found = claim.measure(load(claim.experiment))
        numbers = (round(float(x), claim.decimals) + 0.0 for x in found[:3])  # no -0.0
        middle, low, high = (f"{x:,.{claim.decimals}f}".replace("-", "−") for x in numbers)
        lines.append(f"| {claim.page} | {claim.text} | {middle} [{low}, {high}] | "
                     f"`{claim.experiment}` | {_seeds(found)} |")  # fmt: skip
    return "\n".join(lines)


def _seeds(found: Interval | fits.Crossing) -> str:
    """Return how many training seeds stand behind each condition."""
    n = found.n
    return " and ".join(map(str, n)) if isinstance(n, tuple) else str(n)
