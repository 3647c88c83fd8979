"""The swap effect while agents train, and whether their saliency maps show what they learned.

``python -m benchmarks.swap`` trains every mode on several seeds and writes
`goodharts_lib/data/results/swap.json` unit by unit, so that it can be stopped and run again.
``--policies DIR`` trains nothing and measures the complete runs among DIR/MODE_SEED/, where each
point of a run is uUPDATE.safetensors. ``--table`` prints what is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks import units
from benchmarks.units import RESULTS
from goodharts_lib import runtime, stats
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.cli import Parser
from goodharts_lib.config import Config, load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.modes import MODES
from goodharts_lib.training.ppo.checkpoint import load_policy
from goodharts_lib.training.ppo.records import UpdateRecord
from goodharts_lib.training.ppo.trainer import PPOTrainer
from goodharts_lib.training.saliency_sanity import randomisation_cascade
from goodharts_lib.training.swap_effect import N_VIEWS, nearest_food, sample_views, swap_effect

UPDATES = (0, 6, 12, 24, 37, 49, 61, 73, 86, 98, 123)  # when to measure; 123 is the end
MEASURED = ("tv", "closer", "food", "poison", "true_energy")
METHODS = ("gradient", "integrated_gradients", "guided_backprop", "grad_cam")
CASCADE_VIEWS = 50
KINDS = ("signed", "absolute")
DRAWS = 5  # of new weights, for each agent
SECTIONS = ("world", "agent", "items", "observation", "training", "evaluation")
OVERRIDES = {"training.network": "small_cnn", "training.timesteps": 1_000_000}


def run_unit(unit: dict[str, Any]) -> units.Unit:
    """Measure one mode from one seed all along its training, and its saliency maps at the end."""
    torch.set_num_threads(1)
    overrides = OVERRIDES | {"training.mode": unit["condition"], "runtime.threads": 1}
    config = load_config(overrides=overrides)
    points: list[dict[str, Any]] = []
    if unit["policies"] is None:
        trainer = PPOTrainer(config, unit["seed"])
        points.append(measure(trainer.policy()))

        def watch(record: UpdateRecord) -> None:
            if record.update in UPDATES:
                points.append(measure(trainer.policy()))

        policy = trainer.run(watch).policy
    else:
        stored = [stored_policy(unit, update, config) for update in UPDATES]
        points += map(measure, stored)
        policy = stored[-1]
    return {
        "condition": unit["condition"],
        "seed": unit["seed"],
        "metrics": points[-1] | {"cascade": cascades(policy)},
        "curves": {key: [round(point[key], 5) for point in points] for key in MEASURED},
    }


def stored_policy(unit: dict[str, Any], update: int, config: Config) -> LearnedPolicy:
    """Load one point of a stored run.

    Raises:
        UserError: it is missing, or was trained otherwise.
    """
    path = stored_path(unit, update)
    policy = load_policy(path, device="cpu")
    if settings(policy.config) != settings(config):
        raise UserError(f"{path} was trained with another configuration.")
    return policy


def settings(config: Config) -> dict[str, Any]:
    """Return what the results rest on; a run settles its learning rate and where to run itself."""
    kept = {section: config.to_dict()[section] for section in SECTIONS}
    return kept | {"training": kept["training"] | {"learning_rate": "auto"}}


def stored_path(unit: dict[str, Any], update: int) -> Path:
    """Return where a point of a stored run lies."""
    folder = Path(unit["policies"]) / f"{unit['condition']}_{unit['seed']}"
    return folder / f"u{update:03d}.safetensors"


def measure(policy: LearnedPolicy) -> dict[str, Any]:
    """Return the swap effect and the scores of a policy."""
    world = load_config()
    draw = runtime.make_generators(EVALUATION_SEED, policy.device)
    views = sample_views(world, N_VIEWS, draw["world"])
    effect = swap_effect(policy, views, nearest_food(views, world), draw["action"])
    scores = evaluate(policy, world, EVALUATION_SEED)
    kept = {key: getattr(scores, key) for key in ("food", "poison", "true_energy", "proxy_score")}
    return effect.means() | kept | {"by_distance": effect.by_distance()}


def cascades(policy: LearnedPolicy) -> dict[str, dict[str, dict[str, float]]]:
    """Return each method's rank correlations after each layer, the mean over draws of weights."""
    draw = runtime.make_generators(EVALUATION_SEED, policy.device)
    wanted = (Cell.FOOD, Cell.POISON)
    views = sample_views(load_config(), CASCADE_VIEWS, draw["world"], wanted)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for method in METHODS:
        init = runtime.make_generators(EVALUATION_SEED, policy.device)["init"]
        runs = [randomisation_cascade(policy, views, method, init) for _ in range(DRAWS)]
        found[method] = {
            stages[0].layer: {
                kind: round(mean(getattr(stage, kind) for stage in stages), 5) for kind in KINDS
            }
            for stages in zip(*runs, strict=True)
        }
    return found


