"""Command: ``python -m goodharts_lib.experiments list | run | status | report | ...``."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from goodharts_lib import stats
from goodharts_lib.cli import Parser, count, seed
from goodharts_lib.errors import one_of, run_command
from goodharts_lib.experiments import catalog, cloning_story, engine, results, tables
from goodharts_lib.experiments.report import report
from goodharts_lib.files import probe_directory, write_whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(argv)
    command: Any = args.command
    return int(command(args))


def _list(_: argparse.Namespace) -> int:
    for experiment in catalog.EXPERIMENTS.values():
        print(f"{experiment.name:<16} {len(experiment.units()):>4} units  {experiment.question}")
    return 0


def _run(args: argparse.Namespace) -> int:
    experiment = catalog.EXPERIMENTS[one_of("experiment", args.name, catalog.EXPERIMENTS)]
    directory = Path(args.results_dir)
    stored = engine.run(
        experiment, directory, jobs=args.jobs, dask=args.dask, seeds=args.seeds,
        conditions=args.conditions, tell=lambda line: print(line, flush=True),
    )  # fmt: skip
    print(f"{len(stored['units'])} of {len(experiment.units())} units are in "
          f"{directory / experiment.name}.json")  # fmt: skip
    return 0


def _status(args: argparse.Namespace) -> int:
    tell = tables.reproduction_table if args.markdown else tables.status
    print(tell(_directory(args)))
    return 0


def _report(args: argparse.Namespace) -> int:
    print(report(_directory(args), markdown=args.markdown))
    return 0


def _table(args: argparse.Namespace) -> int:
    name = one_of("experiment", args.name, catalog.EXPERIMENTS)
    table = cloning_story.table if name == "cloning" else tables.scores_table
    print(table(catalog.load_results(name, _directory(args))))
    return 0


def _draw(args: argparse.Namespace) -> int:
    from goodharts_lib.plotting import as_png, book  # loads matplotlib

    path = Path(args.save or f"{args.name}.png")
    probe_directory(path.parent)
    figure, alt = book.draw(args.name, args.results_dir)
    write_whole(path, as_png(figure, dpi=150))
    print(f"{path}: {alt}")
    return 0


def _verify(args: argparse.Namespace) -> int:
    experiment = catalog.EXPERIMENTS[one_of("experiment", args.name, catalog.EXPERIMENTS)]
    stored = catalog.load_results(args.name, _directory(args))
    failed = not stored["units"]
    if failed:
        print(f"no unit of '{args.name}' is stored yet.")
    with tempfile.TemporaryDirectory() as scratch:
        for old, new in engine.verify(experiment, stored, args.units, args.seed, Path(scratch)):
            known = results.values(stored, old["condition"], experiment.primary)
            holds, words = compared(experiment.primary, known, old, new)
            print(f"{old['condition']} seed {old['seed']}: {words}", flush=True)
            failed |= not holds
    return int(failed)


def compared(
    primary: str, known: Sequence[float], old: Mapping[str, Any], new: Mapping[str, Any]
) -> tuple[bool, str]:
    """Return whether a unit that was done again holds, and what came out.

    On a machine like the first one it must be the same, bit for bit. Elsewhere, and where the
    stored unit does not say enough of its machine, its primary metric must lie in the 99 %
    prediction interval for one more training seed.

    Args:
        primary: path of the metric that decides.
        known: that metric of all stored seeds of the condition.
        old: the unit as stored.
        new: the same, done again.
    """
    if all(old.get(key) == new.get(key) for key in ("metrics", "curves")):
        return True, "the same, bit for bit"
    value, before = results.metric(new, primary), results.metric(old, primary)
    words = f"{primary} {value:,.2f}, on record {before:,.2f}, "
    if old["machine"] == new["machine"] and new["machine"].get("repeatable"):
        return False, f"{words}though the machine is of the same kind"
    if len(known) < 2:
        return False, f"{words}and a single seed has no range to compare with"
    low, high = stats.prediction_interval(known, 0.99)
    within = low <= value <= high
    return within, f"{words}{'within' if within else 'outside'} the range that seeds explain"


def _directory(args: argparse.Namespace) -> Path:
    return Path(args.results_dir) if args.results_dir else results.shipped()


def _jobs(text: str) -> int:
    value = int(text)
    if value < 1 and value != -1:
        raise argparse.ArgumentTypeError(f"{value} is neither a number of processes nor -1")
    return value


def _parser() -> Parser:
    parser = Parser(prog="experiments", description="Run, question and report the experiments.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    listing = commands.add_parser("list", help="what there is")
    listing.set_defaults(command=_list)

    running = commands.add_parser("run", help="do the units that are missing")
    running.add_argument("name")
    running.add_argument("--results-dir", default="results", help="where results go")
    running.add_argument("--jobs", type=_jobs, default=-1, help="processes; -1: one per core")
    running.add_argument("--dask", metavar="ADDRESS", help="scheduler that does the units")
    running.add_argument("--seeds", type=seed, nargs="+", help="only these training seeds")
    running.add_argument("--conditions", nargs="+", help="only these conditions")
    running.set_defaults(command=_run)

    where = "where results lie; by default those of the book"
    status = commands.add_parser("status", help="what is done, and what is stale")
    status.add_argument("--results-dir", help=where)
    status.add_argument("--markdown", action="store_true", help="as book/reproduce_table.md")
    status.set_defaults(command=_status)

    reporting = commands.add_parser("report", help="predictions and what came out")
    reporting.add_argument("--results-dir", help=where)
    reporting.add_argument("--markdown", action="store_true", help="the text of PREDICTIONS.md")
    reporting.set_defaults(command=_report)

    table = commands.add_parser("table", help="what the agents of an experiment came to")
    table.add_argument("name")
    table.add_argument("--results-dir", help=where)
    table.set_defaults(command=_table)

    draw = commands.add_parser("draw", help="a figure of the book")
    draw.add_argument("name", help="of the figure; a wrong one lists them all")
    draw.add_argument("--save", metavar="FILE", help="by default NAME.png")
    draw.add_argument("--results-dir", help=where)
    draw.set_defaults(command=_draw)

    verify = commands.add_parser("verify", help="do random units again and compare")
    verify.add_argument("name")
    verify.add_argument("--units", type=count, default=2, help="how many")
    verify.add_argument("--seed", type=seed, default=0, help="of the choice of units")
    verify.add_argument("--results-dir", help=where)
    verify.set_defaults(command=_verify)
    return parser


if __name__ == "__main__":
    run_command(main)
