"""Pictures of what trained agents look at, and the command that draws them.

``python -m goodharts_lib.training.visualize_saliency`` explains the same views for every agent;
``--randomise`` and ``--swap`` measure what to believe of the pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from goodharts_lib import runtime
from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.cli import Parser, add_config_arguments, command_config, seed
from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.environments.cells import Cell
from goodharts_lib.environments.render import Palette, view_rgb
from goodharts_lib.errors import UserError, one_of, run_command
from goodharts_lib.evaluation import check_view
from goodharts_lib.files import probe_directory, write_whole
from goodharts_lib.modes import channel_names
from goodharts_lib.plotting import WIDTH, as_png
from goodharts_lib.pretrained import NAMES, find_or_pretrained, own_path
from goodharts_lib.training.progress import eta
from goodharts_lib.training.saliency import (
    METHODS,
    TARGETS,
    Explanation,
    Target,
    explain,
    require_captum,
)
from goodharts_lib.training.saliency_sanity import cascade_table
from goodharts_lib.training.swap_effect import sample_views, swap_table

Map: TypeAlias = NDArray[np.float32]  # (V, V)

CELL_PIXELS = 24
PANEL = (1.6, 2.4)  # inches: the narrowest and the widest panel
CASCADE_VIEWS = 50

# Grey shapes on white: in a map colour means attribution, and food and poison differ in shape.
GREY = Palette(
    empty="#FFFFFF", wall="#777777", food="#8C8C8C", poison="#8C8C8C", prey="#8C8C8C",
    predator="#8C8C8C", agent="#C4C4C4",
)  # fmt: skip


def saliency_picture(
    policies: Sequence[LearnedPolicy],
    view: Tensor,
    methods: Sequence[str] = tuple(METHODS),
    target: Target = "policy",
) -> tuple[Figure, str]:
    """Draw one view as several policies see it: a row for each, a column for each method.

    The first column shows the view and the likeliest action. The maps are summed over channels.
    Each has a symmetric scale of its own; its end stands below the map.

    Args:
        policies: at least one.
        view: (V, V) uint8.
        methods: at least one of `METHODS`.
        target: see `explain`.

    Raises:
        UserError: an unknown method or target, or captum is not installed.
    """
    rows = []
    for policy in policies:
        told = [explain(policy, view[None], method, target) for method in methods]
        maps = {_title(each.method): each.summed[0].cpu().numpy() for each in told}
        rows.append(Row(policy, told[0], maps))
    return _picture(view, rows, shared=False)


def channel_picture(
    policies: Sequence[LearnedPolicy], view: Tensor, method: str, target: Target = "policy"
) -> tuple[Figure, str]:
    """Draw one method's maps, channel by channel: a row for each policy, on one scale.

    Occlusion and Grad-CAM have one map for all channels. Arguments and errors as in
    `saliency_picture`.
    """
    rows = []
    for policy in policies:
        told = explain(policy, view[None], method, target)
        maps = told.attribution[0].cpu().numpy()  # (C, V, V)
        names = channel_names(policy.mode) if len(maps) > 1 else ["all channels"]
        rows.append(Row(policy, told, dict(zip(names, maps, strict=True))))
    return _picture(view, rows, shared=True)


class Row(NamedTuple):
    """What a picture shows of one policy."""

    policy: LearnedPolicy
    told: Explanation
    maps: dict[str, Map]  # by title


def _picture(view: Tensor, rows: Sequence[Row], *, shared: bool) -> tuple[Figure, str]:
    """Draw each row: what the policy does, and its maps; on one scale if it is `shared`."""
    columns = 1 + max(len(row.maps) for row in rows)
    side = float(np.clip(WIDTH / columns, *PANEL))
    size = (side * columns, (side + 0.35) * len(rows) + 0.8)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    grid[0, 0].set_title("likeliest action", fontsize="medium")
    described, above = [], None
    for panels, row in zip(grid, rows, strict=True):
        words = [_draw_decision(panels[0], view, row)]
        peaks = {title: float(np.abs(values).max()) for title, values in row.maps.items()}
        for axes, (title, values) in zip(panels[1:], row.maps.items(), strict=True):
            _draw_map(axes, view, values, max(peaks.values()) if shared else peaks[title])
            if list(row.maps) != above:
                axes.set_title(title, fontsize="medium")
            if peaks[title] > 0:
                words.append(f"{title}: {_strongest(values, view)}")
        above = list(row.maps)
        described.append("; ".join(words))
    _add_scale(figure, grid, rows[0].told.target)
    alt = (
        f"A row for each agent: a view of {len(view)} by {len(view)} cells with its likeliest "
        "action, then maps in which red cells raise the explained output and blue cells lower it. "
        "The strongest cell of each, counted to the right and down from the agent: "
        f"{'. '.join(described)}."
    )
    return figure, alt


def _draw_decision(axes: Axes, view: Tensor, row: Row) -> str:
    """Draw the view in colour with an arrow for the action, and say the same in words."""
    action, likely = ACTIONS[int(row.told.actions[0])], float(row.told.probabilities[0])
    centre = len(view) // 2
    _show(axes, view_rgb(view, cell_pixels=CELL_PIXELS), len(view))
    tip = (centre + 1.9 * action.dx, centre + 1.9 * action.dy)
    shape = {"arrowstyle": "-|>", "linewidth": 2, "alpha": 0.8}
    axes.annotate("", tip, (centre, centre), arrowprops=shape)
    by_value = row.told.target == "value"
    value = f", value {float(row.told.outputs[0]):+.2f}" if by_value else ""
    axes.set_xlabel(f"{action.arrow} {likely:.0%}{value}", fontsize="small")
    name = row.policy.name
    axes.set_ylabel(name, color=AGENT_COLORS.get(name, "black"), weight="bold", fontsize="medium")
    return f"{name} goes {action.name} with {likely:.0%}{value}"


def _draw_map(axes: Axes, view: Tensor, values: Map, limit: float) -> None:
    """Draw a map as coloured cells, and the view's items as grey shapes on them."""
    unit = values / limit if limit > 0 else values
    heat = _diverging()((unit + 1) / 2)[..., :3]  # (V, V, 3)
    heat = heat.repeat(CELL_PIXELS, axis=0).repeat(CELL_PIXELS, axis=1)
    shapes = view_rgb(view, cell_pixels=CELL_PIXELS, palette=GREY) / 255.0
    _show(axes, heat * shapes, len(view))
    axes.set_xlabel(f"±{limit:.2g}", fontsize="small")


