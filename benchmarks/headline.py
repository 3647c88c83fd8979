"""The README's table: train every mode on several seeds, evaluate, and store what came out.

``python -m benchmarks.headline`` writes `goodharts_lib/data/results/headline.json` unit by unit, so
that it can be stopped and run again; it does only what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks import units
from benchmarks.units import RESULTS
from goodharts_lib import stats
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.cli import Parser
from goodharts_lib.config import load_config
from goodharts_lib.errors import run_command
from goodharts_lib.evaluation import EVALUATION_SEED, evaluate
from goodharts_lib.modes import MODES
from goodharts_lib.plotting import training_curves
from goodharts_lib.training.ppo.trainer import train
from goodharts_lib.training.verification import verify

PICTURE = Path("book/_assets/the_trap.png")


def run_unit(unit: dict[str, Any]) -> units.Unit:
    """Train one mode from one seed and measure it."""
    start = time.monotonic()
    overrides = {**unit["overrides"], "training.mode": unit["condition"], "runtime.threads": 1}
    result = train(load_config(overrides=overrides), unit["seed"])
    trained = time.monotonic() - start
    world = load_config()
    verdict = verify(result.policy, world, EVALUATION_SEED)
    metrics: dict[str, Any] = {
        decoding: asdict(
            evaluate(result.policy.decoded(greedy=decoding == "greedy"), world, EVALUATION_SEED)
        )
        for decoding in ("sampled", "greedy")
    }
    metrics["verification"] = {
        "directional": verdict.accuracy,
        "choice": verdict.choice,
        "alive": verdict.alive,
        "passed": verdict.passed,
    }
    metrics["training_seconds"] = trained
    keys = ("total_steps", "proxy_score", "true_energy", "kl_to_initial")
    curves = {key: [round(getattr(update, key), 3) for update in result.history] for key in keys}
    mode, seed = unit["condition"], unit["seed"]
    return {"condition": mode, "seed": seed, "metrics": metrics, "curves": curves}


def table(stored: dict[str, Any]) -> str:
    """Return the results as a Markdown table: means over training seeds with 95 % t intervals."""
    columns = (
        ("food", "food"),
        ("poison", "poison"),
        ("true_energy", "true energy"),
        ("proxy_score", "proxy score"),
        ("deaths", "deaths"),
        ("rmst", "survival"),
    )
    lines = [
        "| agent | " + " | ".join(title for _, title in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for mode in MODES:
        runs = [unit for unit in stored["units"] if unit["condition"] == mode]
        cells = []
        for key, _ in columns:
            values = [unit["metrics"]["sampled"][key] for unit in runs]
            interval = stats.t_interval(values)
            digits = 0 if abs(interval.estimate) >= 100 else 1
            low, high = f"{interval.low:,.{digits}f}", f"{interval.high:,.{digits}f}"
            cells.append(f"{interval.estimate:,.{digits}f} [{low}, {high}]")
        lines.append(f"| `{mode}` | " + " | ".join(cells) + " |")
    for name, scores in stored["baselines"].items():
        shown = (f"{scores[k]:,.{0 if abs(scores[k]) >= 100 else 1}f}" for k, _ in columns)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def baselines(*, immortal: bool) -> dict[str, Any]:
    """Evaluate the scripted agents."""
    world = load_config()
    return {
        name: asdict(
            evaluate(ScriptedAgent(name, world), world, EVALUATION_SEED, immortal=immortal)
        )
        for name in SCRIPTED
    }


def draw(stored: dict[str, Any]) -> Figure:
    """Draw the README's picture: ground_truth and proxy, every seed, as they train."""
    runs = {
        mode: [unit["curves"] for unit in stored["units"] if unit["condition"] == mode]
        for mode in ("ground_truth", "proxy")
    }
    return training_curves(runs, stored["immortal_baselines"]["random"])[0]


def describe(unit: units.Unit) -> str:
    """Return what to print of a unit."""
    return f"true energy {unit['metrics']['sampled']['true_energy']:+,.0f}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    parser = Parser(prog="headline", description="Train and evaluate every mode on several seeds.")
    parser.add_argument("--name", default="headline", help="name of the results file")
    parser.add_argument("--network", default="small_cnn", help="base_cnn or small_cnn")
    parser.add_argument("--timesteps", type=int, default=300_000, help="steps per run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--modes", nargs="+", default=list(MODES))
    parser.add_argument("--mortal", action="store_true", help="let agents die while they train")
    parser.add_argument("--readme", action="store_true", help="only print and draw what is stored")
    args = parser.parse_args(argv)
    overrides = {
        "training.network": args.network,
        "training.timesteps": args.timesteps,
        "agent.mortal": args.mortal,
    }
    config = load_config(overrides=overrides).to_dict()
    del config["cloning"]  # PPO reads none of it
    path = RESULTS / f"{args.name}.json"
    stored = units.load(path, {"overrides": overrides, "config": config})
    if args.readme:
        print(table(stored))
        draw(stored).savefig(PICTURE, dpi=150)
        return 0
    wanted = [
        {"condition": mode, "seed": seed, "overrides": overrides}
        for seed in args.seeds
        for mode in args.modes
    ]
    units.run_missing(run_unit, wanted, stored, path, describe)
    stored["baselines"] = baselines(immortal=False)
    stored["immortal_baselines"] = baselines(immortal=True)
    units.save(path, stored)
    return 0


if __name__ == "__main__":
    run_command(main)
