"""The cloning table: which of the reasons why a clone starves carries its failure.

``python -m benchmarks.cloning`` writes `goodharts_lib/data/results/cloning.json` unit by unit, so
that it can be stopped and run again; ``--table`` prints what is stored.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import reduce
from operator import getitem
from statistics import fmean
from typing import Any

from scipy.stats import spearmanr

from benchmarks import units
from goodharts_lib import stats
from goodharts_lib.cli import Parser
from goodharts_lib.config import load_config
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.evaluation import EVALUATION_SEED
from goodharts_lib.training.cloning import pacing, poison_adjacent, visit
from goodharts_lib.training.collect import walk
from goodharts_lib.training.train import Cloner, compare

PATH = units.RESULTS / "cloning.json"
BASE = {"training.network": "small_cnn", "cloning.evaluation_envs": 16, "runtime.threads": 1}
LITTLE = {"cloning.samples": 1000, "cloning.batch_size": 32}  # nearly as many steps of Adam
# As many expert labels as without it, but more steps of Adam; what is called longer takes as many.
DAGGER = {"cloning.dagger_rounds": 5, "cloning.epochs": 4, "cloning.batch_size": 64}
LONGER = {"cloning.epochs": 14, "cloning.batch_size": 64}
FOOD_ONLY = {"cloning.expert": "food_only"}
CONDITIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "plain_1k": LITTLE,
    "plain_50k": {"cloning.samples": 50_000},
    "reward_weight": {"cloning.reward_weight": 5.0},
    "visibility_weight": {"cloning.visibility_weight": 5.0},
    "synthetic": {"cloning.synthetic": 2000},
    "longer": LONGER,
    "dagger": DAGGER,
    "food_only": FOOD_ONLY,
    "food_only_dagger": FOOD_ONLY | DAGGER,
    "food_only_1k": FOOD_ONLY | LITTLE,
    "food_only_1k_synthetic": FOOD_ONLY | LITTLE | {"cloning.synthetic": 200},
    "food_only_1k_longer": FOOD_ONLY | LITTLE | LONGER | {"cloning.batch_size": 16},
    "food_only_1k_dagger": FOOD_ONLY | LITTLE | DAGGER | {"cloning.batch_size": 16},
    "proxy_seeker": {"cloning.expert": "proxy_seeker", "training.mode": "proxy"},
    "base_cnn": {"training.network": "base_cnn", "cloning.evaluation_envs": 8},
}
INTERVENTIONS = (  # a reason, a condition, and the same without that reason
    ("no negative examples", "plain", "synthetic"),
    ("no negative examples", "food_only_1k", "food_only_1k_synthetic"),
    ("distributional shift", "plain", "dagger"),
    ("distributional shift", "food_only", "food_only_dagger"),
    ("distributional shift", "food_only_1k_longer", "food_only_1k_dagger"),
    ("copying is not surviving", "plain", "food_only"),
)
TOLD = ("plain", "food_only", "food_only_1k")  # what the reasons are told of
VISITED_WORLDS = 20  # episodes of each clone's own walk
CURVES = ("samples", "loss", "train_accuracy", "accuracy", "accuracy_food_in_view",
          "cross_entropy", "true_energy_sampled", "true_energy_greedy")  # fmt: skip


def definition() -> dict[str, Any]:
    """Return everything that the units depend on but condition and seed."""
    config = load_config(overrides=BASE).to_dict()
    del config["runtime"]
    return {"config": config, "conditions": CONDITIONS}


def run_unit(unit: dict[str, Any]) -> units.Unit:
    """Clone under one condition from one seed, and measure the clone and its expert."""
    start = time.monotonic()
    config = load_config(overrides=BASE | CONDITIONS[unit["condition"]])
    cloner = Cloner(config, unit["seed"])
    result = cloner.run()
    expert, clone = compare(result.policy, config, EVALUATION_SEED).values()
    usual = cloner.held_out.views
    metrics: dict[str, Any] = {
        "expert": asdict(expert["sampled"]) | {
            "poison_adjacent": poison_adjacent(usual),
            "pacing": pacing(walk(cloner.expert, config, VISITED_WORLDS, cloner.generators)),
        },
        "last_epoch": asdict(result.history[-1]),
    }  # fmt: skip
    for decoding, scores in clone.items():
        policy = result.policy.decoded(greedy=decoding == "greedy")
        visited = visit(policy, cloner.expert, usual, VISITED_WORLDS, cloner.generators)
        metrics[decoding] = asdict(scores) | {"visited": asdict(visited)}
    metrics["seconds"] = time.monotonic() - start
    curves = {
        key: [round(getattr(record, key), 4) for record in result.history] for key in CURVES
    }
    return {"condition": unit["condition"], "seed": unit["seed"],
            "metrics": metrics, "curves": curves}  # fmt: skip


def describe(unit: units.Unit) -> str:
    """Return what to print of a unit."""
    metrics = unit["metrics"]
    return (
        f"accuracy {metrics['last_epoch']['accuracy']:.3f}  true energy: "
        f"expert {metrics['expert']['true_energy']:+,.0f}, "
        f"sampled {metrics['sampled']['true_energy']:+,.0f}, "
        f"greedy {metrics['greedy']['true_energy']:+,.0f}  ({metrics['seconds']:.0f} s)"
    )


def column(stored: units.Stored, condition: str, *keys: str) -> list[float]:
    """Return one metric of a condition, by its path of keys, in order of seeds."""
    found = [unit["metrics"] for unit in stored["units"] if unit["condition"] == condition]
    return [reduce(getitem, keys, metrics) for metrics in found]


def table(stored: units.Stored) -> str:
    """Return the results as a Markdown table: means over training seeds with 95 % t intervals."""
    columns = (
        ("accuracy", 3, ("last_epoch", "accuracy")),
        ("its ceiling", 3, ("last_epoch", "ceiling")),
        ("with food in view", 3, ("last_epoch", "accuracy_food_in_view")),
        ("its ceiling", 3, ("last_epoch", "ceiling_food_in_view")),
        ("cross-entropy", 2, ("last_epoch", "cross_entropy")),
        ("expert", 0, ("expert", "true_energy")),
        ("sampled", 0, ("sampled", "true_energy")),
        ("greedy", 0, ("greedy", "true_energy")),
        ("poison, sampled", 1, ("sampled", "poison")),
        ("pacing, greedy", 2, ("greedy", "visited", "pacing")),
    )
    lines = [
        "| condition | seeds | " + " | ".join(title for title, _, _ in columns) + " |",
        "|---" * (len(columns) + 2) + "|",
    ]
    for condition in CONDITIONS:
        seeds = len(column(stored, condition, "seconds"))
        if seeds < 2:
            continue
        cells = []
        for _, digits, keys in columns:
            found = stats.t_interval(column(stored, condition, *keys))
            low, high = f"{found.low:,.{digits}f}", f"{found.high:,.{digits}f}"
            same = low == high  # the expert's true energy: all seeds meet the same worlds
            cells.append(f"{found.estimate:,.{digits}f}" + ("" if same else f" [{low}, {high}]"))
        lines.append(f"| `{condition}` | {seeds} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def gain(stored: units.Stored, one: tuple[str, str], other: tuple[str, str]) -> str:
    """Return what the first (condition, decoding) has more of true energy, over common seeds."""
    energies = [column(stored, *pair, "true_energy") for pair in (one, other)]
    differences = [a - b for a, b in zip(*energies, strict=False)]
    return str(stats.t_interval(differences)) if len(differences) > 1 else "an unknown amount"


def course(stored: units.Stored, condition: str) -> str:
    """Say how accuracy and true energy go together over the epochs."""
    curves = [unit["curves"] for unit in stored["units"] if unit["condition"] == condition]
    lines = []
    for decoding in ("sampled", "greedy"):
        ranks, worse, below = [], 0, 0
        for curve in curves:
            accuracy, energy = curve["accuracy"], curve[f"true_energy_{decoding}"]
            best = max(range(len(energy)), key=energy.__getitem__)
            ranks.append(f"{spearmanr(accuracy, energy).statistic:+.2f}")
            worse += accuracy[-1] > accuracy[best] and energy[-1] < energy[best]
            below += energy[-1] < 0
        lines.append(
            f"{condition}, {decoding}: from the epoch of most true energy to the last, accuracy "
            f"rises and true energy falls on {worse} of {len(curves)} seeds; it ends below 0 on "
            f"{below}; rank correlation of the two over the epochs: {', '.join(ranks)}."
        )
    return "\n".join(lines)


def evidence(stored: units.Stored, condition: str) -> str:
    """Say, in a sentence for each reason, what speaks for it."""

    def mean(*keys: str) -> float:
        return fmean(column(stored, condition, *keys))

    def gap(*keys: str) -> float:
        return mean(*keys, "ceiling") - mean(*keys, "accuracy")

    sampled, greedy = ("sampled", "visited"), ("greedy", "visited")
    return (
        f"{condition}, no negative examples: poison is one step away in "
        f"{mean('expert', 'poison_adjacent'):.1%} of the expert's states. It eats "
        f"{mean('expert', 'poison'):.1f} per 1,000 steps, its clones "
        f"{mean('sampled', 'poison'):.1f} sampled and {mean('greedy', 'poison'):.1f} greedy.\n"
        f"{condition}, distributional shift: the clones' states differ from the expert's by "
        f"{mean(*sampled, 'shift'):.2f} sampled and {mean(*greedy, 'shift'):.2f} greedy (0 to 1); "
        f"accuracy misses its ceiling by {gap('last_epoch'):.3f} on the expert's states, "
        f"{gap(*sampled, 'imitation'):.3f} and {gap(*greedy, 'imitation'):.3f} on the clones'.\n"
        f"{condition}, copying is not surviving: the expert itself makes "
        f"{mean('expert', 'true_energy'):+,.0f}.\n"
        f"{condition}, greedy decoding: {mean('expert', 'pacing'):.0%} of the expert's steps take "
        f"back the last, {mean(*sampled, 'pacing'):.0%} of sampled and "
        f"{mean(*greedy, 'pacing'):.0%} of greedy ones."
    )


def interventions(stored: units.Stored) -> str:
    """Say how much true energy each reason's intervention restores."""
    lines = [
        f"{reason}: from {base} to {condition}, true energy changes by "
        f"{gain(stored, (condition, 'sampled'), (base, 'sampled'))} sampled, "
        f"{gain(stored, (condition, 'greedy'), (base, 'greedy'))} greedy."
        for reason, base, condition in INTERVENTIONS
    ]
    lines += [
        f"greedy decoding: sampling instead, true energy of {condition} changes by "
        f"{gain(stored, (condition, 'sampled'), (condition, 'greedy'))}."
        for condition in TOLD
    ]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = Parser(prog="cloning", description="Clone experts on several seeds, and measure.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--conditions", nargs="+", choices=CONDITIONS, default=list(CONDITIONS))
    parser.add_argument("--table", action="store_true", help="only print what is stored")
    args = parser.parse_args(argv)
    stored = units.load(PATH, definition())
    if args.table:
        if any(len(column(stored, condition, "seconds")) < 2 for condition in TOLD):
            raise UserError(f"{PATH} does not hold two seeds of each of {', '.join(TOLD)} yet.")
        print(table(stored), interventions(stored), sep="\n\n")
        for condition in TOLD:
            print(f"\n{course(stored, condition)}\n{evidence(stored, condition)}")
        return 0
    wanted = [
        {"condition": condition, "seed": seed}
        for seed in args.seeds
        for condition in args.conditions
    ]
    units.run_missing(run_unit, wanted, stored, PATH, describe)
    return 0


if __name__ == "__main__":
    run_command(main)