def _show(axes: Axes, picture: NDArray[Any], size: int) -> None:
    """Show a picture of size x size cells: cell (x, y) at the point (x, y), and no ticks."""
    axes.imshow(picture, extent=(-0.5, size - 0.5, size - 0.5, -0.5))
    axes.set(xticks=[], yticks=[])


def _add_scale(figure: Figure, grid: NDArray[Any], target: Target) -> None:
    """Say what the colours mean; each panel's limit stands below it."""
    what = "the logit of the action shown" if target == "policy" else "the value"
    bar = figure.colorbar(
        ScalarMappable(Normalize(-1, 1), _diverging()), ax=grid.ravel().tolist(), location="bottom",
        shrink=0.5, aspect=40, pad=0.02, ticks=[-1, 0, 1],
    )  # fmt: skip
    bar.ax.set_xticklabels(["−max", "0", "+max"], fontsize="small")
    bar.set_label(
        f"red raises {what}, blue lowers it\n±: the map's max     disc: food     diamond: poison",
        fontsize="small",
    )


def _diverging() -> ListedColormap:
    """Return a colour map from blue to red, which colour-blind readers tell apart too.

    Its dark ends are left out, because the grey shapes could not be seen on them.
    """
    return ListedColormap(colormaps["RdBu_r"](np.linspace(0.12, 0.88, 255)), "diverging")


