"""Modes: what an agent sees, crossed with what it is paid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from goodharts_lib.config import Config
from goodharts_lib.environments.cells import EDIBLE, Cell, energy_prices, interestingness
from goodharts_lib.errors import one_of


@dataclass(frozen=True)
class Mode:
    """One cell of the design: sees x is paid.

    Attributes:
        sees: ``types``, the one-hot cell types; or ``glow``, is_empty, is_wall and four times the
            interestingness.
        is_paid: ``energy``, what we want; or ``interestingness``, the proxy.
    """

    name: str
    sees: Literal["types", "glow"]
    is_paid: Literal["energy", "interestingness"]


MODES = {  # the four modes by name
    mode.name: mode
    for mode in (
        Mode("ground_truth", sees="types", is_paid="energy"),
        Mode("proxy", sees="glow", is_paid="interestingness"),
        Mode("proxy_jammed", sees="glow", is_paid="energy"),
        Mode("proxy_sighted", sees="types", is_paid="interestingness"),
    )
}


def get_mode(name: str) -> Mode:
    """Return the mode called `name`.

    Raises:
        UserError: there is none; the sentence lists those there are.
    """
    return MODES[one_of("mode", name, MODES)]


def channel_table(mode: Mode, config: Config) -> list[list[float]]:
    """Return the channels of each cell type, (types, channels): the whole of what a mode sees.

    Both encodings have one channel per cell type. In ``glow`` the last four hold the same number.
    `[observation] gap_scale` moves poison away from food in this picture, and nowhere else.
    """
    if mode.sees == "types":
        return [[float(cell == channel) for channel in Cell] for cell in Cell]
    glow = interestingness(config)
    gap = glow[Cell.FOOD] - glow[Cell.POISON]
    glow[Cell.POISON] = glow[Cell.FOOD] - config.observation.gap_scale * gap
    return [
        [float(cell == Cell.EMPTY), float(cell == Cell.WALL)] + [glow[cell]] * (len(Cell) - 2)
        for cell in Cell
    ]


def channel_names(mode: Mode) -> list[str]:
    """Return what each channel of `channel_table` holds; the four of glow hold the same."""
    types = [cell.name.lower() for cell in Cell]
    if mode.sees == "types":
        return types
    return ["is_empty", "is_wall"] + [f"glow {copy + 1}" for copy in range(len(types) - 2)]


def pay_table(mode: Mode, config: Config) -> list[float]:
    """Return the pay of a step that ate each cell type (`Cell.EMPTY`: ate nothing), (types,).

    Energy is paid as its change times `reward_scale`; interestingness is paid as it is.
    """
    if mode.is_paid == "energy":
        scale = config.training.reward_scale / 10  # prices are in tenths
        return [price * scale for price in energy_prices(config)]
    return proxy_table(config)


def proxy_table(config: Config) -> list[float]:
    """Return the proxy score of a step that ate each cell type, (types,)."""
    glow = interestingness(config)
    return [glow[cell] if cell in EDIBLE else 0.0 for cell in Cell]
