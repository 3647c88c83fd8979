"""The phase diagram and what lies behind it: where a proxy turns harmful, and what harm is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm

from goodharts_lib import fits
from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.config import load_config
from goodharts_lib.experiments import analysis
from goodharts_lib.experiments.analysis import phase_units
from goodharts_lib.experiments.results import Stored, by_condition, metric
from goodharts_lib.plotting.style import Drawn, panels, seeds_and_mean, short
from goodharts_lib.ruin import lifetime

MOST = 1500.0  # per 1,000 steps: beyond it all colours are alike
POINTS = {"+10 / −30 (ours)": 3.0, "+15 / −10": 10 / 15}  # h/g of two sets of prices
BOX = {"boxstyle": "round,pad=0.15", "facecolor": "white", "alpha": 0.8, "linewidth": 0}
PROXY, RANDOM = MODE_COLORS["proxy"], MODE_COLORS["random"]
MORTAL = "#332288"  # `proxy` that could die in training, beside the one that could not


def phase_picture(stored: Stored) -> Drawn:
    """Draw true energy of `proxy` minus that of the random walk, over poison share and h/g.

    The line p* = g / (g + h) is drawn from the prices alone; dots are where the measured gain
    changes sign, with their 95 % intervals.
    """
    figure, (axes,) = panels(1, 4.6)
    columns = analysis.phase_columns(stored)
    place = np.array(
        [np.mean([analysis.meals_share(m) for m in meals]) for meals, _ in columns.values()]
    )
    _map(axes, columns.values(), place)
    said = []
    for harm in analysis.HARMS:
        crossing = fits.zero_crossing(*analysis.phase_line(stored, harm), np.random.default_rng(0))
        if crossing.estimate is None:
            continue
        low = crossing.estimate if crossing.low is None else crossing.low
        high = crossing.estimate if crossing.high is None else crossing.high
        axes.plot([low, high], [harm, harm], color="white", linewidth=4, solid_capstyle="butt")
        axes.plot([low, high], [harm, harm], color="black", linewidth=1.5)
        axes.plot(crossing.estimate, harm, "o", color="black", markersize=5)
        said.append(f"h/g {harm:g}: {crossing.estimate:.2f} against {1 / (1 + harm):.2f}")
    world = load_config().evaluation
    share = world.poison / (world.food + world.poison)
    ours = float(np.interp(share, list(columns), place))
    for name, harm in POINTS.items():
        axes.plot(ours, harm, "*", color="black", markersize=11, markeredgecolor="white")
        axes.annotate(name, (ours, harm), xytext=(10, 0), textcoords="offset points",
                      fontsize="small", va="center", bbox=BOX)  # fmt: skip
    axes.set_yticks(analysis.HARMS, [f"{harm:g}" for harm in analysis.HARMS])
    axes.minorticks_off()
    axes.set_xlabel("poison's share of meals")
    axes.set_ylabel("harm of poison over energy of food, h/g")
    return figure, (
        "A map of true energy gained by the proxy agent over the random walk, over poison's share "
        "of meals and the harm of poison: positive below the line p* = g / (g + h), negative above "
        f"it. Measured change of sign, against the line: {'; '.join(said)}."
    )


def _map(axes: Axes, columns: Iterable[analysis.Column], place: np.ndarray) -> None:
    """Colour the plane by what agents gain over the walk, and draw the line of the prices.

    Args:
        axes: empty.
        columns: scores of agents and walks at each share of poison.
        place: (n_columns,), poison's share of the agents' meals.
    """
    harms = np.geomspace(0.25, 12, 80)
    gain = np.array(
        [analysis.worth(a, harms).mean(1) - analysis.worth(w, harms).mean(1) for a, w in columns]
    )  # (n_columns, n_harms)
    middle = (place[1:] + place[:-1]) / 2
    edges = np.concatenate([[2 * place[0] - middle[0]], middle, [2 * place[-1] - middle[-1]]])
    half = np.sqrt(harms[1] / harms[0])
    mesh = axes.pcolormesh(
        edges, np.append(harms / half, harms[-1] * half), gain.T, cmap="PuOr",
        norm=TwoSlopeNorm(0, -MOST, MOST),
    )  # fmt: skip
    bar = axes.figure.colorbar(mesh, ax=axes, extend="both", pad=0.02)
    bar.set_label("true energy minus random walk's, per 1,000 steps")
    axes.plot(1 / (1 + harms), harms, color="black", linewidth=2)
    axes.annotate(
        "p* = g / (g + h), drawn before any data", (1 / 1.9, 0.9), xytext=(-60, -70),
        textcoords="offset points", fontsize="small", ha="center", bbox=BOX,
        arrowprops={"arrowstyle": "-"},
    )  # fmt: skip
    axes.set_yscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(harms[0], harms[-1])


def field_shares(stored: Stored) -> dict[float, float]:
    """Return, for each share that names a condition, poison's true share of the field's items."""
    shares = {}
    for name, condition in stored["definition"]["conditions"].items():
        if name.startswith("share "):
            told = condition["settings"]["overrides"]
            food, poison = told["evaluation.food"], told["evaluation.poison"]
            shares[float(name.split()[1])] = poison / (food + poison)
    return shares


def columns(stored: Stored, condition: str, path: str) -> dict[float, list[float]]:
    """Return a metric by poison's share of the field's items, one number per seed.

    Args:
        stored: of the phase experiment.
        condition: "share" for the agents, "random at" for the walks.
        path: below ``at.last``, such as ``mortal.rmst``.
    """
    shares = field_shares(stored)
    return {
        shares[name]: [metric(unit, f"at.last.{path}") for unit in units]
        for name, units in phase_units(stored, condition).items()
    }


def diet(stored: Stored, condition: str) -> dict[float, tuple[float, float]]:
    """Return meals per step and poison's share of them, means over seeds, by share of items."""
    food, poison = (columns(stored, condition, f"immortal.{key}") for key in ("food", "poison"))
    eaten = {share: (float(np.mean(food[share])), float(np.mean(poison[share]))) for share in food}
    return {share: ((f + p) / 1000, p / (f + p)) for share, (f, p) in eaten.items()}


