"""Figures of training runs: curves over steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from goodharts_lib.colors import MODE_COLORS
from goodharts_lib.plotting.style import Drawn, label_ends, panels, steps_axis
from goodharts_lib.training.ppo.records import UpdateRecord

Curves = Mapping[str, Sequence[float]]  # total_steps, proxy_score, true_energy of one run

PANELS = (
    ("proxy_score", "Proxy score", "what the proxy agent is paid for"),
    ("true_energy", "True energy", "what we want"),
)


def curves(history: Sequence[UpdateRecord]) -> Curves:
    """Return what `training_curves` draws of one run."""
    keys = ("total_steps", *(key for key, _, _ in PANELS))
    return {key: [getattr(record, key) for record in history] for key in keys}


def training_curves(runs: Mapping[str, Sequence[Curves]], random: Mapping[str, float]) -> Drawn:
    """Draw proxy score and true energy per 1,000 steps over training.

    Args:
        runs: mode to its runs, one per training seed. Each is a thin line; with several of them
            their mean is a thick one.
        random: the random walk's proxy_score and true_energy, drawn as a line.
    """
    figure, both = panels(2, 3.4, sharex=True)
    described = []
    for axes, (key, title, meaning) in zip(both, PANELS, strict=True):
        ends = {"random walk": (random[key], MODE_COLORS["random"])}
        axes.axhline(random[key], color=MODE_COLORS["random"], linestyle="--", linewidth=1.5)
        for mode, seeds in runs.items():
            color, steps = MODE_COLORS[mode], seeds[0]["total_steps"]
            if len(seeds) > 1:
                for seed in seeds:
                    axes.plot(steps, seed[key], color=color, linewidth=0.7, alpha=0.5)
            mean = np.mean([seed[key] for seed in seeds], axis=0)
            axes.plot(steps, mean, color=color, linewidth=2)
            ends[mode] = (float(mean[-1]), color)
            described.append(f"{title} of {mode} goes from {mean[0]:,.0f} to {mean[-1]:,.0f}")
        axes.set_title(f"{title}: {meaning}", fontsize="small", loc="left")
        steps_axis(axes)
        label_ends(axes, ends)
    both[0].set_ylabel("per 1,000 steps")
    alt = (
        "Two line charts over training steps. "
        + "; ".join(described)
        + f". The random walk stays at {random['proxy_score']:,.0f} and "
        + f"{random['true_energy']:,.0f}."
    )
    return figure, alt
