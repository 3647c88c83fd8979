"""Figures of the four faces of Goodhart's law: what pressure on a proxy does to the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from goodharts_lib.colors import QUANTITY_COLORS
from goodharts_lib.plotting.style import Drawn, label_ends, panels

FloatArray = NDArray[np.float64]
Face = Callable[[float], tuple[FloatArray, FloatArray]]  # from pressure to proxy and truth, (n,)

PROXY, TRUTH = QUANTITY_COLORS["proxy"], QUANTITY_COLORS["truth"]
ALL, CHOSEN = "#777777", "#0072B2"
DOTS = 1_000  # more of them hide each other
SHADES = ("#6A7787", "#3E4854", "#0B0E11")  # of one hue: sizes of the noise, rising
CLOUD = ((-4.5, 10.0), (-5.5, 5.0))  # the same axes for every face, so that they can be compared
MEANS = (-1.4, 5.4)


def choice_picture(proxy: FloatArray, truth: FloatArray, count: int) -> Drawn:
    """Draw a cloud, the `count` highest by proxy and the `count` highest by truth.

    Args:
        proxy: what is measured, (n,).
        truth: what is wanted, (n,).
        count: how many are chosen.
    """
    figure, (axes,) = panels(1, 3.6)
    by_proxy, by_truth = (np.argsort(-values)[:count] for values in (proxy, truth))
    axes.scatter(proxy, truth, s=8, color=ALL, alpha=0.5, linewidths=0)
    axes.scatter(proxy[by_proxy], truth[by_proxy], s=36, color=CHOSEN, linewidths=0)
    axes.scatter(
        proxy[by_truth], truth[by_truth], s=90, facecolors="none", edgecolors=TRUTH, linewidths=1.8
    )
    for height, (color, name) in enumerate(
        ((TRUTH, f"ring: the {count} ablest"), (CHOSEN, f"blue: the {count} chosen"))
    ):
        axes.text(0.02, 0.95 - 0.09 * height, name, color=color, transform=axes.transAxes, va="top")
    axes.set_xlabel("proxy")
    axes.set_ylabel("truth")
    both = len(set(by_proxy) & set(by_truth))
    return figure, (
        f"A cloud of {len(proxy):,} dots, truth against proxy, rising to the right. Of the {count} "
        f"dots with the highest proxy {both} are among the {count} with the highest truth."
    )


def face_picture(
    face: Face, pressures: Sequence[float], pressure: str, names: tuple[str, str]
) -> Drawn:
    """Draw what growing pressure on a proxy does, on the same axes for every face.

    Args:
        face: from a pressure to the proxy and the truth of those who count under it.
        pressures: where to look, rising. A range of more than a hundredfold is drawn as "one in
            so many", on a logarithmic axis.
        pressure: what the pressure is, for the axis.
        names: of the dots at the least and at the greatest pressure.
    """
    figure, (left, right) = panels(2, 3.1)
    found = [face(pressure) for pressure in pressures]
    for (proxy, truth), color, name, height in zip(
        (found[0], found[-1]), (ALL, CHOSEN), names, (0.98, 0.89), strict=True
    ):
        some = slice(None, None, max(1, len(proxy) // DOTS))
        left.scatter(proxy[some], truth[some], s=7, color=color, alpha=0.5, linewidths=0)
        left.text(0.02, height, name, color=color, transform=left.transAxes, va="top")
    left.set(xlim=CLOUD[0], ylim=CLOUD[1], xlabel="proxy", ylabel="truth")
    means = np.array([(proxy.mean(), truth.mean()) for proxy, truth in found])  # (n, 2)
    for line, color in zip(means.T, (PROXY, TRUTH), strict=True):
        right.plot(pressures, line, color=color, linewidth=2, marker=".")
    right.axhline(0, color="#BBBBBB", linewidth=1, zorder=0)
    right.set(ylim=MEANS, xlabel=pressure, ylabel="mean")
    if pressures[-1] > 100 * pressures[0] > 0:
        _one_in(right)
    label_ends(right, {"proxy": (means[-1, 0], PROXY), "truth": (means[-1, 1], TRUTH)})
    (first_proxy, first_truth), (last_proxy, last_truth), (_, top) = (
        np.round((means[0], means[-1], means.max(axis=0)), 1) + 0.0  # no "-0.0"
    )
    return figure, (
        f"Left, dots of truth against proxy: {names[0]} in grey, {names[1]} in blue. Right, means "
        f"over pressure ({pressure}): the proxy goes from {first_proxy:.1f} to {last_proxy:.1f}, "
        f"the truth from {first_truth:.1f} to {last_truth:.1f}, at most {top:.1f}."
    )


def tails_picture(
    found: Mapping[tuple[str, float], Sequence[Sequence[float]]], one_in: Sequence[int]
) -> Drawn:
    """Draw how good the chosen are over how few are chosen, a panel for each tail of the noise.

    Args:
        found: tail and standard deviation of the noise to rounds, each the mean truth of the
            chosen for every entry of `one_in`.
        one_in: one in how many is chosen, rising.
    """
    tails = list(dict.fromkeys(tail for tail, _ in found))
    figure, every = panels(len(tails), 3.1)
    top = max(max(max(line) for line in rounds) for rounds in found.values())
    described = []
    for axes, tail in zip(every, tails, strict=True):
        ends, said = {}, []
        shades = iter(SHADES)
        for (name, sd), rounds in found.items():
            if name != tail:
                continue
            color = next(shades)
            axes.plot(one_in, np.transpose(rounds), color=color, linewidth=0.6, alpha=0.6)
            mean = np.mean(rounds, axis=0)
            axes.plot(one_in, mean, color=color, linewidth=2)
            ends[f"{sd:g}"] = (float(mean[-1]), color)
            said.append(f"noise {sd:g} at most {mean.max():.1f}, in the end {mean[-1]:.1f}")
        axes.set(ylim=(-0.1, 1.05 * top), xlabel="chosen: one in")
        axes.set_title(tail, fontsize="medium", loc="left")
        _one_in(axes)
        if axes is not every[0]:
            axes.set_yticklabels([])
        label_ends(axes, ends)
        described.append(f"{tail}: {', '.join(said)}")
    every[0].set_ylabel("mean truth of the chosen")
    return figure, (
        f"Panels for tails of the noise; lines over how few are chosen, down to one in "
        f"{one_in[-1]:,}: the mean truth of the chosen. {'; '.join(described)}."
    )


def _one_in(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:,.0f}")
    axes.minorticks_off()