def border(stored: Stored, path: str) -> fits.Crossing:
    """Return the share of items at which a score of the agents falls below the random walk's.

    Its interval is over training seeds and over the sets of fields in which the walk was judged.
    """
    ours, walk = columns(stored, "share", path), columns(stored, "random at", path)
    places = [x for x, found in ours.items() for _ in found]
    scores = [value for found in ours.values() for value in found]
    walked = [walk[x] for x in ours]  # ascending
    return fits.zero_crossing(places, scores, np.random.default_rng(0), less=walked)


def appetite(stored: Stored) -> dict[float, list[float]]:
    """Return how many poisons an agent eats for each that it would without a preference.

    By share of items, one number per seed: the odds of poison among meals over those among items.
    """
    food, poison = (columns(stored, "share", f"immortal.{key}") for key in ("food", "poison"))
    return {x: list(np.divide(poison[x], food[x]) * (1 - x) / x) for x in food}


def diet_picture(stored: Stored) -> Drawn:
    """Draw how far poison's share of meals is from its share of items, and how much is eaten."""
    figure, (left, right) = panels(2, 3.2)
    food, poison = (columns(stored, "share", f"immortal.{key}") for key in ("food", "poison"))
    said, counts = [], []
    for place, x in enumerate(food):
        meals = np.add(food[x], poison[x])
        off = seeds_and_mean(left, place, list(100 * (poison[x] / meals - x)), PROXY)
        count = seeds_and_mean(right, place, list(meals), PROXY)
        if off is not None and count is not None:
            said.append(f"{short(off, 1)} at {100 * x:.0f} %")
            counts.append(count.estimate)
    left.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    left.annotate(
        "eats whatever it meets", (1, 0), xytext=(0, 4), ha="right", color="#777777",
        xycoords=("axes fraction", "data"), textcoords="offset points", fontsize="small",
    )  # fmt: skip
    left.set_ylim(min(-3, left.get_ylim()[0]), 1)
    right.set_ylim(0, 250)
    left.set_title("Share of meals less share of items, points", fontsize="small", loc="left")
    right.set_title("Meals per 1,000 steps", fontsize="small", loc="left")
    for axes in (left, right):
        axes.set_xticks(range(len(food)), [f"{100 * x:.0f}" for x in food])
        axes.set_xlabel("poison's share of items, %")
    return figure, (
        "Left: poison's share of the meals of proxy less its share of the items, in percentage "
        f"points, a dot per training seed: {', '.join(said)}. Right: meals per 1,000 steps, "
        f"between {min(counts):.0f} and {max(counts):.0f} at every share."
    )


