"""What the cloning experiment says of the four reasons why a faithful copy may starve.

Everything here is a function of stored results, and raises `TooFewError` without enough seeds.
Intervals are over training seeds. Two conditions share seeds, but nothing shows that their clones
go together, so a difference between conditions is Welch's; two numbers of one clone are a pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

from scipy.stats import spearmanr

from goodharts_lib import fits
from goodharts_lib.errors import one_of
from goodharts_lib.experiments import results
from goodharts_lib.experiments.analysis import seeds
from goodharts_lib.experiments.cloning import conditions
from goodharts_lib.experiments.results import Stored
from goodharts_lib.stats import Interval, difference_interval, t_interval

Decoding = Literal["sampled", "greedy"]
INTERVENTIONS = (  # a reason, a condition, and the same without that reason
    ("no negative examples", "omniscient_seeker 10000", "omniscient_seeker 10000 synthetic"),
    ("no negative examples", "food_only 1000", "food_only 1000 synthetic"),
    ("distribution shift", "omniscient_seeker 10000 longer", "omniscient_seeker 10000 DAgger"),
    ("distribution shift", "food_only 10000 longer", "food_only 10000 DAgger"),
    ("distribution shift", "food_only 1000 longer", "food_only 1000 DAgger"),
    ("copying is not surviving", "omniscient_seeker 10000", "food_only 10000"),
)
COLUMNS = (  # of the table: title, decimals, path
    ("accuracy", 3, "last_epoch.accuracy"),
    ("its ceiling", 3, "last_epoch.ceiling"),
    ("with food in view", 3, "last_epoch.accuracy_food_in_view"),
    ("its ceiling", 3, "last_epoch.ceiling_food_in_view"),
    ("cross-entropy", 2, "last_epoch.cross_entropy"),
    ("true energy", 0, "at.end.immortal.true_energy"),
    ("poison", 1, "at.end.immortal.poison"),
    ("mortal", 0, "at.end.mortal.true_energy"),
    ("mortal, greedy", 0, "at.end.greedy.true_energy"),
    ("pacing", 2, "visited.sampled.pacing"),
    ("pacing, greedy", 2, "visited.greedy.pacing"),
)


def mean(stored: Stored, condition: str, path: str) -> Interval:
    """Return the mean of a metric over training seeds."""
    return t_interval(seeds(stored, condition, path))


def paired(stored: Stored, condition: str, path: str, minus: str) -> Interval:
    """Return the mean difference of two metrics of one and the same unit.

    The interval's method names the correlation over seeds that pairing rests on; where one metric
    has no spread there is none, and the interval is the other's.
    """
    one, other = seeds(stored, condition, path), seeds(stored, condition, minus)
    if 1 in (len(set(one)), len(set(other))):
        return t_interval([a - b for a, b in zip(one, other, strict=True)])
    difference, correlation = fits.paired_difference(one, other)
    return difference._replace(method=f"paired t, correlation {correlation.estimate:.2f}")


class Accuracy(NamedTuple):
    """How well clones imitate on held-out states of their expert, each in [0, 1].

    Attributes:
        accuracy: share of states where the likeliest action is the expert's.
        ceiling: the most that anyone can expect, as the expert takes random steps.
        gap: the ceiling minus the accuracy, clone by clone.
        accuracy_food_in_view, ceiling_food_in_view: the same over states with food in view.
    """

    accuracy: Interval
    ceiling: Interval
    gap: Interval
    accuracy_food_in_view: Interval
    ceiling_food_in_view: Interval


def accuracy(stored: Stored, condition: str, of: str = "last_epoch") -> Accuracy:
    """Return the accuracy of a condition's clones and its ceiling.

    Args:
        stored: results of the experiment.
        condition: whose clones.
        of: where: ``last_epoch`` on the expert's states, ``visited.sampled.imitation`` and
            ``visited.greedy.imitation`` on those that the clones come to.
    """
    keys = ("accuracy", "ceiling", "accuracy_food_in_view", "ceiling_food_in_view")
    means = {key: mean(stored, condition, f"{of}.{key}") for key in keys}
    return Accuracy(gap=paired(stored, condition, f"{of}.ceiling", f"{of}.accuracy"), **means)


class Course(NamedTuple):
    """How accuracy and true energy went together over the epochs of one clone.

    Attributes:
        seed: of the clone.
        rank: rank correlation of the two over the epochs; None if either never changed.
        best: the epoch of most true energy, from 1. It is chosen by a noisy number, so some of the
            fall after it comes from the choice alone; `rank` chooses nothing.
        accuracy_change, energy_change: from that epoch to the last.
        last_energy: true energy per 1,000 steps after the last epoch, in a few mortal worlds.
    """

    seed: int
    rank: float | None
    best: int
    accuracy_change: float
    energy_change: float
    last_energy: float

    @property
    def parted(self) -> bool:
        """Whether accuracy rose while true energy fell, from the best epoch to the last."""
        return self.accuracy_change > 0 > self.energy_change


def courses(stored: Stored, condition: str, decoding: Decoding) -> tuple[Course, ...]:
    """Return the course of every clone of a condition, in the order of the seeds.

    Raises:
        UserError: no clone of this condition is stored.
    """
    grouped = results.by_condition(stored["units"])
    units = grouped[one_of("condition", condition, grouped)]
    return tuple(_course(unit["seed"], unit["curves"], decoding) for unit in units)


def _course(seed: int, curves: Mapping[str, Sequence[float]], decoding: Decoding) -> Course:
    right, energy = curves["accuracy"], curves[f"true_energy_{decoding}"]
    best = max(range(len(energy)), key=energy.__getitem__)
    changes = len(set(right)) > 1 and len(set(energy)) > 1
    return Course(
        seed=seed,
        rank=float(spearmanr(right, energy).statistic) if changes else None,
        best=best + 1,
        accuracy_change=right[-1] - right[best],
        energy_change=energy[-1] - energy[best],
        last_energy=energy[-1],
    )


class NoNegativeExamples(NamedTuple):
    """Does an expert without mistakes leave its clones unwarned?

    Share of the expert's states with poison one step away; poison eaten per 1,000 steps, by the
    expert and by its clones sampled (immortal) and greedy (mortal).
    """

    poison_adjacent: Interval
    expert_poison: Interval
    sampled_poison: Interval
    greedy_poison: Interval


class DistributionalShift(NamedTuple):
    """Do clones come to other states, and do they imitate worse there?

    Total variation between the kinds of states of the clones and of their expert, in [0, 1]; by how
    much accuracy misses its ceiling on the expert's states and on the clones'.
    """

    sampled: Interval
    greedy: Interval
    gap_expert: Interval
    gap_sampled: Interval
    gap_greedy: Interval


class CopyingIsNotSurviving(NamedTuple):
    """How well does the expert itself live, and what of it does a copy keep?

    True energy per 1,000 steps in the same immortal worlds, and the expert's minus the clone's. The
    expert has one number: no training seed, and the same worlds beside every clone.
    """

    expert: float
    clone: Interval
    shortfall: Interval


class GreedyDecoding(NamedTuple):
    """Does always taking the likeliest action pace to and fro?

    Share of steps that take back the last one; true energy (mortal) sampled minus greedy.
    """

    expert_pacing: Interval
    sampled_pacing: Interval
    greedy_pacing: Interval
    sampling_instead: Interval


class Evidence(NamedTuple):
    """What speaks for each reason in the clones of one condition."""

    no_negative_examples: NoNegativeExamples
    distributional_shift: DistributionalShift
    copying_is_not_surviving: CopyingIsNotSurviving
    greedy_decoding: GreedyDecoding


def evidence(stored: Stored, condition: str) -> Evidence:
    """Return what speaks for each reason in the clones of one condition."""

    def gap(where: str) -> Interval:
        return minus(f"{where}.ceiling", f"{where}.accuracy")

    of, minus = partial(mean, stored, condition), partial(paired, stored, condition)
    energy = "at.end.immortal.true_energy"
    return Evidence(
        NoNegativeExamples(
            poison_adjacent=of("expert.poison_adjacent"),
            expert_poison=of("expert.poison"),
            sampled_poison=of("at.end.immortal.poison"),
            greedy_poison=of("at.end.greedy.poison"),
        ),
        DistributionalShift(
            sampled=of("visited.sampled.shift"),
            greedy=of("visited.greedy.shift"),
            gap_expert=gap("last_epoch"),
            gap_sampled=gap("visited.sampled.imitation"),
            gap_greedy=gap("visited.greedy.imitation"),
        ),
        CopyingIsNotSurviving(
            expert=of("expert.true_energy").estimate,
            clone=of(energy),
            shortfall=minus("expert.true_energy", energy),
        ),
        GreedyDecoding(
            expert_pacing=of("expert.pacing"),
            sampled_pacing=of("visited.sampled.pacing"),
            greedy_pacing=of("visited.greedy.pacing"),
            sampling_instead=minus("at.end.mortal.true_energy", "at.end.greedy.true_energy"),
        ),
    )


class Effect(NamedTuple):
    """What taking a reason away does to true energy per 1,000 steps.

    Attributes:
        reason: that is taken away.
        base, mended: the conditions with it and without it.
        immortal, mortal: change of true energy of sampled clones, in worlds of either kind.
        greedy: change of true energy of greedy clones, mortal.
    """

    reason: str
    base: str
    mended: str
    immortal: Interval
    mortal: Interval
    greedy: Interval


def effect(stored: Stored, reason: str, base: str, mended: str) -> Effect:
    """Return what `mended` has more of true energy than `base`."""
    changes = {
        life: difference_interval(
            seeds(stored, mended, f"at.end.{life}.true_energy"),
            seeds(stored, base, f"at.end.{life}.true_energy"),
        )
        for life in ("immortal", "mortal", "greedy")
    }
    return Effect(reason, base, mended, **changes)


def interventions(stored: Stored) -> tuple[Effect, ...]:
    """Return the effect of taking away each reason but greedy decoding (see `GreedyDecoding`)."""
    return tuple(effect(stored, *row) for row in INTERVENTIONS)


def table(stored: Stored) -> str:
    """Return all conditions of more than one seed in Markdown, means with 95 % t intervals."""
    grouped = results.by_condition(stored["units"])
    lines = [
        "| condition | seeds | " + " | ".join(title for title, _, _ in COLUMNS) + " |",
        "|---" * (len(COLUMNS) + 2) + "|",
    ]
    for condition in conditions(()):  # in the order of the grid
        units = grouped.get(condition.name, [])
        if len(units) > 1:
            cells = [_cell(units, path, digits) for _, digits, path in COLUMNS]
            lines.append(f"| {condition.name} | {len(units)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(units: Sequence[Mapping[str, Any]], path: str, digits: int) -> str:
    try:
        found = t_interval([results.metric(unit, path) for unit in units])
    except KeyError:  # an expert beside its clones
        return "–"
    middle, low, high = (f"{number:,.{digits}f}" for number in found[:3])
    return middle if low == high else f"{middle} [{low}, {high}]"
