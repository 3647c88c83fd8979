"""The demo: trained agents beside scripted ones, all in one world.

Command: ``python main.py --learned``, or ``python -m goodharts_lib.demo``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from goodharts_lib import runtime
from goodharts_lib.behaviors.scripted import SCRIPTED, ScriptedAgent
from goodharts_lib.cli import Parser, add_config_arguments, command_config, seed
from goodharts_lib.config import Config
from goodharts_lib.errors import UserError, one_of, run_command
from goodharts_lib.evaluation import Policy
from goodharts_lib.files import probe_directory, write_whole
from goodharts_lib.pretrained import NAMES as TRAINED
from goodharts_lib.pretrained import find_or_pretrained
from goodharts_lib.simulation import Simulation

SUFFIXES = (".gif", ".png")


def find_kinds(
    config: Config, directory: Path, device: torch.device, *, learned: bool
) -> list[tuple[Policy, str]]:
    """Return the demo's agents, trained ones first, each with where it comes from.

    A trained agent that is not in the folder is the small one that ships with the package.

    Raises:
        UserError: a model is there but cannot be loaded, or is another than its file name says.
    """
    found = find_or_pretrained(directory, TRAINED, str(device)) if learned else []
    scripted = [(ScriptedAgent(name, config, device), "scripted") for name in SCRIPTED]
    return [*found, *scripted]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parser().parse_args(argv)
    keys = ("food", "poison", "steps")
    flags = {f"evaluation.{key}": getattr(args, key) for key in keys if hasattr(args, key)}
    config, origin = command_config(args, flags)
    kind = args.agent or ("proxy" if args.learned else "omniscient_seeker")
    if kind in TRAINED and not args.learned:
        raise UserError(f"'{kind}' is a trained agent: add --learned.")
    one_of("agent", kind, (*TRAINED * args.learned, *SCRIPTED))
    if args.brain_view and kind in SCRIPTED:
        raise UserError(f"'{kind}' follows a rule and has no brain: --brain-view needs --learned "
                        f"and one of {', '.join(TRAINED)}.")  # fmt: skip
    if args.save is not None:
        _probe(Path(args.save))
    placement = runtime.place(config)
    runtime.apply(placement)
    kinds = find_kinds(config, Path(args.models_dir), placement.device, learned=args.learned)
    simulation = Simulation(config, [policy for policy, _ in kinds], args.agents, args.seed)
    fixed = config.evaluation
    print(origin)
    print(
        f"{fixed.steps} steps in one shared world with {fixed.food} food, {fixed.poison} poison "
        f"and {args.agents} agents of each kind, seed {args.seed}:"
    )
    for policy, source in kinds:
        print(f"  {policy.name:<18} {source}{'  <- looked at' * (policy.name == kind)}")
    show = _run if args.save is None else _save
    show(simulation, kind, args)
    return 0


def _parser() -> Parser:
    parser = Parser(prog="main.py", description="Agents in one shared world, drawn as they live.")
    add, absent = parser.add_argument, argparse.SUPPRESS
    add("--learned", action="store_true", help="add the trained agents, from --models-dir or, "
        "where one is missing there, as they ship with the package")  # fmt: skip
    add("--agent", metavar="KIND", default=None,
        help="whom to look at (default: proxy if --learned, else omniscient_seeker)")  # fmt: skip
    add("--brain-view", action="store_true", help="show what goes through that agent's network")
    add("--food", type=int, default=absent, help="food in the world (default: [evaluation] food)")
    add("--poison", type=int, default=absent, help="as --food (default: [evaluation] poison)")
    add("--agents", type=int, default=5, help="agents of each kind; with many more they are in "
        "each other's way, and food is scarce for all")  # fmt: skip
    add("--steps", type=int, default=absent, help="length (default: [evaluation] steps)")
    add("--speed", type=_speed, default=10.0, help="steps per second of the display or GIF")
    add("--seed", type=seed, default=0, help="seed of the world and of all choices")
    add("--save", metavar="FILE", help="write a .gif, or a .png of the last step; opens no window")
    add("--models-dir", default="models", help="where models lie")
    add_config_arguments(parser)
    return parser


def _speed(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 100.0:
        raise argparse.ArgumentTypeError(f"{value} is not above 0 and at most 100")
    return value


def _probe(path: Path) -> None:
    """Refuse, before any work starts, a file that cannot be written."""
    if path.suffix not in SUFFIXES:
        raise UserError(f"--save writes {' or '.join(SUFFIXES)} files, not '{path}'.")
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder.")
    probe_directory(path.parent)


def _run(simulation: Simulation, kind: str, args: argparse.Namespace) -> None:
    """Show the demo in a window or in the browser; where drawing is slow it skips pictures."""
    from goodharts_lib import window
    from goodharts_lib.demo_view import FIGSIZE, DemoView

    figure = window.open_figure(FIGSIZE, f"The Goodhart Trap: {kind}")
    view = DemoView(figure, simulation, kind, brain=args.brain_view, buttons=not args.brain_view)
    start = time.monotonic()

    def tick() -> bool:
        due = min(simulation.steps, 1 + int((time.monotonic() - start) * args.speed))
        if simulation.now < due:
            while simulation.now < due:
                simulation.step()
            view.update()
            if due == simulation.steps:
                print("That was the last step. Close the window or press Ctrl-C.", flush=True)
        return True

    window.run(figure, tick, 1 / args.speed)


def _save(simulation: Simulation, kind: str, args: argparse.Namespace) -> None:
    """Write the demo, or its last picture, to a file."""
    from goodharts_lib.demo_view import save_gif, save_png

    path = Path(args.save)
    if path.suffix == ".gif":
        content, alt = save_gif(simulation, kind, brain=args.brain_view, speed=args.speed)
    else:
        content, alt = save_png(simulation, kind, brain=args.brain_view)
    write_whole(path, content)
    print(f"{alt}\nWritten to {path} ({len(content) / 1e6:.1f} MB)")


if __name__ == "__main__":
    run_command(main)