def borders_picture(stored: Stored) -> Drawn:
    """Draw true energy and survival of `proxy` and random walk over the share of poison.

    Thin black lines are survival by `goodharts_lib.ruin`, from the meals of each alone.
    """
    figure, both = panels(2, 3.8)
    config = load_config()
    titles = ("True energy per 1,000 steps, nobody dies", "Survival in steps, of 500")
    paths = ("immortal.true_energy", "mortal.rmst")
    described = []
    first, second = (border(stored, path).estimate for path in paths)
    for axes, path, title in zip(both, paths, titles, strict=True):
        for name, condition, color in (("proxy", "share", PROXY), ("random", "random at", RANDOM)):
            found = columns(stored, condition, path)
            for x, values in found.items():
                axes.plot([100 * x] * len(values), values, ".", color=color, alpha=0.5, ms=6,
                          markeredgewidth=0)  # fmt: skip
            at, means = 100 * np.array(list(found)), [np.mean(v) for v in found.values()]
            axes.plot(at, means, color=color, linewidth=2 if path in paths[:1] else 0)
            ends = ", ".join(f"{m:,.0f} at {x:.0f} %" for x, m in zip(at, means, strict=True))
            described.append(f"{title}, {name}: {ends}")
            if path == paths[1]:
                game = [lifetime(*eats, config, 500) for eats in diet(stored, condition).values()]
                axes.plot(at, game, color="black", linewidth=0.8)
        if first is not None and second is not None:
            axes.axvspan(100 * second, 100 * first, color="#E69F00", alpha=0.15, linewidth=0)
            axes.annotate("gains more,\nlives less", (50 * (first + second), 0.03), ha="center",
                          xycoords=("data", "axes fraction"), fontsize="small")  # fmt: skip
        axes.set_xlabel("poison's share of items, %")
        axes.set_title(title, fontsize="small", loc="left")
    both[0].axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    _name(both[0], {"proxy": (10, 1500, PROXY), "random": (45, 60, RANDOM)})
    _name(both[1], {"proxy": (32, 140, PROXY), "random": (42, 350, RANDOM)})
    return figure, f"Two charts over poison's share of items. {'; '.join(described)}."


def taught_picture(stored: Stored) -> Drawn:
    """Draw `proxy` that could die in training beside one that could not, and a random walk."""
    figure, both = panels(2, 3.6)
    grouped = by_condition(stored["units"])
    shares = [name.split()[-1] for name in grouped if name.startswith("mortal at")]
    kinds = (("walk", "random at", RANDOM), ("never died", "share", PROXY),
             ("could die", "mortal at", MORTAL))  # fmt: skip
    titles = ("True energy per 1,000 steps, nobody dies", "Survival in steps, of 500")
    paths = ("at.last.immortal.true_energy", "at.last.mortal.rmst")
    described, rows = [], {}
    for axes, path, title in zip(both, paths, titles, strict=True):
        for group, share in enumerate(shares):
            for row, (name, condition, color) in enumerate(kinds):
                place = -(4 * group + row)
                found = [metric(unit, path) for unit in grouped[f"{condition} {share}"]]
                interval = seeds_and_mean(axes, place, found, color, horizontal=True)
                rows[place] = f"{100 * float(share):.0f} % poison · {name}" if row == 0 else name
                if interval is not None:
                    described.append(f"{title}, {name}, {share}: {short(interval)}")
        axes.set_yticks(list(rows), list(rows.values()) if axes is both[0] else [""] * len(rows))
        axes.set_title(title, fontsize="small", loc="left")
    both[0].axvline(0, color="#BBBBBB", linewidth=1, zorder=0)
    return figure, "Three shares of poison among items. " + "; ".join(described) + "."


def _name(axes: Axes, names: Mapping[str, tuple[float, float, str]]) -> None:
    for name, (x, y, color) in names.items():
        axes.annotate(name, (x, y), color=color)
