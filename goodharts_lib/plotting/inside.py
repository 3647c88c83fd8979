"""Figures of what networks look at, and of what they do when the view is edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.colors import AGENT_COLORS
from goodharts_lib.environments.render import view_rgb
from goodharts_lib.plotting.style import WIDTH, Drawn, panels

METHOD_MARKS = {
    "gradient": "o",
    "guided_backprop": "s",
    "integrated_gradients": "^",
    "occlusion": "D",
}
REACH = 4.2  # cells: how far from the centre a ray of probability 1 goes
CELL_PIXELS = 24


def brightness_picture(
    ratios: Mapping[str, Mapping[str, float]], moved: Mapping[str, Mapping[str, float]]
) -> Drawn:
    """Draw how bright poison is in each agent's maps, beside how much exchanges move its policy.

    Args:
        ratios: agent to method, of `METHOD_MARKS`, to the brightness of a poison cell divided by
            that of a food cell.
        moved: agent to exchange, named as it is labelled, to the probability that it moves, in
            [0, 1].
    """
    figure, (left, right) = panels(2, 0.9 + 0.65 * len(ratios))
    names = list(ratios)[::-1]
    methods = [name for name in METHOD_MARKS if name in ratios[names[0]]]
    for place, name in enumerate(names):
        color = AGENT_COLORS.get(name, "black")
        _marks(left, place, [(method, ratios[name][method]) for method in methods], color)
    _draw_exchanges(right, {name: moved[name] for name in names})
    for axes in (left, right):
        axes.set_xlim(0, 1)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
        axes.set_ylim(-0.5, len(names) - 0.5)
    left.set_yticks(range(len(names)), names)
    for label in left.get_yticklabels():
        label.set_color(AGENT_COLORS.get(label.get_text(), "black"))
    left.set_title("The picture: how bright is poison?", fontsize="medium", loc="left")
    left.set_xlabel("brightness of poison / of food")
    right.set_title("The test: what does it mind?", fontsize="medium", loc="left")
    right.set_xlabel("probability moved")
    for method in methods:
        left.plot([], [], METHOD_MARKS[method], color="#7F7F7F", label=method.replace("_", " "))
    figure.legend(
        loc="outside lower center", ncols=len(methods), frameon=False, fontsize="small",
        handletextpad=0.1,
    )  # fmt: skip
    said = [
        f"{name} {min(ratios[name].values()):.2f} to {max(ratios[name].values()):.2f} over the "
        f"methods; {', '.join(f'{words} {share:.2f}' for words, share in moved[name].items())}"
        for name in ratios
    ]
    return figure, (
        "For each agent, left, the brightness of a poison cell in its saliency maps divided by "
        "that of a food cell, a mark for each method; right, a bar for each exchange in the cell "
        f"of the nearest food: the probability that it moves. {'. '.join(said)}."
    )


def _draw_exchanges(axes: Axes, moved: Mapping[str, Mapping[str, float]]) -> None:
    """Draw a bar for each exchange, a group for each agent, the first agent lowest."""
    ticks = {}
    for place, (name, exchanges) in enumerate(moved.items()):
        color, height = AGENT_COLORS.get(name, "black"), 0.75 / len(exchanges)
        for row, (words, share) in enumerate(exchanges.items()):
            here = place + height * ((len(exchanges) - 1) / 2 - row)
            axes.barh(here, share, height=0.8 * height, color=color, alpha=1 if row == 0 else 0.5)
            axes.annotate(
                f"{share:.2f}", (share, here), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize="small",
            )  # fmt: skip
            ticks[here] = words
    axes.set_yticks(list(ticks), list(ticks.values()), fontsize="small")


def _marks(axes: Axes, place: float, found: Sequence[tuple[str, float]], color: str) -> None:
    """Draw a mark for each method's number, one below the other about a place."""
    for row, (method, ratio) in enumerate(found):
        height = place + 0.12 * ((len(found) - 1) / 2 - row)
        axes.plot(
            ratio, height, METHOD_MARKS[method], color=color, markersize=6, alpha=0.8,
            markeredgewidth=0,
        )  # fmt: skip


