"""The experiments of the book: what each asks, its grid, its training seeds.

Seeds 0 to 4 and 100 to 104 made the pilot figures that were seen before the predictions were
written down; none of them is used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from goodharts_lib.behaviors.scripted import SCRIPTED
from goodharts_lib.experiments.engine import Condition, Experiment
from goodharts_lib.experiments.measures import agent_unit
from goodharts_lib.modes import MODES

FIVE = tuple(range(200, 205))
TEN = tuple(range(200, 210))

EARLY, LATE = 300_000, 1_000_000  # training steps at which the headline is judged
MOMENTS = (50_000, 100_000, 200_000, EARLY, 500_000, 700_000, LATE)

GAPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
NOISES = (0.01, 0.02, 0.05, 0.1, 0.2)
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)  # poison among all items
ITEMS = 185  # the mean of the training range: 125 food and 60 poison
LURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)  # interestingness of poison


def _overrides(mode: str, steps: int, network: str = "small_cnn", **more: Any) -> dict[str, Any]:
    changed = {key.replace("__", "."): value for key, value in more.items()}
    return {
        "training.mode": mode,
        "training.network": network,
        "training.timesteps": steps,
        **changed,
    }


def _modes(
    seeds: Mapping[str, tuple[int, ...]],
    judge: tuple[int, ...],
    *,
    cascade: bool = False,
    **changed: Any,
) -> tuple[Condition, ...]:
    """One condition per mode, judged at the given steps and trained to the last of them."""
    told = {"cascade": True} if cascade else {}
    return tuple(
        Condition(
            mode,
            {"overrides": _overrides(mode, judge[-1], **changed), "judge": list(judge), **told},
            seeds[mode],
        )
        for mode in MODES
    )


def _walks(
    seeds: tuple[int, ...], judge: tuple[int, ...], *names: str, suffix: str = "", **overrides: Any
) -> tuple[Condition, ...]:
    """One condition per scripted agent, for what can be earned without learning."""
    changed = {key.replace("__", "."): value for key, value in overrides.items()}
    return tuple(
        Condition(
            name + suffix, {"overrides": changed, "scripted": name, "judge": list(judge)}, seeds
        )
        for name in names
    )


def _gap(gap: float, scale: float = 1.0, noise: float = 0.0) -> dict[str, Any]:
    """`proxy_jammed` until it tells food from poison, in full precision: the gap may be small."""
    return {
        "overrides": _overrides(
            "proxy_jammed",
            1_500_000,
            items__poison_interestingness=round(1.0 - gap, 4),
            observation__gap_scale=scale,
            observation__noise_std=noise,
            runtime__precision="float32",
        ),
        "stop_when_learned": True,
        "curve_every": 3,
    }


def _counts(share: float) -> dict[str, Any]:
    """Item counts with a share of poison, in training and in evaluation."""
    poison = round(share * ITEMS)
    food = ITEMS - poison
    return {
        "training__min_food": food,
        "training__max_food": food,
        "training__min_poison": poison,
        "training__max_poison": poison,
        "evaluation__food": food,
        "evaluation__poison": poison,
    }


def _replication() -> Experiment:
    """Both implementations on the same three seeds; too few for a claim, enough for a defect."""
    conditions = []
    for mode in MODES:
        settings = {"overrides": _overrides(mode, EARLY), "judge": [EARLY]}
        conditions.append(Condition(f"ours {mode}", settings, FIVE[:3]))
        conditions.append(Condition(f"sb3 {mode}", settings | {"peer": True}, FIVE[:3]))
    return Experiment(
        name="replication",
        question="Do two independent implementations of PPO tell the same story?",
        primary=f"at.{EARLY}.immortal.true_energy",
        conditions=tuple(conditions),
        measure=agent_unit,
    )


def _shipped() -> tuple[Experiment, ...]:
    ten, five = dict.fromkeys(MODES, TEN), dict.fromkeys(MODES, FIVE)
    two_by_two = Experiment(
        name="two_by_two",
        question="Is it what the agent sees, or what it is paid?",
        primary=f"at.{LATE}.immortal.true_energy",
        conditions=_modes(ten, MOMENTS, cascade=True) + _walks(TEN, (EARLY, LATE), *SCRIPTED),
        measure=agent_unit,
    )
    two_by_two_base = Experiment(
        name="two_by_two_base",
        question="Does the default network agree with the small one on the four cells?",
        primary=f"at.{EARLY}.immortal.true_energy",
        conditions=_modes(five, (100_000, EARLY), network="base_cnn"),
        measure=agent_unit,
    )
    mortality = Experiment(
        name="mortality",
        question="What does death teach?",
        primary="at.2000000.immortal.true_energy",
        conditions=_modes(
            five | {"proxy": TEN}, (100_000, EARLY, 600_000, LATE, 1_500_000, 2_000_000),
            agent__mortal=True,
        ) + _walks(TEN, (2_000_000,), "random"),
        measure=agent_unit,
    )  # fmt: skip
    gap = Experiment(
        name="gap",
        question="How long does it take to learn a difference that is hard to see?",
        primary="total_steps",
        conditions=(
            *(Condition(f"gap {gap:g}", _gap(gap), FIVE) for gap in GAPS),
            *(Condition(f"gap {gap:g} seen as {10 * gap:g}", _gap(gap, scale=10.0), FIVE)
              for gap in (0.01, 0.02)),
            *(Condition(f"gap 0.1 noise {noise:g}", _gap(0.1, noise=noise), FIVE)
              for noise in NOISES),
        ),
        measure=agent_unit,
    )  # fmt: skip
    phase = Experiment(
        name="phase",
        question="When does a good-enough proxy turn harmful?",
        primary="at.500000.immortal.true_energy",
        conditions=tuple(
            Condition(
                f"share {share:g}",
                {
                    "overrides": _overrides("proxy", 500_000, **_counts(share)),
                    "judge": [500_000],
                    "curve_every": 6,
                },
                FIVE,
            )
            for share in SHARES
        )
        + tuple(
            walk
            for share in SHARES
            for walk in _walks(
                FIVE, (500_000,), "random", suffix=f" at {share:g}", **_counts(share)
            )
        ),
        measure=agent_unit,
    )
    lures = Experiment(
        name="interestingness",
        question="How right must a proxy be?",
        primary="at.500000.immortal.true_energy",
        conditions=tuple(
            Condition(
                f"poison at {lure:g}",
                {
                    "overrides": _overrides(
                        "proxy", 500_000, items__poison_interestingness=lure,
                        runtime__precision="float32",
                    ),
                    "judge": [500_000],
                    "curve_every": 6,
                },
                FIVE,
            )
            for lure in LURES
        ),
        measure=agent_unit,
    )  # fmt: skip
    shaping = Experiment(
        name="shaping_off",
        question="Do the conclusions rest on the shaping of the reward?",
        primary=f"at.{LATE}.immortal.true_energy",
        conditions=_modes(five, (EARLY, LATE), training__shaping=False),
        measure=agent_unit,
    )
    return _replication(), two_by_two, two_by_two_base, mortality, gap, phase, lures, shaping


EXPERIMENTS: Mapping[str, Experiment] = {experiment.name: experiment for experiment in _shipped()}
