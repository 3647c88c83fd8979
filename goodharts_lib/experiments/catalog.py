"""The experiments of the book: what each asks, its grid, its training seeds, and its results.

Seeds 0 to 4 and 100 to 104 made the pilot figures that were seen before the predictions were
written down; none of them is used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from goodharts_lib.behaviors.scripted import SCRIPTED
from goodharts_lib.config import load_config
from goodharts_lib.errors import UserError
from goodharts_lib.experiments import cloning, results
from goodharts_lib.experiments.analysis import EARLY, LATE
from goodharts_lib.experiments.engine import Condition, Experiment
from goodharts_lib.experiments.measures import agent_unit, background
from goodharts_lib.modes import MODES

FIVE = tuple(range(200, 205))
TEN = tuple(range(200, 210))

MOMENTS = (50_000, 100_000, 200_000, EARLY, 500_000, 700_000, LATE)

GAPS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
NOISES = (0.02, 0.05, 0.1, 0.2)
SHARES = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6)  # poison among all items
MORTAL_SHARES = (0.1, 0.2, 0.3)  # around the critical share of the shipped prices, 0.25
LURES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2)  # interestingness of poison

_experiment = partial(Experiment, measure=agent_unit, background=background)


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
    check: str | None = None,
    **changed: Any,
) -> tuple[Condition, ...]:
    """One condition per mode, judged at the given steps and trained to the last of them."""
    told = {check: True} if check else {}
    return tuple(
        Condition(
            mode,
            {"overrides": _overrides(mode, judge[-1], **changed), "judge": list(judge), **told},
            seeds[mode],
        )
        for mode in MODES
    )


def _walks(
    seeds: tuple[int, ...],
    judge: tuple[int | str, ...],
    *names: str,
    suffix: str = "",
    **overrides: Any,
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
        "judge": ["end"],
        "stop_when_learned": True,
        "curve_every": 3,
    }


def _counts(share: float, items: int) -> dict[str, Any]:
    """Item counts with a share of poison among so many, in training and in evaluation."""
    poison = round(share * items)
    food = items - poison
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
    return _experiment(
        name="replication",
        question="Do two independent implementations of PPO tell the same story?",
        primary=f"at.{EARLY}.immortal.true_energy",
        conditions=tuple(conditions),
        needs=(("stable_baselines3", "bench"), ("gymnasium", "gym")),
    )


def _two_by_two() -> Experiment:
    return _experiment(
        name="two_by_two",
        question="Is it what the agent sees, or what it is paid?",
        primary=f"at.{LATE}.immortal.true_energy",
        conditions=_modes(dict.fromkeys(MODES, TEN), MOMENTS, check="cascade")
        + _walks(TEN, (EARLY, LATE), *SCRIPTED),
        needs=(("captum", "experiments"),),
    )


def _two_by_two_base() -> Experiment:
    return _experiment(
        name="two_by_two_base",
        question="Does the default network agree with the small one on the four cells?",
        primary=f"at.{EARLY}.immortal.true_energy",
        conditions=_modes(
            dict.fromkeys(MODES, FIVE), (100_000, EARLY), check="verify", network="base_cnn"
        ),
        cut="Planned to 1 M steps; done to 300,000 for time.",
    )


def _mortality() -> Experiment:
    judge = (100_000, EARLY, 600_000, LATE, 1_500_000, 2_000_000)
    seeds = dict.fromkeys(MODES, FIVE) | {"proxy": TEN}
    return _experiment(
        name="mortality",
        question="What does death teach?",
        primary="at.last.immortal.true_energy",
        conditions=_modes(seeds, judge, agent__mortal=True) + _walks(TEN, judge[-1:], "random"),
    )


def _gaps() -> Experiment:
    plain = [Condition(f"gap {gap:g}", _gap(gap), FIVE) for gap in GAPS]
    larger = [
        Condition(f"gap {gap:g} seen as {10 * gap:g}", _gap(gap, scale=10.0), FIVE[:2])
        for gap in (0.01, 0.02)
    ]
    noisy = [
        Condition(f"gap 0.1 noise {noise:g}", _gap(0.1, noise=noise), FIVE) for noise in NOISES
    ]
    walks = _walks(FIVE, ("end",), "random", "eat_everything")
    return _experiment(
        name="gap",
        question="How long does it take to learn a difference that is hard to see?",
        primary="at.end.immortal.poison",
        conditions=(*plain, *larger, *noisy, *walks),
        cut="Planned with a fifth level of noise, 0.01, left out for time; and with five seeds "
        "where the gap is seen ten times as large: two are enough, since each learns at the very "
        "step of the agent whose gap is that large.",
    )


def _phase() -> Experiment:
    # Not the end of learning: from here to 1 M steps `proxy` still loses some 60 of true energy.
    steps, world = EARLY, load_config().evaluation
    items = world.food + world.poison  # as many as the mean of the training range
    conditions: list[Condition] = []
    for share in SHARES:
        counts = _counts(share, items)
        overrides = _overrides("proxy", steps, **counts)
        settings = {"overrides": overrides, "judge": [steps], "curve_every": 4}
        conditions.append(Condition(f"share {share:g}", settings, FIVE))
        conditions += _walks(FIVE, (steps,), "random", suffix=f" at {share:g}", **counts)
    for share in MORTAL_SHARES:
        overrides = _overrides("proxy", LATE, agent__mortal=True, **_counts(share, items))
        settings = {"overrides": overrides, "judge": [LATE], "curve_every": 12}
        conditions.append(Condition(f"mortal at {share:g}", settings, FIVE))
    return _experiment(
        name="phase",
        question="When does a good-enough proxy turn harmful?",
        primary="at.last.immortal.true_energy",  # mortal agents train for longer
        conditions=tuple(conditions),
        cut="Planned to 500,000 steps; done to 300,000 for time, and to 1 M for the agents that "
        "die, because death teaches late.",
    )


def _lures() -> Experiment:
    steps = 500_000
    conditions = []
    for lure in LURES:
        overrides = _overrides(
            "proxy", steps, items__poison_interestingness=lure, runtime__precision="float32"
        )
        settings = {"overrides": overrides, "judge": [steps], "curve_every": 6}
        conditions.append(Condition(f"poison at {lure:g}", settings, FIVE))
    return _experiment(
        name="interestingness",
        question="How right must a proxy be?",
        primary=f"at.{steps}.immortal.true_energy",
        conditions=tuple(conditions),
    )


def _cloning() -> Experiment:
    return _experiment(
        name="cloning",
        question="Does copying an expert well mean living well?",
        primary="at.end.immortal.true_energy",
        conditions=cloning.conditions(FIVE),
    )


def _shaping_off() -> Experiment:
    seeds = dict.fromkeys(MODES, FIVE)
    return _experiment(
        name="shaping_off",
        question="Do the conclusions rest on the shaping of the reward?",
        primary=f"at.{LATE}.immortal.true_energy",
        conditions=_modes(seeds, (EARLY, LATE), training__shaping=False),
    )


EXPERIMENTS: Mapping[str, Experiment] = {  # by name, in the order of the book
    experiment.name: experiment
    for experiment in (
        _replication(), _two_by_two(), _two_by_two_base(), _mortality(), _gaps(), _phase(),
        _cloning(), _lures(), _shaping_off(),
    )
}  # fmt: skip


def load_results(name: str, directory: str | Path | None = None) -> dict[str, Any]:
    """Load the results of an experiment.

    Args:
        name: of the experiment.
        directory: where they lie; by default inside the package, those of the book.

    Returns:
        ``definition``, ``definition_hash``, ``units`` (each with ``condition``, ``seed``,
        ``metrics`` and perhaps ``curves``) and ``manifest``.

    Raises:
        UserError: there are none, the file is damaged, or the experiment's definition has changed
            since they were made.
    """
    stored = results.read(name, Path(directory) if directory is not None else results.shipped())
    if is_stale(stored):
        raise UserError(
            f"the results of '{name}' are stale: its definition has changed since they were made."
        )
    return stored


def is_stale(stored: Mapping[str, Any]) -> bool:
    """Whether the experiment that made these results is no longer defined as it was then."""
    experiment = EXPERIMENTS.get(stored["definition"].get("name"))
    if experiment is None:
        return True
    return stored["definition_hash"] != results.hashed(experiment.definition())
