"""The speed benchmark: ``python -m benchmarks.bench``.

Sections (a) to (e) run on the CPU; with a CUDA device there is one more. The targets are for the
default size, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import make_config
from benchmarks.report import machine
from benchmarks.sections import Settings, sections
from goodharts_lib import runtime
from goodharts_lib.cli import Parser
from goodharts_lib.errors import UserError, run_command
from goodharts_lib.files import probe_directory, write_whole


def _parser() -> Parser:
    parser = Parser(
        prog="benchmarks.bench",
        description="Measure speed.",
        formatter_class=argparse.HelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="fewer repeats, fewer sizes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    parser.add_argument("--worlds", type=int, help="another size, to try it out (targets: 64)")
    parser.add_argument("--steps", type=int, help="another size, to try it out (targets: 128)")
    return parser


def _settings(args: argparse.Namespace) -> Settings:
    """Return the default measurements, or fewer, or smaller ones.

    Raises:
        UserError: there is nothing to measure.
    """
    settings = Settings()
    if args.quick:
        settings = dataclasses.replace(settings, rounds=2, growth=(16, 64, 256), growth_rounds=1)
    if args.worlds is not None:
        if args.worlds < 1:
            raise UserError(f"--worlds must be at least 1, not {args.worlds}.")
        growth = tuple(max(1, n * args.worlds // settings.worlds) for n in settings.growth)
        settings = dataclasses.replace(settings, worlds=args.worlds, growth=growth)
    if args.steps is not None:
        if args.steps < 1:
            raise UserError(f"--steps must be at least 1, not {args.steps}.")
        settings = dataclasses.replace(settings, steps=args.steps)
    return settings


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return its exit status."""
    args = _parser().parse_args(argv)
    settings = _settings(args)
    if args.json is not None:
        probe_directory(args.json.parent)
    facts = machine(runtime.place(make_config("base_cnn", settings.worlds, settings.steps)))
    print("Machine: " + ", ".join(f"{name} {value}" for name, value in facts.items()))
    print(f"{settings.worlds} worlds x {settings.steps} steps x 4 epochs, minibatches of about "
          f"1,024; medians over {settings.rounds} rounds after a warm-up.", flush=True)  # fmt: skip
    if facts.get("load_before", 0.0) > 0.5:
        print("Other work is running on this machine: these timings say little.")
    told = {}
    for title, lines in sections(settings):
        print(f"\n{title}", *lines, sep="\n", flush=True)
        told[title] = [line.as_dict() for line in lines]
    if args.json is not None:
        content = {"machine": facts, "settings": dataclasses.asdict(settings), "sections": told}
        write_whole(args.json, (json.dumps(content, indent=1) + "\n").encode())
        print(f"\nThe numbers are in {args.json}.")
    return 0


if __name__ == "__main__":
    run_command(main)
