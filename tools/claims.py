"""What the book claims about training, each claim with its page, its experiment and its interval.

The pages' contracts assert what their prose says; this is the list of it in one place, measured
anew from the stored results.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from goodharts_lib import fits, stats
from goodharts_lib.experiments import analysis, cloning_story
from goodharts_lib.experiments.analysis import EARLY, LATE, seeds
from goodharts_lib.experiments.results import Stored, by_condition, values
from goodharts_lib.modes import MODES
from goodharts_lib.plotting import optimisation, phase
from goodharts_lib.stats import Interval


class Claim(NamedTuple):
    """A claim about training.

    Attributes:
        page: number of the page that makes it, or `FIRST`, or `README`.
        text: what is measured, so that the row can be read alone; with its unit, unless it is a
            score per 1,000 steps in worlds where nobody dies.
        experiment: name of the experiment behind it.
        measure: from the experiment's stored results to an estimate with its interval.
        decimals: how many to show.
    """

    page: int
    text: str
    experiment: str
    measure: Callable[[Stored], Any]
    decimals: int = 0


TIED = "\N{NO-BREAK SPACE}"
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
FIRST, README = 0, 11  # stand before and after the numbered pages
END = f"at.{LATE}"
ENERGY = f"{END}.immortal.true_energy"
PROXY_SCORE = f"{END}.immortal.proxy_score"
MORTAL = f"{END}.mortal.true_energy"
LAST = "at.last.immortal.true_energy"
CLONE = "at.end.immortal.true_energy"
GREEDY = "at.end.greedy.true_energy"


def _mean(condition: str, path: str = ENERGY) -> Callable[[Stored], Interval]:
    return lambda stored: stats.t_interval(seeds(stored, condition, path))


def _difference(more: str, less: str, path: str = ENERGY) -> Callable[[Stored], Interval]:
    return lambda stored: stats.difference_interval(
        seeds(stored, more, path), seeds(stored, less, path)
    )


def _replicated(mode: str) -> Callable[[Stored], Interval]:
    path = f"at.{EARLY}.immortal.true_energy"  # three seeds: not enough for `_difference`
    return lambda stored: stats.difference_interval(
        values(stored, f"ours {mode}", path), values(stored, f"sb3 {mode}", path)
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


def _noise_costs(noise: float) -> Callable[[Stored], Interval]:
    path = "learned_at"  # in steps; a run that has not learned has none, and is refused
    return lambda stored: stats.difference_interval(*(
        [steps / 1000 for steps in seeds(stored, condition, path)]
        for condition in (f"gap 0.1 noise {noise:g}", "gap 0.1")
    ))  # fmt: skip


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
    Claim(FIRST, "Proxy score of `ground_truth` after a million steps", "two_by_two",
          _mean("ground_truth", PROXY_SCORE)),
    Claim(FIRST, "Proxy score of `proxy` after a million steps", "two_by_two",
          _mean("proxy", PROXY_SCORE)),
    Claim(FIRST, "Proxy score of `proxy_sighted` after a million steps", "two_by_two",
          _mean("proxy_sighted", PROXY_SCORE)),
    Claim(3, "Accuracy of clones of `food_only` from 10,000 samples, as a share of held-out views",
          "cloning", _mean("food_only 10000", "last_epoch.accuracy"), 3),
    Claim(3, "True energy that clones of `food_only` from 10,000 samples lack, beside their expert",
          "cloning", _difference("food_only itself", "food_only 10000", CLONE)),
    Claim(3, "True energy of clones of `food_only` from 10,000 samples: with DAgger, minus with as "
             "many steps of the optimiser and no advice",
          "cloning", _difference("food_only 10000 DAgger", "food_only 10000 longer",
                                 CLONE)),
    Claim(3, "True energy of clones of `food_only` from 1,000 samples: with DAgger, minus with as "
             "many steps of the optimiser and no advice",
          "cloning", _difference("food_only 1000 DAgger", "food_only 1000 longer",
                                 CLONE)),
    Claim(3, "*Mortal:* true energy of clones of `omniscient_seeker` from 10,000 samples that draw "
             "their moves",
          "cloning", _mean("omniscient_seeker 10000", "at.end.mortal.true_energy")),
    Claim(3, "*Mortal:* true energy of clones of `omniscient_seeker` from 10,000 samples that "
             "always take the likeliest move",
          "cloning", _mean("omniscient_seeker 10000", GREEDY)),
    Claim(3, "*Mortal:* true energy that clones of `omniscient_seeker` from 10,000 samples gain by "
             "drawing their moves instead",
          "cloning", _sampling_instead),
    Claim(4, "True energy of `ground_truth` trained without shaping, after a million steps",
          "shaping_off", _mean("ground_truth")),
    Claim(4, "True energy of `proxy` trained without shaping, after a million steps",
          "shaping_off", _mean("proxy")),
    Claim(5, "True energy of `ground_truth` after a million steps", "two_by_two",
          _mean("ground_truth")),
    Claim(5, "True energy of `proxy_jammed` after a million steps", "two_by_two",
          _mean("proxy_jammed")),
    Claim(5, "True energy of `proxy_sighted` after a million steps", "two_by_two",
          _mean("proxy_sighted")),
    Claim(5, "True energy of `proxy` after a million steps", "two_by_two", _mean("proxy")),
    Claim(5, "True energy of `proxy` after a million steps, minus the random walk's", "two_by_two",
          _difference("proxy", "random")),
    Claim(5, "True energy of `proxy_sighted` minus that of `proxy`, after a million steps: what "
             "better eyes are worth to an agent that is paid by the sensor", "two_by_two",
          _difference("proxy_sighted", "proxy")),
    Claim(5, "Main effect of the eyes on true energy, as a share of that of the wages, after "
             "300,000 steps", "two_by_two",
          _eyes_over_wages(EARLY), 2),
    Claim(5, "Main effect of the eyes on true energy, as a share of that of the wages, after a "
             "million steps", "two_by_two", _eyes_over_wages(LATE), 2),
    Claim(5, "True energy of `proxy` that could die in training, after 300,000 steps", "mortality",
          _mean("proxy", f"at.{EARLY}.immortal.true_energy")),
    Claim(5, "True energy of `proxy` that could die in training, after two million steps",
          "mortality", _mean("proxy", LAST)),
    Claim(5, "Training after which `proxy` that could die in it stays above the random walk, in "
             "millions of steps", "mortality", _recovery, 2),
    Claim(5, "True energy of `proxy_sighted` minus that of `proxy`, both of which could die in "
             "training, after a million steps", "mortality",
          _difference("proxy_sighted", "proxy")),
    Claim(5, "True energy of `proxy_sighted` that could die in training, after two million steps",
          "mortality", _mean("proxy_sighted", LAST)),
    *(Claim(5, f"True energy of `{mode}` that could die in training, after a million steps",
            "mortality", _mean(mode)) for mode in MODES),
    Claim(6, "Change of the true energy of `proxy` in its first four updates, since the untrained "
             "network",
          "two_by_two", _first_block),
    Claim(6, "Proxy score of `proxy` minus that of `ground_truth`, after a million steps",
          "two_by_two", _difference("proxy", "ground_truth", PROXY_SCORE), 1),
    Claim(6, "*Mortal:* true energy of `proxy` that could die in training, in its own record of "
             "it, after 300,000 steps",
          "mortality", _recorded),
    Claim(7, "Slope of log learning time over log gap, if there were only one", "gap",
          _gap_slope, 2),
    Claim(7, "At gap 0: poison's share of the meals of `proxy_jammed`, minus that of an eater of "
             "everything", "gap", _blind_share, 3),
    Claim(7, "Learning time at a gap of 0.1 that a noise of 0.05 adds, in thousands of steps",
          "gap", _noise_costs(0.05)),
    Claim(7, "True energy of `proxy_jammed` at a gap of 0.1 with a noise of 0.1, in the end", "gap",
          _mean("gap 0.1 noise 0.1", LAST)),
    Claim(8, "Border of harm where poison takes three times what food gives, as poison's share of "
             "meals", "phase",
          _border(3.0), 3),
    Claim(8, "Border of harm where poison takes as much as food gives, as poison's share of meals",
          "phase", _border(1.0), 3),
    Claim(8, "Border of harm where poison takes ten times what food gives, as poison's share of "
             "meals", "phase", _border(10.0), 3),
    Claim(8, "*Mortal:* poison's share of items from which on `proxy` lives shorter than the "
             "random walk, over 500 steps",
          "phase", lambda stored: phase.border(stored, "mortal.rmst"), 3),
    Claim(8, "Poison that `proxy` eats, as a share of what an eater without taste would eat",
          "phase",
          _taste, 3),
    Claim(8, "True energy that `proxy` has more if it could die in training, where 30 % of the "
             "items are poison",
          "phase", _difference("mortal at 0.3", "share 0.3", LAST)),
    Claim(8, "*Mortal:* survival that `proxy` has more if it could die in training, where 20 % of "
             "the items are poison, in steps of 500", "phase",
          _difference("mortal at 0.2", "share 0.2", "at.last.mortal.rmst")),
    Claim(8, "True energy of `proxy` where poison reads 0.4", "interestingness",
          _mean("poison at 0.4", LAST)),
    Claim(8, "True energy of `proxy` where poison reads 0.6", "interestingness",
          _mean("poison at 0.6", LAST)),
    *(Claim(9, f"Swap effect of `{mode}` after a million steps, from 0 to 1", "two_by_two",
            _mean(mode, f"{END}.swap.tv"), 2) for mode in MODES),
    Claim(9, "Map of `proxy` by guided backprop: signed rank correlation with the one after two "
             "layers are drawn anew",
          "two_by_two", _mean("proxy", "cascade.guided_backprop.network_fc"), 2),
    Claim(9, "Map of `proxy` by the gradient: signed rank correlation with the one after two "
             "layers are drawn anew", "two_by_two",
          _mean("proxy", "cascade.gradient.network_fc"), 2),
    *(Claim(10, f"True energy of `{mode}` after 300,000 steps of our PPO, minus that after as many "
                "of Stable-Baselines3's", "replication", _replicated(mode)) for mode in MODES),
    *(Claim(10, f"True energy of `{mode}` after 300,000 steps with the default network",
            "two_by_two_base", _mean(mode, f"at.{EARLY}.immortal.true_energy")) for mode in MODES),
    *(Claim(README, f"*Mortal:* true energy of `{mode}` after a million steps", "two_by_two",
            _mean(mode, MORTAL)) for mode in MODES),
    Claim(README, "*Mortal:* proxy score of `ground_truth` after a million steps", "two_by_two",
          _mean("ground_truth", f"{END}.mortal.proxy_score")),
    Claim(README, "*Mortal:* proxy score of `proxy` after a million steps", "two_by_two",
          _mean("proxy", f"{END}.mortal.proxy_score")),
    Claim(README, "*Mortal:* survival of `proxy` after a million steps, in steps of 500",
          "two_by_two", _mean("proxy", f"{END}.mortal.rmst"), 1),
)  # fmt: skip


def claims_table(load: Callable[[str], Mapping[str, Any]]) -> str:
    """Return all claims in Markdown: for each page a heading that leads there, and a table.

    Args:
        load: from an experiment's name to its stored results.
    """
    header = [f"| claim | measured [95{TIED}% interval] | experiment | seeds |", "|---" * 4 + "|"]
    lines = []
    for page in sorted({claim.page for claim in CLAIMS}):
        lines += ["", f"## {_heading(page)}", "", *header]
        for claim in (claim for claim in CLAIMS if claim.page == page):
            found = claim.measure(load(claim.experiment))
            cells = (claim.text, measured(found, claim.decimals), f"`{claim.experiment}`",
                     _seeds(found))  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def measured(found: Interval | fits.Crossing, decimals: int) -> str:
    """Return an estimate with its interval; no line is broken inside, but only before it."""
    numbers = (round(float(x), decimals) + 0.0 for x in found[:3])  # no -0.0
    middle, low, high = (f"{x:,.{decimals}f}".replace("-", "−") for x in numbers)
    return f"{middle} [{low},{TIED}{high}]"


def _heading(page: int) -> str:
    """Return a page's title as a link to it."""
    if page in (FIRST, README):
        return {FIRST: "[The first page](index.md)", README: "The README"}[page]
    (path,) = NOTEBOOKS.glob(f"{page:02d}_*.ipynb")
    first = json.loads(path.read_text(encoding="utf-8"))["cells"][0]["source"][0]
    title = first.removeprefix("# ").strip()
    return f"[{title}](../notebooks/{path.name})"


def _seeds(found: Interval | fits.Crossing) -> str:
    """Return how many training seeds stand behind each condition."""
    n = found.n
    return f" and{TIED}".join(map(str, n)) if isinstance(n, tuple) else str(n)
