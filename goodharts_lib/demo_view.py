"""The demo's figure: built once, then every panel moves what has changed."""

from __future__ import annotations

import io
import textwrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from goodharts_lib.behaviors.learned import LearnedPolicy
from goodharts_lib.behaviors.scripted import SCRIPTED
from goodharts_lib.demo_brain import draw_channels, draw_layer, draw_logits
from goodharts_lib.demo_panels import (
    HeatMap,
    Update,
    bare,
    draw_around,
    draw_channel,
    draw_deaths,
    draw_energy,
    draw_rose,
    draw_world,
)
from goodharts_lib.environments.cells import EDIBLE, Cause, Cell
from goodharts_lib.modes import channel_names
from goodharts_lib.plotting import as_png
from goodharts_lib.simulation import Simulation
from goodharts_lib.training.progress import Countdown

FIGSIZE = (15.0, 8.2)  # inches
GIF_DPI = 80  # 1,200 x 656 pixels
MAX_FRAMES = 250  # a longer GIF skips steps evenly: a few megabytes, whatever its length


class DemoView:
    """The demo's figure.

    Args:
        figure: an empty one, of `FIGSIZE`.
        simulation: what to draw.
        kind: whose first agent to look at.
        brain: show what goes through its network instead of what became of all kinds.
        buttons: offer a choice of kind beside the heat map.

    Raises:
        ValueError: a scripted agent has no brain.
    """

    def __init__(
        self, figure: Figure, simulation: Simulation, kind: str, *, brain: bool, buttons: bool
    ) -> None:
        self._figure, self._simulation, self._kind = figure, simulation, kind
        self._header = figure.text(0.02, 0.955, "", fontsize=12, weight="bold")
        figure.text(0.49, 0.955, self._heading(), fontsize=12, weight="bold")
        self._world = self._axes(0.3, 0.75, 6.7)
        self.panels: list[Update] = [draw_world(self._world, simulation, kind)]
        self.panels.append(draw_around(self._axes(7.4, 5.6, 1.75)))
        self.panels.append(draw_rose(self._axes(13.1, 5.6, 1.75), simulation, kind))
        if brain:
            self._show_brain()
        else:
            self._show_kinds(buttons)
        self.update()

    def update(self) -> None:
        """Draw the present moment."""
        now, moment = self._simulation, self._simulation.look(self._kind)
        for panel in self.panels:
            panel(moment)
        grid = now.env.grids()[0]
        food, poison = (int((grid == cell).sum()) for cell in (Cell.FOOD, Cell.POISON))
        self._header.set_text(
            f"step {now.now} of {now.steps}    {food} food    {poison} poison    seed {now.seed}"
        )

    def describe(self) -> str:
        """Return the alt text of the present picture."""
        now = self._simulation
        told = (
            f"{kind} {energy:.0f} and {deaths.sum()} ({deaths[Cause.POISONED]} by poison)"
            for kind, energy, deaths in zip(now.kinds, now.energy[now.now], now.deaths, strict=True)
        )
        return (
            f"One shared world after {now.now} steps, and what one {self._kind} agent sees and is "
            f"about to do. Average energy and deaths so far: {'; '.join(told)}."
        )

    def _axes(self, left: float, bottom: float, width: float, height: float | None = None) -> Axes:
        """Return axes at a place in inches, square unless a height is given."""
        across, up = FIGSIZE
        return self._figure.add_axes(
            (left / across, bottom / up, width / across, (height or width) / up)
        )

    def _heading(self) -> str:
        """Say in a line who is looked at."""
        kind, policy = self._kind, self._simulation.policies[self._kind]
        if not isinstance(policy, LearnedPolicy):
            return f"one {kind} agent: follows a rule"
        sees = {"types": "cell types", "glow": "interestingness"}[policy.mode.sees]
        paid = f", is paid {policy.mode.is_paid}" * (kind == policy.mode.name)
        return f"one {kind} agent: sees {sees}{paid}"

    def _show_kinds(self, buttons: bool) -> None:
        """Draw the channels that tell food from poison, or do not, and what became of all kinds."""
        now, kind = self._simulation, self._kind
        policy = now.policies[kind]
        if isinstance(policy, LearnedPolicy):
            names = channel_names(policy.mode)
            for i, channel in enumerate(EDIBLE):
                axes = self._axes(9.3 + 1.9 * i, 5.6, 1.75)
                title = f"its input {int(channel)}: {names[channel]}"
                self.panels.append(draw_channel(axes, channel, title))
        elif kind in SCRIPTED:
            rule = (SCRIPTED[kind].__doc__ or "").splitlines()[0]
            axes = self._axes(9.3, 5.6, 3.65, 1.75)
            axes.text(0.5, 0.5, textwrap.fill(rule, 42), fontsize=10, ha="center", va="center")
            bare(axes, "its rule")
        self.panels.append(draw_energy(self._axes(7.8, 3.35, 5.4, 1.65), now))
        width = 2.0 if buttons else 3.1  # without buttons there is more room
        self.panels.append(draw_deaths(self._axes(8.9, 0.75, width, 1.95), now))
        self.heat = HeatMap(self._axes(9.3 + width, 0.75, 1.95), now, kind)
        self.panels.append(self.heat.update)
        if buttons:
            self.heat.offer(self._axes(13.3, 0.65, 1.6, 2.15))

    def _show_brain(self) -> None:
        """Draw all that goes through the network, from top to bottom."""
        policy = self._simulation.policies[self._kind]
        if not isinstance(policy, LearnedPolicy):
            raise ValueError(f"'{self._kind}' is scripted and has no brain.")
        channels = draw_channels(self._axes(9.3, 5.6, 3.65, 1.75), channel_names(policy.mode))
        self.panels.append(channels)
        layers = self._simulation.look(self._kind).require_thought().layers
        for i in range(len(layers)):
            axes = self._axes(7.4, 4.4 - 2.5 * i / (len(layers) - 1), 7.45, 0.43)
            self.panels.append(draw_layer(axes, i))
        self.panels.append(draw_logits(self._axes(7.8, 0.75, 7.05, 0.65), self._kind))
        self._world.legend(loc="upper left", bbox_to_anchor=(0, -0.03), ncols=5, fontsize=8,
                           frameon=False, borderaxespad=0)  # fmt: skip