def _strongest(values: Map, view: Tensor) -> str:
    """Name the cell with the largest attribution, x to the right and y down from the agent."""
    y, x = np.unravel_index(np.abs(values).argmax(), values.shape)
    kind, centre = Cell(int(view[y, x])).name.lower(), len(view) // 2
    does = "raises" if values[y, x] > 0 else "lowers"
    return f"{kind} at ({x - centre:+d}, {y - centre:+d}) {does} it"


def _title(method: str) -> str:
    return "Grad-CAM" if method == "grad_cam" else method.replace("_", " ")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status."""
    args = _parse(argv)
    config, origin = command_config(args, {})
    placement = runtime.place(config)
    runtime.apply(placement)
    for method in args.methods:
        one_of("method", method, METHODS)
    require_captum()
    if args.samples < 1:
        raise UserError(f"--samples must be at least 1, not {args.samples}.")
    output = Path(args.output)
    if output.suffix != ".png" or output.is_dir():
        raise UserError(f"--output must name a .png file, not {output}.")
    directory = Path(args.models_dir)
    there = [name for name in NAMES if own_path(directory, name).exists()]
    names = getattr(args, "modes", there or NAMES)
    loaded = find_or_pretrained(directory, names, str(placement.device))
    policies = [policy for policy, _ in loaded]
    for policy in policies:
        check_view(policy, config)
    generator = runtime.make_generators(args.seed, placement.device)["world"]
    count = max(args.samples, CASCADE_VIEWS if args.randomise else 0)
    views = sample_views(config, count, generator, (Cell.FOOD, Cell.POISON))
    probe_directory(output.parent)
    print(origin)
    for policy, source in loaded:
        print(f"{policy.name}: {source}")
    print(f"Explaining the {args.target} in {args.samples} view{'s' * (args.samples > 1)} with "
          f"food and poison, seed {args.seed}, by {', '.join(args.methods)}.")  # fmt: skip
    _draw_all(policies, views[: args.samples], args, output)
    if args.randomise:
        shown = views[:CASCADE_VIEWS]
        print(cascade_table(policies, shown, args.methods, args.target, args.seed))
    if args.swap:
        print(swap_table(policies, config, args.seed))
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog="visualize_saliency", description="Draw what trained agents look at.")
    parser.add_argument("--models-dir", default="models", help="where models lie")
    parser.add_argument(
        "--modes", nargs="+", metavar="AGENT", default=argparse.SUPPRESS,
        help="default: all in that folder, or if there are none, all that ship with the package; "
        "a named agent that is not there is taken from the package",
    )  # fmt: skip
    parser.add_argument(
        "--methods", nargs="+", metavar="METHOD", default=list(METHODS), help="which explain"
    )
    parser.add_argument("--target", choices=TARGETS, default="policy", help="what to explain")
    parser.add_argument("--samples", type=int, default=1, help="views, a picture for each")
    parser.add_argument("--seed", type=seed, default=0, help="of views and of new weights")
    parser.add_argument("--output", default="saliency.png", help="numbered if there are several")
    parser.add_argument("--channels", action="store_true", help="also draw every channel")
    parser.add_argument("--randomise", action="store_true", help="print the sanity check")
    parser.add_argument("--swap", action="store_true", help="print the swap effect")
    add_config_arguments(parser)
    return parser.parse_args(argv)


def _draw_all(
    policies: Sequence[LearnedPolicy], views: Tensor, args: argparse.Namespace, output: Path
) -> None:
    """Write the pictures of every view, and say where they went and how long the rest takes."""
    start = time.monotonic()
    for done, view in enumerate(views, 1):
        stem = output.stem + (f"_{done}" if len(views) > 1 else "")
        drawn = {stem: saliency_picture(policies, view, args.methods, args.target)[0]}
        for method in args.methods if args.channels else ():
            drawn[f"{stem}_{method}"] = channel_picture(policies, view, method, args.target)[0]
        for name, figure in drawn.items():
            path = output.with_name(f"{name}.png")
            write_whole(path, as_png(figure, dpi=150))
            later = f"  {eta(start, done, len(views))}" if done < len(views) else ""
            print(f"Written to {path}{later}", flush=True)


if __name__ == "__main__":
    run_command(main)
