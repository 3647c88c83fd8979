"""What we predicted before each experiment, and what came out.

Each prediction has a number that would refute it; `outcome_of` compares it with stored results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goodharts_lib.experiments import catalog, outcomes, results
from goodharts_lib.experiments.analysis import TooFewError
from goodharts_lib.experiments.results import Stored
from goodharts_lib.experiments.verdicts import Outcome


@dataclass(frozen=True)
class Prediction:
    """A claim about one experiment.

    Attributes:
        key: its number.
        experiment: whose results decide.
        claim: what we expect, with its number.
        refuted_if: what would refute it.
        seen: pilot figures known when it was written.
        judge: from stored results to an outcome.
    """

    key: str
    experiment: str
    claim: str
    refuted_if: str
    seen: str
    judge: Callable[[Stored], Outcome]


@dataclass(frozen=True)
class Untested:
    """A prediction that no experiment tests yet.

    Attributes:
        key: its number.
        claim: what we expect.
        known: what other experiments have shown of it, a sentence.
    """

    key: str
    claim: str
    known: str = ""


def outcome_of(prediction: Prediction, directory: Path) -> tuple[str, str]:
    """Return what was measured, and the verdict, which may also be "not run" or "stale".

    Raises:
        UserError: the results are damaged.
    """
    if not results.file_of(prediction.experiment, directory).exists():
        return "", "not run"
    stored = results.read(prediction.experiment, directory)
    if catalog.is_stale(stored):
        return "", "stale"
    try:
        outcome = prediction.judge(stored)
    except TooFewError as error:
        return str(error), "undecided"
    return outcome.measured, outcome.verdict


PREDICTIONS: tuple[Prediction, ...] = (
    Prediction(
        "P1a",
        "two_by_two",
        "After 1 M steps `proxy` earns more proxy score than `ground_truth`.",
        "the 95 % interval of the difference lies below 0",
        "seeds 0–4 at 300,000 steps: 202 against 158; seeds 100–104 at 1 M: 217 against 177",
        outcomes.proxy_earns_more,
    ),
    Prediction(
        "P1b",
        "two_by_two",
        "After 1 M steps `proxy` has less true energy than the random walk.",
        "the 95 % interval of the difference lies above 0",
        "seeds 0–4 at 300,000 steps: −626 against −138; seeds 100–104 at 1 M: −671",
        outcomes.proxy_below_random,
    ),
    Prediction(
        "P2",
        "phase",
        "For every h/g the true energy of `proxy`, minus that of the random walk, changes sign "
        "where poison's share of meals is within 0.05 of p* = g/(g + h).",
        "the 95 % interval of the break point excludes [p* − 0.05, p* + 0.05] for some h/g inside "
        "the measured range",
        "none of this sweep; two points are known, +10/−30 and +15/−10 at a share of 0.32",
        outcomes.break_points,
    ),
    Prediction(
        "P3",
        "gap",
        "At gap 0.1 `proxy_jammed` tells food from poison within 1.5 M steps on at least four of "
        "five seeds; at gap 0 on none.",
        "three or fewer seeds at gap 0.1, or any seed at gap 0",
        "seeds 100–104 at gap 0.1 and 1 M steps: poison is 1.5 % to 2.8 % of meals",
        outcomes.learns_the_gap,
    ),
    Prediction(
        "P3b",
        "gap",
        "At gap 0 poison's share of the meals of `proxy_jammed` is that of an agent that eats "
        "everything, within 0.05.",
        "the 95 % interval of the difference lies outside ±0.05",
        "none",
        outcomes.blind_eats_alike,
    ),
    Prediction(
        "P4",
        "gap",
        "Learning time grows as a power of the gap: the slope of log time on log gap lies between "
        "−2.5 and −1.",
        "the 95 % interval of the slope lies outside [−2.5, −1]",
        "none",
        outcomes.gap_slope,
    ),
    Prediction(
        "P5a",
        "two_by_two",
        "After 1 M steps `proxy_sighted` has the same true energy as `proxy`, within 150 per 1,000 "
        "steps.",
        "the 95 % interval of the difference lies outside ±150",
        "seeds 0–4 at 300,000 steps: −596 against −626; seeds 100–104 at 1 M: −658 against −671",
        outcomes.sight_does_not_help,
    ),
    Prediction(
        "P5b",
        "two_by_two",
        "The eyes matter early and not late: their main effect on true energy is more than a "
        "quarter of the wages' at 300,000 steps, and less than a quarter at 1 M.",
        "the share at 300,000 steps is below 0.25, or at 1 M above 0.25, by its 95 % interval",
        "shares of about 0.57 (seeds 0–4, 300,000 steps) and 0.10 (seeds 100–104, 1 M)",
        outcomes.eyes_matter_early,
    ),
    Prediction(
        "P7a",
        "cloning",
        "A clone of `food_only` from 10,000 samples agrees with its expert on more than 95 % of "
        "held-out steps, and yet has at least 100 less true energy per 1,000 steps.",
        "the 95 % interval of the accuracy lies below 0.95, or that of the shortfall below 100",
        "seeds 0–4: accuracy 0.983, true energy 1,576 against 1,759 in mortal worlds",
        outcomes.copies_fall_short,
    ),
    Prediction(
        "P7b",
        "cloning",
        "Five rounds of DAgger close more than half of that shortfall.",
        "the 95 % interval of the share that is closed lies below 0.5",
        "seeds 0–4: 52 % (1,672 with DAgger)",
        outcomes.dagger_helps,
    ),
    Prediction(
        "P8",
        "two_by_two",
        "Saliency maps of the trained agents, with the policy layer and the hidden layer drawn "
        "anew: guided backprop still gives much the same map (signed rank correlation above 0.3 "
        "in every mode), gradient and integrated gradients do not (within ±0.15).",
        "an interval of guided backprop lies below 0.3, or one of the others outside ±0.15",
        "seeds 100–104: 0.44 to 0.63 for guided backprop, within ±0.06 for the others",
        outcomes.guided_fails,
    ),
    Prediction(
        "P11a",
        "mortality",
        "Trained mortal, `proxy` eats less poison per 1,000 steps after 2 M steps than after "
        "300,000.",
        "the 95 % interval of the change lies above 0",
        "a mortal pilot fell to −570 and climbed back past the random walk within 0.9 M steps",
        outcomes.death_lowers_poison,
    ),
    Prediction(
        "P11b",
        "mortality",
        "Trained mortal, `proxy` ends above the random walk on true energy after 2 M steps.",
        "the 95 % interval of the difference lies below 0",
        "the same pilot",
        outcomes.death_teaches,
    ),
    Prediction(
        "P11c",
        "mortality",
        "Trained mortal, `proxy_sighted` has more true energy than `proxy` after 1 M steps: who "
        "sees the difference learns the lesson of death sooner.",
        "the 95 % interval of the difference lies below 0",
        "a mortal pilot of `proxy_sighted` had +644 after 524,000 steps; `proxy`, seeds 200–204, "
        "passes the random walk after about 1.2 M steps",
        outcomes.eyes_help_the_mortal,
    ),
    Prediction(
        "P12",
        "interestingness",
        "A proxy must be nearly right before it helps, because a detour costs as much as about 0.2 "
        "of a meal per step: with poison at 0.6 poison's share of `proxy`'s meals is more than "
        "three quarters of that at 1, and with poison at 0.2 less than half.",
        "an interval lies on the other side of its limit",
        "none",
        outcomes.nearly_right_is_not_enough,
    ),
    Prediction(
        "P13",
        "shaping_off",
        "Without shaping `ground_truth` still ends above +1,000 of true energy after 1 M steps, "
        "and `proxy` and `proxy_sighted` below −300.",
        "one of the three intervals lies on the other side of its limit",
        "none without shaping; with it +1,628, −683 and −626 in mortal worlds",
        outcomes.shaping_is_not_the_cause,
    ),
    Prediction(
        "P14",
        "two_by_two_base",
        "The default network, `base_cnn`, tells the same story as `small_cnn`: after 300,000 steps "
        "`ground_truth` has more than +1,000 of true energy, `proxy` and `proxy_sighted` less than "
        "−400, and `proxy_jammed` is between −300 and +300.",
        "one of the four intervals lies on the other side of its limit",
        "one run each, seed 0 at 250,000 steps: +1,395 and −682; an older pilot of "
        "`proxy_jammed`: −107 at 200,000 steps",
        outcomes.networks_agree,
    ),
)

UNTESTED = (
    Untested("P6", "Without a learned reward model or a super-stimulus there is no hump: true "
             "energy goes straight up or straight down.",
             "Page 6 shows already that it is wrong for short lives and for death."),
    Untested("P9", "An ensemble of proxies does nothing against a variable that all omit."),
    Untested("P10", "The share of true reward that mends the proxy lies within a factor of 2 of "
             "the formula."),
)  # fmt: skip