def save_png(simulation: Simulation, kind: str, *, brain: bool) -> tuple[bytes, str]:
    """Run a simulation to its end; return a PNG of the last step and its alt text."""
    count = Countdown(simulation.steps)
    for _ in range(simulation.steps):
        simulation.step()
        count()
    figure = Figure(FIGSIZE)
    alt = DemoView(figure, simulation, kind, brain=brain, buttons=False).describe()
    return as_png(figure, dpi=120, metadata={"Description": alt}), alt


def save_gif(
    simulation: Simulation, kind: str, *, brain: bool, speed: float
) -> tuple[bytes, str]:
    """Run a simulation to its end; return it as a GIF, and the alt text of the last frame.

    Args:
        simulation: at its start.
        kind: whose first agent to look at.
        brain: see `DemoView`.
        speed: steps per second.
    """
    figure = Figure(FIGSIZE, dpi=GIF_DPI)
    canvas = FigureCanvasAgg(figure)
    view = DemoView(figure, simulation, kind, brain=brain, buttons=False)
    stride = -(-simulation.steps // MAX_FRAMES)
    frames: list[Image.Image] = []
    count = Countdown(simulation.steps)
    for step in range(1, simulation.steps + 1):
        simulation.step()
        count()
        if step % stride == 0 or step == simulation.steps:
            view.update()
            canvas.draw()  # type: ignore[no-untyped-call]
            pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
            picture = Image.fromarray(pixels[..., :3])
            # One palette and no dithering: what stands still costs no bytes.
            frames.append(picture.quantize(palette=frames[0], dither=Image.Dither.NONE)
                          if frames else picture.quantize())  # fmt: skip
    alt, buffer = view.describe(), io.BytesIO()
    frames[0].save(
        buffer, format="gif", save_all=True, append_images=frames[1:], loop=0,
        duration=1000 * stride / speed, comment=alt.encode(),
    )  # fmt: skip
    return buffer.getvalue(), alt
