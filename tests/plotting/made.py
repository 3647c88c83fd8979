"""Made-up results whose numbers are known, in the shape of stored ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodharts_lib.modes import MODES

SEEDS = (1, 2, 3, 4, 5)
SHAKE = (-2.0, -1.0, 0.0, 1.0, 2.0)  # what a seed adds, in hundredths of a score
LAYERS = ("trained", "network_policy", "network_fc", "network_conv_2", "network_conv_0")

Unit = dict[str, Any]


def stored(units: list[Unit]) -> dict[str, Any]:
    return {"units": units}


def scores(food: float, poison: float, shake: float = 0.0) -> dict[str, float]:
    """Of an agent that eats so much per 1,000 steps, at +10, −30 and 0.1 a move."""
    food, poison = food * (1 + shake / 100), poison * (1 + shake / 100)
    energy = 10 * food - 30 * poison - 100
    return {"food": food, "poison": poison, "true_energy": energy,
            "proxy_score": food + 0.9 * poison}  # fmt: skip


def unit(condition: str, index: int, metrics: Mapping[str, Any], **more: Any) -> Unit:
    return {"condition": condition, "seed": SEEDS[index], "metrics": dict(metrics), **more}


def ends(mode: str) -> tuple[float, float]:
    """Food and poison per 1,000 steps that a mode comes to eat."""
    return {"ground_truth": (160, 1), "proxy": (145, 66), "proxy_jammed": (120, 3),
            "proxy_sighted": (144, 66)}[mode]  # fmt: skip


def course(mode: str, part: float, shake: float) -> dict[str, Any]:
    """What an agent is after a part of its training, from 0 to 1."""
    food, poison = (8 + part * (end - 4) for end in ends(mode))
    sees = {"ground_truth": 0.65, "proxy_jammed": 0.45 * part}.get(mode, 0.04)
    return {"immortal": scores(food, poison, shake), "swap": {"tv": sees + shake / 100}}


def two_by_two(steps: tuple[int, ...] = (50_000, 300_000, 1_000_000)) -> dict[str, Any]:
    units = []
    for mode in MODES:
        for index, shake in enumerate(SHAKE):
            at = {str(step): course(mode, step / steps[-1], shake) for step in steps}
            many = [course(mode, part / 10, shake)["immortal"] for part in range(11)]
            curves = {key: [s[key] for s in many] for key in ("proxy_score", "true_energy")}
            curves |= {"total_steps": [steps[-1] * part / 10 for part in range(11)],
                       "kl_to_initial": [part / 5 for part in range(11)]}  # fmt: skip
            cascade = {
                method: {layer: kept**depth for depth, layer in enumerate(LAYERS)}
                for method, kept in (("gradient", 0.0), ("guided_backprop", 0.75))
            }
            units.append(unit(mode, index, {"at": at, "cascade": cascade}, curves=curves))
    for name, (food, poison) in {
        "random": (6, 3), "eat_everything": (150, 72), "food_only": (180, 0)
    }.items():  # fmt: skip
        for index, shake in enumerate(SHAKE):
            units.append(unit(name, index, walk(steps, food, poison, shake)))
    return stored(units)


def walk(steps: tuple[int, ...], food: float, poison: float, shake: float) -> dict[str, Any]:
    return {"at": {str(step): {"immortal": scores(food, poison, shake)} for step in steps}}


def gap() -> dict[str, Any]:
    """Learning takes 10,000 steps over the gap, and no longer than 1.5 M."""
    units = []
    for name, seen in {
        f"gap {g:g}": g for g in (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
    }.items():
        units += [timed(name, index, 10_000 / seen if seen else 2e6) for index in range(5)]
    for g in (0.01, 0.02):
        name = f"gap {g:g} seen as {10 * g:g}"
        units += [timed(name, index, 1_000 / g) for index in range(5)]
    for noise in (0.02, 0.1, 0.2):
        name = f"gap 0.1 noise {noise:g}"
        units += [timed(name, index, 1e5 + 1e7 * noise) for index in range(5)]
    return stored(units)


def timed(name: str, index: int, time: float) -> Unit:
    time *= 1 + SHAKE[index] / 20
    learned = time < 1_500_000
    total = round(time) if learned else 1_500_000
    return unit(name, index, {"learned_at": total if learned else None, "total_steps": total,
                              "at": {"end": {"immortal": scores(100, 5)}}})  # fmt: skip


def phase() -> dict[str, Any]:
    """An agent that eats 200 of everything, poison by its share, and a walk that eats 10."""
    units = []
    for share in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6):
        for index, shake in enumerate(SHAKE):
            for name, meals in ((f"share {share:g}", 200), (f"random at {share:g}", 10)):
                meal = scores(meals * (1 - share), meals * share, shake)
                units.append(unit(name, index, {"at": {"500000": {"immortal": meal}}}))
    return stored(units)


def lures() -> dict[str, Any]:
    units = []
    for lure in (0.0, 0.6, 1.0):
        for index, shake in enumerate(SHAKE):
            meal = scores(150, 75 * lure, shake)
            units.append(unit(f"poison at {lure:g}", index, {"at": {"500000": {"immortal": meal}}}))
    return stored(units)


def replication() -> dict[str, Any]:
    return stored([
        {**one, "condition": f"{key} {one['condition']}"}
        for one in two_by_two((300_000,))["units"]
        for key in ("ours", "sb3")
    ])  # fmt: skip
