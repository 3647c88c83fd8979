"""The panels of the demo. Each function draws one and returns what brings it up to date."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.patches import Rectangle
from matplotlib.widgets import RadioButtons
from numpy.typing import NDArray

from goodharts_lib.behaviors.action_space import ACTIONS
from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.colors import AGENT_COLORS, POISON_COLOR
from goodharts_lib.environments.cells import Cause
from goodharts_lib.environments.render import PALETTE, render_rgb, view_rgb
from goodharts_lib.simulation import Moment, Simulation

CELL_PIXELS = 6  # of the world

GLYPHS = {"s": "■", "^": "▲"}  # how matplotlib's markers are written

Update = Callable[[Moment], None]


def color(kind: str) -> str:
    """Return the colour of a kind; a policy of your own is grey."""
    return AGENT_COLORS.get(kind, AGENT_COLORS["random"])


def marker(simulation: Simulation, kind: str) -> str:
    """Return the marker of a kind: a square if it was trained, a triangle if it is scripted."""
    return "s" if isinstance(simulation.policies[kind], LearnedPolicy) else "^"


def bare(axes: Axes, title: str) -> None:
    """Give axes a title and no ticks."""
    axes.set_title(title, fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def draw_world(axes: Axes, simulation: Simulation, kind: str) -> Update:
    """Draw the world, every agent in its kind's colour, and the window of the one looked at."""
    env, world = simulation.env, simulation.config.world
    extent = (-0.5, world.width - 0.5, world.height - 0.5, -0.5)
    picture = axes.imshow(np.zeros((1, 1, 3)), extent=extent)
    edge = PALETTE.agent
    marks = [
        axes.plot([], [], marker(simulation, name), color=color(name), markeredgecolor=edge,
                  label=name)[0]
        for name in simulation.kinds
    ]  # fmt: skip
    (chosen,) = axes.plot([], [], marker(simulation, kind), color=color(kind), markersize=10,
                          markeredgecolor=edge, markeredgewidth=2)  # fmt: skip
    (window,) = axes.plot([], [], color=edge, linewidth=1.5)
    bare(axes, "")
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.set_xlabel("● food   ◆ poison   ■ trained agents   ▲ scripted agents   "
                    f"framed: what one {kind} sees", fontsize=9)  # fmt: skip

    def update(moment: Moment) -> None:
        places = env.agents().cpu()
        picture.set_data(render_rgb(env.grids()[0], places, cell_pixels=CELL_PIXELS))
        for mark, mine in zip(marks, places.split(simulation.per_kind), strict=True):
            mark.set_data(*mine.numpy().T)
        chosen.set_data(*np.array([moment.place]).T)
        window.set_data(*outline(moment, simulation))

    return update


def outline(moment: Moment, simulation: Simulation) -> NDArray[np.float64]:
    """Return the agent's window as a line, (2, points): on a torus also across the edges."""
    world, reach = simulation.config.world, simulation.config.agent.view_range + 0.5
    corners = np.array([[-1, 1, 1, -1, -1, np.nan], [-1, -1, 1, 1, -1, np.nan]])  # NaN: pen up
    square = reach * corners + np.array(moment.place)[:, None]
    copies = range(-world.loop, world.loop + 1)
    shifts = [(i * world.width, j * world.height) for i in copies for j in copies]
    return np.concatenate([square + np.array(shift)[:, None] for shift in shifts], axis=1)


def draw_around(axes: Axes) -> Update:
    """Draw the cells around the agent."""
    picture = axes.imshow(np.zeros((1, 1, 3)))
    bare(axes, "around it")

    def update(moment: Moment) -> None:
        side = len(moment.view)
        picture.set(data=view_rgb(moment.view, cell_pixels=16), extent=(0, side, side, 0))
        axes.set_xlabel(f"energy {moment.energy:.1f}", fontsize=9)

    return update


def draw_channel(axes: Axes, channel: int, title: str) -> Update:
    """Draw one channel of what enters the network as grey levels, with the numbers."""
    picture = axes.imshow([[0.0]], cmap="Greys", vmin=0, vmax=1.25)
    bare(axes, title)

    def update(moment: Moment) -> None:
        values = moment.require_thought().observation[channel]  # (V, V)
        side = len(values)
        picture.set(data=values, extent=(-0.5, side - 0.5, side - 0.5, -0.5))
        for text in list(axes.texts):
            text.remove()
        for y, x in np.argwhere(values):
            ink = "white" if values[y, x] > 0.5 else "black"
            axes.text(x, y, f"{values[y, x]:.2g}", color=ink, fontsize=6.5, ha="center",
                      va="center_baseline")  # fmt: skip

    return update


def draw_rose(axes: Axes, simulation: Simulation, kind: str) -> Update:
    """Draw the eight moves where they lead, each with its probability; the next one is framed."""
    learned = isinstance(simulation.policies[kind], LearnedPolicy)
    shade = LinearSegmentedColormap.from_list(kind, ["white", color(kind)])
    picture = axes.imshow(np.zeros((3, 3)), cmap=shade, vmin=0, vmax=1)
    bare(axes, "probability of each move" if learned else "")
    axes.set_xlabel("framed: its next move", fontsize=9)
    texts = [
        axes.text(1 + move.dx, 1 + move.dy, move.arrow, fontsize=11, ha="center", va="center")
        for move in ACTIONS
    ]
    frame = Rectangle((0, 0), 1, 1, fill=False, linewidth=2.5)
    axes.add_patch(frame)

    def update(moment: Moment) -> None:
        chosen = ACTIONS[moment.action]
        frame.set_xy((0.5 + chosen.dx, 0.5 + chosen.dy))
        if moment.thought is None:
            return
        grid = np.zeros((3, 3))
        for move, share, text in zip(ACTIONS, moment.thought.probabilities, texts, strict=True):
            grid[1 + move.dy, 1 + move.dx] = share
            text.set_text(f"{move.arrow}\n{share:.0%}")
        picture.set_data(grid)

    return update


