"""Command: ``python -m goodharts_lib.training.verification --steps 500 --verbose``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch

from goodharts_lib import runtime
from goodharts_lib.cli import Parser, add_config_arguments, command_config, seed
from goodharts_lib.errors import run_command
from goodharts_lib.evaluation import check_view, find_models
from goodharts_lib.training.progress import Countdown
from goodharts_lib.training.verification import MIN_ALIVE, MIN_CHOICE, MIN_DIRECTIONAL, verify
from goodharts_lib.training.verification.directional import DISTANCES

JUDGED = "ground_truth"  # the only mode that is meant to pass


def gpu_status() -> str:
    """Return one line on what this machine offers."""
    if not torch.cuda.is_available():
        return "GPU: none found, using the CPU"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return f"GPU: {', '.join(names)}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if a ground_truth model fails, 0 otherwise."""
    parser = Parser(prog="verification", description="Test the fitness of trained models.")
    parser.add_argument("--models-dir", default="models", help="where models lie")
    parser.add_argument("--steps", type=int, default=argparse.SUPPRESS,
                        help="steps to survive (default: [evaluation] steps)")  # fmt: skip
    parser.add_argument("--seed", type=seed, default=0, help="seed of worlds and choices")
    parser.add_argument("--verbose", action="store_true", help="show every direction and distance")
    add_config_arguments(parser)
    args = parser.parse_args(argv)
    flags = {"evaluation.steps": args.steps} if hasattr(args, "steps") else {}
    config, origin = command_config(args, flags)
    placement = runtime.place(config)
    runtime.apply(placement)
    policies = find_models(Path(args.models_dir), None, str(placement.device))
    for policy in policies:
        check_view(policy, config)
    near = DISTANCES[: config.agent.view_range]
    print(origin)
    print(gpu_status())
    print(f"Thresholds for {JUDGED}: directional accuracy {MIN_DIRECTIONAL:.0%}, choice of food "
          f"over poison {MIN_CHOICE:.0%}, alive after {config.evaluation.steps} steps "
          f"{MIN_ALIVE:.0%}. Other modes are only reported.")  # fmt: skip
    print(f"{'mode':<16} {'directional':>11} {'choice':>8} {'alive':>8}  verdict")
    verdicts, count = [], Countdown(len(policies) * config.evaluation.steps)
    for policy in policies:
        verdict = verify(policy, config, args.seed, count)
        word = "reported"
        if policy.name == JUDGED:
            word = "pass" if verdict.passed else "FAIL"
            verdicts.append(word)
        print(f"{policy.name:<16} {verdict.accuracy:>11.1%} {verdict.choice:>8.1%} "
              f"{verdict.alive:>8.1%}  {word}", flush=True)  # fmt: skip
        if args.verbose:
            print("    distance " + "".join(f"{d:>8}" for d in near))
            for arrow, row in verdict.directional.items():
                print(f"    {arrow:<9}" + "".join(f"{value:>8.1%}" for value in row))
    nothing = f"nothing to judge, there is no {JUDGED} model"
    print(f"Verdict: {', '.join(verdicts) or nothing}")
    return int("FAIL" in verdicts)


if __name__ == "__main__":
    run_command(main)