def edits_picture(policies: Sequence[LearnedPolicy], views: Mapping[str, Tensor]) -> Drawn:
    """Draw what some agents are going to do in edited views: a row each, a column for each edit.

    Rays from the centre are as long as the probabilities of their moves. Below each panel stands
    the total variation from the first view.

    Args:
        policies: at least one; without a noisy sensor.
        views: what was edited to a view, (V, V) uint8; the first is the view as it was.
    """
    side = WIDTH / len(views)
    figure = Figure(figsize=(WIDTH, (side + 0.22) * len(policies) + 0.25), layout="constrained")
    grid = figure.subplots(len(policies), len(views), squeeze=False)
    shown = torch.stack(list(views.values()))  # (n, V, V)
    described = []
    for axes, title in zip(grid[0], views, strict=True):
        axes.set_title(title, fontsize="medium")
    for row, policy in zip(grid, policies, strict=True):
        likely = policy.probabilities(shown.to(policy.device)).cpu()  # (n, 8)
        moved = total_variation(likely, likely[:1])
        said = []
        for axes, title, view, chances, far in zip(
            row, views, shown, likely, moved.tolist(), strict=True
        ):
            _draw_rays(axes, view, chances)
            best = int(chances.argmax())
            words = f"{ACTIONS[best].name} {float(chances[best]):.2f}"
            first = axes is row[0]
            axes.set_xlabel("" if first else f"moved {far:.2f}", fontsize="small")
            said.append(f"{title}, {words}" + ("" if first else f", moved {far:.2f}"))
        name = policy.name
        row[0].set_ylabel(name, color=AGENT_COLORS.get(name, "black"), fontsize="medium")
        described.append(f"{name}: {'; '.join(said)}")
    return figure, (
        f"A row for each agent, a column for each edit of one view of {shown.shape[-1]} by "
        f"{shown.shape[-1]} cells. Rays from the agent are as long as the probabilities of its "
        "moves. The likeliest move, its probability, and how much probability the edit moved: "
        f"{'. '.join(described)}."
    )


def total_variation(one: Tensor, other: Tensor) -> Tensor:
    """Return half the sum of absolute differences over the last dimension: from 0 to 1."""
    return (one - other).abs().sum(-1) / 2


def draws_picture(
    draws: Mapping[str, Sequence[float]], limits: tuple[float, float], name: str
) -> Drawn:
    """Draw how like the trained map a map is, once for each draw of new weights.

    Args:
        draws: method to one rank correlation per draw.
        limits: between which a prediction said that it lies, for methods that forget.
        name: of the agent.
    """
    figure, (axes,) = panels(1, 0.9 + 0.5 * len(draws))
    color = AGENT_COLORS.get(name, "black")
    axes.axvspan(*limits, color="#DDDDDD", linewidth=0, zorder=0)
    axes.axvline(0, color="#BBBBBB", linewidth=1, zorder=0)
    methods = list(draws)[::-1]
    said = []
    for place, method in enumerate(methods):
        found = np.asarray(draws[method])
        heights = place + 0.25 * np.linspace(-1, 1, len(found))
        axes.plot(found, heights, ".", color=color, markersize=7, alpha=0.6, markeredgewidth=0)
        axes.plot(found.mean(), place, "|", color="black", markersize=22, markeredgewidth=2)
        said.append(
            f"{method.replace('_', ' ')} from {_signed(found.min())} to {_signed(found.max())}, "
            f"mean {_signed(found.mean())}"
        )
    axes.set_yticks(range(len(methods)), [method.replace("_", " ") for method in methods])
    axes.set_ylim(-0.5, len(methods) - 0.5)
    axes.set_xlim(-0.5, 1)
    axes.set_xlabel(f"rank correlation with the trained map of {name}")
    many = len(draws[methods[0]])
    return figure, (
        f"A dot for each of {many} draws of a new head and hidden layer: how like the "
        f"trained map of {name} the map then is. {'; '.join(reversed(said))}. A grey band goes "
        f"from {_signed(limits[0])} to {_signed(limits[1])}."
    )


def _signed(value: float) -> str:
    """Write a number with its sign and two digits, never a negative zero."""
    return f"{round(float(value), 2) + 0.0:+.2f}".replace("-", "−")


def _draw_rays(axes: Axes, view: Tensor, chances: Tensor) -> None:
    """Draw a view, and from its centre a ray for each move."""
    size, centre = len(view), len(view) // 2
    axes.imshow(
        view_rgb(view, cell_pixels=CELL_PIXELS), extent=(-0.5, size - 0.5, size - 0.5, -0.5)
    )
    for action, chance in zip(ACTIONS, chances.tolist(), strict=True):
        length = REACH * chance / float(np.hypot(action.dx, action.dy))
        axes.plot(
            [centre, centre + length * action.dx], [centre, centre + length * action.dy],
            color="#1A1A1A", linewidth=3, solid_capstyle="round", alpha=0.85,
        )  # fmt: skip
    axes.set(xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5), xticks=[], yticks=[])