def draw_energy(axes: Axes, simulation: Simulation) -> Update:
    """Draw the mean energy of each kind over time, with a label at the end of each line."""
    start = simulation.config.agent.energy_start
    axes.set_title(f"average energy of each kind (who dies starts again at {start:g})", fontsize=9)
    axes.set_xlim(0, simulation.steps)
    axes.axhline(0, color=PALETTE.wall, linewidth=1)
    axes.text(simulation.steps, 0, "0 is death", fontsize=8, ha="right", va="top")
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8)
    lines = [axes.plot([], [], color=color(kind))[0] for kind in simulation.kinds]
    labels = [
        axes.text(1.02, 0, "", color=color(kind), fontsize=8, weight="bold", va="center",
                  transform=axes.get_yaxis_transform())
        for kind in simulation.kinds
    ]  # fmt: skip

    def update(_: Moment) -> None:
        history = simulation.energy[: simulation.now + 1]  # (t + 1, K)
        top = 50 * np.ceil(1.05 * history.max() / 50)
        axes.set_ylim(-0.1 * top, top)
        heights = spread(history[-1], 0.1 * top, top)
        for k, kind in enumerate(simulation.kinds):
            lines[k].set_data(np.arange(len(history)), history[:, k])
            labels[k].set(y=heights[k], text=f"{kind} {history[-1, k]:.0f}")

    return update


def spread(heights: NDArray[np.float64], gap: float, top: float) -> NDArray[np.float64]:
    """Move labels apart, (K,): `gap` or more between any two, in the same order, none above top."""
    order = np.argsort(heights, kind="stable")
    moved = heights.copy()
    for below, above in pairwise(order):
        moved[above] = max(moved[above], moved[below] + gap)
    moved[order[-1]] = min(moved[order[-1]], top)
    for above, below in pairwise(order[::-1]):
        moved[below] = min(moved[below], moved[above] - gap)
    return moved


def draw_deaths(axes: Axes, simulation: Simulation) -> Update:
    """Draw how often agents of each kind died, and of what."""
    kinds = simulation.kinds
    rows = range(len(kinds))
    inks = {Cause.POISONED: POISON_COLOR, Cause.STARVED: PALETTE.wall}
    bars = {cause: axes.barh(rows, 0, color=ink) for cause, ink in inks.items()}
    counts = [axes.text(0, row, "", fontsize=8, va="center_baseline") for row in rows]
    bare(axes, "deaths: poisoned (orange), starved (black)")
    names = [f"{kind} {GLYPHS[marker(simulation, kind)]}" for kind in kinds]
    axes.set_yticks(rows, names, fontsize=8, weight="bold")
    axes.tick_params(length=0)
    for label, kind in zip(axes.get_yticklabels(), kinds, strict=True):
        label.set_color(color(kind))
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.spines[["top", "right", "bottom"]].set_visible(False)

    def update(_: Moment) -> None:
        total = simulation.deaths.sum(axis=1)  # (K,)
        axes.set_xlim(0, 1.25 * max(5, total.max()))
        for row in rows:
            before = 0
            for cause, patches in bars.items():
                width = simulation.deaths[row, cause]
                patches[row].set(x=before, width=width)
                before += width
            counts[row].set(x=total[row], text=f" {total[row]}")

    return update


class HeatMap:
    """Where the agents of one kind have been.

    Args:
        axes: where to draw.
        simulation: what to draw.
        kind: whose way to show at first.
    """

    def __init__(self, axes: Axes, simulation: Simulation, kind: str) -> None:
        self._axes, self._simulation = axes, simulation
        self._picture = axes.imshow(simulation.visits[0])
        self.show(kind)

    def show(self, kind: str) -> None:
        """Show another kind."""
        self.kind = kind
        shade = LinearSegmentedColormap.from_list(kind, [PALETTE.empty, color(kind), "black"])
        self._picture.set_cmap(shade)
        bare(self._axes, f"visits of {kind}")
        self.update()

    def update(self, _: Moment | None = None) -> None:
        """Show the visits so far."""
        visits = self._simulation.visits[self._simulation.kinds.index(self.kind)]
        most = visits.max()
        self._picture.set(data=visits, norm=PowerNorm(0.5, 0, max(4, most)))
        self._axes.set_xlabel(f"at most {most} in one cell", fontsize=9)

    def offer(self, axes: Axes) -> None:
        """Put a button for each kind into other axes."""
        kinds = self._simulation.kinds
        axes.axis("off")
        self.buttons = RadioButtons(
            axes, kinds, active=kinds.index(self.kind), activecolor=PALETTE.agent,
            label_props={"color": [color(kind) for kind in kinds], "fontsize": [8] * len(kinds)},
        )  # fmt: skip
        self.buttons.on_clicked(lambda label: self.show(str(label)))
