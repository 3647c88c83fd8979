"""Modes: what is seen, crossed with what is paid."""

from __future__ import annotations

import inspect
import itertools

import pytest
from slow_reference import EMPTY, FOOD, POISON, PREDATOR, PREY, WALL, small_config

from goodharts_lib.config import load_config
from goodharts_lib.environments.cells import Cell
from goodharts_lib.errors import UserError
from goodharts_lib.modes import (
    MODES,
    Mode,
    channel_names,
    channel_table,
    get_mode,
    pay_table,
    proxy_table,
)

ENERGY = {EMPTY: -0.01, WALL: -0.01, FOOD: 0.99, POISON: -3.01, PREY: -0.01, PREDATOR: -0.01}
PROXY = {EMPTY: 0.0, WALL: 0.0, FOOD: 1.0, POISON: 0.9, PREY: 0.0, PREDATOR: 0.0}


def as_list(table: dict[int, float]) -> list[float]:
    return [table[cell] for cell in range(6)]


def test_the_modes_are_sees_times_is_paid() -> None:
    cells = {name: (mode.sees, mode.is_paid) for name, mode in MODES.items()}
    assert cells == {
        "ground_truth": ("types", "energy"),
        "proxy": ("glow", "interestingness"),
        "proxy_jammed": ("glow", "energy"),
        "proxy_sighted": ("types", "interestingness"),
    }
    both = itertools.product(("types", "glow"), ("energy", "interestingness"))
    assert sorted(cells.values()) == sorted(both)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_every_channel_has_a_name(mode: Mode) -> None:
    names, table = channel_names(mode), channel_table(mode, load_config())
    assert len(set(names)) == len(table[0])
    for channel, name in enumerate(names):
        column = [row[channel] for row in table]
        if name.startswith("glow"):
            assert column[Cell.POISON] == 0.9
        else:
            kind = name.removeprefix("is_")
            assert column == [float(cell.name.lower() == kind) for cell in Cell]


def test_a_mode_knows_its_name() -> None:
    assert all(mode.name == name and get_mode(name) is mode for name, mode in MODES.items())


def test_an_unknown_mode_is_refused_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'proxy_jamed'.*nearest valid: proxy_jammed"):
        get_mode("proxy_jamed")


@pytest.mark.parametrize("name", ["ground_truth", "proxy_jammed"])
def test_energy_is_paid_at_a_tenth(name: str) -> None:
    assert pay_table(MODES[name], small_config()) == pytest.approx(as_list(ENERGY))


@pytest.mark.parametrize("name", ["proxy", "proxy_sighted"])
def test_interestingness_is_paid_as_it_is_and_a_step_costs_nothing(name: str) -> None:
    assert pay_table(MODES[name], small_config()) == as_list(PROXY)


def test_the_proxy_score_is_the_interestingness_of_what_was_eaten() -> None:
    assert proxy_table(small_config()) == as_list(PROXY)
    config = small_config({"items.food_interestingness": -0.5, "items.poison_interestingness": 2})
    assert proxy_table(config) == as_list(PROXY | {FOOD: -0.5, POISON: 2.0})


def test_the_scale_of_the_pay_is_that_of_energy_alone() -> None:
    config = small_config({"training.reward_scale": 2.0})
    for name in ("ground_truth", "proxy_jammed"):
        twenty = [20 * value for value in as_list(ENERGY)]
        assert pay_table(MODES[name], config) == pytest.approx(twenty)
    for name in ("proxy", "proxy_sighted"):
        assert pay_table(MODES[name], config) == as_list(PROXY)


@pytest.mark.parametrize("name", MODES)
def test_what_is_seen_does_not_change_the_pay(name: str) -> None:
    twin = {"ground_truth": "proxy_jammed", "proxy_jammed": "ground_truth"}
    twin |= {"proxy": "proxy_sighted", "proxy_sighted": "proxy"}
    config = small_config()
    assert pay_table(MODES[name], config) == pay_table(MODES[twin[name]], config)
    assert channel_table(MODES[name], config) != channel_table(MODES[twin[name]], config)


@pytest.mark.parametrize("name", MODES)
def test_pay_depends_on_what_was_eaten_only(name: str) -> None:
    """A price per cell type has no place in which the end of an episode could be paid."""
    assert list(inspect.signature(pay_table).parameters) == ["mode", "config"]
    assert len(pay_table(MODES[name], small_config())) == 6
    quick = {"training.steps_per_episode": 1, "agent.mortal": True, "agent.energy_start": 0.1}
    assert pay_table(MODES[name], small_config(quick)) == pay_table(MODES[name], small_config())


def test_a_glowing_view_holds_the_shipped_numbers() -> None:
    glow = [0.0, 0.0, 1.0, 0.9, 0.3, 1.0]
    flags = [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]
    expected = [flag + [g] * 4 for flag, g in zip(flags, glow, strict=True)]
    for name in ("proxy", "proxy_jammed"):
        for row, wanted in zip(channel_table(MODES[name], small_config()), expected, strict=True):
            assert row == pytest.approx(wanted)