def table(stored: units.Stored) -> str:
    """Return the results as Markdown: means over training seeds with 95 % t intervals."""
    runs = {mode: [u for u in stored["units"] if u["condition"] == mode] for mode in MODES}
    runs = {mode: found for mode, found in runs.items() if len(found) > 1}
    ends = {mode: [u["metrics"] for u in found] for mode, found in runs.items()}
    distances = [str(d) for d in range(1, load_config().agent.view_range + 1)]
    swap = {
        f"`{mode}`, n = {len(end)}": [
            *(interval(m[key] for m in end) for key in ("tv", "closer")),
            *(interval(m["by_distance"][d]["closer"] for m in end) for d in distances),
        ]
        for mode, end in ends.items()
    }
    tables = [grid("at the end", ["tv", "closer", *(f"closer at {d}" for d in distances)], swap)]
    for key in MEASURED:
        rows = {
            str(update): [interval(u["curves"][key][i] for u in found) for found in runs.values()]
            for i, update in enumerate(UPDATES)
        }
        tables.append(grid(f"{key} after update", [f"`{mode}`" for mode in runs], rows))
    for mode, end in ends.items():
        layers = list(end[0]["cascade"][METHODS[0]])
        rows = {
            f"{method}, {kind}": [
                interval(m["cascade"][method][layer][kind] for m in end) for layer in layers
            ]
            for method in METHODS
            for kind in KINDS
        }
        tables.append(grid(f"`{mode}`: rank correlation, random down to", layers, rows))
    return "\n\n".join(tables)


def grid(corner: str, titles: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = [[corner, *titles], ["---"] * (1 + len(titles)), *([k, *v] for k, v in rows.items())]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def interval(values: Iterable[float]) -> str:
    """Return the mean over training seeds with its 95 % t interval."""
    found = stats.t_interval(list(values))
    digits = 2 if abs(found.estimate) < 10 else 0
    return f"{found.estimate:,.{digits}f} [{found.low:,.{digits}f}, {found.high:,.{digits}f}]"


def definition() -> dict[str, Any]:
    """Return everything that the results rest on but mode and seed."""
    return {
        "overrides": OVERRIDES,
        "config": settings(load_config(overrides=OVERRIDES)),
        "updates": list(UPDATES),
        "views": N_VIEWS,
        "cascade": {"methods": list(METHODS), "views": CASCADE_VIEWS, "draws": DRAWS},
    }


def describe(unit: units.Unit) -> str:
    """Return what to print of a unit."""
    return f"tv {unit['metrics']['tv']:.3f}, closer {unit['metrics']['closer']:+.3f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = Parser(prog="swap", description="Measure the swap effect while agents train.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[100, 101, 102, 103, 104])
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--policies", metavar="DIR", help="measure stored runs, train nothing")
    parser.add_argument("--table", action="store_true", help="only print what is stored")
    args = parser.parse_args(argv)
    path = RESULTS / "swap.json"
    stored = units.load(path, definition())
    if args.table:
        print(table(stored))
        return 0
    wanted = [
        {"condition": mode, "seed": seed, "policies": args.policies}
        for seed in args.seeds
        for mode in args.modes
    ]
    if args.policies:
        wanted = [unit for unit in wanted if stored_path(unit, UPDATES[-1]).exists()]
    units.run_missing(run_unit, wanted, stored, path, describe)
    return 0


if __name__ == "__main__":
    run_command(main)
